"""The claim that an answer makes: the value that decides it, read by what the question asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from curate.contradiction.amounts import asked_quantity, is_worked, result, stated_quantities
from curate.contradiction.complements import complement
from curate.contradiction.dates import Date, Time, dates, times
from curate.contradiction.finals import final_span
from curate.contradiction.json_values import canonical, parse_json
from curate.contradiction.names import label_key, looks_like_name
from curate.contradiction.polarity import yes_or_no
from curate.contradiction.questions import Asks, read_question
from curate.contradiction.sentences import sentences
from curate.contradiction.wordlists import words

if TYPE_CHECKING:
    from collections.abc import Hashable

    from curate.contradiction.numbers import Quantity


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer says.

    `kind`: number, yes-no, option, date, time, label, list, json, or text where it is prose that no kind fits.
    `key` is equal for answers that say the same, and None for free text. `form` is how the answer is written: number,
    yes-no, option, date, time, label, list, table, json, code, question, sentence, prose or empty. `span` is the place
    of what decides.
    """

    kind: str
    key: Hashable | None
    form: str
    answer: str
    span: tuple[int, int]
    asks: Asks
    value: Any = None
    is_final: bool = False  # the answer marks it as its result, or calculates it

    @property
    def text(self) -> str:
        """The deciding part of the answer as written."""
        return self.answer[slice(*self.span)].strip()


_CODE = re.compile(
    r"^(?:```(?!json)|\s*(?:def |class \w+[:({]|import \w|from \w+ import|#include|public |function |const |let "
    r"|var |SELECT |<\?|<!DOCTYPE|<html))",
    re.MULTILINE,
)
_FIELD = re.compile(r"[\s*_#]*([^\W\d_]+(?: [^\W\d_]+)?)[*_]*:[*_]*\s+")
_LONGEST_SHORT = 80
_MOST_WORDS = 5
_MOSTUNSPACED = 12
UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0900-\u0d7f'’.+#-])*")
AROUND = " \t\r\n\"'`*_“”‘’«»()[]{}.,;:!?。，；：！？、「」『』$"
_SENTENCE_WORDS = words("""
    is are was were am be been has have had do does did can could will would should may might must it's he's she's
    that's
    i he she they we you it isn't don't doesn't didn't can't wasn't because so who
    ist sind war waren hat haben kann wird ich er sie es wir est sont était il elle ils a ont es son era fue está tiene
    è sono ha era é são foi tem het is zijn это был была было есть
""")
_OPTION = re.compile(
    r"[\s*_\"'(]*(?:(?:the )?(?:correct )?(?:option|choice|answer|选项|opción"
    r"|вариант)\s*(?:is)?[:\s]*)?[\s*_(]*([A-Ha-h])[)*_\]]*(?:([.:)])\s*(?P<text>\S.*)?|\s*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?![\d,.]\d|[\ds])")
_LIST_JOINTS = re.compile(r"\s*(?:\n\s*(?:[-*•]|\d+[.)])?|[;,、，;](?!\d)|\s(?:and|und|et|y|e|и)\s|和|と|및)\s*")
_TABLE = re.compile(r"^\s*\|.+\n\s*\|[\s:|-]+\|\s*$", re.MULTILINE)
_BULLETS = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)


def read_answer(question: str, answer: str) -> Claim:
    """What an answer to a question says. Pure: the same texts give the same claim."""
    asks = read_question(question)
    whole = (len(answer) - len(answer.lstrip()), len(answer.rstrip()))
    blank = Claim("text", None, "empty", answer, whole, asks)
    text = answer.strip()
    if not text or text.endswith(("?", "？", "؟")):
        return replace(blank, form="question" if text else "empty")
    if (value := parse_json(answer)) is not None:
        return replace(blank, kind="json", key=("json", canonical(value)), form="json", value=value)
    if _CODE.search(text):
        return replace(blank, form="code")
    blank = replace(blank, form=_form(text))
    if (final := final_span(answer)) is not None and (claim := _short(_within(blank, final))) is not None:
        return replace(claim, is_final=True)
    if prefix := _FIELD.match(answer):
        blank = _within(blank, (prefix.end(), len(answer))) if prefix[1].lower() in asks.whole else blank
    if len(text) <= _LONGEST_SHORT and "\n" not in text and (claim := _short(blank)) is not None:
        return claim if claim.kind == "list" else replace(claim, form=claim.kind)
    return _prose(blank)


def _within(claim: Claim, span: tuple[int, int]) -> Claim:
    """The same answer, of which only a part is read."""
    start, end = span
    piece = claim.answer[start:end]
    return replace(claim, span=(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())))


def _form(text: str) -> str:
    if _TABLE.search(text):
        return "table"
    if len(_BULLETS.findall(text)) > 1:
        return "list"
    return "prose" if len(text) > 300 or "\n" in text or len(sentences(text)) > 1 else "sentence"


def _short(blank: Claim) -> Claim | None:
    """The claim of a short answer: a value alone, or with a word or two around it."""
    text, asks = blank.text, blank.asks
    if (said := yes_or_no(text, asked=asks.kind == "yes-no")) is not None and len(text) <= _LONGEST_SHORT:
        return replace(blank, kind="yes-no", key=("yes-no", said), value=said)
    if (match := _OPTION.match(text)) and (match[1].isupper() or match[2] or asks.choices):
        letter = match[1].upper()
        if not match["text"] or letter in asks.choices:
            return replace(blank, kind="option", key=("option", letter), value=letter)
    size = size_of(text)
    start = blank.span[0]
    found = list(dates(text))
    if (
        len(found) == 1
        and size <= _MOST_WORDS + 3
        and _rest(text, found[0]) <= 3
        and (found[0].day or asks.kind == "date")
    ):
        date = found[0]
        moment = next(times(text), None)
        if not moment:
            return _dated(blank, date, start)
    clock = list(times(text))
    if clock and not found and size <= 8 and not _is_sentence(text):
        return _timed(blank, clock, start)
    if asks.kind == "date" and not found and not clock and (year := _only_year(text)) is not None:
        return _dated(blank, year, start)
    if not found and (number := _number(blank)) is not None:
        return number
    if _is_sentence(text) or (asks.kind in ("number", "date") and (found or clock or stated_quantities(text))):
        return None
    parts = [part for part in _LIST_JOINTS.split(text) if part.strip(AROUND)]
    is_place = asks.kind == "name" and len(parts) == 2 and "," in text and all(looks_like_name(part) for part in parts)
    if len(parts) > 1 and not is_place:
        key = ("list", frozenset(label_key(part) for part in parts))
        return replace(blank, kind="list", key=key, value=parts)
    if size <= (_MOSTUNSPACED if UNSPACED.search(text) else _MOST_WORDS) and text.strip(AROUND):
        return replace(blank, kind="label", key=("label", label_key(text)), value=text)
    return None


def _only_year(text: str) -> Date | None:
    """The year that a text holds as its one number of four digits."""
    years = list(_YEAR.finditer(text))
    return Date(int(years[0][1]), None, None, None, *years[0].span()) if len(years) == 1 else None


def size_of(text: str) -> int:
    return len(text.strip(AROUND)) if UNSPACED.search(text) else len(WORD.findall(text))


def _rest(text: str, value: Date | Quantity) -> int:
    return len(WORD.findall(text[: value.start] + " " + text[value.end :]))


def _is_sentence(text: str) -> bool:
    size = size_of(text)
    if size > 2 and text.endswith((".", "!", "。", "！")):
        return size > 5 or not UNSPACED.search(text)
    return size > 2 and any(word.lower() in _SENTENCE_WORDS for word in WORD.findall(text))


def _dated(blank: Claim, date: Date, offset: int) -> Claim:
    moved = date._replace(start=date.start + offset, end=date.end + offset)
    return replace(blank, kind="date", key=("date", date.key()), value=moved, span=(moved.start, moved.end))


def _timed(blank: Claim, clock: list[Time], offset: int) -> Claim:
    moved = [time._replace(start=time.start + offset, end=time.end + offset) for time in clock]
    key = ("time", *(f"{time.key()} {time.zone}" for time in clock))
    return replace(blank, kind="time", key=key, value=moved, span=(moved[0].start, moved[-1].end))


def _number(blank: Claim) -> Claim | None:
    """A number with its unit or what it counts, or a range of two."""
    text = blank.text
    found = stated_quantities(text)
    if (
        not 1 <= len(found) <= 2
        or (size_of(text) > _MOST_WORDS + len(found) and blank.asks.kind != "number")
        or _is_sentence(text)
    ):
        return None
    if len(found) == 2 and not re.fullmatch(
        r"\s*(?:-|–|to|bis|à|a|до|至|到|から|~|〜)\s*", text[found[0].end : found[1].start]
    ):
        return None
    if text[: found[0].start].strip(AROUND + "-~≈") and size_of(text[: found[0].start]) > 2:
        return None
    return _counted(blank, found, blank.span[0])


def _counted(blank: Claim, found: list[Quantity], offset: int) -> Claim:
    moved = [quantity._replace(start=quantity.start + offset, end=quantity.end + offset) for quantity in found]
    key = ("number", *(quantity.key() for quantity in found))
    return replace(blank, kind="number", key=key, value=moved, span=(moved[0].start, moved[-1].end))


def _prose(blank: Claim) -> Claim:
    """The claim of sentences: what the question asks for, where they hold it once."""
    answer, asks = blank.answer, blank.asks
    if (said := yes_or_no(answer, asked=asks.kind == "yes-no")) is not None:
        return replace(blank, kind="yes-no", key=("yes-no", said), value=said)
    if is_worked(answer):
        if (number := result(answer, asks)) is not None:
            return replace(_counted(blank, [number], 0), is_final=True)
    elif (asks.kind == "number" or asks.is_definite) and (number := asked_quantity(answer, asks)) is not None:
        return _counted(blank, [number], 0)
    elif asks.kind == "date" and len(sentences(answer)) == 1:
        found, clock = list(dates(answer)), list(times(answer))
        if len(found) == 1 and not clock:
            return _dated(blank, found[0], 0)
        if clock and not found:
            return _timed(blank, clock, 0)
        if not found and (year := _only_year(answer)) is not None:
            return _dated(blank, year, 0)
    elif len(sentences(answer)) == 1 and (asks.kind in ("name", "label", "choice") or asks.is_definite):
        start = blank.span[0]
        if (place := complement(blank.text, asks)) is not None:
            said_of_it = _within(blank, (start + place[0], start + place[1]))
            if asks.kind == "name" and not looks_like_name(said_of_it.text):
                return blank
            return replace(said_of_it, kind="label", key=("label", label_key(said_of_it.text)), value=said_of_it.text)
    return blank
