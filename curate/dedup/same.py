"""Whether two texts ask the same thing: the true similarity of a pair, and what in it says that they do not."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein, Levenshtein, Postfix, Prefix

from curate.contradiction.values import is_negated_form, negations, values_in
from curate.dedup.word_sets import FUNCTION_WORDS, are_exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# In scripts that put no space between words one character is a token, and a word is two (Han, kana) or four (Thai,
# Lao, Khmer, Burmese) of them. The marks of Hebrew, Arabic and Indian scripts belong to the letter before them.
_HALVES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_QUARTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0962\u0963\u0981-\u0dff"
_NUMBER = r"\d+(?:[.,:/-]\d+)*"
_SYMBOL = r"(?<![^\W_])-(?=\w)|[+*/=<>^%&|~$€£¥@\\]"
_PUNCTUATION = (
    "!-/:-@\\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf"
    "\u2010-\u2027\u2030-\u205e\u060c\u061b\u061f\u06d4\u0964\u0965\u3001-\u303f\u30fb"
)
_TOKEN_IN_ASCII = re.compile(rf"{_NUMBER}|[A-Za-z_]+(?:(?<=n)'t)?|{_SYMBOL}", re.ASCII)
_TOKEN = re.compile(
    rf"{_NUMBER}|[{_HALVES}{_QUARTERS}]|(?:(?![{_HALVES}{_QUARTERS}])[^\W\d]|[{_MARKS}])+(?:(?<=n)['’]t)?|{_SYMBOL}|[^\w\s{_PUNCTUATION}{_MARKS}\u200b-\u200f\ufe00-\ufe0f]"
)
_SPACELESS = re.compile(f"[{_HALVES}{_QUARTERS}]")
_HALF = re.compile(f"[{_HALVES}]")
_SENTENCE_END = re.compile(r"[.!?:](?=\s|$)|[\n。！？؟：]")
_QUESTION_MARKS = frozenset("?？؟")
_FIELD_ENDS = frozenset('\n"“”‘’«»「」『』:：|\t')

_FUNCTION_WEIGHT = 0.25

LONGEST_EDIT = 5.0  # words: a phrase as long as this, added or in the place of another, is more than an edit
SLOTS = 1 / 3  # slots in so many of the edited places are no chance edits
LEAST_PHRASE = 1.75  # words: fewer edited ones do not make another sentence
REWORDED = 3.0  # words: fewer edited ones around a passage are edits
MUCH = 0.4  # of what a sentence says
LONG_PLACE = 60  # characters
WINDOW = 150  # characters
LONGEST_SENTENCE = 500  # characters


class Words(NamedTuple):
    """The part of a text from `start` on as tokens (words, numbers, symbols): in lower case, and where they stand."""

    text: str
    start: int
    keys: list[str]
    starts: array[int]

    def span(self, tokens: slice) -> tuple[int, int]:
        """Where some tokens, at least one, stand in the text."""
        last = tokens.stop - 1
        return self.start + self.starts[tokens.start], self.start + self.starts[last] + len(self.keys[last])


class Block(NamedTuple):
    """A place where two texts differ: some tokens of the left one stand where others of the right one stand."""

    left: slice
    right: slice


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
    left, right = sorted((_composed(left), _composed(right)))
    if min(len(left), len(right)) < (least - 0.2) * max(len(left), len(right)):
        return None
    head, tail = _common_ends(left, right)
    if min(len(left), len(right)) - head - tail > LONG_PLACE:
        ends = (
            (left[head : head + WINDOW], right[head : head + WINDOW]),
            (
                left[max(head, len(left) - tail - WINDOW) : len(left) - tail],
                right[max(head, len(right) - tail - WINDOW) : len(right) - tail],
            ),
        )
        if any(_is_replaced(*end) for end in ends):
            return None
        head = tail = 0  # whole texts are split once for all their pairs
    mine, other = left[head : len(left) - tail], right[head : len(right) - tail]
    keys, others = _keys(mine), _keys(other)
    if keys == others:
        return IDENTICAL if keys or head or left.split() == right.split() else None
    blocks = list(_differences(keys, others))
    size = len(left) + len(right)
    edited = sum(_characters(keys[block.left]) + _characters(others[block.right]) for block in blocks)
    if edited > (1 - least) * size:
        return None
    phrases = list(_joined(keys, blocks))
    if any(max(_words(keys[gone]), _words(others[come])) >= LONGEST_EDIT for gone, come in phrases):
        return None
    a, b = Words(left, head, keys, _starts(mine)), Words(right, head, others, _starts(other))
    if _asks_something_else(a, b, blocks, phrases):
        return None
    changed = sum(_meaning_changed(a, b, block) for block in blocks)
    if changed >= REWORDED and (passage := _passage(a, blocks)) > size / 4 and 2 * edited > size - 2 * passage:
        return None  # around a passage that both have, more differs than is shared
    return Sameness(1 - edited / size, changed)


def _passage(words: Words, blocks: list[Block]) -> int:
    """The length of the longest stretch of a text without a difference, in characters."""
    ends = [
        words.start + words.starts[block.left.start] if block.left.start < len(words.keys) else len(words.text)
        for block in blocks
    ]
    begins = [
        words.span(block.left)[1] if block.left.start < block.left.stop else end
        for block, end in zip(blocks, ends, strict=True)
    ]
    return max(end - begin for begin, end in zip([0, *begins], [*ends, len(words.text)], strict=True))


def meaning(text: str) -> float:
    """How many words of a text carry meaning; those that carry little count for a quarter."""
    return _words(_keys(text))


def fillings(left: str, right: str) -> dict[int, str]:
    """What the right text has instead, by the number of the token of the left one; nothing for what it adds."""
    mine, other = _keys(left), _keys(right)
    found: dict[int, str] = {}
    for block in _differences(mine, other):
        found |= dict.fromkeys(range(block.left.start, block.left.stop), " ".join(other[block.right]))
    return found


def _common_ends(left: str, right: str) -> tuple[int, int]:
    """How many characters the texts share at the start and at the end, but for the word next to a difference.

    Where no space is near (a script without them, or a short text), nothing is cut off.
    """
    head = Prefix.similarity(left, right)
    if head < max(len(left), len(right)):
        space = left.rfind(" ", max(0, head - LONG_PLACE), head)
        head = left.rfind(" ", 0, space) + 1 if space > 0 else 0
    tail = min(Postfix.similarity(left, right), len(left) - head, len(right) - head)
    if tail:
        space = left.find(" ", len(left) - tail, len(left) - tail + LONG_PLACE)
        after = left.find(" ", space + 1) if space >= 0 else -1
        tail = len(left) - after if after >= 0 else 0
    return head, tail


def _is_replaced(left: str, right: str) -> bool:
    """Whether a long phrase stands for another one, seen in a stretch where two texts begin or cease to differ."""
    mine, other = left.lower().translate(_NO_MARKS).split(), right.lower().translate(_NO_MARKS).split()
    return any(
        min(_words(mine[gone]), _words(other[come])) >= LONGEST_EDIT
        for gone, come in _joined(mine, list(_differences(mine, other)))
    )


_NO_MARKS = str.maketrans(dict.fromkeys(",.;:!?\"'()", " "))


@lru_cache(maxsize=1024)
def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _lower(text: str) -> str:
    """The text in lower case, each character in its place: only the Turkish capital İ would become two."""
    return text.replace("İ", "i").lower()


def _pattern(text: str) -> re.Pattern[str]:
    return _TOKEN_IN_ASCII if text.isascii() else _TOKEN


@lru_cache(maxsize=4096)
def _keys(text: str) -> list[str]:
    keys = _pattern(text).findall(_lower(text))
    return [key.replace("ß", "ss") for key in keys] if "ß" in text else keys


@lru_cache(maxsize=4096)
def _starts(text: str) -> array[int]:
    return array("I", [match.start() for match in _pattern(text).finditer(_lower(text))])


def _characters(keys: Sequence[str]) -> int:
    """How many characters some tokens are; of words that carry little meaning only one each."""
    return sum(map(_length, keys))


@lru_cache(maxsize=65536)
def _length(key: str) -> int:
    return 1 if len(key) == 1 or key in FUNCTION_WORDS else len(key) + 1


def _words(keys: Sequence[str]) -> float:
    return sum(map(_weight, keys))


def _content(keys: Sequence[str]) -> float:
    """The same without the words that carry little meaning."""
    return sum(_weight(key) for key in keys if key not in FUNCTION_WORDS)


@lru_cache(maxsize=65536)
def _weight(key: str) -> float:
    """How much of a word with a meaning a token is."""
    if len(key) > 1 or key.isascii():
        return _FUNCTION_WEIGHT if key in FUNCTION_WORDS or not key[0].isalnum() else 1.0
    if _SPACELESS.match(key):
        return 0.5 if _HALF.match(key) else 0.25
    return 1.0 if key.isalnum() else _FUNCTION_WEIGHT


def _differences(left: Sequence[str], right: Sequence[str]) -> Iterator[Block]:
    """The blocks in which two lists of tokens differ, in order, an equal token between each two."""
    last: Block | None = None
    for op in Levenshtein.opcodes(left, right):
        if op.tag == "equal":
            continue
        block = Block(slice(op.src_start, op.src_end), slice(op.dest_start, op.dest_end))
        if last and last.left.stop == block.left.start and last.right.stop == block.right.start:
            block = _from_to(last, block)
        elif last:
            yield last
        last = block
    if last:
        yield last


def _joined(left: Sequence[str], blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks as phrases: those with nothing but the likes of "the" between them are one."""
    last: Block | None = None
    for block in blocks:
        if last and FUNCTION_WORDS.issuperset(left[last.left.stop : block.left.start]):
            last = _from_to(last, block)
            continue
        if last:
            yield last
        last = block
    if last:
        yield last


def _from_to(first: Block, last: Block) -> Block:
    return Block(slice(first.left.start, last.left.stop), slice(first.right.start, last.right.stop))


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
    mine, other = (
        _questions_edited(words, parts)
        for words, parts in ((left, [block.left for block in blocks]), (right, [block.right for block in blocks]))
    )
    return mine and other


def _questions_edited(words: Words, parts: list[slice]) -> bool:
    edited: dict[tuple[int, int], float] = defaultdict(float)
    for part in parts:
        if part.start < part.stop:
            edited[_sentence(words.text, *words.span(part))] += _content(words.keys[part])
    return any(
        changed >= REWORDED
        and words.text[end : end + 1] in _QUESTION_MARKS
        and changed > _content(_keys(words.text[start:end])) / 2
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
    near = words.keys[max(tokens.start - 1, 0) : tokens.stop + 1]
    return tokens.start < tokens.stop and any(map(_is_value, near))


@lru_cache(maxsize=65536)
def _is_value(key: str) -> bool:
    return len(key) == 1 or any(value.kind != "name" for value in values_in(key))


def _values(words: Words, tokens: slice) -> set[tuple[str, str]]:
    """The values that some tokens are, or are part of: a unit belongs to the number before it."""
    start, end = words.span(tokens)
    first, last = words.span(slice(max(tokens.start - 1, 0), min(tokens.stop + 1, len(words.keys))))
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
        start = words.start + words.starts[i]
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
    gone, come = _words(left.keys[phrase.left]), _words(right.keys[phrase.right])
    if min(_content(left.keys[phrase.left]), _content(right.keys[phrase.right])) < LEAST_PHRASE:
        return False
    return all(
        weight > _words(_keys(words.text[slice(*_sentence(words.text, *words.span(tokens)))])) / 2
        for words, tokens, weight in ((left, phrase.left, gone), (right, phrase.right, come))
    )


def _is_another_question(left: Words, right: Words, blocks: list[Block]) -> bool:
    """Whether all that differs is in one sentence, and there it is much, or in a question a phrase for a phrase."""
    mine = {_sentence(left.text, *left.span(block.left)) for block in blocks if left.keys[block.left]}
    other = {_sentence(right.text, *right.span(block.right)) for block in blocks if right.keys[block.right]}
    if len(mine) != 1 or len(other) != 1:
        return False
    ((start, end),) = mine
    if len(left.text) < 1.5 * (end - start):
        return False
    changed = [
        sum(_words(words.keys[part]) for part in parts) / _words(_keys(words.text[slice(*sentence)]))
        for words, parts, (sentence,) in (
            (left, [block.left for block in blocks], mine),
            (right, [block.right for block in blocks], other),
        )
    ]
    if min(changed) > MUCH and len(blocks) > 1:
        return True
    is_phrase = any(min(_words(left.keys[gone]), _words(right.keys[come])) >= LEAST_PHRASE for gone, come in blocks)
    return is_phrase and left.text[end : end + 1] in _QUESTION_MARKS and len(left.text) > 3 * (end - start)


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence or line around text[start:end] begins and ends, without the mark at its end."""
    behind = _SENTENCE_END.search(text, end)
    before = 0
    for match in _SENTENCE_END.finditer(text, max(0, start - LONGEST_SENTENCE), start):
        before = match.end()
    return before or max(0, start - LONGEST_SENTENCE), behind.start() if behind else len(text)


def _meaning_changed(left: Words, right: Words, block: Block) -> float:
    mine = [key for key in left.keys[block.left] if key not in FUNCTION_WORDS]
    other = [key for key in right.keys[block.right] if key not in FUNCTION_WORDS]
    gone = sum(_weight(key) for key in mine if not any(_is_form_of(key, come) for come in other))
    come = sum(_weight(key) for key in other if not any(_is_form_of(key, gone) for gone in mine))
    return max(gone, come)


@lru_cache(maxsize=65536)
def _is_form_of(left: str, right: str) -> bool:
    """Whether two words are forms of one word, or one of them is misspelled: they begin alike and differ little."""
    return Prefix.similarity(left, right) >= max(3, 0.6 * max(len(left), len(right))) or (
        min(len(left), len(right)) >= 5 and DamerauLevenshtein.distance(left, right, score_cutoff=1) <= 1
    )
