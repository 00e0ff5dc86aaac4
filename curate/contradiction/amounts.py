"""Which quantity an answer states, and whether two quantities differ."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from curate.contradiction.dates import dates, times
from curate.contradiction.numbers import Amount, Quantity, quantities
from curate.contradiction.sentences import SENTENCE_END
from curate.contradiction.units import UNITS, Unit

if TYPE_CHECKING:
    from curate.contradiction.questions import Asks

_ANNOTATION = re.compile(r"<<[^<>\n]*>>")  # the calculator notes of GSM8K
# "5 * 3 = 15", "20 feet * 40 pounds/foot = 800 pounds"
_EQUATION = re.compile(
    r"[\d)%]\s*=\s*[^\d\s=]{0,3}\s*-?[\d.]|<<|[\d)]\s*[×*x÷]\s*\(?\d"
    r"|\s[-+×*÷/]\s*[$€£]?\d[^=\n]{0,60}=\s*[^\d\s=]{0,3}\s*-?[\d.]"
)
_APPROXIMATE = re.compile(
    r"\b(?:about|approximately|approx|around|roughly|nearly|almost|circa|ca|some|over|more than|etwa|ungefähr|rund"
    r"|knapp|environ|"
    r"près de|unos|unas|aproximadamente|cerca de|circa|quasi|ongeveer|около|примерно|почти|حوالي)\b|[~≈]|约|約|大约"
    r"|およそ|ほぼ|약|ประมาณ",
    re.IGNORECASE,
)
# "within a week", "half an hour", where no other number stands.
_ONE = re.compile(
    r"\b(?P<half>half )?(?:an?|one|eine?[nmrs]?|une?|una|um|uma|een|один|одну)\s+"
    r"(?P<unit>hour|day|week|month|year|decade|stunde|tag|woche|monat|jahr|heure|jour|semaine|mois|año|hora|día"
    r"|semana|mes|"
    r"ora|giorno|settimana|mese|anno|mês|uur|dag|maand|час|день|неделю|месяц)\b",
    re.IGNORECASE,
)
ONE_PERCENT, FIVE_PERCENT = Fraction(1, 100), Fraction(1, 20)


def stated_quantities(text: str) -> list[Quantity]:
    """The quantities of a text, without those that belong to a date or a time of day."""
    if not (found := list(quantities(text))):
        return [
            Quantity(Fraction(1, 2) if match["half"] else 1, UNITS[match["unit"].lower()], *match.span(), 0)
            for match in _ONE.finditer(text)
        ]
    taken = [(date.start, date.end) for date in dates(text)] + [(time.start, time.end) for time in times(text)]
    return [q for q in found if not any(start < q.end and q.start < end for start, end in taken)]


def is_worked(answer: str) -> bool:
    """Whether an answer calculates: its last number is then its result."""
    return _EQUATION.search(answer) is not None


def result(answer: str, asks: Asks) -> Quantity | None:
    """The number that a worked solution comes to: of its last step, what follows the last "=" or is what was asked.

    Where the question asks for no number, the very last step must hold it.
    """
    plain = _ANNOTATION.sub(lambda match: " " * len(match[0]), answer)
    end = len(plain)
    for cut in [*reversed([match.end() for match in SENTENCE_END.finditer(plain)]), 0]:
        step = plain[cut:end]
        if step.strip():
            if found := list(quantities(_blanked(step))):
                number = _of_last_step(step, found, asks)
                return number and number._replace(start=number.start + cut, end=number.end + cut)
            if asks.kind != "number":
                return None
        end = cut
    return None


_NOTED = re.compile(r"=\s*[^\d\s=]{0,3}\s*(?=-?[\d.])")


def _blanked(step: str) -> str:
    """A step without the dates in it."""
    for date in dates(step):
        if date.month is not None and date.day is not None:
            step = step[: date.start] + " " * (date.end - date.start) + step[date.end :]
    return step


_OPERATOR = re.compile(r"\s*(?:[-+*×÷/]|x(?=\s*\d))\s*[\d($]")


def _of_last_step(step: str, found: list[Quantity], asks: Asks) -> Quantity | None:
    if equals := list(_NOTED.finditer(step)):
        for quantity in found:
            if quantity.end > equals[-1].end():
                if not _OPERATOR.match(step, quantity.end):
                    return quantity
                # "12 = 3 * 4" says it the other way round.
                before = [number for number in found if number.end <= equals[-1].start()]
                return before[-1] if len(before) == 1 else None
    asked = [quantity for quantity in found if _is_asked(step, quantity, asks)]
    return (asked or found)[-1]


def _is_asked(text: str, quantity: Quantity, asks: Asks) -> bool:
    """Whether a quantity is in a unit that the question asks for, or stands before the word for what it counts."""
    unit = quantity.unit
    if unit is not None and (unit.base in asks.bases or not asks.bases.isdisjoint(unit.may_be)):
        return True
    noun = asks.noun.rstrip("s")
    following = re.match(r"\W*\w*\W*\w*", text[quantity.end :].lower())
    return len(noun) > 2 and following is not None and noun in following[0]


def asked_quantity(answer: str, asks: Asks) -> Quantity | None:
    """The one quantity of a prose answer that the question asks for; None where several may be meant."""
    found = stated_quantities(answer)
    asked = [quantity for quantity in found if _is_asked(answer, quantity, asks)]
    if not asked and asks.bases:
        asked = [quantity for quantity in found if quantity.unit is None]
    candidates = asked or ([] if asks.bases else found)
    return candidates[0] if len({quantity.key() for quantity in candidates}) == 1 else None


def differ(left: Quantity, right: Quantity, *, left_text: str, right_text: str, is_exact: bool = False) -> bool:
    """Whether two quantities of one thing exclude each other.

    Units of two dimensions cannot be compared, and a number without a unit is in that of the other. What rounds to the
    coarser of the two, or is an approximation of it by its own words, is the same. `is_exact`: whole numbers are
    exact.
    """
    one, two = left.unit, right.unit
    if one is not None and two is not None and one.base != two.base:
        meant = (one.may_be or {one.base}) & (two.may_be or {two.base})
        if "%" in (one.base, two.base) or not meant:
            return False
        left, right = (_meaning(quantity, min(meant)) for quantity in (left, right))
        one, two = left.unit, right.unit
    if one is not None and two is not None:
        pairs = [(a.in_base(), b.in_base()) for a in _readings(left) for b in _readings(right)]
        steps: tuple[Amount, Amount] = (left.step * one.factor, right.step * two.factor)
    else:
        pairs = [(a.amount, b.amount) for a in _readings(left) for b in _readings(right)]
        steps = (left.step, right.step)
        for percent, plain in ((left, right), (right, left)):
            if percent.unit is not None and percent.unit.base == "%" and plain.unit is None:
                pairs.append((percent.amount, plain.amount * 100))
    is_about = bool(_hedge(left_text, left) or _hedge(right_text, right))
    is_converted = one is not None and two is not None and one.factor != two.factor
    return not any(
        _agree(a, b, *steps, is_about=is_about, is_converted=is_converted, is_exact=is_exact) for a, b in pairs
    )


def _meaning(quantity: Quantity, base: str) -> Quantity:
    """The quantity where its unit may mean several: pounds beside kilograms are a mass."""
    unit = quantity.unit
    if unit is None or not unit.may_be:
        return quantity
    return quantity._replace(unit=UNITS["lb"] if base == "g" else Unit(base))


def _readings(quantity: Quantity) -> list[Quantity]:
    return [quantity] if quantity.other is None else [quantity, quantity._replace(amount=quantity.other)]


def _hedge(text: str, quantity: Quantity) -> re.Match[str] | None:
    return _APPROXIMATE.search(text, max(0, quantity.start - 16), quantity.start)


def _agree(
    a: Amount, b: Amount, step_a: Amount, step_b: Amount, *, is_about: bool, is_converted: bool, is_exact: bool
) -> bool:
    gap, size = abs(Fraction(a) - b), max(abs(Fraction(a)), abs(Fraction(b)))
    if is_about:
        step_a, step_b = _rounded_step(a, step_a), _rounded_step(b, step_b)
    coarse = max(Fraction(step_a), Fraction(step_b))
    if gap == 0 or (is_converted and gap <= FIVE_PERCENT * size) or (is_about and gap <= ONE_PERCENT * size):
        return True
    if step_a == step_b:
        return False
    if coarse < 1:
        return gap < coarse  # rounded or cut off: 3.14 for 3.1416 and for 3.149
    return (
        not is_exact and gap * 2 <= coarse and gap <= (FIVE_PERCENT if is_about or coarse > 1 else ONE_PERCENT) * size
    )


def _rounded_step(amount: Amount, step: Amount) -> Amount:
    """The place value of the last digit that is not 0: "about 300" is exact to hundreds."""
    if step != 1 or amount != int(amount) or amount == 0:
        return step
    digits = str(abs(int(amount)))
    return int("1" + "0" * (len(digits) - len(digits.rstrip("0"))))
