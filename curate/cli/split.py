"""`curate split`."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  curate split runs/data                            8 in 10 rows to train on, 1 to validate, 1 to test
  curate split runs/data --val 0.05 --test 0.2
  curate split data.jsonl -o runs/trial --seed 1    what of the data can be read, as it is
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--val", type=click.FloatRange(0, 1, max_open=True), help="Share of validation rows.  [default: 0.1]")
@click.option("--test", type=click.FloatRange(0, 1, max_open=True), help="Share of test rows.  [default: 0.1]")
@click.option("--seed", type=int, help="Another seed, another split.  [default: 0]")
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def split(
    target: tuple[str, ...], val: float | None, test: float | None, seed: int | None, output: str | None, force: bool
) -> int:
    """Put each cleaned row into split/train.jsonl, val.jsonl or test.jsonl, byte for byte.

    A row's content and the seed alone decide: equal rows land in one split, and adding rows moves no other. The shares
    are therefore met on average, not to the row. Rows that only resemble each other may still land in two splits.
    """
    from curate.cli.chain import make_with_earlier, opened
    from curate.errors import CurateError
    from curate.run.data import is_run

    given = {key: value for key, value in {"val": val, "test": test, "seed": seed}.items() if value is not None}
    if given.get("val", 0.1) + given.get("test", 0.1) >= 1:
        raise CurateError("--val and --test together must be less than 1: the rest is what is trained on")
    run = opened(target, output)
    make_with_earlier(run, "split", given, force, clean={} if is_run(target) else {"fix": "none"})
    click.echo(f"\n  {run / 'split'}")
    return 0
