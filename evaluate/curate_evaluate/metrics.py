"""How an output is scored against its reference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

METRICS = {"exact_match": 1.0, "chrf": 100.0}
"""The metrics by name, with the score of a perfect output; higher is better in all of them."""


def score(output: str, reference: str) -> dict[str, float]:
    """Every metric of METRICS for one output."""
    return {"exact_match": exact_match(output, reference), "chrf": chrf(output, reference)}


def exact_match(output: str, reference: str) -> float:
    """1.0 where both are the same but for white space around them, else 0.0."""
    return float(output.strip() == reference.strip())


def chrf(output: str, reference: str) -> float:
    """The character n-gram F-score of one output, 0 to 100, by sacrebleu (Popović 2015; n = 6, beta = 2)."""
    return float(_chrf().sentence_score(output, [reference]).score)


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
