"""Texts as bytes that hold what they say, whatever their case, punctuation, white space and Unicode form.

A batch of texts is folded at once, so that all that is derived from the bytes costs a few numpy passes.
"""

from __future__ import annotations

import string
import sys
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from curate.dedup.word_sets import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAP = 8  # zero bytes behind each text, so that what is read from its last bytes on never reaches into the next one

_PUNCTUATION = "!\"'(),.:;?[]_`{}"
_OTHER_PUNCTUATION = (
    "¡¿…“”‘’«»‹›„、。「」『』【】《》〈〉·؟،؛।\x85\u1680\u2028\u2029"  # NFKC has mapped the other spaces
)
_OTHER_SPACES = "\x85\u1680\u2028\u2029"  # that NFKC leaves
_SPACE = ord(" ")
_MARKS = (_PUNCTUATION + string.whitespace + "\0\x1c\x1d\x1e\x1f").encode()


def plain(text: str) -> str:
    """What a text says, whatever its case, punctuation, white space and Unicode form."""
    return b" ".join(_encoded(text).translate(_TABLE).split()).decode("utf-8", "surrogatepass") or text


def _encoded(text: str) -> bytes:
    return _folded(text).encode("utf-8", "surrogatepass").strip(_MARKS).replace(b"\0", b" ")


def _folded(text: str) -> str:
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text).casefold()
    for mark in _OTHER_PUNCTUATION + _OTHER_SPACES:
        text = text.replace(mark, " ")
    return text


def _table() -> bytes:
    """What each byte becomes: ASCII letters in lower case, white space and punctuation a space, others themselves."""
    chars = map(chr, range(128))
    ascii = "".join(" " if char in _PUNCTUATION or char.isspace() else char.lower() for char in chars)
    return ascii.encode() + bytes(range(128, 256))


_TABLE = _table()
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_AGAIN = np.uint64(0xBF58476D1CE4E5B9)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of each number."""
    hashes = values * _MIX
    hashes ^= hashes >> np.uint64(29)
    hashes *= _MIX_AGAIN
    return hashes


class Folded:
    """Some texts in plain form, one after another: NFKC and lower case, each run of spaces and marks one space.

    `data` uint8 holds the bytes, GAP zeros behind each text; text `i` is data[starts[i]:ends[i]].
    """

    def __init__(self, texts: Sequence[str]) -> None:
        gap = b"\0" * GAP
        encoded = list(map(_encoded, texts))
        raw = np.frombuffer(gap.join([b"", *encoded, b""]).translate(_TABLE), dtype=np.uint8)
        is_space = raw == _SPACE
        again: NDArray[np.intp] = np.flatnonzero(is_space[1:] & is_space[:-1]) + 1
        self.data: NDArray[np.uint8] = np.delete(raw, again)
        sizes = np.fromiter(map(len, encoded), dtype=np.intp, count=len(encoded))
        ends = np.cumsum(sizes + GAP)
        starts = ends - sizes
        self.starts: NDArray[np.intp] = starts - np.searchsorted(again, starts)
        self.ends: NDArray[np.intp] = ends - np.searchsorted(again, ends)

    def said(self) -> list[bytes]:
        """The bytes of each text; none where it has neither word nor symbol."""
        data = self.data.tobytes()
        return [data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    @property
    def windows(self) -> NDArray[np.uint64]:
        """The 8 bytes that start at each position as one number, the last gap left out: a view."""
        return np.ndarray((len(self.data) - GAP + 1,), dtype="<u8", buffer=self.data, strides=(1,))

    def gists(self) -> list[bytes]:
        """The words of each text that carry meaning, each as one character, in UTF-32 (little-endian).

        So that two texts are compared word by word as fast as two strings. Different words may get one character: two
        of a million.
        """
        data, windows = self.data, self.windows
        is_inside = (data != _SPACE) & (data != 0)
        edges: NDArray[np.intp] = np.flatnonzero(is_inside[1:] != is_inside[:-1]) + 1
        first, behind = edges[::2], edges[1::2]
        size = (behind - first).astype(np.uint64)
        word = windows[first] & _FIRST_BYTES[np.minimum(size, np.uint64(8))]
        long = np.flatnonzero(size > 8)
        word[long] ^= mixed(windows[behind[long] - 8] + size[long])
        hashes = mixed(word)
        has_meaning = ~_IS_FUNCTION_WORD[hashes >> _TO_INDEX] & ((size > 2) | _IS_LETTER[data[first]])
        characters = (_FIRST_CHARACTER + (hashes >> np.uint64(32)) % _CHARACTERS).astype("<u4")[has_meaning]
        first = first[has_meaning]
        where = 4 * np.searchsorted(first, self.starts), 4 * np.searchsorted(first, self.ends)
        found = characters.tobytes()
        return [found[start:end] for start, end in zip(*(some.tolist() for some in where), strict=True)]


_FIRST_BYTES = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)
_IS_LETTER = np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)])
_FIRST_CHARACTER = np.uint64(0xE000)  # behind the surrogates
_CHARACTERS = np.uint64(sys.maxunicode + 1 - 0xE000)
_TO_INDEX = np.uint64(44)  # the first 20 bits


def _function_words() -> NDArray[np.bool_]:
    """Which hashes words have that carry little meaning, by their first bits."""
    is_one: NDArray[np.bool_] = np.zeros(1 << 20, dtype=bool)
    words = (plain(word).encode() for word in FUNCTION_WORDS if word)
    short = [word for word in words if len(word) <= 8 and b" " not in word]
    values = np.array([int.from_bytes(word, "little") for word in short], dtype=np.uint64)
    is_one[mixed(values) >> _TO_INDEX] = True
    return is_one


_IS_FUNCTION_WORD = _function_words()
