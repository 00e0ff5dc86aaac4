"""Answers that hold one value, a number or a label: read by the rules that find contradictions."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from curate.contradiction.answers import read_answer
from curate.contradiction.claims import AROUND
from curate.contradiction.finals import final_span
from curate.contradiction.names import label_key
from curate.contradiction.numbers import quantities
from curate.contradiction.polarity import yes_or_no

if TYPE_CHECKING:
    from collections.abc import Collection

    from curate.contradiction.claims import Claim
    from curate.contradiction.numbers import Quantity

# Beyond this many characters the value of an answer is looked for in its end, where a result stands.
LONGEST_READ = 4000


@lru_cache(maxsize=20_000)
def claim(text: str) -> Claim:
    """What an answer says. The question is left out: both answers to compare are to the same one."""
    return read_answer("", text[-LONGEST_READ:])


def number(text: str) -> Quantity | None:
    """The number that an answer comes to: the one it marks as its result or calculates last, else its last."""
    said = claim(text)
    if said.kind == "number":
        said_last: Quantity = said.value[-1]
        return said_last
    text = text[-LONGEST_READ:]
    final = final_span(text)
    # A boxed or marked result may hold more than a number, such as "m = 5".
    stated = list(quantities(text[slice(*final)])) if final else []
    stated = stated or list(quantities(text))
    return stated[-1] if stated else None


def same_number(output: str, reference: str) -> float:
    """1.0 where both come to one number, however written: "18", "$18.00", "the answer is eighteen"."""
    ours, theirs = number(output), number(reference)
    return float(ours is not None and theirs is not None and equal_numbers(ours, theirs))


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
    return float(same_number(output, reference) and marking(output) == marking(reference))


_DIGITS = re.compile(r"-?[\d.,]*\d")


def marking(text: str) -> str:
    """The last line with its number blanked: what a program looks for that takes the number out."""
    line = text.strip().rpartition("\n")[2]
    return " ".join(_DIGITS.sub("0", line, count=1).split()) if len(line) <= 60 else "prose"


def label(text: str, labels: Collection[str] = ()) -> str:
    """The label that an answer gives, as the key that all its spellings share.

    It is the whole answer, what it marks as its result, its first or last line, or the only known label that it names;
    "yes" or "no" where it opens with one and both are labels.

    Args:
        text: the answer.
        labels: all known labels, each in one spelling.
    """
    known = {label_key(spelling): spelling.strip(AROUND).casefold() for spelling in labels}
    for candidate in _candidates(text):
        if (key := label_key(candidate)) and (not known or key in known):
            return key
    if {"yes", "no"} <= set(known.values()) and (said := yes_or_no(text, asked=True)) is not None:
        return label_key("yes" if said else "no")
    folded = text.casefold()
    named = {
        key: spelling for key, spelling in known.items() if re.search(rf"(?<!\w){re.escape(spelling)}(?!\w)", folded)
    }
    # "not spam" names spam too; the longer label is meant.
    meant = [key for key, short in named.items() if not any(short != long and short in long for long in named.values())]
    return meant[0] if len(meant) == 1 else label_key(text)


def _candidates(text: str) -> list[str]:
    final = final_span(text)
    lines = text.strip().splitlines() or [""]
    found = [text, *([text[slice(*final)]] if final else []), lines[0], lines[-1]]
    return [line.rpartition(":")[2] if line.count(":") == 1 and len(line) < 80 else line for line in found]
