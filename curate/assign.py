"""Which split each row goes to. What holds first: the earlier assignment, then what belongs together, then the shares.

A group's place is a hash of its smallest member id under the seed: it depends on no other group, but for the few that
small data lacks for a test that shows anything.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from curate.dedup.near import Connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SPLITS = ("train", "val", "test")
HELD_OUT = 0.1
LEAST_TEST = 100  # rows, where the data allow it
MOST_TEST = 0.2  # of the rows
MOST_OF_SHARE = 2  # times its share: a group that would make a held-out split larger is trained on


class Shares(NamedTuple):
    """How many of the rows are held out. `test` None: HELD_OUT, but LEAST_TEST rows where that is at most MOST_TEST."""

    val: float = HELD_OUT
    test: float | None = None

    def wanted(self, rows: int) -> dict[str, int]:
        """How many rows each held-out split should have, of so many."""
        test = self.test
        if test is None:
            return {
                "val": round(self.val * rows),
                "test": min(max(round(HELD_OUT * rows), LEAST_TEST), int(MOST_TEST * rows)),
            }
        return {"val": round(self.val * rows), "test": round(test * rows)}

    def most(self, rows: int) -> dict[str, int]:
        test = HELD_OUT if self.test is None else self.test
        return {"val": round(MOST_OF_SHARE * self.val * rows), "test": round(MOST_OF_SHARE * test * rows)}


@dataclass
class Ties:
    """What belongs together, by number: `cliques` are all alike, `pairs` two by two."""

    cliques: list[list[int]] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)

    def edges(self, split: Sequence[str | None]) -> Iterable[tuple[int, int]]:
        """The ties as pairs. A clique hangs on an old row of each split, and not on a new one."""
        for members in self.cliques:
            centres = list({split[member]: member for member in reversed(members) if split[member]}.values())
            for centre in centres or members[:1]:
                yield from ((centre, member) for member in members if member != centre)
        yield from self.pairs


@dataclass
class Assignment:
    """The split of each row by number; None for a new row that is left out, as it resembles rows of `bridges[row]`.

    `torn` counts the old rows that resemble old rows of another split: nothing moves them. `groups` has the number of
    the group of each row.
    """

    split: list[str | None]
    bridges: dict[int, list[str]]
    torn: int
    groups: list[int]


def fraction(seed: int, sample_id: str) -> float:
    """A number from 0 to 1 for a sample, the same for ever."""
    digest = hashlib.blake2b(f"{seed}\n{sample_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def assigned(
    ids: Sequence[str],
    ties: Ties,
    shares: Shares,
    seed: int,
    earlier: Mapping[str, str] | None = None,
    strata: Sequence[str] | None = None,
) -> Assignment:
    """Assign rows to splits.

    `ids` are those of the rows, `earlier` the split of those that have one, by id. With `strata` (a label for each
    row), a first split has in each stratum the exact shares, as far as groups allow; later ones go by the hash alone.
    """
    earlier = earlier or {}
    split: list[str | None] = [earlier.get(id_) for id_ in ids]
    is_old = [name is not None for name in split]
    edges = list(ties.edges(split))
    bridges = _follow(split, is_old, edges)
    torn = {row for a, b in edges if is_old[a] and is_old[b] and split[a] != split[b] for row in (a, b)}
    connected = Connected()
    for a, b in edges:
        if a not in bridges and b not in bridges:
            connected.join(a, b)
    groups = [connected.root(row) for row in range(len(ids))]
    free: defaultdict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        if split[row] is None and row not in bridges:
            free[group].append(row)
    placed = sorted((fraction(seed, min(ids[row] for row in rows)), rows) for rows in free.values())
    names = _exact(placed, shares, strata) if strata and not any(is_old) else _by_hash(placed, shares, split)
    for rows, name in names:
        for row in rows:
            split[row] = name
    return Assignment(split, bridges, len(torn), groups)


def _follow(split: list[str | None], is_old: Sequence[bool], edges: Sequence[tuple[int, int]]) -> dict[int, list[str]]:
    """Give new rows the split of the old rows that they are tied to; returns those that are tied to several splits."""
    touched: defaultdict[int, set[str]] = defaultdict(set)
    for a, b in edges:
        for new, old in ((a, b), (b, a)):
            if not is_old[new] and is_old[old]:
                touched[new].add(str(split[old]))
    bridges = {row: sorted(names) for row, names in touched.items() if len(names) > 1}
    among_new = Connected()
    for a, b in edges:
        if not (is_old[a] or is_old[b] or a in bridges or b in bridges):
            among_new.join(a, b)
    reached: defaultdict[int, set[str]] = defaultdict(set)
    for row, names in touched.items():
        if row not in bridges:
            reached[among_new.root(row)] |= names
    for row, _ in enumerate(split):
        names = reached.get(among_new.root(row), set()) if not is_old[row] and row not in bridges else set()
        if len(names) == 1:
            (split[row],) = names
        elif names:
            bridges[row] = sorted(names)
    return bridges


def _by_hash(
    placed: Sequence[tuple[float, list[int]]], shares: Shares, split: Sequence[str | None]
) -> Iterable[tuple[list[int], str]]:
    """Groups whose hash is small are tested on, those whose hash is large validate; a share holds on average.

    By default so many more groups are tested on as the least test needs.
    """
    rows = sum(len(members) for _, members in placed) + sum(name is not None for name in split)
    wanted, most, size = shares.wanted(rows), shares.most(rows), Counter(name for name in split if name)
    test = HELD_OUT if shares.test is None else shares.test
    for place, members in placed:
        is_short = shares.test is None and size["test"] < min(LEAST_TEST, wanted["test"])
        name = "test" if place < test or is_short else "val" if place >= 1 - shares.val else "train"
        if name != "train" and size[name] + len(members) > most[name]:
            name = "train"
        size[name] += len(members)
        yield members, name


def _exact(
    placed: Sequence[tuple[float, list[int]]], shares: Shares, strata: Sequence[str]
) -> Iterable[tuple[list[int], str]]:
    """In each stratum the rows that its share is, in the order of the hash; a group is of its first row's stratum."""
    of_stratum: defaultdict[str, list[list[int]]] = defaultdict(list)
    for _, members in placed:
        of_stratum[strata[members[0]]].append(members)
    sizes = {stratum: sum(map(len, groups)) for stratum, groups in of_stratum.items()}
    wanted = shares.wanted(sum(sizes.values()))
    left = {name: apportioned(wanted[name], sizes) for name in ("test", "val")}
    for stratum, groups in of_stratum.items():
        for members in groups:
            name = next((name for name in ("test", "val") if len(members) <= left[name][stratum]), "train")
            if name != "train":
                left[name][stratum] -= len(members)
            yield members, name


def apportioned(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Share a number out in proportion to sizes, in whole numbers that add up (largest remainders)."""
    everything = sum(sizes.values()) or 1
    exact = {name: total * size / everything for name, size in sizes.items()}
    parts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(sizes, key=lambda name: (parts[name] - exact[name], name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def folds(ids: Sequence[str], groups: Sequence[int], count: int, seed: int, earlier: Mapping[str, int]) -> list[int]:
    """A fold for each row, from 0: groups stay whole, folds get about as many rows each, old rows keep theirs.

    Where new rows tie two folds together, the smaller part of the group moves.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    fold = [-1] * len(ids)
    size: Counter[int] = Counter(dict.fromkeys(range(count), 0))
    new = []
    for rows in members.values():
        known = Counter(earlier[ids[row]] for row in rows if ids[row] in earlier)
        if known:
            _put(rows, known.most_common(1)[0][0], fold, size)
        else:
            new.append((-len(rows), fraction(seed, min(ids[row] for row in rows)), rows))
    for _, _, rows in sorted(new):
        _put(rows, min(size, key=lambda number: (size[number], number)), fold, size)
    return fold


def held_out(
    ids: Sequence[str], groups: Sequence[int], fold: Sequence[int], number: int, val: float, seed: int
) -> list[str]:
    """The split of each row where the fold `number` (from 0) is tested on: val is the share `val` of the other groups.

    A group's place among those is the hash of its smallest id alone, so that it stays when other groups are added.
    """
    size = Counter(groups)
    smallest: dict[int, str] = {}
    for id_, group in zip(ids, groups, strict=True):
        smallest[group] = min(id_, smallest.get(group, id_))
    validates = {
        group
        for group, id_ in smallest.items()
        if fraction(seed, id_) >= 1 - val and size[group] <= MOST_OF_SHARE * val * len(ids)
    }
    return [
        "test" if mine == number else "val" if group in validates else "train"
        for mine, group in zip(fold, groups, strict=True)
    ]


def _put(rows: Sequence[int], number: int, fold: list[int], size: Counter[int]) -> None:
    size[number] += len(rows)
    for row in rows:
        fold[row] = number


def smallest_difference(rows: int, discordance: float = 0.2) -> float:
    """The smallest true difference in the share of right answers that a paired test on so many rows shows, mostly.

    At the 5% level with 80% power, where two models disagree about the share `discordance` of the rows (normal
    approximation of McNemar's test).
    """
    return min(1.0, (1.959964 + 0.841621) * (discordance / rows) ** 0.5) if rows else 1.0
