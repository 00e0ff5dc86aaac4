"""`curate mix`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from curate.cli.check import comma_separated
from curate.report.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.mixing.mix import Options
    from curate.pipeline import Progress

EPILOG = """\b
Examples:
  curate mix mine.jsonl general.jsonl=20% -o mixed.jsonl       all of mine, and general data for a fifth of the mix
  curate mix mine.jsonl general.jsonl=5000 -o mixed.jsonl      all of mine, and 5,000 rows of the other
  curate mix a.jsonl=70% b.jsonl=30% -o mixed.jsonl            as many rows as make these shares without repeating one
  curate mix a.jsonl=70% b.jsonl=30% --rows 10000 -o mixed.jsonl
  curate mix mine.jsonl=3x general.jsonl=0.5 -o mixed.jsonl    every row of mine three times, half of the other
  curate mix mine.jsonl general.jsonl=20% --dry-run            what that would be; nothing is written

\b
AMOUNT is one of
  20%             a share of the mix
  0.5, 2x         times the rows of FILE; above 1, rows are repeated
  500, 5rows      a number of rows
  and all rows where it is left out.
"""


@click.command(epilog=EPILOG)
@click.argument("sources", metavar="FILE[=AMOUNT]...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", help="The file to write (JSON lines).")
@click.option("--rows", "total", type=click.IntRange(min=1), metavar="N", help="How many rows, of which shares are.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws other rows.")
@click.option("--oversample", is_flag=True, help="Repeat rows where there are fewer than asked for.")
@click.option(
    "--to",
    metavar="FORMAT",
    help="The format of the mix.  [default: that of the files; messages where they have several]",
)
@click.option("--drop-unsupported", is_flag=True, help="Leave out rows that FORMAT cannot hold, and list them.")
@click.option(
    "--ignore",
    multiple=True,
    callback=comma_separated,
    metavar="CODES",
    help="Leave nothing out for these: DUP001 (copies), DUP002 (near copies), CON001 (contradictions).",
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
@click.option("--dry-run", is_flag=True, help="Show what would be mixed and left out, and write nothing.")
@click.option("--force", is_flag=True, help="Replace the files of an earlier mix.")
def mix(
    sources: tuple[str, ...],
    output: str | None,
    total: int | None,
    seed: int,
    oversample: bool,
    to: str | None,
    drop_unsupported: bool,
    ignore: list[str] | None,
    config: str | None,
    dry_run: bool,
    force: bool,
) -> int:
    """Mix several data sets into one file, with so much of each.

    A row that an earlier FILE has too, word for word or nearly, is left out, and so is one that contradicts a row of an
    earlier FILE: put the data that you trust most first. Shares are of the rows in the mix, after that, and exact.

    Rows keep their bytes where all files have one format. Which rows are drawn depends on their content and the seed
    alone, so that a file that grows changes little. Beside mixed.jsonl stand mixed.sources.jsonl (the file and line of
    each row), mixed.rejected.jsonl (what was left out, and why) and mixed.mix.json (the numbers).
    """
    from curate.cli.check import progress_on_stderr
    from curate.cli.convert import say
    from curate.config import resolve
    from curate.convert import CannotHold
    from curate.mixing.mix import Options, mixed
    from curate.mixing.summary import said

    settings = resolve({"ignore": ignore}, config).config
    options = Options(to, total, seed, oversample, drop_unsupported, settings)
    if output is None and not dry_run:
        raise click.UsageError("name the file to write with -o, or give --dry-run")
    try:
        with progress_on_stderr() as progress:
            if dry_run:
                lines = list(tried(sources, options, progress))
            else:
                assert output is not None
                made = mixed(sources, Path(output), options, force=force, progress=progress)
                lines = [*said(made), *after(Path(output))]
    except CannotHold as refused:
        say("cannot be held", refused.lost)
        click.echo("to take one answer of each pair: curate convert FILE -o OUT --to messages --use chosen", err=True)
        raise
    for line in lines:
        click.echo(line)
    return 0


def tried(sources: tuple[str, ...], options: Options, progress: Progress) -> Iterator[str]:
    """What a mix would be and leave out; nothing is written."""
    import tempfile

    from curate.cleaning.output import diff
    from curate.mixing.mix import opened_sources, planned
    from curate.mixing.summary import said

    with planned(opened_sources(sources), options, Path(tempfile.gettempdir()), progress=progress) as mix:
        yield from diff(mix.rows)
        yield from said(mix)
    yield ""
    yield "  nothing was written"


def after(out: Path) -> Iterator[str]:
    """The files that were written, and what comes next."""
    import shlex

    from curate.mixing.output import files_of

    yield ""
    yield from (f"  {safe(str(file))}" for file in files_of(out))
    yield ""
    yield f"  {safe(shlex.join(['curate', 'check', str(out)]))}"
