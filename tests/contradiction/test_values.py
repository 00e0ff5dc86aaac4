"""Values in texts: one key for all spellings of a value, none for what is no value; negation and yes or no."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from curate.contradiction.polarity import is_negated_form, negations, yes_or_no
from curate.contradiction.values import values_in

CASES = Path(__file__).parent / "cases"
VALUES = yaml.safe_load((CASES / "values.yaml").read_text(encoding="utf-8"))
POLARITY = yaml.safe_load((CASES / "polarity.yaml").read_text(encoding="utf-8"))


def only_key(kind: str, text: str) -> str:
    (value,) = values_in(text)
    assert value.kind == kind, text
    return value.key


@pytest.mark.parametrize("case", VALUES["same"], ids=lambda case: case["texts"][0])
def test_spellings_of_a_value_have_one_key(case: dict[str, Any]) -> None:
    keys = {text: only_key(case["kind"], text) for text in case["texts"]}
    assert len(set(keys.values())) == 1, keys


@pytest.mark.parametrize("case", VALUES["differ"], ids=lambda case: case["texts"][0])
def test_different_values_have_different_keys(case: dict[str, Any]) -> None:
    keys = [only_key(case["kind"], text) for text in case["texts"]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("text", VALUES["none"])
def test_no_value_in_plain_words(text: str) -> None:
    assert values_in(text) == []


@pytest.mark.parametrize("case", VALUES["within"], ids=lambda case: case["text"])
def test_values_of_a_sentence(case: dict[str, Any]) -> None:
    assert [[value.kind, value.key] for value in values_in(case["text"])] == case["values"]


def test_the_first_capital_counts_only_within_a_sentence() -> None:
    assert values_in("Paris is big") == []
    assert [value.key for value in values_in("Paris is big", at_start=False)] == ["paris"]


@given(st.text(max_size=80))
def test_values_are_in_order_and_apart(text: str) -> None:
    values = values_in(text)
    assert all(0 <= value.start < value.end <= len(text) for value in values)
    assert all(left.end <= right.start for left, right in pairwise(values))


@given(st.integers(-(10**12), 10**12))
def test_separators_do_not_change_a_number(number: int) -> None:
    keys = {only_key("number", text) for text in (str(number), f"{number:,}", f"{number:,}".replace(",", " "))}
    assert keys == {str(number)}


@pytest.mark.parametrize(("count", "text"), [(n, text) for n, texts in POLARITY["negations"].items() for text in texts])
def test_counts_negations(count: int, text: str) -> None:
    assert negations(text) == count


@pytest.mark.parametrize(("left", "right"), POLARITY["denies"])
def test_one_denies_the_other(left: str, right: str) -> None:
    assert is_negated_form(left, right)
    assert is_negated_form(right, left)


@pytest.mark.parametrize(("left", "right"), POLARITY["does_not_deny"])
def test_no_denial(left: str, right: str) -> None:
    assert not is_negated_form(left, right)
    assert not is_negated_form(right, left)


@pytest.mark.parametrize("said", ["yes", "no", "neither"])
def test_reads_yes_and_no(said: str) -> None:
    expected = {"yes": True, "no": False, "neither": None}[said]
    assert {text: yes_or_no(text) for text in POLARITY["yes_or_no"][said]} == dict.fromkeys(
        POLARITY["yes_or_no"][said], expected
    )


def test_all_keys_of_different_kinds_are_text() -> None:
    for left, right in combinations(["$5", "5", "9am", "in Paris", "(A)", "March 2024"], 2):
        assert {(v.kind, v.key) for v in values_in(left)}.isdisjoint((v.kind, v.key) for v in values_in(right))
