"""Answers that come to a number: read by the rules that find contradictions."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from curate.contradiction.answers import read_answer
from curate.contradiction.finals import final_span
from curate.contradiction.numbers import NUMBER_WORDS, quantities
from curate_evaluate.metrics.expressions import expression_key, is_expression, plain
from curate_evaluate.metrics.texts import exact_match, exact_match_strict

if TYPE_CHECKING:
    from curate.contradiction.claims import Claim
    from curate.contradiction.numbers import Quantity

# Beyond this many characters the value of an answer is looked for in its end, where a result stands.
LONGEST_READ = 4000
# A line that may be the result and nothing else.
LONGEST_STATED = 60


@lru_cache(maxsize=20_000)
def claim(text: str) -> Claim:
    """What an answer says. The question is left out: both answers to compare are to the same one."""
    return read_answer("", text[-LONGEST_READ:])


def result(text: str) -> Quantity | str | None:
    """What an answer comes to: a number, or the text of a result that is something else (a root, a list)."""
    text = plain(text[-LONGEST_READ:].strip())
    found, final = number(text), final_span(text)
    if final is None and (found is None or len(text) > LONGEST_STATED or "\n" in text):
        return found
    start, end = final or (0, len(text))
    stated = text[start:end]
    # Only a box says so surely what the result is: "#### Answer" may be a heading, with the number below.
    is_word = text[:start].endswith("{") and next(quantities(stated), None) is None
    return expression_key(stated) if is_word or is_expression(stated) else found


def number(text: str) -> Quantity | None:
    """The number that an answer comes to: the one it marks as its result or calculates last, else its last."""
    said = claim(text)
    if said.kind == "number":
        return _signed(text, said.value[-1])
    text = text[-LONGEST_READ:]
    final = final_span(text)
    # A boxed or marked result may hold more than a number, such as "m = 5".
    start, end = final or (0, len(text))
    stated = list(quantities(text[start:end]))
    if not stated:
        start, stated = 0, list(quantities(text))
    return _signed(text[start:], stated[-1]) if stated else None


_MINUS = re.compile(
    r"(\S*)\s*\b(?:minus|negative|moins|menos|meno|минус)\s+\Z|(\S*)(?:负|負|マイナス)\Z", re.IGNORECASE
)
_LONGEST_MINUS = 40


def _signed(text: str, quantity: Quantity) -> Quantity:
    """A number with the minus that is written as a word: "minus five", but not "ten minus five"."""
    minus = _MINUS.search(text, max(0, quantity.start - _LONGEST_MINUS), quantity.start)
    before = (minus[1] or minus[2] or "").strip(".,()$€%").lower() if minus else ""
    if minus is None or before[-1:].isdigit() or before in NUMBER_WORDS:
        return quantity
    return quantity._replace(amount=-quantity.amount, other=None if quantity.other is None else -quantity.other)


def same_number(output: str, reference: str) -> float:
    """1.0 where both come to one number, however written: "18", "$18.00", "the answer is eighteen". A result that is
    no number is compared as it is written, and a reference that comes to nothing as a text."""
    ours, theirs = result(output), result(reference)
    if theirs is None:
        return exact_match(ours if isinstance(ours, str) else output, reference)
    if ours is None or isinstance(ours, str) or isinstance(theirs, str):
        return float(ours == theirs)
    return float(equal_numbers(ours, theirs))


def equal_numbers(ours: Quantity, theirs: Quantity) -> bool:
    """Whether a number is that of the reference; more decimals than it has may round to it."""
    comparable = ours.unit is not None and theirs.unit is not None and ours.unit.base == theirs.unit.base
    for mine in (ours, ours._replace(amount=ours.other) if ours.other is not None else ours):
        pair = (mine.in_base(), theirs.in_base()) if comparable else (mine.amount, theirs.amount)
        gap = abs(Fraction(pair[0]) - pair[1])
        finest = Fraction(theirs.step) * (theirs.unit.factor if comparable and theirs.unit else 1)
        if gap == 0 or (theirs.step < 1 and ours.step < theirs.step and gap * 2 <= finest):
            return True
    return False


def same_number_strict(output: str, reference: str) -> float:
    """1.0 where the number is the same and marked as the reference marks its own: "#### 18" on the last line, or
    nothing but the number."""
    if result(reference) is None:
        return exact_match_strict(output, reference)
    return float(same_number(output, reference) and marking(output) == marking(reference))


_DIGITS = re.compile(r"-?[\d.,]*\d")


def marking(text: str) -> str:
    """The last line with its number blanked: what a program looks for that takes the number out."""
    line = text.strip().rpartition("\n")[2]
    return " ".join(_DIGITS.sub("0", line, count=1).split()) if len(line) <= 60 else "prose"
