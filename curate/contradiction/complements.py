"""What a sentence says of the thing that was asked for: "Canberra" in "The capital of Australia is Canberra"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.contradiction.polarity import negations
from curate.contradiction.wordlists import words
from curate.dedup.word_sets import FUNCTION_WORDS

if TYPE_CHECKING:
    from curate.contradiction.questions import Asks

_COPULA = re.compile(
    r"\s+(?:is|are|was|were|would be|should be|ist|sind|war|est|sont|était|es|son|fue|era|è|sono|é|são|foi|is een"
    r"|was een"
    r"|является|был[аои]?|—)\s+(?:classified as |labell?ed as |called |named )?|\s*:\s+",
    re.IGNORECASE,
)
_UNSPACED = re.compile(
    r"(?P<before>[^。，、]{0,20}?)(?:应该是|應該是|是|为"
    r"|は)(?P<after>[^。，、是]{1,10}?)的?(?:です|だ)?[。.]?\Z"
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ARTICLES = words("a an the der die das ein eine le la les un une el los las uno il lo o os as um uma het een")
# What may stand for the thing asked for.
_POINTERS = words("""
    this that it its these answer label category class sentiment result type topic intent tone correct right should
    dies diese dieser es antwort ce cette c'est ceci réponse esto este esta respuesta questo questa risposta isso isto
    это этот эта ответ
""")
_LONGEST = 20
_MOST_WORDS = 4


def complement(sentence: str, asks: Asks) -> tuple[int, int] | None:
    """Where a sentence says what was asked for, if all its other words are those of the question."""
    if negations(sentence):
        return None
    if match := _UNSPACED.match(sentence):
        is_subject = all(char in asks.whole or char in "这這此该該这条它那こそれ" for char in match["before"])
        return match.span("after") if is_subject else None
    if len(_WORD.findall(sentence)) > _LONGEST:
        return None
    known = FUNCTION_WORDS | _POINTERS | {_stem(word) for word in _WORD.findall(asks.whole)}
    end = len(sentence.rstrip(" .!。\n"))
    for match in _COPULA.finditer(sentence):
        before, after = sentence[: match.start()], sentence[match.end() : end]
        is_about = _are_known(before, known)
        if is_about and _is_phrase(after):
            return match.end(), end
        if not is_about and _is_phrase(before) and _are_known(after, known):
            return 0, match.start()
    return None


def _stem(word: str) -> str:
    word = word.lower()
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _are_known(text: str, known: frozenset[str]) -> bool:
    return all(word.lower() in known or _stem(word) in known for word in _WORD.findall(text))


def _is_phrase(text: str) -> bool:
    found = [word.lower() for word in _WORD.findall(text)]
    return 0 < len(found) <= _MOST_WORDS and (found[0] in _ARTICLES or found[0] not in FUNCTION_WORDS)
