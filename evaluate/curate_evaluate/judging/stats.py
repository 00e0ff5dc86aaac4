"""What votes allow to say: how sure a preference is, and how far voters agree. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

LEVEL = 0.95


@dataclass(frozen=True)
class Preference:
    """How often one arm is preferred among the pairs where either is.

    `low` to `high` is the exact interval of `share` (Clopper and Pearson), and `p` is of the exact two-sided sign test:
    the interval leaves out one half exactly where `p` is below 0.05.
    """

    won: int
    lost: int
    share: float
    low: float
    high: float
    p: float


def preference(won: int, lost: int) -> Preference | None:
    """The preference from so many pairs won and lost; None where none is decided."""
    if not won + lost:
        return None
    from scipy.stats import binomtest

    found = binomtest(won, won + lost)
    interval = found.proportion_ci(LEVEL, method="exact")
    return Preference(won, lost, found.statistic, float(interval.low), float(interval.high), float(found.pvalue))


def same_share(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """The share of pairs on which two voters say the same."""
    return sum(ours == theirs for ours, theirs in zip(one, other, strict=True)) / len(one)


def kappa(one: Sequence[Hashable], other: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two voters on the same pairs: 1 is full agreement, 0 as much as by chance. None where both say
    one and the same thing throughout, so that agreement and chance cannot be told apart.

    Raises:
        ValueError: no pairs, or not as many of one as of the other.
    """
    n = len(one)
    if not n or n != len(other):
        raise ValueError(f"{n} votes of one, {len(other)} of the other")
    ours, theirs = Counter(one), Counter(other)
    by_chance = sum(count * theirs[name] for name, count in ours.items()) / n**2
    return None if by_chance == 1 else (same_share(one, other) - by_chance) / (1 - by_chance)


@dataclass(frozen=True)
class Agreement:
    """How far two voters agree on the `pairs` that both judged."""

    between: tuple[str, str]
    pairs: int
    same: float
    kappa: float | None


def agreements(votes: Mapping[str, Mapping[str, Hashable]]) -> list[Agreement]:
    """The agreement of each two voters who have pairs in common.

    Args:
        votes: of each voter, what they said of each pair.
    """
    found = []
    for one, other in combinations(votes, 2):
        both = [pair for pair in votes[one] if pair in votes[other]]
        if both:
            ours, theirs = [votes[one][pair] for pair in both], [votes[other][pair] for pair in both]
            found.append(Agreement((one, other), len(both), same_share(ours, theirs), kappa(ours, theirs)))
    return found
