"""Whether two texts ask the same thing: the true similarity of a pair, and what in it says that they do not."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein, Prefix

from curate.contradiction.values import is_negated_form, negations, values_in
from curate.dedup.word_sets import FUNCTION_WORDS, are_exclusive
from curate.dedup.words import (
    GAP,
    LONGEST_EDIT,
    Block,
    Words,
    characters,
    compared,
    composed,
    content,
    keys_of,
    phrases,
    weight,
    words_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SENTENCE_END = re.compile(r"[.!?:](?=\s|$)|[\n。！？؟：]")
_QUESTION_MARKS = frozenset("?？؟")
_FIELD_ENDS = frozenset('\n"“”‘’«»「」『』:：|\t')

SLOTS = 1 / 3  # slots in so many of the edited places are no chance edits
LEAST_PHRASE = 1.75  # words: fewer edited ones do not make another sentence
REWORDED = 3.0  # words: fewer edited ones around a passage are edits
MUCH = 0.4  # of what a sentence says
LONGEST_SENTENCE = 500  # characters


class Sameness(NamedTuple):
    """How far two texts that ask the same thing are alike.

    `similarity` is the share of equal text, 0 to 1. `changed` counts the edited words that carry meaning: not the likes
    of "the", and not another form of the same word.
    """

    similarity: float
    changed: float


IDENTICAL = Sameness(1.0, 0.0)


def sameness(left: str, right: str, least: float) -> Sameness | None:
    """Compare two texts; None if less than `least` of them is the same, or if they ask different things.

    They do where a value stands in the place of another value of its kind (number, date, name, unit, option, one of
    two words that exclude each other), where a negation is all that differs, and where a whole phrase, field or
    question is another one, however much text they share around it.
    """
    if left == right:
        return IDENTICAL
    left, right = sorted((composed(left), composed(right)))
    if min(len(left), len(right)) < (least - 0.2) * max(len(left), len(right)):
        return None
    texts = compared(left, right)
    if texts is None:
        return None
    keys, others, blocks = texts.keys, texts.others, texts.blocks
    if not blocks:
        return IDENTICAL if len(keys) > 1 or texts.parts[0].left.start or left.split() == right.split() else None
    size = len(left) + len(right)
    edited = sum(characters(keys[block.left]) + characters(others[block.right]) for block in blocks)
    if edited > (1 - least) * size:
        return None
    changes = list(phrases(keys, blocks))
    if any(max(words_in(keys[gone]), words_in(others[come])) >= LONGEST_EDIT for gone, come in changes):
        return None
    a, b = texts.words()
    if _asks_something_else(a, b, blocks, changes):
        return None
    changed = sum(_meaning_changed(a, b, block) for block in blocks)
    if changed >= REWORDED and (passage := _passage(a, blocks)) > size / 4 and 2 * edited > size - 2 * passage:
        return None  # around a passage that both have, more differs than is shared
    return Sameness(1 - edited / size, changed)


def _passage(words: Words, blocks: list[Block]) -> int:
    """The length of the longest stretch of a text without a difference, in characters."""
    ends = [words.starts[block.left.start] for block in blocks]
    begins = [
        words.span(block.left)[1] if block.left.start < block.left.stop else end
        for block, end in zip(blocks, ends, strict=True)
    ]
    longest: int = max(end - begin for begin, end in zip([0, *begins], [*ends, len(words.text)], strict=True))
    return longest


def _asks_something_else(left: Words, right: Words, blocks: list[Block], phrases: list[Block]) -> bool:
    if any(_is_another_value(left, right, block) for block in blocks):
        return True
    slots = sum(_is_slot(left, right, block) for block in blocks)
    if slots and slots >= SLOTS * sum(_is_replacement(left, right, block) for block in blocks):
        return True
    sentences = sum(_is_another_sentence(left, right, phrase) for phrase in phrases)
    if sentences and sentences >= SLOTS * len(phrases):
        return True
    return _is_another_question(left, right, blocks) or _has_another_question(left, right, blocks)


def _has_another_question(left: Words, right: Words, blocks: list[Block]) -> bool:
    """Whether most of what a question says was replaced, in both texts."""
    if _QUESTION_MARKS.isdisjoint(left.text) or _QUESTION_MARKS.isdisjoint(right.text):
        return False
    mine, other = (
        _questions_edited(words, parts)
        for words, parts in ((left, [block.left for block in blocks]), (right, [block.right for block in blocks]))
    )
    return mine and other


def _questions_edited(words: Words, parts: list[slice]) -> bool:
    edited: dict[tuple[int, int], float] = defaultdict(float)
    for part in parts:
        if part.start < part.stop:
            edited[_sentence(words.text, *words.span(part))] += content(words.keys[part])
    return any(
        changed >= REWORDED
        and words.text[end : end + 1] in _QUESTION_MARKS
        and changed > content(keys_of(words.text[start:end])) / 2
        for (start, end), changed in edited.items()
    )


def _is_replacement(left: Words, right: Words, block: Block) -> bool:
    """Whether a word stands for another one here that is no form of it."""
    is_two_sided = block.left.start < block.left.stop and block.right.start < block.right.stop
    return is_two_sided and _meaning_changed(left, right, block) > 0


def _is_another_value(left: Words, right: Words, block: Block) -> bool:
    """Whether both texts hold a number, date, amount or option here, and not the same one.

    The kinds need not be equal: "in 1000 days" may be read as a year.
    """
    if not (_may_hold_value(left, block.left) and _may_hold_value(right, block.right)):
        return False
    mine, other = _values(left, block.left), _values(right, block.right)
    return bool(mine - other and other - mine)


def _may_hold_value(words: Words, tokens: slice) -> bool:
    return tokens.start < tokens.stop and any(map(_is_value, words.keys[_with_neighbours(words, tokens)]))


def _with_neighbours(words: Words, tokens: slice) -> slice:
    before, behind = max(tokens.start - 1, 0), tokens.stop
    return slice(before + (words.keys[before] == GAP), behind + (words.keys[behind] != GAP))


@lru_cache(maxsize=65536)
def _is_value(key: str) -> bool:
    return len(key) == 1 or any(value.kind != "name" for value in values_in(key))


def _values(words: Words, tokens: slice) -> set[tuple[str, str]]:
    """The values that some tokens are, or are part of: a unit belongs to the number before it."""
    start, end = words.span(tokens)
    first, last = words.span(_with_neighbours(words, tokens))
    return {
        (value.kind, value.key)
        for value in values_in(words.text[first:last])
        if value.kind != "name" and first + value.start < end and first + value.end > start
    }


def _is_slot(left: Words, right: Words, block: Block) -> bool:
    """Whether a name or field stands for another here, a word for one that it excludes, or a negation came or went."""
    mine, other = left.keys[block.left], right.keys[block.right]
    if len(mine) == len(other):
        places = zip(_numbers(block.left), _numbers(block.right), strict=True)
        pairs = [Block(slice(i, i + 1), slice(k, k + 1)) for i, k in places]
    else:
        pairs = [block]
    if mine and other:
        if any(
            _is_named(left, gone) and _is_named(right, come) and _meaning_changed(left, right, Block(gone, come))
            for gone, come in pairs
        ):
            return True
        if len(mine) == len(other) == 1 and _is_sign(mine[0]) and _is_sign(other[0]):
            return True
        if _is_field(left, block.left) and _is_field(right, block.right) and _has_digit(mine) == _has_digit(other):
            return True
        if any(_excludes(a, b) for a in mine for b in other):
            return True
    return _denials(left, block.left) != _denials(right, block.right)


def _is_sign(key: str) -> bool:
    """Whether a token is an emoji or another sign that is neither letter, number nor operator."""
    return len(key) == 1 and not key.isalnum() and not key.isascii()


def _numbers(tokens: slice) -> range:
    return range(tokens.start, tokens.stop)


def _has_digit(keys: Sequence[str]) -> bool:
    return any(key[0].isdigit() for key in keys)


def _denials(words: Words, tokens: slice) -> int:
    if tokens.start == tokens.stop:
        return 0
    start, end = words.span(tokens)
    return _negations(words.text[start:end])


@lru_cache(maxsize=16384)
def _negations(text: str) -> int:
    """How many negations a phrase holds; "non-stop" and "no-fee" are one word each and none."""
    return negations(text.replace("-", ""))


@lru_cache(maxsize=65536)
def _excludes(left: str, right: str) -> bool:
    """Whether a word excludes another one, or denies it."""
    if are_exclusive(left, right):
        return True
    return (left in right or right in left or "n't" in left + right) and is_negated_form(left, right)


def _is_named(words: Words, tokens: slice) -> bool:
    """Whether one of the tokens is a name: a capitalised word inside a sentence."""
    for i in range(tokens.start, tokens.stop):
        start = words.starts[i]
        if words.text[start].isupper() and words.keys[i] != "i":
            before = words.text[max(0, start - 10) : start].rstrip(" \"'“‘(*_")[-1:]
            if before and before not in ".!?\n:":
                return True
    return False


def _is_field(words: Words, tokens: slice) -> bool:
    """Whether the tokens are all that matters in a field: a quotation, a line, or what follows a colon."""
    first, stop = tokens.start, tokens.stop
    while first > 0 and words.keys[first - 1] in FUNCTION_WORDS:
        first -= 1
    while stop < len(words.keys) and words.keys[stop] in FUNCTION_WORDS:
        stop += 1
    start, end = words.span(slice(first, stop))
    before = words.text[max(start - 3, 0) : start].rstrip(" *_'(")[-1:]
    behind = words.text[end : end + 3].lstrip(" *_.,;!?')")[:1]
    return (before in _FIELD_ENDS or not before) and ((behind in _FIELD_ENDS and behind not in ":：") or not behind)


def _is_another_sentence(left: Words, right: Words, phrase: Block) -> bool:
    """Whether a phrase that stands for another one is most of what the sentence around it says, in both texts."""
    gone, come = words_in(left.keys[phrase.left]), words_in(right.keys[phrase.right])
    if min(content(left.keys[phrase.left]), content(right.keys[phrase.right])) < LEAST_PHRASE:
        return False
    return all(
        weight > words_in(keys_of(words.text[slice(*_sentence(words.text, *words.span(tokens)))])) / 2
        for words, tokens, weight in ((left, phrase.left, gone), (right, phrase.right, come))
    )


def _is_another_question(left: Words, right: Words, blocks: list[Block]) -> bool:
    """Whether all that differs is in one sentence, and there it is much, or in a question a phrase for a phrase."""
    mine = _only_sentence(left, [block.left for block in blocks])
    other = mine and _only_sentence(right, [block.right for block in blocks])
    if mine is None or other is None:
        return False
    start, end = mine
    if len(left.text) < 1.5 * (end - start):
        return False
    changed = [
        sum(words_in(words.keys[part]) for part in parts) / words_in(keys_of(words.text[slice(*sentence)]))
        for words, parts, sentence in (
            (left, [block.left for block in blocks], mine),
            (right, [block.right for block in blocks], other),
        )
    ]
    if min(changed) > MUCH and len(blocks) > 1:
        return True
    is_phrase = any(min(words_in(left.keys[gone]), words_in(right.keys[come])) >= LEAST_PHRASE for gone, come in blocks)
    return is_phrase and left.text[end : end + 1] in _QUESTION_MARKS and len(left.text) > 3 * (end - start)


def _only_sentence(words: Words, parts: list[slice]) -> tuple[int, int] | None:
    """The sentence in which all that differs stands; None if several do, or nothing."""
    only = None
    for part in parts:
        if part.start < part.stop:
            sentence = _sentence(words.text, *words.span(part))
            if sentence != (only or sentence):
                return None
            only = sentence
    return only


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence or line around text[start:end] begins and ends, without the mark at its end."""
    marks, behind = _sentence_marks(text)
    next_mark, last_mark = bisect_left(marks, end), bisect_right(behind, start) - 1
    begin = max(behind[last_mark] if last_mark >= 0 else 0, start - LONGEST_SENTENCE)
    return begin, marks[next_mark] if next_mark < len(marks) else len(text)


@lru_cache(maxsize=1024)
def _sentence_marks(text: str) -> tuple[list[int], list[int]]:
    """Where the marks that end a sentence or a line start, and where the text goes on behind each."""
    spans = [match.span() for match in _SENTENCE_END.finditer(text)]
    return [start for start, _ in spans], [end for _, end in spans]


def _meaning_changed(left: Words, right: Words, block: Block) -> float:
    mine = [key for key in left.keys[block.left] if key not in FUNCTION_WORDS]
    other = [key for key in right.keys[block.right] if key not in FUNCTION_WORDS]
    gone = sum(weight(key) for key in mine if not any(_is_form_of(key, come) for come in other))
    come = sum(weight(key) for key in other if not any(_is_form_of(key, gone) for gone in mine))
    return max(gone, come)


@lru_cache(maxsize=65536)
def _is_form_of(left: str, right: str) -> bool:
    """Whether two words are forms of one word, or one of them is misspelled: they begin alike and differ little."""
    return Prefix.similarity(left, right) >= max(3, 0.6 * max(len(left), len(right))) or (
        min(len(left), len(right)) >= 5 and DamerauLevenshtein.distance(left, right, score_cutoff=1) <= 1
    )
