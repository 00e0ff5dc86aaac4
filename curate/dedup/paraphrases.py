"""Requests that mean the same in other words: near each other by embeddings, and verified to hold the same values.

Embeddings say what a text is about, and hardly notice a number, a name or a "not". So a pair counts only if its values
are equal, and if what is left of both texts without the sentences that they share is near too: a question about a long
passage is not another question about it.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein

from curate.contradiction.questions import read_question
from curate.contradiction.values import Value, is_negated_form, negations, values_in
from curate.dedup.folded import plain
from curate.dedup.semantic import Embeddings, embed, near_pairs
from curate.dedup.word_sets import FUNCTION_WORDS, are_exclusive

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from curate.dedup.corpus import Corpus


class Requests(NamedTuple):
    """The user's different requests, each by the first exchange with it, and their last turns as vectors."""

    first: NDArray[np.intp]
    said: Embeddings


class Paraphrase(NamedTuple):
    """Two requests, each by its first exchange, that mean the same after the same turns; the cosine of their texts."""

    left: int
    right: int
    similarity: float


def requests(corpus: Corpus) -> Requests:
    """Embed the user's turns that were answered, by the model of the configuration.

    Raises:
        CurateError: see `embed`.
    """
    seen: dict[int, int] = {}
    for exchange in np.flatnonzero((corpus.sample < corpus.mine) & (corpus.turn > 0)).tolist():
        seen.setdefault(int(corpus.context_hash[exchange]), exchange)
    first = [exchange for exchange in seen.values() if corpus.exchange(exchange).context[-1].role == "user"]
    texts = [corpus.exchange(exchange).question for exchange in first]
    return Requests(np.array(first, dtype=np.intp), embed(Path(str(corpus.config.semantic)), texts))


def paraphrases(corpus: Corpus, least: float) -> list[Paraphrase]:
    """The pairs of different requests whose cosine is at least `least` and that ask for the same, in order.

    Raises:
        CurateError: see `embed` and `near_pairs`.
    """
    first, said = corpus.requests
    question = lru_cache(maxsize=4096)(lambda place: corpus.exchange(int(first[place])).question)
    history = lru_cache(maxsize=4096)(lambda place: _history(corpus, int(first[place])))
    near: list[Paraphrase] = []
    own: list[tuple[str, str]] = []
    for a, b, cosine in zip(*(column.tolist() for column in near_pairs(said.vectors, least)), strict=True):
        if history(a) != history(b) or not same_values(question(a), question(b)):
            continue
        mine, other = _own_sentences(question(a), question(b))
        if same_values(" ".join(mine), " ".join(other)) and not _is_edited(mine, other):
            near.append(Paraphrase(int(first[a]), int(first[b]), cosine))
            own.append((" ".join(mine), " ".join(other)))
    agreed = zip(near, cosines(corpus, own), strict=True)
    return [pair for pair, cosine in agreed if cosine is not None and cosine >= least]


def cosines(corpus: Corpus, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
    """The cosine of each pair of texts; None where the model did not see all of both."""
    said = embed(Path(str(corpus.config.semantic)), [text for pair in pairs for text in pair])
    left, right = said.vectors[::2].astype(np.float64), said.vectors[1::2].astype(np.float64)
    seen = ~(said.is_partial[::2] | said.is_partial[1::2])
    similarity = np.round(np.einsum("ij,ij->i", left, right), 6)
    return [float(cosine) if whole else None for cosine, whole in zip(similarity, seen, strict=True)]


def same_values(left: str, right: str) -> bool:
    """Whether two texts, however they are worded, hold the same values in the same order and deny the same.

    Values are numbers, dates, times, amounts, options and names. Nor may one text hold a word that excludes a word of
    the other, and all that differs may not be the order of the words.
    """
    mine, other = _read(left), _read(right)
    if mine.values != other.values or mine.negations != other.negations:
        return False
    if mine.asks and other.asks and mine.asks != other.asks:
        return False
    gone, come = mine.words - other.words, other.words - mine.words
    if not gone and not come and mine.text != other.text:
        return False
    if any(_are_opposite(a, b) for a in gone for b in come):
        return False
    names = mine.names | other.names
    return all(_holds(each.text, name) for name in names for each in (mine, other)) and (
        sorted(names, key=mine.text.find) == sorted(names, key=other.text.find)
    )


_ANY_QUESTION = frozenset({"what", "how"})  # "Why is it late?", "What is the reason why ...?"


class _Text(NamedTuple):
    """What a text is compared by: `text` is its plain form, `asks` the kind of answer that it wants."""

    text: str
    words: Counter[str]
    values: tuple[tuple[str, ...], ...]
    names: frozenset[str]
    negations: int
    asks: str


@lru_cache(maxsize=4096)
def _read(text: str) -> _Text:
    said = plain(text)
    names = [value for value in values_in(text) if value.kind == "name"]
    values = [value for value in values_in(text) if value.kind != "name"]
    return _Text(
        said,
        Counter(said.split()),
        tuple((value.kind, value.key, _counted(text, value) if len(values) > 1 else "") for value in values),
        frozenset(plain(name.key) for name in names),
        negations(text),
        read_question(text).kind,
    )


_NEXT_WORD = re.compile(r"[ -]([^\W\d_]+)")
_STEM = 4


def _counted(text: str, value: Value) -> str:
    """The beginning of the word that says what a bare number counts: of several numbers, each has to keep its own."""
    match = _NEXT_WORD.match(text, value.end) if value.kind == "number" else None
    word = match[1].lower() if match else ""
    return "" if word in FUNCTION_WORDS else word[:_STEM]


def _are_opposite(left: str, right: str) -> bool:
    """Whether one of two words excludes or denies the other."""
    if are_exclusive(left, right):
        return left not in _ANY_QUESTION and right not in _ANY_QUESTION
    return (left in right or right in left) and is_negated_form(left, right)


def _holds(text: str, name: str) -> bool:
    """Whether a plain text holds a name; scripts without spaces have no bounds of words."""
    return f" {name} " in f" {text} " if name.isascii() else name in text


def _history(corpus: Corpus, exchange: int) -> Hashable:
    """What stands before the question of an exchange, case and punctuation aside."""
    return tuple((turn.role, plain(turn.text)) for turn in corpus.exchange(exchange).context[:-1])


_SAME_WORDING = 0.5  # of the words
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?؟:])\s+|(?<=[。！？：])|\n+")


def _own_sentences(left: str, right: str) -> tuple[list[str], list[str]]:
    """The sentences of each of two texts that the other does not have."""
    mine, other = ({plain(part): part for part in _BETWEEN_SENTENCES.split(text)} for text in (left, right))
    return (
        [part for said, part in mine.items() if said not in other],
        [part for said, part in other.items() if said not in mine],
    )


def _is_edited(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether a sentence of one text stands in the other with words changed in one place: that is no other wording.

    What such an edit means is not for embeddings to say ("Whose cells divide more slowly?", "... more rapidly?").
    """
    others = [plain(text).split() for text in right]
    for mine in (plain(text).split() for text in left):
        for other in others:
            if Indel.normalized_similarity(mine, other) < _SAME_WORDING:
                continue
            places = [
                op
                for op in Levenshtein.opcodes(mine, other)
                if op.tag != "equal"
                and not FUNCTION_WORDS.issuperset(mine[op.src_start : op.src_end] + other[op.dest_start : op.dest_end])
            ]
            if len(places) == 1:
                return True
    return False
