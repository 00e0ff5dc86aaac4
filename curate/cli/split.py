"""`curate split`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from curate.cli.finite import Finite

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate split runs/data                            8 in 10 rows to train on, 1 to validate, 1 to test
  curate split runs/data --val 0.05 --test 0.2
  curate split runs/data --group-by document        no document is in two splits
  curate split runs/data --stratify label           each label in each split by its share
  curate split runs/data --folds 5                  for few rows: each is tested once
  curate split data.jsonl -o runs/trial --seed 1    what of the data can be read, as it is
"""


HOW = "at 80% power, one answer in five differing"


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--val", type=Finite(0, 1, max_open=True), help="Share of validation rows.  [default: 0.1]")
@click.option(
    "--test",
    type=Finite(0, 1, max_open=True),
    help="Share of test rows.  [default: 0.1, but 100 rows where that is at most 0.2]",
)
@click.option("--seed", type=int, help="Another seed, another split, from scratch.  [default: 0]")
@click.option("--group-by", metavar="COLUMN", help="Rows with one value of this column stay together.")
@click.option("--stratify", metavar="COLUMN", help="Give each value of this column its share of every split.")
@click.option("--folds", type=click.IntRange(2, 100), metavar="K", help="Say for each row in which of K parts it is.")
@click.option("--fold", type=click.IntRange(1), metavar="k", help="The k-th of --folds is test.jsonl, no share is.")
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def split(target: tuple[str, ...], output: str | None, force: bool, **flags: float | str | None) -> int:
    """Put each cleaned row into split/train.jsonl, val.jsonl or test.jsonl, byte for byte.

    Near-duplicates and rows that ask the same stay together. Their content and the seed alone decide, so that the
    shares are met on average, not to the row. Rows that were split before stay where they are when others are added; a
    new row that resembles rows of two splits goes to split/excluded.jsonl.
    """
    from curate.cli.chain import make_with_earlier, opened
    from curate.errors import CurateError
    from curate.run.data import is_run

    given = {key: value for key, value in flags.items() if value is not None}
    if float(given.get("val", 0.1)) + float(given.get("test", 0.2)) >= 1:
        raise CurateError("--val and --test together must be less than 1: the rest is what is trained on")
    run = opened(target, output)
    make_with_earlier(run, "split", given, force, clean={} if is_run(target) else {"fix": "none"})
    click.echo(f"\n  {run / 'split'}\n\n{what_a_test_shows(run)}")
    return 0


def what_a_test_shows(run: Run) -> str:
    """How small a difference the test rows can show, and what to do where that is too much."""
    import json

    from curate.assign import smallest_difference
    from curate.steps.split import FEW_ROWS

    document = json.loads((run / "split" / "split.json").read_bytes())
    rows, tested = len(document["rows"]), document["counts"]["test"]
    folds = document["folds"]
    if not (tested or folds):
        return "  no test rows: nothing can be said about the result"
    shown = smallest_difference(rows if folds else tested)
    what = f"{rows:,} rows in {folds} folds" if folds else f"{tested:,} test {'row' if tested == 1 else 'rows'}"
    if shown < 1:
        line = f"  {what} can show a difference of {100 * shown:.0f} points or more ({HOW})"
    else:
        line = f"  {what} can show no difference at all ({HOW})"
    if folds and not document.get("fold"):
        line += (
            f"\n  curate evaluate {run.folder} --folds    once it was trained: each row scored by an adapter without it"
        )
    elif rows < FEW_ROWS and not folds:
        more = 100 * smallest_difference(rows)
        line += f"\n  curate split {run.folder} --folds 5    every row tested once: {more:.0f} points"
    return line
