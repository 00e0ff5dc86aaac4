"""Signatures of texts: equal for equal texts, alike for texts that share shingles, and each text on its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup import minhash
from curate.dedup.folded import Folded, plain
from curate.dedup.lsh import bits
from curate.dedup.minhash import BINS, EMPTY, SHINGLE, densified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ANY_TEXT = st.text(st.characters(), max_size=60)  # with NUL characters, lone surrogates and emoji
ODD = [
    "",
    " ",
    "\0",
    "\0" * 7,
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "😀",
    "-",
    "a",
    "abcd",
    "\n\n\n",
    "永",
    "é",
    "e\u0301",
]
WORDS = [
    start + end for start in ("bad", "kef", "lost", "miv", "nud", "pra") for end in ("a", "em", "ion", "us", "ilt")
]


def signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    return minhash.signatures(Folded(texts))


def text_of(rng: random.Random, words: int) -> list[str]:
    return [rng.choice(WORDS) for _ in range(words)]


@given(st.lists(ANY_TEXT | st.sampled_from(ODD), max_size=8))
@settings(max_examples=200)
def test_a_text_has_the_same_signature_alone_and_in_a_batch(texts: list[str]) -> None:
    together = signatures(texts)
    assert together.shape == (len(texts), BINS)
    assert together.dtype == np.uint32
    for text, signature in zip(texts, together, strict=True):
        assert np.array_equal(signatures([text])[0], signature)


def test_a_text_of_a_megabyte_changes_nothing_for_its_neighbours() -> None:
    long = " ".join(text_of(random.Random(0), 200_000))
    assert len(long) > 1_000_000
    small = ["before", "", "behind it"]
    together = signatures([small[0], long, small[1], small[2]])
    assert np.array_equal(together[[0, 2, 3]], signatures(small))
    assert np.array_equal(together[1], signatures([long])[0])


@given(st.lists(st.sampled_from(["Überfluss", "straße", "word", "Another", "42", "数据", "данные", "😀"]), min_size=1))
def test_case_punctuation_and_white_space_do_not_show(words: list[str]) -> None:
    plain, loud, spaced = signatures([" ".join(words), ", ".join(words).upper(), "  \n".join(words)])
    assert np.array_equal(plain, loud)
    assert np.array_equal(plain, spaced)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    composed, decomposed = signatures(["la cathédrale de la région", "la cathe\u0301drale de la re\u0301gion"])
    assert np.array_equal(composed, decomposed)


@pytest.mark.parametrize("text", ["", "\0", "\0" * 50])
def test_a_text_that_says_nothing_stays_empty(text: str) -> None:
    signature = signatures([text, "a neighbour that says something"])[0]
    assert (signature == EMPTY).all()
    assert (densified(signature[None]) == EMPTY).all()


@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_filling_leaves_no_bin_empty_and_the_others_alone(texts: list[str]) -> None:
    signature = signatures(texts)
    filled = densified(signature)
    seen = signature != EMPTY
    assert np.array_equal(filled[seen], signature[seen])
    assert ((filled != EMPTY).all(axis=1) == seen.any(axis=1)).all()


def similarity(left: str, right: str) -> float:
    """The Jaccard similarity of their shingles."""
    padded = [plain(text).encode() + b"\0" * (SHINGLE - 1) for text in (left, right)]
    mine, other = ({text[i : i + SHINGLE] for i in range(len(text) - SHINGLE + 1)} for text in padded)
    return len(mine & other) / len(mine | other)


@pytest.mark.parametrize("words", [8, 40, 300])
@pytest.mark.parametrize("replaced", [0.02, 0.1, 0.3])
def test_the_share_of_equal_bins_estimates_the_similarity(words: int, replaced: float) -> None:
    rng = random.Random(words)
    errors = []
    for _ in range(60):
        left = text_of(rng, words)
        right = [rng.choice(WORDS) if rng.random() < replaced else word for word in left]
        pair = " ".join(left), " ".join(right)
        sketch = bits(densified(signatures(pair)))
        errors.append(float((sketch[0] == sketch[1]).mean()) - similarity(*pair))
    # One estimate from 128 bins has a standard deviation of at most 0.045; few shingles that share bins have more.
    assert abs(float(np.mean(errors))) < 0.03
    assert max(map(abs, errors)) < 0.27


def test_texts_that_share_nothing_have_few_bins_in_common() -> None:
    sketch = bits(densified(signatures(["how to bake a loaf of rye bread", "zyklische Graphen färbt man gierig"])))
    assert (sketch[0] == sketch[1]).mean() < 0.1
