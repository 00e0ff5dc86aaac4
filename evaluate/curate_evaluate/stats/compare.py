"""One comparison of two arms: the difference, its interval and its p-value, which never disagree about 0.

One method serves all scores. Differences are counted as won and lost points, and the score interval is taken at the
effective number of examples: fewer than there are where examples of a cluster go together (Rao and Scott, Biometrics
48, 1992; Korn and Graubard, Survey Methodology 24, 1998), never more than if each were alone, and more than there are
where scores between 0 and 1 vary less than 0 and 1 would. Bootstraps, the studentised and BCa ones too, are too narrow
while few examples differ: docs/calibration.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate_evaluate.stats.flips import DRAWS, drawn_p, exact_p
from curate_evaluate.stats.score import score_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
# With fewer clusters that differ, their variance says too little to count on more than the plain score interval.
FEWEST_CHANGED = 10
# Below this the differences are equal but for rounding, and their variance says nothing.
SMALLEST_DESIGN = 1e-9
# Of scores between 0 and 1, as float64 adds and divides them.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """The mean of (after - before) over `n` examples in `clusters` clusters, in the units of the scores.

    `low` to `high` is the interval at `level`; it leaves out 0 exactly where `p` is at most 1 - `level`. `effective` is
    the number of independent 0/1 examples that would say as much. `test` and `method` name how p and interval were
    made.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    clusters: int
    effective: float
    won: int
    lost: int
    p: float
    test: str
    method: str


def compare(
    before: Sequence[float],
    after: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    full: float | None = 1.0,
    seed: int = 0,
) -> Difference:
    """Compare the scores of two arms; the k-th of each belong to one example.

    Args:
        before: the scores of the arm to compare with.
        after: the scores of the arm in question.
        clusters: what the k-th example belongs to: examples of one conversation, document or customer are no
            independent evidence. None: each is its own.
        full: the score of a perfect answer, where 0 is the worst; None for a score without limits, such as a loss.
        seed: of the random flips behind p where scores are not 0 or `full`.

    Raises:
        ValueError: no scores, not as many of one arm as of the other, a score that is no number or beyond `full`.
    """
    import numpy as np

    differences = np.subtract(after, before, dtype=np.float64) if len(before) == len(after) else np.empty(0)
    if not len(differences):
        raise ValueError(f"nothing to compare: {len(before)} scores before, {len(after)} after")
    scale = float(np.abs(differences).max() or 1.0) if full is None else full
    differences = differences / scale
    if not (np.abs(differences) <= 1 + 1e-9).all():
        raise ValueError(f"a score is no number, or not from 0 to {full}")
    # The mean of three equal scores may not be that score.
    differences = _without_rounding(differences)
    codes = np.arange(len(differences)) if clusters is None else _codes(clusters)
    binary = bool(np.isin(differences, (-1, 0, 1)).all())
    won, lost = float(differences[differences > 0].sum()), float(-differences[differences < 0].sum())
    alone = np.arange(len(differences))
    clustered = len(differences) > codes.max() + 1
    # That examples belong together never makes them say more than each on its own would.
    groupings = [alone, codes] if clustered else [alone]
    effective = min(_effective(differences, grouping, won, lost, binary) for grouping in groupings)

    share = effective / len(differences)
    low, high = score_interval(won * share, lost * share, effective, level=LEVEL)
    p = max(_p(_sums(differences, grouping), binary, seed) for grouping in groupings)
    p = max(p, _score_p(won * share, lost * share))
    if p > 1 - LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(
        value=float(differences.mean()) * scale,
        low=low * scale,
        high=high * scale,
        level=LEVEL,
        n=len(differences),
        clusters=int(codes.max()) + 1,
        effective=effective,
        won=int((differences > 0).sum()),
        lost=int((differences < 0).sum()),
        p=p,
        test=_test(binary, clustered),
        method="Tango's score interval"
        if binary and not clustered
        else f"Tango's score interval at the effective sample size ({effective:,.0f})",
    )


def _codes(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    import numpy as np

    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])


def _sums(differences: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum of each cluster."""
    import numpy as np

    return _without_rounding(np.bincount(codes, differences))


def _without_rounding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With 0 for what only rounding tells from it, so that nothing counts as a difference that is none."""
    import numpy as np

    return np.where(np.abs(values) < ROUNDING, 0.0, values)


def _effective(
    differences: NDArray[np.float64], codes: NDArray[np.int64], won: float, lost: float, binary: bool
) -> float:
    """How many independent examples with these won and lost points would have the variance that the clusters show."""
    import numpy as np
    from scipy.special import ndtri, stdtrit

    n, groups = len(differences), int(codes.max()) + 1
    if binary and groups == n:
        return float(n)
    if groups == 1:
        return 1.0
    sums = _sums(differences, codes)
    residuals = sums - np.bincount(codes) * differences.mean()
    variance = groups / (groups - 1) * float(residuals @ residuals) / n**2
    counted = (won + lost) / n - float(differences.mean()) ** 2
    design = variance * n / counted if counted > 0 else n / groups
    if binary or np.count_nonzero(sums) < FEWEST_CHANGED:
        design = max(design, 1.0)
    elif design < SMALLEST_DESIGN:  # every score moved by the same amount
        return float(n)
    # The variance is itself an estimate, from so many clusters.
    wider = float(stdtrit(groups - 1, (1 + LEVEL) / 2) / ndtri((1 + LEVEL) / 2))
    return n / design / wider**2


def _score_p(won: float, lost: float) -> float:
    """The two-sided p-value of the score test that there is no difference; the interval leaves out 0 where it is below
    1 - LEVEL."""
    changed = won + lost
    return math.erfc(abs(won - lost) / math.sqrt(2 * changed)) if changed else 1.0


def _p(sums: NDArray[np.float64], binary: bool, seed: int) -> float:
    import numpy as np

    return exact_p(np.rint(sums).astype(np.int64)) if binary else drawn_p(sums, seed=seed)


def _test(binary: bool, clustered: bool) -> str:
    if binary:
        return "exact sign-flip test by cluster" if clustered else "exact McNemar"
    return f"sign-flip test{' by cluster' if clustered else ''}, {DRAWS:,} draws"
