"""Which answers were given to the same request: exchanges grouped by what their contexts ask."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curate.dedup.engines import candidates
from curate.dedup.folded import plain
from curate.dedup.near import SHORT_ANSWER, Compare, Pair, groups, same_turns, verified
from curate.dedup.same import IDENTICAL, Sameness, sameness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from curate.dedup.corpus import Corpus

LEAST = 0.8  # of the text of each turn
LEAST_COSINE = 0.9  # of requests in other words, whose answers disagree: nothing else says that they are the same


class Member(NamedTuple):
    """An exchange of a group, and how far its context is from that of the first one (or the first in other words)."""

    exchange: int
    same: Sameness
    is_paraphrased: bool = False


def asks(corpus: Corpus) -> list[list[Member]]:
    """The groups of two and more of the user's exchanges that ask the same thing, in input order.

    Contexts are the same when all their turns are (see `sameness`); every member was compared with the first. Groups
    whose members all give the same answer, word for word, and differ in their contexts are left out: nothing can be
    said about them but that they are near-duplicates.

    With `--semantic`, those who ask it in other words (see `paraphrases`) follow at the end of each group.
    """
    asked = _asked(corpus)
    first, copies = _by_hash(corpus, asked)
    worth = _worth_comparing(corpus, first, copies)
    pairs = list(verified(corpus, worth, corpus.contexts, _gist_of_context(corpus), same_context(corpus)))
    found = {group.kept: group.others for group in groups(pairs, lambda exchange: exchange, same_context(corpus))}
    joined = {other for others in found.values() for other, _ in others}
    asking: dict[int, list[Member]] = {}
    for one in first.tolist():
        if one not in joined:
            members = [Member(copy, IDENTICAL) for copy in copies[one]]
            members += [Member(copy, same) for other, same in found.get(one, ()) for copy in copies[other]]
            asking[one] = sorted(members)
    if corpus.config.semantic:
        _join_paraphrases(corpus, asking)
    return [members for members in asking.values() if len(members) > 1]


def _join_paraphrases(corpus: Corpus, asking: dict[int, list[Member]]) -> None:
    """Join the groups whose first requests mean the same: each to one that all of its own are paraphrases of."""
    from curate.dedup.paraphrases import paraphrases

    pairs = [
        Pair(a, b, Sameness(cosine, 0.0))
        for a, b, cosine in paraphrases(corpus, LEAST_COSINE)
        if a in asking and b in asking
    ]
    for group in groups(pairs, lambda exchange: exchange, lambda *_: None):
        for other, _ in group.others:
            asking[group.kept] += [member._replace(is_paraphrased=True) for member in asking.pop(other)]


def _asked(corpus: Corpus) -> NDArray[np.intp]:
    """The user's exchanges that have a context with a text in it."""
    is_mine = corpus.sample < corpus.mine
    is_blank = (corpus.contexts.bits == 255).all(axis=1)
    return np.flatnonzero(is_mine & (corpus.turn > 0) & ~is_blank)


def _by_hash(corpus: Corpus, asked: NDArray[np.intp]) -> tuple[NDArray[np.intp], dict[int, list[int]]]:
    """The first exchange with each context, case and punctuation aside, and all exchanges that have it."""
    copies: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    for exchange, said in zip(asked.tolist(), corpus.context_hash[asked].tolist(), strict=True):
        copies.setdefault(first.setdefault(said, exchange), []).append(exchange)
    return np.array(sorted(copies), dtype=np.intp), copies


def _worth_comparing(
    corpus: Corpus, first: NDArray[np.intp], copies: dict[int, list[int]]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Candidate pairs of contexts that were not all answered with the same words."""
    answer = corpus.answer_hash.copy()
    for one in first.tolist():
        if len({int(corpus.answer_hash[copy]) for copy in copies[one]}) > 1:
            answer[one] = one  # no other exchange has this number for an answer
    for a, b in candidates(corpus, "contexts", first):
        differ = answer[a] != answer[b]
        yield a[differ], b[differ]


def same_context(corpus: Corpus) -> Compare:
    """A function that compares the contexts of two exchanges."""
    context = lru_cache(maxsize=1024)(lambda exchange: corpus.exchange(exchange).context)
    return lambda a, b: same_turns(context(a), context(b), LEAST)


def _gist_of_context(corpus: Corpus) -> Callable[[int], str]:
    return lambda exchange: corpus.gist(int(corpus.sample[exchange]), int(corpus.turn[exchange]))


def same_answer(mine: str, theirs: str) -> Sameness | None:
    """Whether two answers to one request are copies, as near-duplicates are; of short ones no word may differ."""
    if plain(mine) == plain(theirs):
        return IDENTICAL
    return sameness(mine, theirs, LEAST) if min(len(mine), len(theirs)) > SHORT_ANSWER else None
