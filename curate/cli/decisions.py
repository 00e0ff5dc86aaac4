"""`curate decisions export` and `curate decisions import`."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate decisions export runs/data                       every decision, one JSON object a line
  curate decisions export runs/data -o decisions.jsonl
  curate decisions import runs/data decisions.jsonl       those of a colleague, added to yours
  curate decisions conflicts runs/data                    where reviewers disagree
"""


@click.group(epilog=EPILOG)
def decisions() -> None:
    """Take the decisions of a review out of a run, or into it, and see where reviewers disagree."""


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
    from curate.cli.chain import say_conflicts
    from curate.review.decisions import Decisions, read_log
    from curate.run import Run

    entries = read_log(Path(file))
    added = Decisions(Run.open(Path(run))).add_log(entries)
    click.echo(f"{file}: {added:,} of {len(entries):,} decisions added, {len(entries) - added:,} were there already")
    say_conflicts(Run.open(Path(run)))
    return 0


@decisions.command("conflicts", epilog=EPILOG)
@click.argument("run")
def conflicts(run: str) -> int:
    """List the rows on which reviewers disagree, with the last word of each; the newest holds.

    A conflict is settled when they agree, or when one of them takes theirs back.
    """
    from curate.report.safe import safe, safe_path
    from curate.review.decisions import Decisions
    from curate.run import Run
    from curate.run.data import run_rows

    opened = Run.open(Path(run))
    found = Decisions(opened).conflicts()
    places = {part.place.sample_id: part.place for row in run_rows(opened) for part in row.parts} if found else {}
    for sample_id, said in found:
        place = places.get(sample_id)
        where = f"{safe_path(place.path)}:{place.line}" if place else "no row of the data"
        click.echo(f"{where}  {safe(sample_id)}")
        for one in said:
            when, why = (f" at {one.at}" if one.at else ""), (f": {one.reason}" if one.reason else "")
            click.echo(safe(f"  {one.action} by {one.by or 'somebody'}{when}{why}"))
    click.echo(f"{len(found):,} {'conflict' if len(found) == 1 else 'conflicts'}", err=True)
    return 0
