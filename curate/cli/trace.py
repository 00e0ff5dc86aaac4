"""`curate trace`."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate trace runs/data v1:3f09c2          the first digits of an id are enough
  curate trace runs/data 3f09c2
"""


@click.command(epilog=EPILOG)
@click.argument("run")
@click.argument("sample_id", metavar="ID")
def trace(run: str, sample_id: str) -> int:
    """Follow one row of RUN from its score back to its line in the data.

    ID is a sample's id, or the start of it, as in split/split.json, evaluate/examples.jsonl and the findings.
    """
    from curate.report.safe import safe
    from curate.run import Run
    from curate.trace import trace as follow

    for stage in follow(Run.open(Path(run)), sample_id):
        for i, words in enumerate(stage.words or [""]):
            click.echo(f"{'' if i else stage.name:<10}{safe(words)}")
    return 0
