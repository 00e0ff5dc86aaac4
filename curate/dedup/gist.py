"""Which candidates are worth a comparison, by the words that carry meaning alone: many pairs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein, Postfix, Prefix
from rapidfuzz.process import cpdist

from curate.dedup.words import LONGEST_EDIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_EDITED = 0.4  # of the words that carry meaning; of a few words that may be all
FEW = 3
WINDOW = 14  # words


def may_be_same(left: Sequence[str], right: Sequence[str], jobs: int = 1) -> NDArray[np.bool_]:
    """Whether the texts of each pair may say the same, given as gists (see `Folded.gists`).

    They do not where too many words differ, or LONGEST_EDIT on end. That is so where many words stand around few shared
    ones, which is seen at once for all the pairs: in all that is between what the texts share at their start and at
    their end, and in a stretch at either end of it. The pairs that are left are aligned word by word.
    """
    shorter, longer = np.sort(np.array([list(map(len, left)), list(map(len, right))], dtype=np.int32), axis=0)
    distance = cpdist(left, right, scorer=Levenshtein.distance, workers=jobs, dtype=np.int32)
    head = cpdist(left, right, scorer=Prefix.similarity, workers=jobs, dtype=np.int32)
    tail = cpdist(left, right, scorer=Postfix.similarity, workers=jobs, dtype=np.int32)
    middles = [
        (mine[start:], other[start:]) if not end else (mine[start:-end], other[start:-end])
        for mine, other, start, end in zip(
            left, right, head.tolist(), np.minimum(tail, shorter - head).tolist(), strict=True
        )
    ]
    is_replaced = _least_phrase(middles, jobs).max(axis=1) >= LONGEST_EDIT
    for stretch in (slice(WINDOW), slice(-WINDOW, None)):
        is_replaced |= _least_phrase([(a[stretch], b[stretch]) for a, b in middles], jobs).min(axis=1) >= LONGEST_EDIT
    possible: NDArray[np.bool_] = (distance <= MOST_EDITED * longer + FEW) & ~is_replaced
    for place in np.flatnonzero(possible & (longer - head >= LONGEST_EDIT)).tolist():
        possible[place] = _longest_phrase(*middles[place]) < LONGEST_EDIT
    return possible


def _longest_phrase(left: str, right: str) -> int:
    """How many words on end are in one text only, at most."""
    longest = mine = other = 0
    for same in Indel.editops(left, right).as_matching_blocks():
        longest = max(longest, same.a - mine, same.b - other)
        mine, other = same.a + same.size, same.b + same.size
    return longest


def _least_phrase(pairs: Sequence[tuple[str, str]], jobs: int) -> NDArray[np.float64]:
    """How many words on end, at least, are in one text only: of the left and of the right one, float [pairs, 2].

    The words that both have in the same order cut the others into one more part than they are.
    """
    left, right = zip(*pairs, strict=True) if pairs else ((), ())
    size = np.array([list(map(len, left)), list(map(len, right))], dtype=np.int64)
    distance = cpdist(left, right, scorer=Indel.distance, workers=jobs, dtype=np.int32)
    shared = (size.sum(axis=0) - distance) // 2
    return ((size - shared) / (shared + 1)).T
