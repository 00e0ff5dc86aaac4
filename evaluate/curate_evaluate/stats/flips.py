"""The sign-flip test: were the arms alike, each cluster's difference could as well have had the other sign.

With 0/1 scores and every example a cluster of its own it is the exact McNemar test; clusters of several examples keep
it exact, because a cluster is flipped as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 9_999
BLOCK = 500


def exact_p(sums: NDArray[np.int64]) -> float:
    """The two-sided p-value from the whole distribution of the total, for cluster sums that are whole numbers."""
    import numpy as np
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    chances = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        # `count` clusters of this size: their sum is size * (2 k - count), k of them being positive.
        of_size = np.zeros(2 * size * count + 1)
        of_size[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, of_size)
    total = len(chances) // 2
    totals = np.arange(-total, total + 1)
    return min(1.0, float(chances[np.abs(totals) >= abs(int(sums.sum()))].sum()))


def drawn_p(sums: NDArray[np.float64], *, seed: int) -> float:
    """The two-sided p-value from DRAWS random flips, the observed one counted among them (Phipson and Smyth 2010)."""
    import numpy as np

    changed = sums[sums != 0]
    total = changed.sum()
    # Totals that are equal but for rounding, which is as large as what is added, count as at least as large.
    observed = abs(total) - 1e-12 * np.abs(changed).sum()
    random = np.random.default_rng(seed)
    width = -(-len(changed) // 8)
    as_large = 0
    for start in range(0, DRAWS, BLOCK):
        rows = min(BLOCK, DRAWS - start)
        drawn = np.frombuffer(random.bytes(rows * width), np.uint8).reshape(rows, width)
        kept = np.unpackbits(drawn, axis=1, count=len(changed)).astype(np.float64)
        as_large += int((np.abs(2 * (kept @ changed) - total) >= observed).sum())
    return (as_large + 1) / (DRAWS + 1)
