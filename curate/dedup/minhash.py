"""MinHash signatures of whole batches of texts, in a few numpy passes over their bytes.

The shingles of a text are the runs of SHINGLE bytes of its UTF-8 form after NFKC, case folding and the removal of ASCII
punctuation: five letters of English, about two characters of Chinese, Japanese or Thai, so that one edited word costs
about the same in any script. One hash of each shingle picks a bin and a value, and each bin keeps its least value
(one-permutation hashing: Li, Owen, Zhang 2012); a bin that no shingle hit borrows from another (optimal densification:
Shrivastava 2017).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHINGLE = 5
BINS = 128
EMPTY = np.uint32(0xFFFFFFFF)

_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_AGAIN = np.uint64(0xBF58476D1CE4E5B9)
_SPACE = ord(" ")


def _folded_bytes() -> NDArray[np.uint8]:
    """What each byte becomes: ASCII letters in lower case, white space and punctuation a space, others themselves."""
    table: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)
    for byte in range(128):
        char = chr(byte)
        table[byte] = ord(char.lower()) if char.isalnum() else _SPACE
    return table


_FOLDED = _folded_bytes()


def signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The signature of each text: uint32 [len(texts), BINS], EMPTY where no shingle fell into a bin.

    The signature of several texts taken together is the minimum of theirs.
    """
    signature: NDArray[np.uint32] = np.full(len(texts) * BINS, EMPTY, dtype=np.uint32)
    hashes, rows = shingle_hashes(texts)
    bins = ((hashes >> np.uint64(25)) & np.uint64(BINS - 1)).astype(np.intp)
    bins += rows * BINS
    np.minimum.at(signature, bins, (hashes >> np.uint64(32)).astype(np.uint32))
    return signature.reshape(-1, BINS)


def shingle_hashes(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """The 64-bit hash of every shingle of every text, and the number of the text that it is from."""
    encoded = [_folded(text).encode("utf-8", "surrogatepass") for text in texts]
    # Zero bytes between texts: the last shingles of a text run into them, and none into the next text.
    joined = np.frombuffer((b"\0" * SHINGLE).join([*encoded, b""]), dtype=np.uint8)
    lengths = np.fromiter(map(len, encoded), dtype=np.intp, count=len(encoded)) + SHINGLE
    folded = _FOLDED[joined]
    folded[joined == 0] = 0
    rows: NDArray[np.intp] = np.repeat(np.arange(len(texts), dtype=np.intp), lengths)
    repeated_space: NDArray[np.bool_] = np.zeros(len(folded), dtype=bool)
    repeated_space[1:] = (folded[1:] == _SPACE) & (folded[:-1] == _SPACE)
    kept = ~repeated_space
    folded, rows = folded[kept], rows[kept]
    is_text = folded != 0
    return _hashed(_windows(folded))[is_text], rows[is_text]


def _folded(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _windows(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The SHINGLE bytes that start at each position, as one number."""
    words = -(-len(data) // 8)
    padded: NDArray[np.uint8] = np.zeros(8 * words + 8, dtype=np.uint8)
    padded[: len(data)] = data
    windows: NDArray[np.uint64] = np.empty(8 * words, dtype=np.uint64)
    for offset in range(8):
        windows[offset::8] = np.frombuffer(padded, dtype="<u8", count=words, offset=offset)
    return windows[: len(data)] & np.uint64((1 << 8 * SHINGLE) - 1)


def _hashed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashes = values * _MIX
    hashes ^= hashes >> np.uint64(29)
    hashes *= _MIX_AGAIN
    return hashes


def densified(signature: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Fill the empty bins of each row from other bins of it, chosen by a fixed sequence of random draws.

    A row without any shingle stays EMPTY. Equal rows stay equal, and the share of equal bins still estimates the
    Jaccard similarity.
    """
    width = signature.shape[1]
    filled = signature.copy()
    rows, bins = np.nonzero((signature == EMPTY) & (signature != EMPTY).any(axis=1)[:, None])
    draws = np.random.default_rng(0)
    while len(rows):
        donors = draws.integers(0, width, size=width)[bins]
        values = signature[rows, donors]
        found = values != EMPTY
        filled[rows[found], bins[found]] = values[found] * np.uint32(2654435761) + donors[found].astype(np.uint32)
        rows, bins = rows[~found], bins[~found]
    return filled
