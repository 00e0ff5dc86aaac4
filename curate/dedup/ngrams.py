"""Benchmark items inside other texts, found by runs of words that both have.

The measure is that of the decontamination of GPT-3 and of lm-eval, 13 words in a row, with what it leaves open: words
of any script, items that are shorter, runs that say nothing, and proof of each hit. Texts are compared by their words
alone (NFKC, case-folded), so neither punctuation nor line breaks hide a copy, and an edited word leaves the runs
before and behind it.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.sample import Sample

WORDS = 13
# A shorter text is sought as a whole if it has so many words. And so many different words of an n-gram must say
# something: numbers and single letters do not, nor does a repetition, for every table, loop and alphabet has them.
LEAST_WORDS = 8
# Where a script puts no space between words each character is one, and twice as many of them say as much.
SPACELESS_FACTOR = 2
# An n-gram in more of the items than both of these is the benchmark's own template, whose words say nothing.
TEMPLATE_ITEMS = 10
TEMPLATE_SHARE = 0.01

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_IS_SPACELESS = re.compile(f"[{_SPACELESS}]")
_WORD_IN_ASCII = re.compile(r"[A-Za-z0-9]+")
_FOLDED_ASCII = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))

# The hash of the words w of places i, i + 1, ... is the sum of RANDOM[w] * BASE ** (place - i), modulo 2 ** 64: by
# running sums, one subtraction and one product for n-grams of any length.
_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_USUAL_LENGTH = 4096
_FILTER_SPACE = 6
_MOST_FILTER_BITS = 26


class Overlap(NamedTuple):
    """What a text shares with a benchmark item.

    `text` is the longest matched run, [start, end) in code points of the text that was searched, and `words` its
    length. `share` is the part of the item's n-grams that is found anywhere in that text, `has_numbers` whether all the
    item's numbers are; of an item of several texts they are about the one which has the run.
    """

    item: int
    start: int
    end: int
    text: str
    words: int
    share: float
    has_numbers: bool


class _Text(NamedTuple):
    """A text of an item: its number of words, that of its n-grams, how many must differ, and the item."""

    words: int
    ngram: int
    different: int
    item: int


class _Entries(NamedTuple):
    """N-grams: their hashes, where their first words stand, the texts that have them, and their numbers of words."""

    hashes: NDArray[np.uint64]
    places: NDArray[np.int32]
    texts: NDArray[np.int32]
    sizes: NDArray[np.int32]

    def where(self, chosen: NDArray[Any]) -> _Entries:
        return _Entries(*(column[chosen] for column in self))


class _Vocabulary(dict[str, int]):
    def __missing__(self, word: str) -> int:
        return -1


class NgramIndex:
    """The n-grams of a benchmark's items: `add` them all, then ask for `matches`.

    An n-gram is WORDS words, or SPACELESS_FACTOR times as many characters of scripts without spaces; a shorter text of
    at least LEAST_WORDS words is one n-gram. A hit is compared word by word, so a collision of hashes gives no match.
    """

    def __init__(self) -> None:
        self._vocabulary = _Vocabulary()
        self._tells = array("b")  # whether a word says something
        self._words = array("i")  # of all texts, by their number in the vocabulary
        self._texts: list[_Text] = []
        self._numbers: list[frozenset[str]] = []  # of each text
        self._table: _Table | None = None

    def add(self, item: int, text: str) -> None:
        """Add a text of an item; an item may have several."""
        words = _words(text)
        factor = _factor(words)
        if len(words) < LEAST_WORDS * factor:
            return
        for word in words:
            number = self._vocabulary.setdefault(word, len(self._vocabulary))
            if number == len(self._tells):
                self._tells.append((len(word) > 1 and not word.isnumeric()) or bool(_IS_SPACELESS.match(word)))
            self._words.append(number)
        self._texts.append(_Text(len(words), min(len(words), WORDS * factor), LEAST_WORDS * factor, item))
        self._numbers.append(frozenset(word for word in words if word.isnumeric()))
        self._table = None

    def matches(self, text: str) -> list[Overlap]:
        """The items that share an n-gram with the text, the longest run first."""
        if self._table is None:
            self._table = _Table(self._words, self._tells, self._texts)
        words = _words(text)
        found = self._table.find(np.fromiter(map(self._vocabulary.__getitem__, words), np.int32, len(words)))
        if found is None:
            return []
        spans = _spans(text)
        best: dict[int, Overlap] = {}
        for number in np.unique(found.texts).tolist():
            mine = found.where(found.texts == number)
            first, stop = _longest_run(mine)
            start, end = spans[first][0], spans[stop - 1][1]
            share = len(np.unique(mine.hashes)) / int(self._table.ngrams_of[number])
            has_numbers = self._numbers[number].issubset(words)
            overlap = Overlap(self._texts[number].item, start, end, text[start:end], stop - first, share, has_numbers)
            if overlap.item not in best or _rank(overlap) < _rank(best[overlap.item]):
                best[overlap.item] = overlap
        return sorted(best.values(), key=_rank)


class _Table:
    """The n-grams that count, and the search in them.

    `ngrams_of` has their number for each text.
    """

    def __init__(self, words: array[int], tells: array[int], texts: Sequence[_Text]) -> None:
        self._words: NDArray[np.int32] = np.array(words, dtype=np.int32)
        # One more than there are words: the last one is for the words that are in no item.
        self._random = np.random.default_rng(0).integers(0, 1 << 64, len(tells) + 1, dtype=np.uint64)
        says = np.array(tells, dtype=bool)[self._words]
        self._entries = _telling(self._all(texts), texts, says, _previous(self._words))
        self._sizes: list[int] = np.unique(self._entries.sizes).tolist()
        self.ngrams_of = np.bincount(self._entries.texts, minlength=len(texts))
        bits = min(len(self._entries.hashes).bit_length() + _FILTER_SPACE, _MOST_FILTER_BITS)
        self._shift = np.uint64(64 - bits)
        self._seen: NDArray[np.bool_] = np.zeros(1 << bits, dtype=bool)
        self._seen[self._entries.hashes >> self._shift] = True

    def _all(self, texts: Sequence[_Text]) -> _Entries:
        """Every n-gram of every text, in the order of hashes, then items, then texts."""
        columns = np.array(texts, dtype=np.int64).reshape(-1, len(_Text._fields))
        lengths, sizes, items = columns[:, 0], columns[:, 1], columns[:, 3]
        text_of: NDArray[np.int32] = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
        left = np.cumsum(lengths)[text_of] - np.arange(len(text_of))
        sums = self._sums(self._words)
        found = [_Entries(np.empty(0, np.uint64), *np.empty((3, 0), np.int32))]
        for size in np.unique(sizes).tolist():
            places: NDArray[np.int32] = np.flatnonzero((sizes[text_of] == size) & (left >= size)).astype(np.int32)
            found.append(_Entries(_hashes(sums, size)[places], places, text_of[places], np.full_like(places, size)))
        entries = _Entries(*map(np.concatenate, zip(*found, strict=True)))
        return entries.where(np.lexsort((entries.texts, items[entries.texts], entries.hashes)))

    def find(self, words: NDArray[np.int32]) -> _Entries | None:
        """The n-grams among the words, by their places there, once for each text of an item that has them."""
        sums = self._sums(words)
        found = [entries for size in self._sizes if (entries := self._of_size(size, words, sums)) is not None]
        return _Entries(*map(np.concatenate, zip(*found, strict=True))) if found else None

    def _of_size(self, size: int, words: NDArray[np.int32], sums: NDArray[np.uint64]) -> _Entries | None:
        hashes = _hashes(sums, size)
        places = np.flatnonzero(self._seen[hashes >> self._shift])
        hashes = hashes[places]
        first = self._entries.hashes.searchsorted(hashes)
        counts = self._entries.hashes.searchsorted(hashes, "right") - first
        if not counts.any():
            return None
        places = np.repeat(places, counts)
        chosen = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(len(places))
        entries = self._entries.where(chosen)
        within = np.arange(size)
        is_same = (entries.sizes == size) & (
            words[places[:, None] + within] == self._words.take(entries.places[:, None] + within, mode="clip")
        ).all(axis=1)
        return entries._replace(places=places).where(is_same) if is_same.any() else None

    def _sums(self, words: NDArray[np.int32]) -> NDArray[np.uint64]:
        sums: NDArray[np.uint64] = np.zeros(len(words) + 1, dtype=np.uint64)
        np.cumsum(self._random[words] * _powers(_BASE, len(words)), out=sums[1:])
        return sums


def _rank(overlap: Overlap) -> tuple[int, float, int]:
    return -overlap.words, -overlap.share, overlap.item


def _telling(
    entries: _Entries, texts: Sequence[_Text], says: NDArray[np.bool_], previous: NDArray[np.intp]
) -> _Entries:
    """The entries with as many different words that say something as their texts ask for, each once for a text.

    `entries` are sorted by hash, item and text; of each word of all texts `says` has whether it says something, and
    `previous` where it stood before. The words of a template say nothing.
    """
    items = np.array([text.item for text in texts], dtype=np.int64)
    different = np.array([text.different for text in texts], dtype=np.int64)
    new_hash, new_item, new_text = map(_is_new, (entries.hashes, items[entries.texts], entries.texts))
    group = np.cumsum(new_hash) - 1
    items_with = np.bincount(group, weights=new_hash | new_item)[group]
    is_template = items_with > max(TEMPLATE_ITEMS, TEMPLATE_SHARE * len(np.unique(items)))
    says = says.copy()
    for k in range(entries.sizes.max(initial=0)):
        says[entries.places[is_template & (k < entries.sizes)] + k] = False
    distinct: NDArray[np.int64] = np.zeros(len(entries.places), dtype=np.int64)
    for k in range(entries.sizes.max(initial=0)):
        places = np.minimum(entries.places + k, len(says) - 1)
        distinct += (k < entries.sizes) & says[places] & (previous[places] < entries.places)
    return entries.where((distinct >= different[entries.texts]) & (new_hash | new_text))


def _is_new(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a value is another one than that before it."""
    new: NDArray[np.bool_] = np.ones(len(column), dtype=bool)
    new[1:] = column[1:] != column[:-1]
    return new


def _hashes(sums: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """The hash of the n-gram at each place."""
    differences = sums[size:] - sums[:-size]
    return differences * _powers(_BASE_INVERSE, len(differences))


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    return _usual_powers(base)[:count] if count <= _USUAL_LENGTH else _all_powers(base, count)


@lru_cache(maxsize=2)
def _usual_powers(base: int) -> NDArray[np.uint64]:
    return _all_powers(base, _USUAL_LENGTH)


def _all_powers(base: int, count: int) -> NDArray[np.uint64]:
    factors: NDArray[np.uint64] = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _previous(words: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where the same word stood before, -1 for none."""
    previous: NDArray[np.intp] = np.full(len(words), -1, dtype=np.intp)
    order = np.argsort(words, kind="stable")
    again = words[order[1:]] == words[order[:-1]]
    previous[order[1:][again]] = order[:-1][again]
    return previous


def _longest_run(entries: _Entries) -> tuple[int, int]:
    """The longest stretch of words that n-grams cover without a gap, as [first, stop)."""
    order = np.argsort(entries.places, kind="stable")
    starts = entries.places[order]
    stops = np.maximum.accumulate(starts + entries.sizes[order])
    first = np.flatnonzero(np.append(True, starts[1:] > stops[:-1]))
    last: NDArray[np.intp] = np.append(first[1:], len(starts)) - 1
    longest = np.argmax(stops[last] - starts[first])
    return int(starts[first[longest]]), int(stops[last[longest]])


def benchmark_texts(sample: Sample) -> list[str]:
    """The texts of a benchmark's row to look for: what is asked, and what else of it is as long as an n-gram.

    That is answers, and text in columns that no format reads (the solution and the tests of a programming task); not
    the system prompt, which belongs to the benchmark and not to the item. Short answers and labels stand everywhere.
    """
    asked = [text.text for text in sample.texts() if text.role == "user"]
    others = [text.text for text in sample.texts() if text.role not in ("user", "system", "developer")]
    if not asked:
        asked, others = others, []
    others += _strings(sample.metadata)
    return [*asked, *(text for text in others if _is_long(text))]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _is_long(text: str) -> bool:
    words = list(_words(text))
    return len(words) >= WORDS * _factor(words)


def _factor(words: Sequence[str]) -> int:
    spaceless = sum(_IS_SPACELESS.match(word) is not None for word in words)
    return SPACELESS_FACTOR if 2 * spaceless > len(words) else 1


def _words(text: str) -> Sequence[str]:
    """The words of a text, folded, in order."""
    if text.isascii():
        return text.translate(_FOLDED_ASCII).split()
    return [_folded(word) for word in _word().findall(text)]


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each of the words stands."""
    return [match.span() for match in (_WORD_IN_ASCII if text.isascii() else _word()).finditer(text)]


@lru_cache(maxsize=1)
def _word() -> re.Pattern[str]:
    """Letters and digits in a row, or a character of a script without spaces; marks belong to what they stand on."""
    marks = "\u00ad\uff9e\uff9f" + "".join(
        chr(code) for code in range(0x300, 0x1E950) if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me", "Cf")
    )
    letters = rf"[^\W_{_SPACELESS}]"
    plain = r"[A-Za-z0-9]++(?![^\x00-\x7f])"  # says what the next one says, several times faster
    return re.compile(rf"{plain}|{letters}+(?:[{marks}]+{letters}*)*|(?!\W)[{_SPACELESS}][{marks}]*")


@lru_cache(maxsize=1 << 16)
def _folded(word: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return folded if folded.isalnum() else "".join(char for char in folded if unicodedata.category(char) != "Cf")
