"""Whether two texts ask the same thing: what holds for any texts."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.same import IDENTICAL, sameness
from curate.dedup.words import meaning

LEAST = 0.8
WORDS = re.findall(
    r"\S+",
    """
    the a of in please how what which explain describe compare water window garden bicycle carefully slowly heavy
    machine repair travel winter between children teacher always never not without Vienna Peter Monday north 7 1,000
    2024 3.5 $18 % km seven and or straße wie können Fenster où fenêtre 自行车 窗户 学习 หน้าต่าง окно كتاب
    """,
)
PLAIN_WORDS = [word for word in WORDS if word.isalpha()]
TEXTS = st.lists(st.sampled_from([word for word in WORDS if "ß" not in word]), min_size=4, max_size=30).map(" ".join)
PAIRS = st.tuples(
    st.lists(st.sampled_from(WORDS), min_size=6, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["", *WORDS])), max_size=4),
)


def edited(words: list[str], edits: list[tuple[int, str]]) -> str:
    out = list(words)
    for place, word in edits:
        out[place % len(out)] = word
    return " ".join(word for word in out if word)


@given(PAIRS)
@settings(max_examples=400)
def test_the_order_of_two_texts_does_not_matter(pair: tuple[list[str], list[tuple[int, str]]]) -> None:
    left, right = " ".join(pair[0]), edited(*pair)
    there, back = sameness(left, right, LEAST), sameness(right, left, LEAST)
    assert (there is None) == (back is None)
    if there and back:
        assert there.similarity == pytest.approx(back.similarity)
        assert there.changed == pytest.approx(back.changed)


@given(st.text(max_size=200))
def test_a_text_is_identical_to_itself(text: str) -> None:
    assert sameness(text, text, 1.0) == IDENTICAL


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=300)
def test_any_two_texts_can_be_compared(left: str, right: str) -> None:
    same = sameness(left, right, 0.5)
    assert same is None or (0 <= same.similarity <= 1 and same.changed >= 0)


@given(TEXTS, st.sampled_from([str.upper, str.title, lambda t: t.replace(" ", "  "), lambda t: f" {t}.\n"]))
@settings(max_examples=300)
def test_case_white_space_and_a_full_stop_change_nothing(text: str, respell: object) -> None:
    assert callable(respell)
    same = sameness(text, respell(text), LEAST)
    assert same is not None
    assert same.changed == 0


def test_capitals_of_which_there_are_more_letters_change_nothing() -> None:
    text = "in welcher straße steht das älteste haus"
    same = sameness(text, text.upper(), LEAST)
    assert same is not None
    assert same.changed == 0


def test_white_space_does_not_count_as_text() -> None:
    table = "| tent | weight |\n| Fjell | heavy |\n| Lett | light |"
    padded = "| tent       | weight     |\n| Fjell      | heavy      |\n| Lett       | light      |"
    assert sameness(table, padded, LEAST) is not None


@given(st.lists(st.sampled_from([word for word in PLAIN_WORDS if len(word) > 4]), min_size=1, unique=True))
def test_commas_and_question_marks_change_nothing(words: list[str]) -> None:
    same = sameness(" ".join(words), ", ".join(words) + "?", LEAST)
    assert same is not None
    assert same.changed == 0


@given(TEXTS)
@settings(max_examples=300)
def test_the_unicode_form_changes_nothing(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        same = sameness(text, unicodedata.normalize(form, text), LEAST)
        assert same is not None
        assert same.changed == 0


@given(
    st.lists(st.sampled_from(PLAIN_WORDS), max_size=20),
    st.lists(st.sampled_from(PLAIN_WORDS), max_size=20),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["{}", "${}", "{} km", "{}%", "in {} days"]),
)
@settings(max_examples=400)
def test_another_number_is_never_the_same(before: list[str], behind: list[str], one: int, other: int, how: str) -> None:
    left, right = (" ".join([*before, how.format(number), *behind]) for number in (one, other))
    same = sameness(left, right, 0.1)
    assert (same is None) == (one != other)


@given(st.lists(st.sampled_from(["😀", "😢", "🚗", "→", "♥"]), min_size=1, max_size=4), st.data())
def test_a_text_of_symbols_alone_is_the_same_only_as_itself(symbols: list[str], data: st.DataObject) -> None:
    left = "".join(symbols)
    right = "".join(data.draw(st.permutations(["😀", "🚗", "→", "♥"]))[:2])
    if left != right:
        assert sameness(left, right, LEAST) is None


@pytest.mark.parametrize("text", ["", "the", "a heavy machine", "自行车 窗户"])
def test_what_carries_meaning_is_counted(text: str) -> None:
    assert 0 <= meaning(text) <= len(text)
    assert meaning(text + " machine") == meaning(text) + 1


def test_a_long_text_is_compared_whole() -> None:
    sentence = "The keeper of the lighthouse writes down the weather and the ships that pass. "
    text = sentence * 4000
    same = sameness(text, text.replace("weather", "wind", 1), LEAST)
    assert same is not None
    assert same.similarity > 0.99
    assert sameness(text, text[: len(text) // 2], LEAST) is None
