"""Two texts side by side: sentences of one pattern whose values, or whose denial, differ."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from curate.contradiction.polarity import is_negated_form, negations
from curate.contradiction.values import Value, values_in
from curate.contradiction.wordlists import words
from curate.dedup.word_sets import FUNCTION_WORDS

_MOST_SENTENCES = 60
_LONGEST = 400
_MOST_EXTRA = 4
# A point behind a number ends a sentence where a word follows that is no month: "on the 5. März" goes on.
SENTENCE_END = re.compile(
    r"(?<=[^\d\s.][.!?])\s+|(?<=[。！？])|\n+"
    r"|(?<=\d[.!?])\s+(?=[^\W\d_])(?!Jan|Feb|Mär|Apr|Mai\b|Jun|Jul|Aug|Sep|Okt|Nov|Dez)"
)
_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0d7f'’])*|\d+|[^\w\s]")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_SLOTS = {"number": "number", "unit-number": "number", "date": "date", "time": "time", "name": "name"}


class Sentence(NamedTuple):
    """A sentence at `start` of its text, as tokens in lower case of which values are slots like "<number>"."""

    text: str
    start: int
    tokens: tuple[str, ...]
    values: dict[int, Value]  # by token


class Mismatch(NamedTuple):
    """What differs in one place of two sentences of a pattern: spans are those of the whole texts."""

    kind: str
    left: tuple[int, int]
    right: tuple[int, int]


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text, of the first ones if it is very long."""
    found = []
    position = 0
    for part in SENTENCE_END.split(text):
        start = text.index(part, position)
        position = start + len(part)
        if part.strip() and len(part) <= _LONGEST:
            found.append(_sentence(part, start))
        if len(found) == _MOST_SENTENCES:
            break
    return found


def _sentence(text: str, start: int) -> Sentence:
    tokens: list[str] = []
    slots: dict[int, Value] = {}
    position = 0
    for value in values_in(text, at_start=False):
        if value.kind not in _SLOTS or (value.kind == "name" and text[value.start] in "\"“„«「『'‘"):
            continue
        tokens += _tokens(text[position : value.start])
        slots[len(tokens)] = value
        tokens.append(f"<{_SLOTS[value.kind]}>")
        position = value.end
    return Sentence(text, start, (*tokens, *_tokens(text[position:])), slots)


def _tokens(text: str) -> list[str]:
    found = []
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        if _UNSPACED.match(token):
            found += list(token)
        elif token not in ".,;:!?。，、！？*\"'":
            found.append(token)
    return found


def mismatch(left: list[Sentence], right: list[Sentence]) -> Mismatch | None:
    """The first pair of sentences that say the same but for one value, or of which one denies the other.

    A value that the other text has too, elsewhere, is no mismatch: then they speak of two things.
    """
    here, there = _all_keys(left), _all_keys(right)
    texts_here, texts_there = ({sentence.tokens for sentence in side} for side in (left, right))
    for one in left:
        for two in right:
            if one.tokens == two.tokens:
                if slot := _differing_slot(one, two, here, there):
                    return slot
            elif one.tokens in texts_there or two.tokens in texts_here:
                continue
            elif abs(len(one.tokens) - len(two.tokens)) <= _MOST_EXTRA and (
                found := _denial(one, two) or _alike(one, two, here, there)
            ):
                return found
    return None


def _all_keys(side: list[Sentence]) -> set[tuple[str, str]]:
    return {(_SLOTS[value.kind], value.key) for sentence in side for value in sentence.values.values()}


Keys = set[tuple[str, str]]


def _differing_slot(one: Sentence, two: Sentence, here: Keys, there: Keys) -> Mismatch | None:
    return _only_difference(one, two, [(one.values[i], two.values[i]) for i in one.values], here, there)


def _only_difference(
    one: Sentence, two: Sentence, pairs: list[tuple[Value, Value]], here: Keys, there: Keys
) -> Mismatch | None:
    differing = [(a, b) for a, b in pairs if a.key != b.key]
    content = sum(1 for token in one.tokens if token.isalpha() and token not in FUNCTION_WORDS)
    return _slot(one, two, *differing[0], here, there) if len(differing) == 1 and content else None


def _slot(one: Sentence, two: Sentence, a: Value, b: Value, here: Keys, there: Keys) -> Mismatch | None:
    kind = _SLOTS[a.kind]
    if (kind, a.key) in there or (kind, b.key) in here:
        return None
    return Mismatch(kind, (one.start + a.start, one.start + a.end), (two.start + b.start, two.start + b.end))


def _denial(one: Sentence, two: Sentence) -> Mismatch | None:
    if negations(one.text) == negations(two.text) and len(one.tokens) != len(two.tokens):
        return None
    plain_one, plain_two = (re.sub(r"[.,;:!?。，、！？*]", " ", sentence.text) for sentence in (one, two))
    if {a.key for a in one.values.values()} != {b.key for b in two.values.values()}:
        return None
    if len(one.tokens) >= 3 and is_negated_form(_without_support(plain_one), _without_support(plain_two)):
        spans = [(sentence.start, sentence.start + len(sentence.text)) for sentence in (one, two)]
        return Mismatch("negation", spans[0], spans[1])
    return None


_ARTICLE = re.compile(r"\b(?:an?|any|the|de|eine?[nmrs]?)\s", re.IGNORECASE)
_SUPPORT = re.compile(r"\b(?:do|does|did)(?: not|n['’]t)\b", re.IGNORECASE)


def _without_support(text: str) -> str:
    """ "does not work" denies "works": the helping verb, the ending that it takes over, and articles are left out."""
    text = _ARTICLE.sub("", _SUPPORT.sub("not", text))
    return re.sub(r"(?<=[^\W\d_]{3})(?<!s)s\b", "", text)


_SCOPING = words(
    "for if when unless except during after before per each every für pro wenn pour par para por wie je als"
)


def _alike(one: Sentence, two: Sentence, here: Keys, there: Keys) -> Mismatch | None:
    """The one value in which two sentences differ that are the same but for small words."""
    if not one.values or not two.values:
        return None
    pairs: list[tuple[Value, Value]] = []
    for tag, a, b, c, d in SequenceMatcher(None, one.tokens, two.tokens, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += [
                (one.values[a + i], two.values[c + i])
                for i in range(b - a)
                if a + i in one.values and c + i in two.values
            ]
        elif any(token not in FUNCTION_WORDS or token in _SCOPING for token in (*one.tokens[a:b], *two.tokens[c:d])):
            return None
    if len(pairs) != max(len(one.values), len(two.values)):
        return None
    return _only_difference(one, two, pairs, here, there)
