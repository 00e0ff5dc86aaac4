"""`curate clean`."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  curate clean data.jsonl                   unreadable rows and second copies go, and what a review decided
  curate clean runs/data --fix all          also every row with an error or a warning of its own
  curate clean runs/data --fix none         only what a review decided
  curate clean data.jsonl -o runs/trial
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option(
    "--fix",
    type=click.Choice(["safe", "all", "none"]),
    help="Which findings drop a row: copies of a kept row, all errors and warnings, or none.  [default: safe]",
)
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def clean(target: tuple[str, ...], fix: str | None, output: str | None, force: bool) -> int:
    """Write the rows worth training on to clean/kept.jsonl, and the others with the reason to clean/rejected.jsonl.

    Kept rows keep their bytes. A row that cannot be read is always rejected. A decision of a review wins over --fix.
    Texts are not edited: findings that could be mended stay in the kept rows.
    """
    from curate.cli.chain import make_with_earlier, opened

    run = opened(target, output)
    make_with_earlier(run, "clean", {"fix": fix} if fix else {}, force)
    click.echo(
        f"\n  {run / 'clean' / 'kept.jsonl'}\n  {run / 'clean' / 'rejected.jsonl'}\n\n  curate split {run.folder}"
    )
    return 0
