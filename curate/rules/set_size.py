"""SET001: too few rows to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Flag
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


def _present(sample: Sample) -> bool:
    return True


@dataset_rule("SET001", severity="info", measure=_present, scope="all")
def too_few_rows(measured: Measured, *, min_rows: int = 500) -> Iterator[Flag]:
    """The data set has fewer rows than fine-tuning usually needs.

    Why it matters: with under 200 rows a model tends to learn the rows by heart instead of what they have in
    common, and a test split of a tenth is too small to tell an improvement from luck. How many are enough depends on
    the task: a few hundred consistent rows can teach a style.

    Example: 84 rows in all.

    How to fix it: collect more rows, or compare with a few-shot prompt before you train.
    """
    rows = len(measured)
    if not 0 < rows < min_rows:
        return
    message = f"only {rows} row{'s' if rows > 1 else ''}; fine-tuning usually takes {min_rows} or more"
    yield Flag(None, message, evidence={"rows": rows})
