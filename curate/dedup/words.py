"""Texts as words, each with its place, and the places where two texts differ."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate, count
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import Levenshtein, Postfix, Prefix

from curate.dedup.word_sets import FUNCTION_WORDS

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

_FUNCTION_WEIGHT = 0.25

LONGEST_EDIT = 5.0  # words: a phrase as long as this, added or in the place of another, is more than an edit
GAP = "\0"
WINDOW = 150  # characters
LONG_PLACE = 60  # characters
MOST_PARTS = 6
AROUND = 3  # words beside a difference that are looked at with it


class Words(NamedTuple):
    """Those parts of a text in which it differs from another one, as tokens: in lower case, and where each starts.

    A GAP ends each part.
    """

    text: str
    keys: list[str]
    starts: list[int]

    def span(self, tokens: slice) -> tuple[int, int]:
        """Where some tokens, at least one, stand in the text."""
        last = tokens.stop - 1
        return self.starts[tokens.start], self.starts[last] + len(self.keys[last])


class Block(NamedTuple):
    """A place where two texts differ: some tokens of the left one stand where others of the right one stand."""

    left: slice
    right: slice


class Compared(NamedTuple):
    """Two texts side by side: the tokens of the parts that differ, and the blocks in which they do."""

    left: str
    right: str
    parts: list[Block]
    """Parts of the texts, in characters."""
    keys: list[str]
    others: list[str]
    blocks: list[Block]

    def words(self) -> tuple[Words, Words]:
        mine, other = zip(*self.parts, strict=True)
        return Words(self.left, self.keys, _starts_in(self.left, mine)), Words(
            self.right, self.others, _starts_in(self.right, other)
        )


def compared(left: str, right: str) -> Compared | None:
    """Two different texts in composed form word by word; None if a long phrase stands where another one stands."""
    parts = _parts(left, right)
    if parts is None:
        return None
    keys: list[str] = []
    others: list[str] = []
    blocks: list[Block] = []
    for part in parts:
        mine, other = keys_of(left[part.left]), keys_of(right[part.right])
        blocks += (_moved(block, len(keys), len(others)) for block in differences(mine, other))
        keys += mine
        others += other
        keys.append(GAP)
        others.append(GAP)
    return Compared(left, right, parts, keys, others, blocks)


def _parts(left: str, right: str) -> list[Block] | None:
    """The parts of two texts that hold all that differs, with a few words around; in characters."""
    head, tail = _common_ends(left, right)
    my_end, other_end = len(left) - tail, len(right) - tail
    if min(my_end, other_end) - head <= LONG_PLACE:
        return [Block(slice(head, my_end), slice(head, other_end))]
    if _is_replaced(left[head : min(head + WINDOW, my_end)], right[head : min(head + WINDOW, other_end)]):
        return None
    if _is_replaced(left[max(head, my_end - WINDOW) : my_end], right[max(head, other_end - WINDOW) : other_end]):
        return None
    mine, my_starts = _spaced(left)
    other, other_starts = _spaced(right)
    parts: list[Block] = []
    for block in differences(mine, other):
        gone, come = _widened(block.left, len(mine)), _widened(block.right, len(other))
        if parts and (gone.start <= parts[-1].left.stop or come.start <= parts[-1].right.stop):
            parts[-1] = _from_to(parts[-1], Block(gone, come))
        else:
            parts.append(Block(gone, come))
    if not 0 < len(parts) <= MOST_PARTS:  # in marks alone, or nearly everywhere
        return [Block(slice(0, len(left)), slice(0, len(right)))]
    return [Block(_characters_of(part.left, my_starts), _characters_of(part.right, other_starts)) for part in parts]


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
    mine, other = _without_marks(left).split(), _without_marks(right).split()
    return any(
        min(words_in(mine[gone]), words_in(other[come])) >= LONGEST_EDIT
        for gone, come in phrases(mine, differences(mine, other))
    )


def _widened(some: slice, size: int) -> slice:
    return slice(max(some.start - AROUND, 0), min(some.stop + AROUND, size))


def _characters_of(some: slice, starts: list[int]) -> slice:
    return slice(starts[some.start], starts[some.stop] - 1)


def _moved(block: Block, left: int, right: int) -> Block:
    return Block(
        slice(block.left.start + left, block.left.stop + left),
        slice(block.right.start + right, block.right.stop + right),
    )


_MARKS = ",.;:!?\"'()\n\r\t"
_MARK_IN_NUMBER = re.compile(r"(?<=\d)[.,:](?=\d)")
_MARK = re.compile(f"[{_MARKS}]")
_TABLE = "".join(" " if char in _MARKS else char.lower() for char in map(chr, range(128))).encode() + bytes(128)


@lru_cache(maxsize=4096)
def _spaced(text: str) -> tuple[list[str], list[int]]:
    """A text in lower case, cut at each space or mark, and where each word, and one more behind the last, starts."""
    spaced = _without_marks(text)
    for number in _MARK_IN_NUMBER.finditer(text):
        spaced = spaced[: number.start()] + number[0] + spaced[number.end() :]
    found = spaced.split(" ")
    return found, list(map(add, accumulate(map(len, found), initial=0), count()))


def _without_marks(text: str) -> str:
    """A text in lower case, a space for each mark."""
    if text.isascii():
        return text.encode().translate(_TABLE).decode()
    return _MARK.sub(" ", _lower(text))


@lru_cache(maxsize=4096)
def composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def meaning(text: str) -> float:
    """How many words of a text carry meaning; those that carry little count for a quarter."""
    return words_in(keys_of(text))


def fillings(left: str, right: str) -> dict[int, str]:
    """What the right text has instead, by the number of the token of the left one; nothing for what it adds."""
    mine, other = keys_of(left), keys_of(right)
    found: dict[int, str] = {}
    for block in differences(mine, other):
        found |= dict.fromkeys(range(block.left.start, block.left.stop), " ".join(other[block.right]))
    return found


def _lower(text: str) -> str:
    """The text in lower case, each character in its place: only the Turkish capital İ would become two."""
    return text.replace("İ", "i").lower()


def _pattern(text: str) -> re.Pattern[str]:
    return _TOKEN_IN_ASCII if text.isascii() else _TOKEN


@lru_cache(maxsize=4096)
def keys_of(text: str) -> list[str]:
    keys = _pattern(text).findall(_lower(text))
    return [key.replace("ß", "ss") for key in keys] if "ß" in text else keys


def _starts_in(text: str, parts: Iterable[slice]) -> list[int]:
    starts: list[int] = []
    for part in parts:
        starts += [part.start + start for start in _starts(text[part])] if part.start else _starts(text[part])
        starts.append(part.stop)
    return starts


@lru_cache(maxsize=4096)
def _starts(text: str) -> list[int]:
    return [match.start() for match in _pattern(text).finditer(_lower(text))]


def characters(keys: Sequence[str]) -> int:
    """How many characters some tokens are; of words that carry little meaning only one each."""
    return sum(map(_length, keys))


@lru_cache(maxsize=65536)
def _length(key: str) -> int:
    return 1 if len(key) == 1 or key in FUNCTION_WORDS else len(key) + 1


def words_in(keys: Iterable[str]) -> float:
    return sum(map(weight, keys))


def content(keys: Sequence[str]) -> float:
    """The same without the words that carry little meaning."""
    return sum(weight(key) for key in keys if key not in FUNCTION_WORDS)


@lru_cache(maxsize=65536)
def weight(key: str) -> float:
    """How much of a word with a meaning a token is."""
    if not key:
        return 0.0
    if len(key) > 1 or key.isascii():
        return _FUNCTION_WEIGHT if key in FUNCTION_WORDS or not key[0].isalnum() else 1.0
    if _SPACELESS.match(key):
        return 0.5 if _HALF.match(key) else 0.25
    return 1.0 if key.isalnum() else _FUNCTION_WEIGHT


def differences(left: Sequence[str], right: Sequence[str]) -> Iterator[Block]:
    """The blocks in which two lists of tokens differ, in order, an equal token between each two."""
    mine = other = 0
    for same in Levenshtein.editops(left, right).as_matching_blocks():
        if same.a > mine or same.b > other:
            yield Block(slice(mine, same.a), slice(other, same.b))
        mine, other = same.a + same.size, same.b + same.size


def phrases(left: Sequence[str], blocks: Iterable[Block]) -> Iterator[Block]:
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
