"""Which of the user's rows are in the files of `--against`, or in a later split of the same data.

What is compared is the request without its system prompt and tools, for a benchmark's item is the same whatever a
training row puts before it, and the answer to it.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from curate.contradiction.answers import disagreement, read_answer
from curate.contradiction.groups import MOST_COMPARED, have_to_agree
from curate.contradiction.questions import asks_for_variety
from curate.dedup.asks import LEAST, same_answer
from curate.dedup.corpus import Turn, hash_of
from curate.dedup.folded import plain
from curate.dedup.lsh import AT_ONCE, BANDS, CROWD, LEAST_JACCARD, Sketches
from curate.dedup.minhash import BINS
from curate.dedup.near import LEAST_TEMPLATE, edits, fillers, same_turns
from curate.dedup.same import IDENTICAL, Sameness
from curate.dedup.splits import AGAINST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from curate.contradiction.answers import Disagreement
    from curate.dedup.corpus import Corpus
    from curate.dedup.ngrams import Overlap

    Pairs = Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]

Kind = Literal["exact", "normalised", "near", "conflicting", "prompt", "ngram"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""From the strongest overlap to the weakest."""

# As much of a benchmark's item with all its numbers, or as many of its words in a row, are in a text that gives the
# item away. With other numbers a problem is another one, however much of its wording is shared.
LEAST_SHARE = 0.5
LEAST_RUN = 50

_BEFORE_THE_REQUEST = frozenset({"system", "developer", "tools"})


class Match(NamedTuple):
    """One of theirs that one of the user's samples overlaps with, the strongest way that was found.

    `message` is where in the user's sample: its answer, or its request where no answer is the same. `why` belongs to a
    "conflicting" match (its `left` is the user's), `overlap` to an "ngram" match.
    """

    kind: Kind
    theirs: int
    similarity: float
    message: int | None = None
    why: Disagreement | None = None
    overlap: Overlap | None = None

    @property
    def rank(self) -> tuple[int, float, int]:
        return KINDS.index(self.kind), -self.similarity, self.theirs


class Request(NamedTuple):
    """What is asked, without the system prompt and tools, and the answer to it, if there is one."""

    asks: list[Turn]
    answer: Turn | None


def overlaps(corpus: Corpus) -> dict[int, list[Match]]:
    """For each of the user's samples that overlaps with theirs: with what, the strongest match first.

    Theirs are the samples of `--against`, and for a sample of one split those of the splits behind it.
    """
    found: defaultdict[int, dict[int, Match]] = defaultdict(dict)
    for mine, match in _matches(corpus):
        known = found[mine].get(match.theirs)
        if known is None or match.rank < known.rank:
            found[mine][match.theirs] = match
    return {mine: sorted(found[mine].values(), key=lambda match: match.rank) for mine in sorted(found)}


def table(corpus: Corpus, unread: Mapping[str, int]) -> list[dict[str, Any]]:
    """How much of each file of the user's is in each of theirs: an object for each pair of files.

    `unread` has the number of rows of a file that no format reads: their words alone are compared.
    """
    files: dict[str, list[int]] = {}
    for number, place in enumerate(corpus.places):
        files.setdefault(place.path, []).append(number)
    split = {path: int(corpus.split[numbers[0]]) for path, numbers in files.items()}
    counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    hit: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for mine, matches in corpus.overlaps.items():
        seen: set[str] = set()
        for match in matches:
            path = corpus.places[match.theirs].path
            pair = (corpus.places[mine].path, path)
            hit[pair].add(match.theirs)
            if path not in seen:
                seen.add(path)
                counts[pair][match.kind] += 1
    return [
        {
            "path": mine,
            "against": theirs,
            "samples": len(files[mine]),
            "against_samples": len(files[theirs]),
            **counts[mine, theirs],
            "overlapping": sum(counts[mine, theirs].values()),
            "against_overlapping": len(hit[mine, theirs]),
            "against_unread": unread.get(theirs, 0),
        }
        for mine in files
        for theirs in files
        if split[mine] < split[theirs]
    ]


def _matches(corpus: Corpus) -> Iterator[tuple[int, Match]]:
    units = Units(corpus)
    yield from _exact(corpus)
    yield from units.matches()
    yield from _in_words(corpus)


def _exact(corpus: Corpus) -> Iterator[tuple[int, Match]]:
    theirs: dict[str | None, list[int]] = {}
    first = int(corpus.split.min(initial=AGAINST))
    for number in np.flatnonzero(corpus.split > first).tolist():
        theirs.setdefault(corpus.places[number].sample_id, []).append(number)
    for mine, place in enumerate(corpus.places[: corpus.mine]):
        behind = [other for other in theirs.get(place.sample_id, ()) if corpus.split[mine] < corpus.split[other]]
        for other in behind[:MOST_COMPARED]:
            yield mine, Match("exact", other, 1.0)


def _in_words(corpus: Corpus) -> Iterator[tuple[int, Match]]:
    """What has runs of words with the files of `--against`: the other splits share their passages by right."""
    for mine in range(corpus.mine):
        for turn in corpus.turns(mine):
            for overlap in corpus.ngrams.matches(turn.text) if turn.message >= 0 else ():
                if (overlap.share >= LEAST_SHARE and overlap.has_numbers) or overlap.words >= LEAST_RUN:
                    yield mine, Match("ngram", overlap.item, overlap.share, turn.message, overlap=overlap)


class Units:
    """The requests of all samples, by number: those of the exchanges, then the samples that have no such exchange.

    The latter are prompts without an answer, and texts without a prompt. Arrays by number: `sample`, hashes of what
    is asked and answered (`answer` 0 for none), sketches of the request with all that stands before it.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        is_whole: NDArray[np.bool_] = np.ones(len(corpus.places), dtype=bool)
        is_whole[corpus.sample[corpus.turn > 0]] = False
        whole = np.flatnonzero(is_whole)
        self.exchanges = len(corpus.sample)
        self.sample = np.concatenate([corpus.sample, whole])
        self.sketches = corpus.contexts
        if len(whole):
            keys = np.concatenate([corpus.contexts.keys, corpus.rows.keys[whole]])
            self.sketches = Sketches(keys, np.concatenate([corpus.contexts.bits, corpus.rows.bits[whole]]))
        self.asks = np.concatenate([corpus.context_hash, np.zeros(len(whole), dtype=np.uint64)])
        self.answer = np.concatenate([corpus.answer_hash, np.zeros(len(whole), dtype=np.uint64)])
        for number in [*np.flatnonzero(corpus.turn > 1).tolist(), *range(self.exchanges, len(self.sample))]:
            request = self.request(number)
            self.asks[number] = _hash(request.asks)
            if number >= self.exchanges and request.answer:
                self.answer[number] = _hash([request.answer])
        self.is_blank = (self.sketches.bits == 255).all(axis=1)

    def request(self, number: int) -> Request:
        """A request with its texts, read from disk."""
        turns = self.corpus.turns(int(self.sample[number]))
        if number < self.exchanges:
            answer = int(self.corpus.turn[number])
            return Request([turn for turn in turns[:answer] if turn.role not in _BEFORE_THE_REQUEST], turns[answer])
        said = [turn for turn in turns if turn.role not in _BEFORE_THE_REQUEST and turn.message >= 0]
        last = max((i for i, turn in enumerate(said) if turn.role != "assistant"), default=-1)
        return Request(said[: last + 1], said[-1] if said and last < 0 else None)

    def gist(self, number: int) -> str:
        """The words that carry meaning of a request and all that stands before it (see `Corpus.gist`)."""
        turns = int(self.corpus.turn[number]) if number < self.exchanges else None
        return self.corpus.gist(int(self.sample[number]), turns)

    def matches(self) -> Iterator[tuple[int, Match]]:
        """The matches of requests, by hash and by what the sketches propose."""
        split = self.corpus.split[self.sample]
        request = lru_cache(maxsize=4096)(self.request)
        for behind in np.unique(split).tolist():
            mine = np.flatnonzero((split < behind) & ~self.is_blank)
            theirs = np.flatnonzero((split == behind) & ~self.is_blank)
            if not len(mine):
                continue
            for a, b in self._asking_the_same(mine, theirs):
                if match := self.match(a, b, request(a), request(b), IDENTICAL):
                    yield int(self.sample[a]), match
            pairs = self.others(cross_pairs(self.sketches, mine, theirs))
            proposed = {pair for left, right in pairs for pair in zip(left.tolist(), right.tolist(), strict=True)}
            edited = {
                (a, b): asked
                for a, b in sorted(proposed)
                if (asked := same_turns(request(a).asks, request(b).asks, LEAST))
            }
            for a, b in edited.keys() - self._of_templates(edited, request):
                if match := self.match(a, b, request(a), request(b), edited[a, b]):
                    yield int(self.sample[a]), match

    def _asking_the_same(self, mine: NDArray[np.intp], theirs: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
        """The pairs whose requests have the same hash, at most MOST_COMPARED for each of mine."""
        both = np.intersect1d(self.asks[mine], self.asks[theirs])
        by_hash: defaultdict[int, list[int]] = defaultdict(list)
        for number in theirs[np.isin(self.asks[theirs], both)].tolist():
            by_hash[int(self.asks[number])].append(number)
        for number in mine[np.isin(self.asks[mine], both)].tolist():
            others = np.array(by_hash[int(self.asks[number])])
            others = others[np.argsort(self.answer[others] != self.answer[number], kind="stable")]
            yield from ((number, other) for other in others[:MOST_COMPARED].tolist())

    def _of_templates(
        self, edited: Iterable[tuple[int, int]], request: Callable[[int], Request]
    ) -> set[tuple[int, int]]:
        """The pairs of rows that fill one template: many differ from one row in the same place, each in its way."""
        around: defaultdict[int, dict[tuple[int, int], int]] = defaultdict(dict)
        for a, b in edited:
            around[a][a, b] = b
            around[b][a, b] = a
        found: set[tuple[int, int]] = set()
        for centre, others in around.items():
            if len(others) >= LEAST_TEMPLATE:
                asks = request(centre).asks
                filled = fillers({other: edits(asks, request(other).asks) for other in others.values()})
                found |= {pair for pair, other in others.items() if other in filled}
        return found

    def others(self, pairs: Pairs) -> Pairs:
        """The pairs whose requests have different hashes."""
        for a, b in pairs:
            is_new = self.asks[a] != self.asks[b]
            yield a[is_new], b[is_new]

    def match(self, a: int, b: int, mine: Request, theirs: Request, asked: Sameness) -> Match | None:
        """How a request that asks the same as theirs, `asked` being how far, overlaps with it; None for not at all."""
        other = int(self.sample[b])
        question = mine.asks[-1] if mine.asks else None
        if not (mine.answer and theirs.answer):
            return Match("prompt", other, asked.similarity, question.message) if question else None
        if asked is IDENTICAL and self.answer[a] == self.answer[b]:
            return Match("normalised", other, 1.0, mine.answer.message)
        if same := same_answer(mine.answer.text, theirs.answer.text):
            return Match("near", other, min(asked.similarity, same.similarity), mine.answer.message)
        if question is None:
            return None
        asks, asks_there = question.text, theirs.asks[-1].text
        claim, claim_there = read_answer(asks, mine.answer.text), read_answer(asks_there, theirs.answer.text)
        why = None if asks_for_variety(asks) else disagreement(claim, claim_there)
        if why and have_to_agree(asks, asks_there, asked.changed, why):
            return Match("conflicting", other, asked.similarity, mine.answer.message, why)
        # Where words of the request were edited, another answer says that it is another request.
        if not asked.changed or (claim.key is not None and claim.key == claim_there.key):
            return Match("prompt", other, asked.similarity, question.message)
        return None


def _hash(turns: Iterable[Turn]) -> int:
    return hash_of([(turn.role, plain(turn.text).encode("utf-8", "surrogatepass")) for turn in turns])


def cross_pairs(sketch: Sketches, mine: NDArray[np.intp], theirs: NDArray[np.intp]) -> Pairs:
    """Pairs (a of mine, b of theirs) that share a band and whose estimated similarity is at least LEAST_JACCARD.

    Yields arrays of row numbers, band by band; a pair comes once, or again where it met in a crowd before. Of more than
    CROWD of theirs in one bucket the first CROWD are compared.
    """
    is_crowd: NDArray[np.bool_] = np.zeros((len(mine), BANDS), dtype=bool)
    for band in range(BANDS):
        keys = sketch.keys[theirs, band]
        order = np.argsort(keys, kind="stable")
        wanted = sketch.keys[mine, band]
        first = keys[order].searchsorted(wanted)
        count = keys[order].searchsorted(wanted, "right") - first
        is_crowd[:, band] = count > CROWD
        count = np.minimum(count, CROWD)
        met = np.flatnonzero(count)
        for part in np.array_split(met, 1 + count.sum() // AT_ONCE):
            left: NDArray[np.intp] = np.repeat(part, count[part])
            within = np.arange(len(left)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
            a, b = mine[left], theirs[order[first[left] + within]]
            met_before = ((sketch.keys[a, :band] == sketch.keys[b, :band]) & ~is_crowd[left, :band]).any(axis=1)
            a, b = a[~met_before], b[~met_before]
            close = (sketch.bits[a] == sketch.bits[b]).sum(axis=1) >= LEAST_JACCARD * BINS
            yield a[close], b[close]
