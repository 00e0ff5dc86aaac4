"""One comparison over several training seeds, whose interval holds for other rows and for other seeds.

Rows and seeds are drawn apart from each other, so the variance of the mean is at most that of the row means and that of
the seed means together. Each of the two gives a half width with quantiles of its own, and these are added in squares,
limit by limit (Zou and Donner, Statistics in Medicine 27, 2008). Such an interval holds the truth at least as often as
it says, whatever the two variances are (Banerjee, Sankhyā 22, 1960); estimated degrees of freedom do not, with few
seeds: docs/calibration.md.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from curate_evaluate.stats.compare import LEVEL, Difference, compare
from curate_evaluate.stats.score import score_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

SMALLEST_P = 1e-12


@dataclass(frozen=True)
class OverSeeds(Difference):
    """A difference whose `after` is the mean over training seeds.

    `seeds` is how many there are, and `seed_half` the half width of the interval that their variance alone would give,
    in the units of the scores: more examples hardly lessen it.
    """

    seeds: int
    seed_half: float


def compare_seeds(
    before: Sequence[float],
    after: Sequence[Sequence[float]],
    *,
    clusters: Sequence[Hashable] | None = None,
    full: float | None = 1.0,
    seed: int = 0,
) -> OverSeeds:
    """Compare the scores of an arm with those of several trainings that differ in their seed.

    The interval is never narrower than the one of the same examples without the variance of the seeds.

    Args:
        before: the scores of the arm to compare with.
        after: the scores of each training, in the order of `before`.
        clusters: as in `compare`.
        full: as in `compare`.
        seed: as in `compare`.

    Raises:
        ValueError: fewer than two trainings, and what `compare` refuses.
    """
    import numpy as np
    from scipy.special import stdtrit

    if len(after) < 2:
        raise ValueError(f"{len(after)} training seeds: their variance needs two or more")
    scores = np.array(after, dtype=np.float64)
    means = scores.mean(axis=0)
    rows = compare(before, means.tolist(), clusters=clusters, full=full, seed=seed)
    differences = means - np.asarray(before)
    scale = float(np.abs(differences).max() or 1.0) if full is None else full
    share = rows.effective / rows.n / scale
    won, lost = (float(np.maximum(sign * differences, 0).sum()) * share for sign in (1, -1))
    value = rows.value / scale
    count = len(scores)
    error = float(scores.mean(axis=1).std(ddof=1)) / math.sqrt(count) / scale

    def half(level: float) -> float:
        return float(stdtrit(count - 1, (1 + level) / 2)) * error

    def beyond(p: float) -> float:
        """How far the interval at level 1 - p reaches beyond 0; falls with p."""
        low, high = score_interval(won, lost, rows.effective, level=1 - p)
        return math.hypot(value - low if value > 0 else high - value, half(1 - p)) - abs(value)

    p = max(rows.p, _largest_p(beyond))
    low, high = score_interval(won, lost, rows.effective, level=LEVEL)
    low = max(-1.0, value - math.hypot(value - low, half(LEVEL)))
    high = min(1.0, value + math.hypot(high - value, half(LEVEL)))
    if p > 1 - LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return OverSeeds(
        **{
            **asdict(rows),
            "low": low * scale,
            "high": high * scale,
            "p": p,
            "test": f"{rows.test}, and the t test of {count} seeds",
            "method": f"{rows.method}, and the t interval of {count} seeds",
        },
        seeds=count,
        seed_half=half(LEVEL) * scale,
    )


def _largest_p(beyond: Callable[[float], float]) -> float:
    """The p-value at which an interval just reaches 0."""
    from scipy.optimize import brentq

    if beyond(SMALLEST_P) <= 0:
        return SMALLEST_P
    found: float = brentq(beyond, SMALLEST_P, 1 - SMALLEST_P, xtol=1e-12) if beyond(1 - SMALLEST_P) < 0 else 1.0
    return found
