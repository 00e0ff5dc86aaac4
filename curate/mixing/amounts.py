"""How much of each source: what a person asks for, and the rows that it comes to."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from curate.assign import apportioned
from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOW = "write 20% (of the mix), 0.5 or 2x (of its own rows), 500 (rows), or leave it out for all rows"

_AMOUNT = re.compile(r"(?P<number>\d[\d_,]*(?:\.\d+)?|\.\d+)(?P<unit>%|x|rows|)")
_LEAST_PLAIN = 10  # a plain number below it may be meant as a weight


class Amount(NamedTuple):
    """How much is wanted of one source: `number` per cent of the mix ("%"), times its rows ("x"), or rows ("rows")."""

    unit: str
    number: Fraction
    text: str


ALL = Amount("x", Fraction(1), "all")


def amount(text: str) -> Amount:
    """Read an amount, as it stands behind the `=` of a source.

    Raises:
        CurateError: it is none, or it can be understood in two ways.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise CurateError(f"{text!r} is no amount; {HOW}")
    number, unit = Fraction(re.sub("[_,]", "", found["number"])), found["unit"]
    if not number:
        raise CurateError(f"{text!r} asks for nothing: leave the file out, or {HOW}")
    if not unit:
        unit = "x" if "." in found["number"] else "rows"
        if unit == "rows" and number < _LEAST_PLAIN:
            raise CurateError(
                f"{text!r} may be a number of rows or a weight; "
                f"write {text}x for {'all its rows' if number == 1 else f'all its rows {text} times'}, "
                f"{text}rows for {text} of them, or a share of the mix such as 20%"
            )
        if unit == "x" and number > 1:
            raise CurateError(f"{text!r} is more rows than there are; write {float(number):g}x to repeat rows")
    if unit == "rows" and number.denominator != 1:
        raise CurateError(f"{text!r}: rows come whole; {HOW}")
    if unit == "%" and number > 100:
        raise CurateError(f"{text!r}: a share of the mix is at most 100%; {HOW}")
    return Amount(unit, number, text)


def quotas(
    names: Sequence[str],
    amounts: Sequence[Amount],
    left: Sequence[int],
    total: int | None = None,
    *,
    oversample: bool = False,
) -> list[int]:
    """The rows to draw of each source, of which `left` can be drawn; shares are exact to one row.

    Where some amounts are no shares, they say how large the mix is. Where all are, it is `total` rows large, or as
    large as it can be without repeating a row (`oversample`: as it must be to hold every row).

    Raises:
        CurateError: the shares do not add up, or more rows are asked for than there are.
    """
    shares = {i: each.number / 100 for i, each in enumerate(amounts) if each.unit == "%"}
    wanted = [0 if i in shares else _fixed(each, left[i]) for i, each in enumerate(amounts)]
    size = sum(wanted)
    whole = sum(shares.values(), Fraction(0))
    if len(shares) == len(amounts):
        if whole != 1:
            raise CurateError(
                f"the shares add up to {_percent(whole)}: make them 100%, or name one file without a share, "
                "to have all of its rows"
            )
        bound = max if oversample else min
        size = total if total is not None else math.floor(bound(left[i] / share for i, share in shares.items()))
    elif total is not None:
        raise CurateError("--rows says how large the mix is, and so do amounts that are no shares: leave one out")
    elif whole >= 1:
        raise CurateError(f"shares of {_percent(whole)} leave no room for the other files: lower them")
    else:
        size = round(size / (1 - whole))
    scale = math.lcm(*(share.denominator for share in shares.values()))
    parts = apportioned(size - sum(wanted), {str(i): int(share * scale) for i, share in shares.items()})
    for i in shares:
        wanted[i] = parts[str(i)]
    for i, each in enumerate(amounts):
        if wanted[i] > left[i] and each.unit != "x" and not oversample:
            most = left[i]
            what, lower = f"{wanted[i]:,} rows", f"ask for {most:,} or fewer"
            if each.unit == "%":
                what = f"{wanted[i]:,} of {size:,} rows"
                lower = "ask for less" if total is None else "lower --rows"
                if len(shares) == 1 and total is None:
                    lower = f"ask for {math.floor(1000 * most / (size - wanted[i] + most)) / 10:g}% or less"
            raise CurateError(
                f"{names[i]}={each.text} is {what}, and it has {most:,} to give: {lower}, "
                "or repeat rows with --oversample"
            )
    return wanted


def _fixed(wanted: Amount, left: int) -> int:
    return int(wanted.number) if wanted.unit == "rows" else round(wanted.number * left)


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):g}%"
