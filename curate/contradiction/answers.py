"""Where two answers to one question exclude each other.

Answers that say the same in other words, roundings of one number, values of different things and anything unclear are
no disagreement: nothing is flagged for being merely different.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from curate.contradiction.amounts import differ, stated_quantities
from curate.contradiction.claims import AROUND, UNSPACED, WORD, Claim, read_answer, size_of
from curate.contradiction.dates import dates, times
from curate.contradiction.json_values import shared_leaves
from curate.contradiction.names import label_key, looks_like_name, may_be_same
from curate.contradiction.polarity import negations
from curate.contradiction.questions import asks_for_variety
from curate.contradiction.scope import scopes_differ
from curate.contradiction.sentences import mismatch, sentences
from curate.contradiction.values import values_in
from curate.dedup.word_sets import FUNCTION_WORDS

__all__ = ["Claim", "Disagreement", "asks_for_variety", "disagreement", "read_answer"]


class Disagreement(NamedTuple):
    """Two values that exclude each other.

    `kind`: number, yes-no, label, date, time, json, negation or entity. `left` and `right` are the values as written,
    the spans their places in the two answers in code points. `path`: where in the JSON, "total" or "items[0].price".
    """

    kind: str
    left: str
    right: str
    left_span: tuple[int, int]
    right_span: tuple[int, int]
    path: str = ""

    def reversed(self) -> Disagreement:
        """The same, seen from the other answer."""
        return Disagreement(self.kind, self.right, self.left, self.right_span, self.left_span, self.path)


_CLAIMLESS = frozenset({"question", "code", "empty"})


def disagreement(a: Claim, b: Claim) -> Disagreement | None:
    """Where two answers to one question exclude each other, or None if they may both hold.

    Claims without a key are compared sentence by sentence, so they must not be left out.
    """
    if (a.key is not None and a.key == b.key) or a.asks.is_open or b.asks.is_open:
        return None
    if not _CLAIMLESS.isdisjoint((a.form, b.form)):
        return None
    if a.kind == b.kind == "json":
        return _json(a, b)
    if a.kind == b.kind and a.kind in _COMPARED:
        return _COMPARED[a.kind](a, b)
    kinds = {a.kind, b.kind}
    if kinds == {"option", "label"} or kinds == {"option", "text"}:
        return _option_and_text(a, b)
    if "text" in kinds and "yes-no" in kinds:
        return _polarity(a, b)
    if kinds <= {"text", "label"}:
        return _words_alone(a, b)
    if kinds <= {"text", "number", "date", "time"}:
        return _texts(a, b)
    return None


def _found(kind: str, a: Claim, b: Claim, path: str = "") -> Disagreement:
    return Disagreement(kind, a.text, b.text, a.span, b.span, path)


def _yes_no(a: Claim, b: Claim) -> Disagreement | None:
    if _MINDING.search(a.asks.text) or _is_conditional(a) or _is_conditional(b) or _go_on_alike(a, b):
        return None
    return _found("yes-no", _first_word(a), _first_word(b))


_FIRST_WORD = re.compile(r"[^\s.,;:!?。，、！？]+")
_CONDITION = re.compile(
    r"\b(?:if|unless|except|however|depends|provided|as long as|wenn|falls|sofern|außer|es sei denn|sauf|si|excepto"
    r"|salvo|"
    r"a menos que|tenzij|если|кроме|إلا|إذا)\b|如果|除非|ただし|もし|場合|만약|단,|경우|ถ้า",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"\b(?:only|but|nur|aber|seulement|mais|uniquement|solo|sólo|pero|ma|mas|apenas|maar|alleen|но|только|لكن|فقط)\b"
    r"|但|只|仅|のみ|だけ|แต่|เฉพาะ",
    re.IGNORECASE,
)


_EXCEPTION = re.compile(
    r"(?:except|unless|but|however|only|außer|aber|nur|sauf|mais|excepto|pero|кроме"
    r"|но)\b",
    re.IGNORECASE,
)
# To these, "No, go ahead" and "Yes, of course" say the same.
_MINDING = re.compile(
    r"\b(?:do|would|does) (?:you|it|anyone) (?:mind|bother|object|matter)\b|\b(?:is|would) (?:it|that"
    r"|there) (?:be )?an? problem\b"
    r"|\bmacht es .*etwas aus\b|\bstört es\b|\bça (?:vous|te) dérange|\b(?:le|te|les) importa\b|介意|構いませんか"
)


def _first_word(claim: Claim) -> Claim:
    match = _FIRST_WORD.search(claim.answer, claim.span[0])
    return replace(claim, span=match.span()) if match else claim


def _is_conditional(claim: Claim) -> bool:
    """Whether a yes or no holds in some cases only: "Yes, but only ...", "No, unless ...", "Yes. Except on Sunday."."""
    first, *rest = [sentence.text.lstrip() for sentence in sentences(claim.answer[:600])][:2] or [""]
    if _CONDITION.search(first, 4) or (claim.value is True and _LIMIT.search(first, 4)):
        return True
    return any(_EXCEPTION.match(sentence) for sentence in rest)


def _go_on_alike(a: Claim, b: Claim) -> bool:
    """Whether both deny, or neither, behind their yes and no: "Yes, it is not free." and "No, it is not free."

    To a question in the negative, yes and no alone say nothing sure.
    """
    rests = [_first_sentence(claim)[len(_first_word(claim).text) :].lower() for claim in (a, b)]
    one, two = ({word for word in WORD.findall(rest) if word not in FUNCTION_WORDS} for rest in rests)
    if not one or not two:
        return negations(a.asks.text) > 0 and a.asks.kind == "yes-no"
    return negations(rests[0]) == negations(rests[1]) and len(one & two) * 2 >= len(one | two)


def _first_sentence(claim: Claim) -> str:
    return next((sentence.text.lstrip() for sentence in sentences(claim.answer[:600])), "")


_OFTEN = re.compile(r"\b(?:often|oft|souvent|frecuencia|frequenza|frequência|часто)\b|多久一次|何回|頻度")


def _numbers(a: Claim, b: Claim) -> Disagreement | None:
    left, right = a.value, b.value
    if len(left) != len(right):
        return None
    decides = a.is_final and b.is_final
    if not decides and _scopes_differ(a, b):
        return None
    if not decides and (_name_two_things(a, b) or (a.asks.kind != "number" and not _counts_alike(a, b))):
        return None
    if _OFTEN.search(a.asks.text) and [q.unit is None for q in left] != [q.unit is None for q in right]:
        return None
    for one, two in zip(left, right, strict=True):
        if decides and one.unit and two.unit and one.unit.base != two.unit.base:  # one of the solutions names it wrong
            one, two = one._replace(unit=None), two._replace(unit=None)
        if differ(one, two, left_text=a.answer, right_text=b.answer, is_exact=decides):
            return _found("number", a, b)
    return None


def _name_two_things(a: Claim, b: Claim) -> bool:
    """Whether both short answers say more of their number, and not the same: "3 bedrooms", "2 bathrooms"."""
    if "prose" in (a.form, b.form) or max(size_of(a.answer), size_of(b.answer)) > 8:
        return False
    one, two = (
        {word.lower().rstrip(".s") for word in WORD.findall(claim.answer[claim.span[1] :])} - FUNCTION_WORDS
        for claim in (a, b)
    )
    asked = {word.rstrip("s") for word in WORD.findall(a.asks.text)}
    return bool(one - asked) and bool(two - asked) and not one & two


def _counts_alike(a: Claim, b: Claim) -> bool:
    """Whether two numbers count the same: units compare, and so do equal words or none behind the numbers."""
    one, two = a.value[-1], b.value[-1]
    if one.unit is not None and two.unit is not None:
        return True
    nouns = [
        {word.rstrip("s").lower() for word in WORD.findall(claim.answer[quantity.end : quantity.end + 40])[:2]}
        for claim, quantity in ((a, one), (b, two))
    ]
    return not nouns[0] or not nouns[1] or bool(nouns[0] & nouns[1])


def _scopes_differ(a: Claim, b: Claim) -> bool:
    one, two = (f"{claim.answer[: claim.span[0]]}0{claim.answer[claim.span[1] :]}" for claim in (a, b))
    return scopes_differ(one, two, a.asks.text)


def _dates(a: Claim, b: Claim) -> Disagreement | None:
    if _scopes_differ(a, b):
        return None
    return _found("date", a, b) if a.value.conflicts(b.value) else None


def _times(a: Claim, b: Claim) -> Disagreement | None:
    if len(a.value) != len(b.value) or _scopes_differ(a, b):
        return None
    clash = any(one.conflicts(two) for one, two in zip(a.value, b.value, strict=True))
    return _found("time", a, b) if clash else None


_BRIEF = 3  # words of a label


def _labels(a: Claim, b: Claim) -> Disagreement | None:
    if may_be_same(a.text, b.text, a.asks.whole) or a.asks.is_plural:
        return None
    are_names = looks_like_name(a.text) and looks_like_name(b.text)
    if a.asks.kind == "name":
        return _found("entity", a, b) if are_names else None
    is_brief = max(size_of(label_key(claim.text)) for claim in (a, b)) <= _BRIEF or bool(UNSPACED.search(a.text))
    if a.asks.kind == "label" or _are_offered(a, b):
        return _found("label", a, b)
    if is_brief and a.asks.is_definite:
        has_capitals = all(claim.text != claim.text.lower() for claim in (a, b))
        return _found("entity" if are_names and has_capitals and a.asks.kind == "" else "label", a, b)
    return None


_FARTHEST = 80  # characters between two labels that a question offers


def _are_offered(a: Claim, b: Claim) -> bool:
    """Whether the question itself names both labels, one soon after the other, as in "positive or negative"."""
    whole = a.asks.whole
    one, two = (claim.text.strip(AROUND).lower() for claim in (a, b))
    return any(
        whole.find(second, match.end(), match.end() + _FARTHEST) >= 0
        for first, second in ((one, two), (two, one))
        for match in re.finditer(rf"\b{re.escape(first)}\b" if first.isascii() else re.escape(first), whole)
    )


def _options(a: Claim, b: Claim) -> Disagreement | None:
    return _found("label", a, b)


def _option_and_text(a: Claim, b: Claim) -> Disagreement | None:
    option, text = (a, b) if a.kind == "option" else (b, a)
    choices = option.asks.choices
    chosen = choices.get(option.value)
    named = [letter for letter, choice in choices.items() if label_key(choice) == label_key(text.text)]
    if chosen is None or not named or option.value in named:
        return None
    return _found("label", a, b)


def _polarity(a: Claim, b: Claim) -> Disagreement | None:
    """Yes or no against a sentence that denies without saying no."""
    said, text = (a, b) if a.kind == "yes-no" else (b, a)
    if a.asks.kind != "yes-no" or negations(a.asks.text) or text.form != "sentence" or _is_conditional(said):
        return None
    if (
        _CONDITION.search(text.answer)
        or _LIMIT.search(text.answer)
        or negations(text.answer) != 1
        or said.value is not True
    ):
        return None
    asked = {word for word in WORD.findall(a.asks.text) if len(word) > 3}
    if size_of(text.answer) > 20 or not asked & {word.lower() for word in WORD.findall(text.answer)}:
        return None
    denied = _denied(text.answer)
    if denied and denied not in asked:  # "Is it forbidden?" "It is not allowed."
        return None
    left, right = (_first_word(claim) if claim is said else claim for claim in (a, b))
    return _found("yes-no", left, right)


def _denied(sentence: str) -> str:
    """The first longer word behind the negation, in lower case."""
    words_behind = iter(WORD.findall(sentence))
    for word in words_behind:
        if negations(word):
            break
    return next((word.lower() for word in words_behind if len(word) > 3), "")


def _texts(a: Claim, b: Claim) -> Disagreement | None:
    found = mismatch(sentences(a.answer), sentences(b.answer))
    if found is None:
        return None
    left, right = replace(a, span=found.left), replace(b, span=found.right)
    if found.kind == "number":
        one, two = (stated_quantities(claim.text) for claim in (left, right))
        if not one or not two or not differ(one[0], two[0], left_text=left.text, right_text=right.text):
            return None
    elif found.kind == "name":
        if may_be_same(left.text, right.text):
            return None
    elif found.kind in ("date", "time"):
        reader = dates if found.kind == "date" else times
        one_date, two_date = (next(reader(claim.text), None) for claim in (left, right))
        if one_date is None or two_date is None or not one_date.conflicts(two_date):  # type: ignore[arg-type]
            return None
    return _found("entity" if found.kind == "name" else found.kind, left, right)


def _entities(a: Claim, b: Claim) -> Disagreement | None:
    """The one name in each answer that the question does not hold, where it asks for a name."""
    if a.asks.kind != "name" or a.asks.is_plural or _scopes_differ(a, b):
        return None
    left, right = _new_names(a), _new_names(b)
    if len(left) != 1 or len(right) != 1:
        return None
    one, two = replace(a, span=left[0]), replace(b, span=right[0])
    if may_be_same(one.text, two.text) or one.text.lower() in b.answer.lower() or two.text.lower() in a.answer.lower():
        return None
    return _found("entity", one, two)


def _new_names(claim: Claim) -> list[tuple[int, int]]:
    if claim.kind == "label":
        return [claim.span] if looks_like_name(claim.text) else []
    if claim.form != "sentence" or size_of(claim.answer) > 25:
        return []
    return [
        (value.start, value.end)
        for value in values_in(claim.answer)
        if value.kind == "name" and value.key not in claim.asks.text
    ]


def _words_alone(a: Claim, b: Claim) -> Disagreement | None:
    return _texts(a, b) or _entities(a, b)


def _json(a: Claim, b: Claim) -> Disagreement | None:
    for path, one, two in shared_leaves(a.value, b.value):
        if _FREE_FIELD.search(path.rpartition(".")[2]) or isinstance(one, bool) is not isinstance(two, bool):
            continue
        if isinstance(one, bool) or isinstance(two, bool):
            if one != two:
                return Disagreement("json", str(one).lower(), str(two).lower(), a.span, b.span, path)
            continue
        left, right = (read_answer(f"which {path}?", str(value)) for value in (one, two))
        if disagreement(left, right) is not None:
            return Disagreement("json", str(one), str(two), a.span, b.span, path)
    return None


# Fields whose values differ by nature from one writing to the next.
_FREE_FIELD = re.compile(
    r"^(?:_?id|uuid|guid|explanation|reason(?:ing)?|rationale|thoughts?|summary|description|comments?|notes?|title"
    r"|message|text|"
    r"confidence|probability|timestamp|created(?:_at)?|updated(?:_at)?|request_id)$",
    re.IGNORECASE,
)
_COMPARED = {
    "number": _numbers,
    "yes-no": _yes_no,
    "date": _dates,
    "time": _times,
    "label": _labels,
    "option": _options,
    "text": _words_alone,
}
