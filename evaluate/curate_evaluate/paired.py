"""Comparing two arms on the same examples: the statistics that use the pairs.

Two separate intervals would miss most real differences: an example that is hard is hard for both arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.95
RESAMPLES = 10_000
BLOCK = 500


@dataclass(frozen=True)
class Difference:
    """The mean of (adapter - base) over `n` examples, with a confidence interval.

    `p` is that of the exact McNemar test where all scores are 0 or 1, else None.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    won: int
    lost: int
    p: float | None
    method: str


def compare(base: Sequence[float], adapter: Sequence[float], *, seed: int) -> Difference:
    """Compare the scores of two arms; the k-th of each belong to one example.

    Raises:
        ValueError: no scores, or not as many of one arm as of the other.
    """
    differences = [after - before for before, after in zip(base, adapter, strict=True)]
    if not differences:
        raise ValueError("nothing to compare")
    low, high = bootstrap_interval(differences, seed=seed)
    won = sum(difference > 0 for difference in differences)
    lost = sum(difference < 0 for difference in differences)
    binary = {*base, *adapter} <= {0.0, 1.0}
    return Difference(
        value=math.fsum(differences) / len(differences),
        low=low,
        high=high,
        level=LEVEL,
        n=len(differences),
        won=won,
        lost=lost,
        p=mcnemar_exact(won, lost) if binary else None,
        method=f"paired percentile bootstrap, {RESAMPLES:,} resamples, seed {seed}",
    )


def bootstrap_interval(differences: Sequence[float], *, seed: int) -> tuple[float, float]:
    """The percentile interval of the mean at LEVEL, from RESAMPLES draws with replacement (Efron 1979)."""
    import numpy as np

    values = np.asarray(differences)
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [values[random.integers(0, len(values), (BLOCK, len(values)))].mean(axis=1) for _ in range(RESAMPLES // BLOCK)]
    )
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar_exact(won: int, lost: int) -> float:
    """The two-sided p-value: how likely chance alone splits won and lost at least so unevenly (McNemar 1947, exact)."""
    changed = won + lost
    tail = sum(math.comb(changed, k) for k in range(min(won, lost) + 1))
    return min(1.0, tail / 2 ** (changed - 1)) if changed else 1.0
