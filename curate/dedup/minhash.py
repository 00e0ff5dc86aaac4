"""MinHash signatures of whole batches of texts, in a few numpy passes over their bytes.

The shingles of a text are the runs of SHINGLE bytes of its UTF-8 form after NFKC, case folding and the removal of ASCII
punctuation: five letters of English, about two characters of Chinese, Japanese or Thai, so that one edited word costs
about the same in any script. One hash of each shingle picks a bin and a value, and each bin keeps its least value
(one-permutation hashing: Li, Owen, Zhang 2012); a bin that no shingle hit borrows from another (optimal densification:
Shrivastava 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.dedup.folded import GAP, mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.dedup.folded import Folded

SHINGLE = 5
BINS = 128
EMPTY = np.uint32(0xFFFFFFFF)


def signatures(folded: Folded) -> NDArray[np.uint32]:
    """The signature of each text: uint32 [texts, BINS], EMPTY where no shingle fell into a bin.

    The signature of several texts taken together is the minimum of theirs.
    """
    sizes = folded.ends - folded.starts
    signature: NDArray[np.uint32] = np.full(len(sizes) * BINS, EMPTY, dtype=np.uint32)
    windows = folded.windows
    hashes = mixed(windows & np.uint64((1 << 8 * SHINGLE) - 1))
    bins = ((hashes >> np.uint64(25)) & np.uint64(BINS - 1)).astype(np.intp)
    row: NDArray[np.intp] = np.repeat(np.arange(len(sizes)), sizes + GAP)[: len(windows) - GAP]
    bins[GAP:] += row * BINS
    is_text = folded.data[: len(windows)] != 0
    np.minimum.at(signature, bins[is_text], (hashes >> np.uint64(32)).astype(np.uint32)[is_text])
    return signature.reshape(-1, BINS)


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
