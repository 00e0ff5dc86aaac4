"""`curate clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate clean data.jsonl                   unreadable rows and copies go, damaged letters are mended, and what a
                                            review decided is done
  curate clean data.jsonl --dry-run         show what that would be, and write nothing
  curate clean runs/data --fix all          also every row with an error or a warning of its own
  curate clean runs/data --fix none         only what a review decided
  curate clean data.jsonl -o runs/trial --decisions decisions.jsonl
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option(
    "--fix",
    type=click.Choice(["safe", "all", "none"]),
    help="Which findings are fixed: where no judgement is needed, all errors and warnings, or none.  [default: safe]",
)
@click.option("--decisions", metavar="FILE", help="Follow the decisions in this file, not those of the run.")
@click.option("--dry-run", is_flag=True, help="Show what would be left out and changed, and write nothing.")
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def clean(
    target: tuple[str, ...], fix: str | None, decisions: str | None, dry_run: bool, output: str | None, force: bool
) -> int:
    """Write the rows worth training on to clean/kept.jsonl, the others with the reason to clean/rejected.jsonl.

    Kept rows keep their bytes. Where a text was mended, or edited in a review, clean/changed.jsonl has the row before
    and after. A row that cannot be read is always rejected. A decision of a review wins over --fix.
    """
    from curate.cli.chain import make_with_earlier, opened, say_conflicts, trial

    given = {"fix": fix} if fix else {}
    if dry_run:
        with trial(target, output) as run:
            show(run, given | _named(run, decisions))
        return 0
    run = opened(target, output)
    make_with_earlier(run, "clean", given | _named(run, decisions), force)
    if decisions is None:
        say_conflicts(run)
    files = "\n".join(f"  {run / 'clean' / name}" for name in ("kept.jsonl", "rejected.jsonl", "changed.jsonl"))
    click.echo(f"\n{files}\n\n  curate split {run.folder}")
    return 0


def _named(run: Run, decisions: str | None) -> dict[str, str]:
    from curate.run.data import as_seen_from

    return {"decisions": as_seen_from(run, [decisions])[0]} if decisions else {}


def show(run: Run, given: dict[str, str]) -> None:
    """Print what cleaning would do."""
    import tempfile
    from pathlib import Path

    from curate.cleaning import output
    from curate.steps.clean import default_config, planned

    scratch, config = Path(tempfile.gettempdir()), default_config() | given
    with planned(run, config, scratch) as plan:
        for line in output.diff(plan.rows):
            click.echo(line)
        click.echo(f"{output.said(plan)} (nothing was written)")
