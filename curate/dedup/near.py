"""Near-duplicates: candidates from the sketches, each verified word by word, then groups around the row that stays."""

from __future__ import annotations

import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.dedup.engines import candidates
from curate.dedup.gist import may_be_same
from curate.dedup.lsh import AT_ONCE, buckets
from curate.dedup.same import IDENTICAL, Sameness, sameness
from curate.dedup.words import fillings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from curate.dedup.corpus import Corpus, Turn
    from curate.dedup.lsh import Sketches

SHORT_ANSWER = 25  # characters: of an answer as short as this no word may differ
LEAST_ANSWER = 0.3  # estimated similarity of the answers, from ANSWER_BITS: under it a comparison is a waste
WORTH_A_PROCESS = 5_000  # pairs
PARTNERS = 8  # rows that a row is compared with on either side
LEAST_EARLIER = 0.5  # of a turn with two more behind it
LEAST_TEMPLATE = 3  # rows beside the first that change the same place
MOST_GROUPS = 100  # groups that one connected component falls into, at most

Edits = dict[int, str]
Compare = Callable[[int, int], "Sameness | None"]


class Pair(NamedTuple):
    """Two samples or exchanges, by number, found to be the same."""

    left: int
    right: int
    sameness: Sameness


class Group(NamedTuple):
    """Near-duplicates: the sample that stays, and the others with how alike each is to it."""

    kept: int
    others: list[tuple[int, Sameness]]


def same_turns(left: Sequence[Turn], right: Sequence[Turn], least: float) -> Sameness | None:
    """Compare two conversations turn by turn; None if their roles differ or one turn says something else.

    The last two messages and all those before them together must be `least` the same; one of these may be less so.
    """
    if len(left) != len(right):
        return None
    similarity, changed, edited, size = 1.0, 0.0, 0.0, 0
    behind = 0  # messages: tools, a label and rejected answers are none
    for mine, other in zip(reversed(left), reversed(right), strict=True):
        if mine.role != other.role:
            return None
        is_strict = mine.message < 0 or behind < 2
        behind += mine.message >= 0
        same = sameness(mine.text, other.text, least if is_strict else min(least, LEAST_EARLIER))
        if same is None:
            return None
        changed += same.changed
        if is_strict:
            similarity = min(similarity, same.similarity)
        else:
            size += max(len(mine.text), len(other.text))
            edited += (1 - same.similarity) * max(len(mine.text), len(other.text))
    if edited > (1 - least) * size:
        return None
    similarity = min(similarity, 1 - edited / size) if size else similarity
    return Sameness(similarity, changed) if similarity < 1 or changed else IDENTICAL


def near_duplicates(corpus: Corpus, least: float) -> list[Group]:
    """The groups of the user's samples that say nearly the same, at most one group a sample.

    Copies (equal ids) take part once. Every member was compared with the one that stays, so that a chain of small steps
    never ties two rows that differ.
    """
    first = distinct(corpus)
    compare = _same_sample(corpus, least)
    pairs = list(
        verified(corpus, _likely(corpus, candidates(corpus, "samples", first)), corpus.rows, corpus.gist, compare)
    )
    return groups(pairs, lambda row: rank(corpus, row), compare, lambda a, b: edits(corpus.turns(a), corpus.turns(b)))


def distinct(corpus: Corpus) -> NDArray[np.intp]:
    """The user's samples that say something, the first of each id in each split."""
    seen: set[object] = set()
    first: list[int] = []
    for number, place in enumerate(corpus.places[: corpus.mine]):
        key = place.sample_id, corpus.split[number]
        if key not in seen:
            seen.add(key)
            first.append(number)
    numbers = np.array(first, dtype=np.intp)
    return numbers[~(corpus.rows.bits[numbers] == 255).all(axis=1)]


def _likely(
    corpus: Corpus, pairs: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The pairs of samples of one split whose final answers could be the same."""
    for a, b in pairs:
        mine, other = corpus.final[a], corpus.final[b]
        likely = (mine < 0) & (other < 0)
        answered = np.flatnonzero((mine >= 0) & (other >= 0))
        mine, other = mine[answered], other[answered]
        shorter = np.minimum(corpus.answer_length[mine], corpus.answer_length[other])
        alike = (corpus.answer_bits[mine] == corpus.answer_bits[other]).mean(axis=1) >= LEAST_ANSWER
        likely[answered] = (corpus.answer_hash[mine] == corpus.answer_hash[other]) | (alike & (shorter > SHORT_ANSWER))
        likely &= corpus.split[a] == corpus.split[b]
        yield a[likely], b[likely]


def _same_sample(corpus: Corpus, least: float) -> Compare:
    turns = lru_cache(maxsize=1024)(corpus.turns)
    return lambda a, b: same_turns(turns(a), turns(b), least)


def edits(left: Sequence[Turn], right: Sequence[Turn]) -> Edits:
    """What the right turns have instead, by the token of the left ones, counted through all of them."""
    found: Edits = {}
    before = 0
    for mine, other in zip(left, right, strict=True):
        found |= {before + place: filler for place, filler in fillings(mine.text, other.text).items()}
        before += len(mine.text) + 1
    return found


def verified(
    corpus: Corpus,
    pairs: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
    sketch: Sketches,
    gist: Callable[[int], str],
    compare: Compare,
) -> Iterator[Pair]:
    """The pairs that `compare` finds the same; by several processes where there are many pairs."""
    jobs = corpus.config.jobs or 1
    parts = [np.zeros((0, 2), np.intp), *(np.stack(part, axis=1) for part in pairs)]
    each = np.unique(np.concatenate(parts), axis=0)
    left, right = closest(*_possible(each[:, 0], each[:, 1], gist, jobs), sketch)
    work = np.stack([left, right], axis=1)[np.argsort(families(left, right), kind="stable")]
    if jobs > 1 and len(work) > WORTH_A_PROCESS and "fork" in multiprocessing.get_all_start_methods():
        yield from _in_processes(jobs, work, compare)
    else:
        yield from _compared(work, compare)


def _possible(
    left: NDArray[np.intp], right: NDArray[np.intp], gist: Callable[[int], str], jobs: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs that may be the same by the words that carry meaning."""
    possible: NDArray[np.bool_] = np.ones(len(left), dtype=bool)
    for start in range(0, len(left), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        gists = {row: gist(row) for row in np.union1d(left[part], right[part]).tolist()}
        mine, other = ([gists[row] for row in side[part].tolist()] for side in (left, right))
        possible[part] = may_be_same(mine, other, jobs)
    return left[possible], right[possible]


def closest(
    left: NDArray[np.intp], right: NDArray[np.intp], sketch: Sketches
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of the pairs of each row the PARTNERS most alike: the rows of a template are alike by the thousand.

    A pair stays if it is among those of one of its rows: a row with many copies keeps them all.
    """
    starts = range(0, len(left), AT_ONCE)
    parts = [(left[i : i + AT_ONCE], right[i : i + AT_ONCE]) for i in starts]
    alike = np.concatenate([np.zeros(0, np.intp), *((sketch.bits[a] == sketch.bits[b]).sum(axis=1) for a, b in parts)])
    stays: NDArray[np.bool_] = np.zeros(len(left), dtype=bool)
    for side in (left, right):
        order = np.lexsort((-alike, side))
        sides = side[order]
        start_of, _ = buckets(sides)
        rank = np.arange(len(sides)) - start_of
        stays[order[rank < PARTNERS]] = True
    return left[stays], right[stays]


_compare_in_process: Compare


def _in_processes(jobs: int, work: NDArray[np.intp], compare: Compare) -> Iterator[Pair]:
    """The same in forked processes, which have the corpus without a copy; in the same order."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, initializer=_prepare, initargs=(compare,)) as pool:
        for found in pool.map(_compared_in_process, np.array_split(work, 8 * jobs)):
            yield from found


def _prepare(compare: Compare) -> None:
    global _compare_in_process
    _compare_in_process = compare


def _compared_in_process(work: NDArray[np.intp]) -> list[Pair]:
    return list(_compared(work, _compare_in_process))


def _compared(work: NDArray[np.intp], compare: Compare) -> Iterator[Pair]:
    """Two that are already connected are not compared: their group is known, and is compared with the one kept."""
    connected = Connected()
    for a, b in work.tolist():
        if connected.root(a) != connected.root(b) and (same := compare(a, b)):
            connected.join(a, b)
            yield Pair(a, b, same)


class Connected:
    """Which nodes of a graph are connected by its edges (union and find)."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def root(self, node: int) -> int:
        parent = self._parent
        while (above := parent.get(node, node)) != node:
            parent[node] = node = parent.get(above, above)
        return node

    def join(self, a: int, b: int) -> None:
        self._parent[self.root(b)] = self.root(a)


def families(left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """A number for each pair, mostly equal within a connected component: side by side such pairs share their texts."""
    label = np.arange(max(left.max(initial=0), right.max(initial=0)) + 1)
    for _ in range(5):
        np.minimum.at(label, left, label[right])
        np.minimum.at(label, right, label[left])
    return label[left]


def groups(
    pairs: Sequence[Pair],
    rank: Callable[[int], Any],
    compare: Compare,
    edited: Callable[[int, int], Edits] | None = None,
) -> list[Group]:
    """Connected components of the pairs, each around its member of the least rank.

    A member that is not the same as that one is left over; those left over form groups of their own. With `edited`,
    what one member has in the place of another's words, the rows of one template are told from edited copies.
    """
    known = {(pair.left, pair.right): pair.sameness for pair in pairs}
    found: list[Group] = []
    waiting = [(members, MOST_GROUPS) for members in components(known)]
    while waiting:
        members, rounds = waiting.pop()
        kept, *rest = sorted(members, key=rank)
        others: list[tuple[int, Sameness]] = []
        left_over: set[int] = set()
        for other in rest:
            pair = (min(kept, other), max(kept, other))
            if same := known[pair] if pair in known else compare(*pair):
                others.append((other, same))
            else:
                left_over.add(other)
        if edited and len(others) >= LEAST_TEMPLATE:
            filled = fillers({other: edited(kept, other) for other, _ in others})
            others = [(other, same) for other, same in others if other not in filled]
            alike: dict[str, set[int]] = defaultdict(set)
            for other, filler in filled.items():
                alike[filler].add(other)
            waiting += [(members, rounds - 1) for members in alike.values() if len(members) > 1 and rounds]
        if others:
            found.append(Group(kept, others))
        if len(left_over) > 1 and rounds:
            waiting.append((left_over, rounds - 1))
    return sorted(found)


def fillers(edited: dict[int, Edits]) -> dict[int, str]:
    """The members of a group that fill a template, and what each has in its slots.

    A slot is a place that half of the members change, nearly each in its own way: nobody edits a copy so.
    """
    ways: dict[int, Counter[str]] = defaultdict(Counter)
    for changes in edited.values():
        for place, filler in changes.items():
            ways[place][filler] += 1
    slots = {
        place
        for place, fillings in ways.items()
        if (changed := fillings.total()) >= max(LEAST_TEMPLATE, len(edited) / 2) and len(fillings) > changed / 2
    }
    filled: dict[int, str] = {}
    for member, changes in edited.items():
        in_slots = [filler for place, filler in changes.items() if place in slots]
        if in_slots and 2 * len(in_slots) >= len(changes):
            filled[member] = " | ".join(in_slots)
    return filled


def components(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """The connected components of a graph, given by its edges."""
    connected = Connected()
    nodes: dict[int, None] = {}
    for a, b in pairs:
        connected.join(a, b)
        nodes |= {a: None, b: None}
    members: dict[int, set[int]] = defaultdict(set)
    for node in nodes:
        members[connected.root(node)].add(node)
    return list(members.values())


def rank(corpus: Corpus, row: int) -> tuple[int, int]:
    """What the keep policy prefers: of some near-duplicates the one with the least rank stays."""
    keep = corpus.config.keep
    if keep == "longest":
        return -sum(len(turn.text) for turn in corpus.turns(row)), row
    return int(keep == "reviewed" and corpus.places[row].sample_id not in corpus.reviewed), row
