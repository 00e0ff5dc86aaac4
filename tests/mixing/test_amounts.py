"""What a person asks for becomes numbers of rows: exact to one row, and never more than there are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CurateError
from curate.mixing.amounts import ALL, Amount, amount, quotas


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("20%", "%", Fraction(20)),
        ("12.5%", "%", Fraction("12.5")),
        ("100%", "%", Fraction(100)),
        ("0.5", "x", Fraction(1, 2)),
        (".25", "x", Fraction(1, 4)),
        ("1.0", "x", Fraction(1)),
        ("2x", "x", Fraction(2)),
        ("1.5x", "x", Fraction(3, 2)),
        ("500", "rows", Fraction(500)),
        ("5rows", "rows", Fraction(5)),
        ("10_000", "rows", Fraction(10_000)),
        ("10,000", "rows", Fraction(10_000)),
    ],
)
def test_an_amount_is_read(text: str, unit: str, number: Fraction) -> None:
    assert amount(text) == Amount(unit, number, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", "write 1x for all its rows, 1rows for 1 of them"),
        ("3", "write 3x for all its rows 3 times"),
        ("2.0", "write 2x to repeat rows"),
        ("0", "asks for nothing"),
        ("0%", "asks for nothing"),
        ("101%", "at most 100%"),
        ("2.5rows", "rows come whole"),
        ("-5", "no amount"),
        ("", "no amount"),
        ("a lot", "no amount"),
        ("1e5", "no amount"),
        ("20 %", "no amount"),
    ],
)
def test_what_is_no_amount_or_could_be_two_is_refused(text: str, said: str) -> None:
    with pytest.raises(CurateError, match=said):
        amount(text)


def asked(*texts: str) -> list[Amount]:
    return [amount(text) if text else ALL for text in texts]


@pytest.mark.parametrize(
    ("texts", "left", "total", "wanted"),
    [
        (["", "20%"], [800, 5000], None, [800, 200]),
        (["", "20%", "30%"], [500, 5000, 5000], None, [500, 200, 300]),
        (["0.5", "500", "10%"], [1000, 600, 900], None, [500, 500, 111]),
        (["70%", "30%"], [700, 5000], None, [700, 300]),
        (["70%", "30%"], [7000, 5000], 1000, [700, 300]),
        (["33.3%", "66.7%"], [10, 10], 3, [1, 2]),
        (["100%"], [17], None, [17]),
        (["2x", "50%"], [10, 20], None, [20, 20]),
        (["2.5x"], [10], None, [25]),
    ],
)
def test_quotas(texts: list[str], left: list[int], total: int | None, wanted: list[int]) -> None:
    assert quotas(["a", "b", "c"], asked(*texts), left, total) == wanted


def test_shares_alone_repeat_rows_only_when_asked() -> None:
    assert quotas(["a", "b"], asked("50%", "50%"), [10, 100]) == [10, 10]
    assert quotas(["a", "b"], asked("50%", "50%"), [10, 100], oversample=True) == [100, 100]


@pytest.mark.parametrize(
    ("texts", "left", "total", "said"),
    [
        (["", "80%"], [1000, 1000], None, r"b=80% is 4,000 of 5,000 rows, and it has 1,000 to give: ask for 50% or"),
        (["50%", "50%"], [10, 10], 30, "lower --rows"),
        (["", "500"], [10, 100], None, "ask for 100 or fewer, or repeat rows with --oversample"),
        (["50%", "40%"], [10, 10], None, "add up to 90%"),
        (["20%"], [10], None, "add up to 20%"),
        (["", "60%", "40%"], [10, 10, 10], None, "leave no room"),
        (["", "20%"], [10, 10], 5, "--rows says how large"),
        ([""], [10], 5, "--rows says how large"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_can(
    texts: list[str], left: list[int], total: int | None, said: str
) -> None:
    with pytest.raises(CurateError, match=said):
        quotas(["a", "b", "c"], asked(*texts), left, total)


def test_the_largest_share_that_is_advised_can_be_had() -> None:
    with pytest.raises(CurateError, match=r"ask for 43% or less"):
        quotas(["a", "b"], asked("", "80%"), [1319, 999])
    assert quotas(["a", "b"], asked("", "43%"), [1319, 999]) == [1319, 995]


SHARES = st.lists(st.integers(1, 1000), min_size=1, max_size=5)


@given(SHARES, st.data())
def test_shares_are_exact_to_one_row_and_never_need_more_than_there_is(parts: list[int], data: st.DataObject) -> None:
    left = [data.draw(st.integers(1, 100_000)) for _ in parts]
    amounts = [Amount("%", Fraction(100 * part, sum(parts)), "") for part in parts]
    wanted = quotas(["file"] * len(parts), amounts, left)
    total = sum(wanted)
    assert all(quota <= most for quota, most in zip(wanted, left, strict=True))
    assert all(abs(quota - total * each.number / 100) < 1 for quota, each in zip(wanted, amounts, strict=True))
    # It could not be larger: one source would be short of rows.
    assert any((total + 1) * each.number / 100 > most for most, each in zip(left, amounts, strict=True))


@given(st.integers(1, 100_000), st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_shares_beside_a_whole_file_are_of_the_mix(base: int, percents: list[int]) -> None:
    amounts = [ALL, *(Amount("%", Fraction(percent), "") for percent in percents)]
    wanted = quotas(["file"] * len(amounts), amounts, [base, *[10**9] * len(percents)])
    assert wanted[0] == base
    total = sum(wanted)
    assert all(
        abs(quota - total * Fraction(percent, 100)) <= 1 for quota, percent in zip(wanted[1:], percents, strict=True)
    )
