"""What a number of examples can show, before a run; and how many would be needed, after one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from curate_evaluate.stats.compare import LEVEL
from curate_evaluate.stats.seeds import OverSeeds

if TYPE_CHECKING:
    from curate_evaluate.stats.compare import Difference

POWER = 0.8
# What stands for "no number of examples": more than there are of anything.
NEVER = 10**9
# Beyond this nobody trains.
MOST_SEEDS = 30


def power(n: int, changed: float, gain: float) -> float:
    """The chance that the exact McNemar test finds a true gain.

    Args:
        n: examples, each on its own.
        changed: the share of examples on which the arms differ, 0 to 1.
        gain: the true difference of the arms, at most `changed`.
    """
    import numpy as np
    from scipy.stats import binom

    spread = 10 * math.sqrt(n * changed * (1 - changed)) + 10
    pairs = np.arange(max(0, math.floor(n * changed - spread)), min(n, math.ceil(n * changed + spread)) + 1)
    # The fewest wins among so many pairs that the test calls a difference, on the side of the gain.
    fewest = binom.isf((1 - LEVEL) / 2, pairs, 0.5) + 1
    found = binom.sf(fewest - 1, pairs, (changed + gain) / (2 * changed))
    return float((binom.pmf(pairs, n, changed) * found).sum())


def detectable(n: int, changed: float) -> float | None:
    """The smallest true gain that is found with a chance of POWER, 0 to 1; None where not even the greatest is."""
    from scipy.optimize import brentq

    if n < 1 or not 0 < changed <= 1 or power(n, changed, changed) < POWER:
        return None
    found: float = brentq(lambda gain: power(n, changed, gain) - POWER, 0.0, changed, xtol=1e-5)
    return found


def examples_to_show(difference: Difference, margin: float) -> int:
    """About how many examples would settle a comparison, if its difference and its variance are the true ones.

    A difference of at least the margin is then called with a chance of POWER, and a smaller one found to be within the
    margin. NEVER where the training seeds differ too much for any number of examples.

    Args:
        difference: the comparison as it was found.
        margin: the smallest difference that matters, in the units of the scores, above 0.
    """
    from scipy.special import ndtri

    limit = float(ndtri((1 + LEVEL) / 2))
    if not difference.won + difference.lost:
        # The interval of no difference among n is n's alone: limit² / (n + limit²) of the full score.
        full = difference.high * (difference.effective + limit**2) / limit**2
        each = difference.n / difference.effective
        return max(difference.n + 1, math.ceil(limit**2 * (full / margin - 1) * each))
    rows, seeds = _squares(difference)
    left = _half_to_settle(difference, margin) ** 2 - seeds
    return max(difference.n + 1, math.ceil(difference.n * rows / left)) if left > 0 else NEVER


def seeds_to_show(difference: OverSeeds, margin: float) -> int | None:
    """About how many training seeds would settle a comparison on the same examples; None where no MOST_SEEDS would.

    Args:
        difference: the comparison as it was found.
        margin: the smallest difference that matters, in the units of the scores, above 0.
    """
    from scipy.special import stdtrit

    def factor(count: int) -> float:
        return float(stdtrit(count - 1, (1 + LEVEL) / 2)) ** 2 / count

    rows, seeds = _squares(difference)
    left = _half_to_settle(difference, margin) ** 2 - rows
    each = seeds / factor(difference.seeds)
    return next((k for k in range(difference.seeds + 1, MOST_SEEDS + 1) if each * factor(k) <= left), None)


def _half_to_settle(difference: Difference, margin: float) -> float:
    """The half width with which the difference is called, or found to be below the margin, with a chance of POWER."""
    from scipy.special import ndtri

    size = abs(difference.value)
    limit = float(ndtri((1 + LEVEL) / 2))
    return (size if size >= margin else margin - size) * limit / (limit + float(ndtri(POWER)))


def _squares(difference: Difference) -> tuple[float, float]:
    """The square of the interval's half width, in what the examples and what the seeds add to it."""
    seeds = difference.seed_half**2 if isinstance(difference, OverSeeds) else 0.0
    return max(0.0, ((difference.high - difference.low) / 2) ** 2 - seeds), seeds
