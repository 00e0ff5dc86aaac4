"""`curate decisions export` and `curate decisions import`."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate decisions export runs/data                       every decision, one JSON object a line
  curate decisions export runs/data -o decisions.jsonl
  curate decisions import runs/data decisions.jsonl       those of a colleague, added to yours
"""


@click.group(epilog=EPILOG)
def decisions() -> None:
    """Take the decisions of a review out of a run, or into it."""


@decisions.command("export", epilog=EPILOG)
@click.argument("run")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write them to this file.")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def export(run: str, output: str | None, force: bool) -> int:
    """Write the whole log of decisions, undone ones included, as JSON lines."""
    from curate.errors import CurateError
    from curate.io.write import atomic_write
    from curate.review.decisions import Decisions, dumped
    from curate.run import Run

    log = Decisions(Run.open(Path(run))).log()
    if output is None:
        for entry in log:
            click.echo(dumped(entry), nl=False)
        return 0
    if Path(output).exists() and not force:
        raise CurateError(f"{output}: exists; replace it with --force, or name another file with -o")
    with atomic_write(Path(output), mode=0o600) as file:
        file.writelines(dumped(entry) for entry in log)
    click.echo(f"{output}: {len(log):,} decisions", err=True)
    return 0


@decisions.command("import", epilog=EPILOG)
@click.argument("run")
@click.argument("file")
def import_(run: str, file: str) -> int:
    """Add the decisions of FILE to those of RUN, in their order; those that RUN has already are left out."""
    from curate.review.decisions import Decisions, read_log
    from curate.run import Run

    entries = read_log(Path(file))
    added = Decisions(Run.open(Path(run))).add_log(entries)
    click.echo(f"{file}: {added:,} of {len(entries):,} decisions added, {len(entries) - added:,} were there already")
    return 0
