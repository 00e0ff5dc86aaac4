"""Locality-sensitive hashing: which rows are worth comparing, out of all pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.dedup.minhash import BINS, densified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# 32 bands of 4: a pair with Jaccard similarity 0.5 meets in one of them with probability 0.87, 0.6 with 0.988 and
# 0.7 with 0.9998. One word in ten replaced leaves about 0.7.
BANDS = 32
ROWS = BINS // BANDS
LEAST_JACCARD = 0.5

CROWD = 64  # a bucket of more rows than this is not compared all against all
LEADERS = 4  # but with its first rows, and each row with the next NEIGHBOURS
NEIGHBOURS = 4
AT_ONCE = 50_000  # pairs whose sketches are compared in one go: 13 MB


class Sketches(NamedTuple):
    """What is kept of n signatures: 256 bytes each.

    `keys` uint32 [n, BANDS]: two rows are candidates if they share one. `bits` uint8 [n, BINS]: the share of equal
    ones estimates the Jaccard similarity.
    """

    keys: NDArray[np.uint32]
    bits: NDArray[np.uint8]


def sketches(signature: NDArray[np.uint32]) -> Sketches:
    """The sketches of signatures: uint32 [n, BINS] in, with EMPTY where nothing was seen."""
    filled = densified(signature)
    bands = np.ascontiguousarray(filled).view(np.uint64).reshape(len(filled), BANDS, ROWS // 2)
    mixed = bands[:, :, 0] * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    mixed += bands[:, :, 1] * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0x94D049BB133111EB)
    return Sketches((mixed >> np.uint64(32)).astype(np.uint32), bits(filled))


def bits(signature: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """A byte of each bin: the share of equal ones estimates the Jaccard similarity."""
    return (signature >> np.uint32(8)).astype(np.uint8)


def candidate_pairs(
    sketch: Sketches, among: NDArray[np.intp] | None = None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs (a, b), a < b, that share a band and whose estimated similarity is at least LEAST_JACCARD.

    Yields arrays of row numbers, band by band, so that memory is bounded by the pairs of one band. A pair comes once,
    or again where it met in a crowd before.
    """
    rows = np.arange(len(sketch.keys)) if among is None else among
    in_crowd: NDArray[np.bool_] = np.zeros((len(sketch.keys), BANDS), dtype=bool)
    for band in range(BANDS):
        keys = sketch.keys[rows, band]
        order = np.argsort(keys, kind="stable")
        start_of, size_of = buckets(keys[order])
        in_crowd[rows[order], band] = size_of > CROWD
        for left, right in _pairs_in_buckets(start_of, size_of):
            for part in range(0, len(left), AT_ONCE):
                a, b = rows[order[left[part : part + AT_ONCE]]], rows[order[right[part : part + AT_ONCE]]]
                met_before = ((sketch.keys[a, :band] == sketch.keys[b, :band]) & ~in_crowd[a, :band]).any(axis=1)
                a, b = a[~met_before], b[~met_before]
                close = (sketch.bits[a] == sketch.bits[b]).sum(axis=1) >= LEAST_JACCARD * BINS
                yield a[close], b[close]


def buckets(keys: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the run of equal keys that each of some sorted keys is in starts, and how many keys it has."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)


def _pairs_in_buckets(
    start_of: NDArray[np.intp], size_of: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions of rows to compare, given where the bucket of each position starts and its size."""
    position = np.arange(len(start_of))
    is_crowd = size_of > CROWD
    for distance in range(1, CROWD):
        ends: NDArray[np.intp] = position + distance
        fits = (ends < start_of + size_of) & (~is_crowd | (distance <= NEIGHBOURS))
        if not fits.any():
            break
        left = position[fits]
        yield left, left + distance
    if is_crowd.any():
        for leader in range(LEADERS):
            right = position[is_crowd & (position > start_of + leader + NEIGHBOURS)]
            yield start_of[right] + leader, right
