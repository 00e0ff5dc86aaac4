"""Which rows are drawn, and their order in the mix: by a hash of their content, so that it depends on no other row."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from curate.assign import fraction

if TYPE_CHECKING:
    from collections.abc import Sequence


class Drawn(NamedTuple):
    """One row of the mix: its number among the rows it was drawn from, and the how manieth time it is there."""

    number: int
    copy: int


def draw(ids: Sequence[str], quota: int, seed: int) -> list[tuple[float, Drawn]]:
    """Draw rows of one source, each with its place in the mix, a number from 0 to 1.

    `ids` are those of the rows. Rows come again only where `quota` is larger than there are rows, all of them equally
    often but for the rest. A larger quota draws the same rows and more; a new row takes the place of one other at most.
    """
    again: Counter[str] = Counter()
    names = []
    for id_ in ids:  # equal rows are told apart by counting them
        names.append(f"{id_} {again[id_]}")
        again[id_] += 1
    by_hash = sorted(range(len(ids)), key=lambda number: (fraction(seed, names[number]), number))
    times, rest = divmod(quota, len(ids))
    drawn = [Drawn(number, copy) for copy in range(times) for number in by_hash]
    drawn += [Drawn(number, times) for number in by_hash[:rest]]
    return [(fraction(seed, f"place of {names[one.number]} {one.copy}"), one) for one in drawn]
