"""`curate evaluate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate evaluate runs/support                     base model and adapter on split/test.jsonl
  curate evaluate runs/support --batch-size 32     faster where there is memory for it
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows answered at once, in both arms.  [default: 8]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the resampling behind the interval.  [default: 0]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def evaluate(run: Path, batch_size: int | None, seed: int | None, force: bool) -> int:
    """Have the base model and the adapter of RUN answer the held-out rows, and compare their scores.

    Answers are greedy and end at the stop token, or a little beyond the longest reference. The prompts are checked to
    be, id for id, those of the tokens. Steps of RUN that are out of date are made first.
    """
    # Both before torch is imported. Threads that wait actively are slow on shared cores; the step says how far it is.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TQDM_DISABLE", "1")
    from curate.cli.chain import make_with_earlier
    from curate.run import Run

    given = {key: value for key, value in {"batch_size": batch_size, "seed": seed}.items() if value is not None}
    make_with_earlier(Run.open(run), "evaluate", given, force)
    click.echo(f"\n  curate report {run}")
    return 0
