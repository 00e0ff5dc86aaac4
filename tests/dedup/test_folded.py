"""Folded texts: the same bytes alone and in a batch, and gists that a comparison in bulk may rely on."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.folded import Folded, plain
from curate.dedup.gist import may_be_same
from curate.dedup.same import sameness

ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["", " ", "\0", "a\0b", "?!", "\ud800", "😀", " a. "]
)
TEXT = "where can we find a good map of all these old mountain roads before winter closes them again"
WORDS = TEXT.split()


@given(st.lists(ANY_TEXT, max_size=8))
@settings(max_examples=200)
def test_a_text_says_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    together = Folded(texts)
    for text, said, gist in zip(texts, together.said(), together.gists(), strict=True):
        assert [said] == Folded([text]).said()
        assert [gist] == Folded([text]).gists()
        assert said.decode("utf-8", "surrogatepass") == plain(text) or not said
        assert len(gist) % 4 == 0
        gist.decode("utf-32-le")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Where, is it?", "where is  it"),
        ("la cathédrale", "LA CATHE\u0301DRALE"),
        ("“Hello” – he said…", "hello – HE said"),
        ("Straße", "STRASSE"),
        ("東京。", "東京"),
    ],
)
def test_case_marks_spaces_and_forms_do_not_show(text: str, same: str) -> None:
    assert plain(text) == plain(same)
    assert Folded([text]).gists() == Folded([same]).gists()


def test_a_gist_has_a_character_for_each_word_that_carries_meaning() -> None:
    one, other = (
        gist.decode("utf-32-le") for gist in Folded(["The cat sat on a mat -- twice!", "A dog sat, twice"]).gists()
    )
    assert len(one) == 4
    assert len(other) == 3
    assert one[1] == other[1]
    assert one[3] == other[2]
    assert one[0] != other[0]


@given(st.integers(0, 10**6), st.integers(10, 120), st.sampled_from([0.02, 0.05, 0.1, 0.2]))
@settings(max_examples=300, deadline=None)
def test_what_is_the_same_is_never_sorted_out(seed: int, size: int, edited: float) -> None:
    rng = random.Random(seed)
    words = [rng.choice(WORDS) + rng.choice(["", "", ",", "."]) for _ in range(size)]
    others = [
        rng.choice([word.upper(), rng.choice(WORDS), "", f"{word} {rng.choice(WORDS)}"])
        if rng.random() < edited
        else word
        for word in words
    ]
    left, right = " ".join(words), " ".join(others)
    gists = [gist.decode("utf-32-le") for gist in Folded([left, right]).gists()]
    if sameness(left, right, 0.8):
        assert may_be_same(gists[:1], gists[1:])[0]


def test_another_phrase_or_order_is_sorted_out() -> None:
    passage = "The mill was built by the river in spring and burned down twice before the war ended at last."
    texts = [
        f"{passage} Who built the oldest mill near the wide river bank?",
        f"{passage} How many barrels did farmers deliver every single autumn morning?",
        f"Who built the oldest mill near the wide river bank? {passage}",
    ]
    gists = [gist.decode("utf-32-le") for gist in Folded(texts).gists()]
    assert may_be_same([gists[0]] * 3, gists).tolist() == [True, False, False]
