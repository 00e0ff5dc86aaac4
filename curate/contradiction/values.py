"""Values in a text: what a question or an answer is about, and may not change without changing it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.dates import DAY_WORDS, dates, times
from curate.contradiction.numbers import NUMBER_WORDS, quantities
from curate.contradiction.polarity import is_negated_form, negations
from curate.contradiction.wordlists import words

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Value", "is_negated_form", "negations", "values_in"]


class Value(NamedTuple):
    """A value at `start:end` of a text, in code points.

    `kind`: number, unit-number, ordinal, date, time, name or option. `key` is the same for all spellings of a value:
    two values of a kind are the same exactly if their keys are equal.
    """

    kind: str
    key: str
    start: int
    end: int


_UPPER = "".join(chr(i) for i in [*range(0x41, 0x590), *range(0x1E00, 0x2000)] if chr(i).isupper())
_WORD = re.compile(r"[^\W\d_]+(?:-feira)?")
_MAY_HOLD_NUMBER = re.compile(r"[\d½-¾⅐-⅞¼〇零一二三四五六七八九十百千万萬億亿兩两]")
_CAPITAL = re.compile(f"[{_UPPER}]")
_NAME_WORD = (
    rf"(?:[{_UPPER}][^\W\d_]+(?:['’][^\W\d_]+)?(?:-[^\W\d_]+)*|(?:[{_UPPER}]\.\s?){{1,3}}|[OD]['’][{_UPPER}][^\W\d_]+)"
)
_NAME = re.compile(
    rf"(?<![\w.$@#/\\\-]){_NAME_WORD}(?:[ ](?:(?:of|de|del|da|di|du|la|van|von|der|den|bin|al|the"
    rf"|and the)[ ]){{0,2}}{_NAME_WORD})*"
    rf"(?![\w(\[{{=]|\.\w|::|_)"
)
_KATAKANA = re.compile(r"[ァ-ヺｦ-ﾟ][ァ-ヺー・ｦ-ﾟ]+")
_QUOTED = re.compile(
    r'"([^"\n]{1,80})"|“([^”\n]{1,80})”|„([^“”\n]{1,80})[“”]|«([^»\n]{1,80})»|「([^」\n]{1,80})」|『([^』\n]{1,80})』'
    r"|(?<!\w)['‘]([^'’‘\n]{1,80})['’](?!\w)"
)
_OPTION = re.compile(
    r"(?<!\w)\(([A-Ha-h])\)|\A([A-H])[).:](?=\s|\Z)|(?<![\w(.])([A-H])\)(?!\w)"
    r"|\b(?:[Oo]ption|OPTION|[Cc]hoice|选项|選択肢|[Aa]ntwort|[Oo]pci[óo]n|[Вв]ариант)\s?\(?([A-Ha-h]|\d)\b\)?"
)
_OPTION_WORDS = words("option choice antwort opción opcion")
_ORDINAL = re.compile(r"(?<![\w.,])(\d+)(?:st|nd|rd|th)\b|第\s?([\d〇一二三四五六七八九十]+)")
_ORDINAL_NAMES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = {word: i for i, word in enumerate(_ORDINAL_NAMES.split(), 1)} | {"last": -1, "final": -1}
_ORDINAL_WORD = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b", re.IGNORECASE)
_HAN_DIGITS = {char: i for i, char in enumerate("〇一二三四五六七八九十")}
_NO_NAMES = words("""
    the a an and or but nor not no if when while as at by for from in into of off on onto out over per since than then
    to under until up upon via with without after before about above again all also am any are be because been being
    both can could did do does doing down each few had has have having he her here hers him his how i it its itself
    just let me more most must my now once only other our own s same she should so some such that their them there
    these they this those through too very was we were what whats which who whom whose why will would you your
    yes true false none null nan ok please note hint question answer example input output context passage text title
    write read compute calculate find tell give explain name list describe solve determine suppose assume given
    translate summarize classify identify generate create select choose consider complete fill show use make get
    der die das den dem des ein eine einen einem einer und oder aber wenn ist sind war waren wie was wer wo wann warum
    welche welcher welches wieviel kann können hat haben wird werden ich du er sie es wir ihr nicht kein keine mit für
    von zu auf im am bei nach aus
    le la les un une des et ou mais si est sont était que qui quoi quel quelle quels quelles quand comment pourquoi où
    combien il elle nous vous ils dans sur pour par avec sans
    el los las una unos unas y o pero es son era qué quién cuál cuándo cómo dónde cuánto cuántos cuántas cuánta
    il lo gli i ed ma è sono chi che cosa quale quando come dove quanto quanti quante
    os as um uma e mas são quem qual como onde quantos quantas het een en maar wat wie waar hoe waarom hoeveel
    и или но это как что кто где когда почему сколько какой какая какие в на с по не
    """)
_FROM_NAME = re.compile(r"['’]s?\Z")


def values_in(text: str, *, at_start: bool = True) -> list[Value]:
    """The values of a text in order, none of which overlap.

    `at_start`: the text begins a sentence, so that the capital of its first word says nothing. Pass False for a piece
    from within one.
    """
    found: list[Value] = []
    taken: list[tuple[int, int]] = []

    def add(kind: str, key: str, start: int, end: int) -> None:
        if not any(a < end and start < b for a, b in taken):
            taken.append((start, end))
            found.append(Value(kind, key, start, end))

    words_here = _WORD.findall(text.lower())
    has_digits = _MAY_HOLD_NUMBER.search(text) is not None
    has_numbers = has_digits or not NUMBER_WORDS.isdisjoint(words_here)
    has_capitals = _CAPITAL.search(text) is not None
    is_ascii = text.isascii()
    if '"' in text or "'" in text or not is_ascii:
        for match in _QUOTED.finditer(text):
            content = match[match.lastindex or 0]
            if not (has_digits and content.strip(" .,$€%+-").replace(",", "").isdecimal()):
                add("name", " ".join(content.casefold().split()), *match.span())
    if ")" in text or not is_ascii or not _OPTION_WORDS.isdisjoint(words_here) or text[1:2] in (".", ":"):
        for match in _OPTION.finditer(text):
            add("option", match[match.lastindex or 0].upper(), *match.span())
    if has_digits or not is_ascii or not DAY_WORDS.isdisjoint(words_here):
        for date in dates(text):
            add("date", date.key(), date.start, date.end)
        for time in times(text):
            add("time", time.key(), time.start, time.end)
    if has_digits:
        for match in _ORDINAL.finditer(text):
            number = match[1] or match[2]
            add("ordinal", str(_HAN_DIGITS.get(number) or number), *match.span())
    if has_numbers:
        for quantity in quantities(text):
            kind = "number" if quantity.unit is None else "unit-number"
            add(kind, quantity.key(), quantity.start, quantity.end)
    if not _ORDINALS.keys().isdisjoint(words_here):
        for match in _ORDINAL_WORD.finditer(text):
            add("ordinal", str(_ORDINALS[match[0].lower()]), *match.span())
    if has_capitals:
        _add_names(text, add, at_start=at_start)
    if not is_ascii:
        for match in _KATAKANA.finditer(text):
            add("name", match[0], *match.span())
    if len(found) > 1:
        found.sort(key=lambda value: value.start)
    return found


def _add_names(text: str, add: Callable[[str, str, int, int], None], *, at_start: bool) -> None:
    if len(text) > 20 and text.isupper():
        return
    for match in _NAME.finditer(text):
        start, end = match.span()
        name = match[0]
        # Only the first word of a sentence needs a look at what it is; in a run it belongs to the name otherwise.
        while name:
            first, _, rest = name.partition(" ")
            is_plain = first.lower() in _NO_NAMES or (not rest and _is_first(text, start, at_start=at_start))
            if not is_plain:
                break
            start, name = start + len(first) + 1, rest
        if name and not all(_is_camel(word) for word in name.split()):
            add("name", _FROM_NAME.sub("", name).casefold(), start, end)


def _is_first(text: str, start: int, *, at_start: bool) -> bool:
    before = text[:start].rstrip(" \t\"'“‘«(*_>#-•")
    if not before:
        return at_start
    if before[-1] == "." and start - len(before) == 1:  # "Dr. Smith", "J. Smith"
        return not re.search(rf"(?<!\w)(?:[{_UPPER}]|Dr|Mr|Mrs|Ms|St|Prof|Sr|Sra|M|Mme)\.\Z", before)
    return before[-1] in ".!?:;…。！？：\n"


def _is_camel(word: str) -> bool:
    return bool(re.search(r"[^\W\d_A-Z][A-Z]", word)) and not word.startswith(
        ("Mc", "Mac", "De", "La", "O'", "O’", "D'")
    )
