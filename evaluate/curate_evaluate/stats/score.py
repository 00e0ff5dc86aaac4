"""The score interval of a paired difference (Tango, Statistics in Medicine 17, 1998, 891-908).

No kept library has it: statsmodels has intervals of two independent proportions and of the paired ratio, scipy none.
"""

from __future__ import annotations

import math


def score_interval(won: float, lost: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """The limits of (won - lost) / n: every difference that the score test does not reject at `level`.

    It stays within -1 to 1, has a width where no pair differs, and leaves out 0 exactly where the asymptotic McNemar
    test rejects. Counts may be fractions: an effective sample, or scores between 0 and 1 whose gains and losses are
    summed (such scores vary less than 0 and 1 with the same sums, so that the interval is then too wide, never too
    narrow).
    """
    from scipy.special import ndtri

    limit = float(ndtri((1 + level) / 2))
    return -_upper(lost, won, n, limit), _upper(won, lost, n, limit)


def _upper(won: float, lost: float, n: float, limit: float) -> float:
    from scipy.optimize import brentq

    estimate = (won - lost) / n
    # The statistic falls from 0 at the estimate; at a difference of 1 it has no variance left.
    nearly_one = 1 - 1e-12
    if estimate >= nearly_one or score(won, lost, n, nearly_one) > -limit:
        return 1.0
    found: float = brentq(lambda delta: score(won, lost, n, delta) + limit, estimate, nearly_one, xtol=1e-10)
    return found


def score(won: float, lost: float, n: float, delta: float) -> float:
    """The score statistic of the hypothesis that the true difference is `delta`; standard normal under it."""
    # The likelihood's maximum under the hypothesis, for the share of lost pairs: the root of a quadratic.
    linear = (2 * n - won + lost) * delta - won - lost
    constant = -lost * delta * (1 - delta)
    share = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * share + delta * (1 - delta))
    distance = won - lost - n * delta
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)
