"""Which rows are worth comparing: all that share a band and look alike, no pair twice, and crowds without all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.folded import Folded
from curate.dedup.lsh import BANDS, CROWD, LEAST_JACCARD, Sketches, candidate_pairs, sketches
from curate.dedup.minhash import BINS, signatures
from curate.dedup.near import components

if TYPE_CHECKING:
    from numpy.typing import NDArray


def families(seed: int, sizes: list[int], changed: float) -> Sketches:
    """Random signatures in families: each member keeps all bins of the first but for a share of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        base = rng.integers(1, 2**32 - 1, size=BINS, dtype=np.uint32)
        for _ in range(size):
            other = rng.integers(1, 2**32 - 1, size=BINS, dtype=np.uint32)
            rows.append(np.where(rng.random(BINS) < changed, other, base))
    return sketches(np.array(rows, dtype=np.uint32).reshape(-1, BINS))


def found(sketch: Sketches, among: NDArray[np.intp] | None = None) -> list[tuple[int, int]]:
    return [pair for a, b in candidate_pairs(sketch, among) for pair in zip(a.tolist(), b.tolist(), strict=True)]


def wanted(sketch: Sketches, numbers: list[int]) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a in numbers
        for b in numbers
        if a < b
        and (sketch.keys[a] == sketch.keys[b]).any()
        and (sketch.bits[a] == sketch.bits[b]).mean() >= LEAST_JACCARD
    }


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.05, 0.2, 0.4]),
)
@settings(max_examples=60)
def test_every_pair_that_shares_a_band_and_looks_alike_comes_once(seed: int, sizes: list[int], changed: float) -> None:
    sketch = families(seed, sizes, changed)
    pairs = found(sketch)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == wanted(sketch, list(range(sum(sizes))))


def test_only_the_rows_asked_for_are_paired() -> None:
    sketch = families(1, [8, 8], 0.1)
    among = np.array([1, 3, 5, 9, 12], dtype=np.intp)
    assert set(found(sketch, among)) == wanted(sketch, among.tolist())


@pytest.mark.parametrize("size", [CROWD, CROWD + 1, 5 * CROWD])
def test_a_crowd_hangs_together_without_all_its_pairs(size: int) -> None:
    sketch = families(2, [size, 3], 0.0)
    pairs = found(sketch)
    assert all(a < b for a, b in pairs)
    assert sorted(map(len, components(pairs))) == [3, size]
    if size > 2 * CROWD:
        assert len(set(pairs)) < size * (size - 1) / 2 / 2


def test_two_that_meet_only_in_a_crowd_do_not_hide_a_pair_of_a_later_band() -> None:
    """All rows share one band; two of them share the others too, and stand far apart in the crowd."""
    rng = np.random.default_rng(3)
    signature = rng.integers(1, 2**32 - 1, size=(6 * CROWD, BINS), dtype=np.uint32)
    signature[:, : BINS // BANDS] = signature[0, : BINS // BANDS]
    last = len(signature) - 1
    middle = last // 2
    signature[last] = signature[middle]
    assert (middle, last) in found(sketches(signature))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_rows_have_no_pair(count: int) -> None:
    assert found(sketches(signatures(Folded(["a row"] * count)))) == []


def test_equal_texts_have_equal_sketches() -> None:
    sketch = sketches(signatures(Folded(["Where, is it", "where is  it", "Where was it"])))
    assert np.array_equal(sketch.keys[0], sketch.keys[1])
    assert np.array_equal(sketch.bits[0], sketch.bits[1])
    assert not np.array_equal(sketch.keys[0], sketch.keys[2])
