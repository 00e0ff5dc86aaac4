"""Characters that should not be there: mojibake, invisible and control characters, lost text."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING

from curate.finding import Fault, Fix, Where
from curate.rules.prose import excerpt, request_matches
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curate.sample import Sample

# Mojibake is at least two characters: the misread lead byte of UTF-8 and what follows it. ftfy's own pattern costs some
# 400 microseconds per thousand characters, so it sees only the words around such a pair.
_SUSPECT = re.compile(r"[\x80-\xffĂăÄĎĐŁŃЃРСГТВбгвЎ√‚Œœƒ¬ΓσÎâ€ï][^\x00-\x7f\u3000-\ud7ff]|[ÃÂ] ")
_SPACE = re.compile(r"\s")
_ONLY_C1 = re.compile(r"[\x00-\x9f]+\Z")
_LONGEST_WORD = 40
_ABOUT_ENCODING = re.compile(
    r"mojibake|encod|utf-?8|latin-?1|cp1252|windows-1252|unicode|garbled|charset|乱码|文字化け", re.IGNORECASE
)

# What a text says that speaks of damage: an "encoder" alone does not.
_SPEAKS_OF_DAMAGE = re.compile(
    r"mojibake|\bencodings?\b|\butf-?8|latin-?1|iso-?8859|cp1252|windows-1252|garbled|charset|乱码|文字化け",
    re.IGNORECASE,
)
# The damaged piece alone in quotation marks, as it is quoted: 'Ã©'. A quoted word ("cafÃ©") is mostly a value.
_QUOTED_PIECE = re.compile(r"""(["'`])[^\x00-\x7f]{1,8}\1|(?<![^\s(])“[^\x00-\x7f]{1,8}”""")


def _mojibake(text: str) -> Iterator[tuple[int, int, str]]:
    """The stretches of a text that ftfy judges to be mojibake, each with what it should read."""
    import ftfy
    from ftfy.badness import is_bad

    end = 0
    for match in _SUSPECT.finditer(text):
        if match.start() < end:
            continue
        head = text[max(end, match.start() - _LONGEST_WORD) : match.start()]
        start = match.start() - len(_SPACE.split(head)[-1])
        tail = text[match.end() : match.end() + _LONGEST_WORD]
        end = match.end() + len(_SPACE.split(tail, maxsplit=1)[0])
        stretch = text[start:end]
        if _ONLY_C1.match(stretch):  # these are control-character's
            continue
        if is_bad(stretch) and (fixed := ftfy.fix_encoding(stretch)) != stretch:
            yield start, end, fixed


def _replaced(text: str, stretches: Iterable[tuple[int, int, str]]) -> str:
    """The text with each stretch (start, end, new text) replaced; the stretches stand in order."""
    pieces, done = [], 0
    for start, end, new in stretches:
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])


def repair_mojibake(text: str) -> str:
    """The text with its mojibake decoded again, until none is left, and nothing else changed."""
    if text.isascii():
        return text
    while stretches := list(_mojibake(text)):
        text = _replaced(text, stretches)
    return text


@rule("TXT011", severity="warning", fix=Fix("edit", safe=True), repair=repair_mojibake)
def mojibake(sample: Sample) -> Iterator[Fault]:
    """A text was decoded with the wrong encoding.

    Why it matters: the model learns to write "itâ€™s"; accented words become unknown to it.

    Example: "The cafÃ© isnâ€™t open" for "The café isn’t open"

    How to fix it: decode it again. The fix does (library ftfy), and changes nothing else. Conversations about encodings
    and damaged characters quoted alone ("what is 'Ã©'?") are left alone.
    """
    for text in sample.texts():
        raw = text.text
        if raw.isascii():
            continue
        stretches = [piece for piece in _mojibake(raw) if not _QUOTED_PIECE.search(raw, piece[0], piece[1])]
        if not stretches or request_matches(_ABOUT_ENCODING, sample, text.message + 1):
            continue
        if any(_SPEAKS_OF_DAMAGE.search(other.text) for other in sample.texts()):
            return
        start, end, fixed = stretches[0]
        more = f", and {len(stretches) - 1} more" if len(stretches) > 1 else ""
        said = f"{excerpt(raw, start, end, limit=30)} reads as {excerpt(fixed, limit=30)}{more}"
        yield Fault(said, Where(text.message, text.field, start, end), {"count": len(stretches)})


_ZERO_WIDTH_JOINERS = "\u200c\u200d"
_BLACK_FLAG = "\U0001f3f4"
# One match for a flag of a region (a black flag and its tag characters), and for what is within a run of joiners.
_INVISIBLE = re.compile(
    f"{_BLACK_FLAG}[\U000e0020-\U000e007f]+|"
    "(?<=\u200d)\u200d+(?=\u200d)|(?<=\u200c)\u200c+(?=\u200c)|"
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ufe00-\ufe0f\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
)
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Scripts written without spaces mark word boundaries with U+200B: Thai, Lao, Tibetan, Myanmar, Khmer, Tai, Balinese.
_NO_SPACES = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\uaa7f]")
_JOINED_SCRIPTS = re.compile(
    "[\u0590-\u0dff\u0e00-\u109f\u1780-\u18af\u1a00-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufeff\U00010800-\U00011fff]"
)
_BIDI_MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u2066\u2067\u2068\u2069"


def _is_emoji(character: str) -> bool:
    return (
        character in "\ufe0f\u20e3"
        or unicodedata.category(character) in ("So", "Sk")
        or "\U0001f000" <= character <= "\U0001faff"
    )


def _is_wanted(text: str, match: re.Match[str], *, has_rtl: bool) -> bool:
    """Whether an invisible character does its proper work where it stands."""
    start, end = match.span()
    character, before, after = text[start], text[max(start - 1, 0) : start], text[end : end + 1]
    if character == _BLACK_FLAG:
        return True
    if character in _ZERO_WIDTH_JOINERS:
        if before == character == after:
            return False
        if before and _is_emoji(before):
            return character == "\u200d" and bool(after) and _is_emoji(after)
        return bool(_JOINED_SCRIPTS.match(before) or _JOINED_SCRIPTS.match(after))
    if _SELECTORS.match(character):  # one after a character is right; more of them in a row can only hide data
        return bool(before) and not _INVISIBLE.match(before) and not _SELECTORS.match(after)
    if character in _BIDI_MARKS:
        return has_rtl
    if character == "\u200b":
        return bool(_NO_SPACES.match(before) or _NO_SPACES.match(after))
    if character in "\u115f\u1160\u3164\uffa0":
        return "\u1100" <= (after or before) <= "\u11ff" or "\uac00" <= (after or before) <= "\ud7ff"
    if character == "\u034f":
        return bool(before) and unicodedata.combining(before) > 0
    return (character == "\u180e" and "\u1800" <= before <= "\u18af") or character in "\u17b4\u17b5"


def _unwanted(text: str) -> list[re.Match[str]]:
    if text.isascii():
        return []
    found = list(_INVISIBLE.finditer(text))
    has_rtl = bool(found) and _RTL.search(text) is not None
    return [match for match in found if not _is_wanted(text, match, has_rtl=has_rtl)]


def remove_invisible(text: str) -> str:
    """The text without the invisible characters that do no work in it."""
    while found := _unwanted(text):
        text = _replaced(text, ((*match.span(), "") for match in found))
    return text


@rule("TXT012", severity="warning", fix=Fix("edit", safe=True), repair=remove_invisible)
def invisible_character(sample: Sample) -> Iterator[Fault]:
    """A text holds invisible characters: zero-width spaces, soft hyphens, bidi overrides, tag characters.

    Why it matters: they split words into other tokens, make equal texts unequal, and can hide text from the person who
    reviews it: an override shows it in another order, tag characters do not show at all.

    Example: "pass\\u200bword", or a whole instruction in tag characters (U+E0020 to U+E007F)

    How to fix it: remove them, as the fix does. Joiners in emoji and in Arabic and Indic scripts, marks of direction in
    right-to-left text and variation selectors do their proper work and stay.
    """
    for text in sample.texts():
        found = _unwanted(text.text)
        if found:
            characters = "".join(match[0] for match in found)
            kinds = {f"U+{ord(character):04X}": count for character, count in Counter(characters).items()}
            yield Fault(_describe(characters), Where(text.message, text.field, *found[0].span()), {"characters": kinds})


def _describe(characters: str) -> str:
    hidden = "".join(chr(ord(c) - 0xE0000) for c in characters if "\U000e0020" <= c <= "\U000e007e")
    if hidden:
        return f'{len(hidden)} tag characters hide the text "{hidden[:40]}"'
    override = next((c for c in characters if c in "\u202d\u202e"), None)
    if override:
        return f"a bidi override (U+{ord(override):04X}): the text is shown in another order than it is read"
    (first, _), *others = Counter(characters).most_common()
    name = unicodedata.name(first, "control").lower()
    amount = f"{len(characters)} invisible " if len(characters) > 1 else "an invisible "
    if others:
        amount += "characters, most of them "
    return f"{amount}{name}{'s' * (len(characters) > 1)} (U+{ord(first):04X})"


_ALLOWED_BYTES = bytes(byte for byte in range(128) if byte in b"\t\n\r" or 32 <= byte < 127)
_CONTROL = re.compile(
    "\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def _has_control(text: str) -> bool:
    if text.isascii():
        return bool(text.encode().translate(None, _ALLOWED_BYTES))
    return _CONTROL.search(text) is not None


# A LaTeX command written with one backslash in JSON or Python: "\\frac" became a form feed and "rac".
_LATEX = re.compile(
    "\x07(?=lpha|pprox|ngle|st\\b)|\x08(?=egin|eta|inom|oldsymbol|mod|oxed|ar\\{|ig)|\x0b(?=ec|arphi|ert|dots)|"
    "\x0c(?=rac|orall|lat|box)"
)
_ESCAPES = {"\x07": "\\a", "\x08": "\\b", "\x0b": "\\v", "\x0c": "\\f"}
_C1 = re.compile("[\x80-\x9f]")
_LETTERS = re.compile("[A-Za-z]*")


def _controls(text: str) -> list[re.Match[str]]:
    """The control characters of a text, without those that are a part of its mojibake."""
    if not _has_control(text):
        return []
    found = list(_CONTROL.finditer(text))
    if any("\x80" <= match[0] <= "\x9f" for match in found):
        misread = [(start, end) for start, end, _ in _mojibake(text)]
        starts = [start for start, _ in misread]
        # The last stretch that starts before a control character is the only one that can hold it.
        found = [m for m in found if not (at := bisect_right(starts, m.start())) or misread[at - 1][1] <= m.start()]
    return found


def _meant(text: str, match: re.Match[str]) -> str:
    """What should stand in the place of a control character."""
    character = match[0]
    if _LATEX.match(text, match.start()):
        return _ESCAPES[character]
    if character in "\x0b\x0c":
        return "\n"
    if "\x80" <= character <= "\x9f":
        # Five bytes mean nothing in Windows-1252; a space keeps the words around them apart.
        return bytes([ord(character)]).decode("cp1252", errors="ignore") or " "
    return ""


def mend_control(text: str) -> str:
    """The text without control characters; those of Windows-1252 and of LaTeX become what was meant."""
    return _replaced(text, ((*match.span(), _meant(text, match)) for match in _controls(text)))


# Not safe: the bytes may be of another encoding than Windows-1252, and what a lone control character meant is a guess.
@rule("TXT013", severity="warning", fix=Fix("edit", safe=False), repair=mend_control)
def control_character(sample: Sample) -> Iterator[Fault]:
    """A text holds control characters: NUL, escape sequences, bytes of another encoding.

    Why it matters: they are noise to the model, some tools cut a text at NUL, and terminals obey escape sequences.
    Where punctuation or the backslash of a formula was lost to one, the text says something else.

    Example: "\\u001b[31mError\\u001b[0m" (the colours of a terminal log), or "\\u000crac{1}{2}" for `\\frac{1}{2}`.

    How to fix it: the fix turns the bytes of Windows-1252 into their characters (U+0097 into a dash), gives LaTeX
    commands their backslash back, turns page breaks into line breaks and removes the rest. Look at what it did: a byte
    may be of another encoding. Tab and line breaks are no fault; mojibake is TXT011's.
    """
    for text in sample.texts():
        if found := _controls(text.text):
            said = _describe_control(text.text, found)
            yield Fault(said, Where(text.message, text.field, *found[0].span()), {"count": len(found)})


def _describe_control(text: str, found: list[re.Match[str]]) -> str:
    first = found[0]
    character, is_one = first[0], len(found) == 1
    code = f"U+{ord(character[0]):04X}"
    if _LATEX.match(text, first.start()):
        command = _ESCAPES[character] + _LETTERS.findall(text, first.end())[0]
        return f"{code} where {command} was meant: its backslash was read as an escape"
    if all(_C1.match(match[0]) for match in found):
        meant = _meant(text, first).strip()
        amount, what = ("a byte", "a control character") if is_one else (f"{len(found)} bytes", "control characters")
        return f"{amount} of Windows-1252 read as {what}: {code}" + (f' was "{meant}"' if meant else "")
    what = "terminal escape sequence" if len(character) > 1 else f"control character {code}"
    if is_one:
        return f"a {what}"
    return f"{len(found)} control characters, the first a {what if len(character) > 1 else code}"


_ABOUT_REPLACEMENT = re.compile(r"replacement character|u\+?fffd|mojibake|encod|unicode|utf-?8", re.IGNORECASE)


@rule("TXT020", severity="warning", fix=Fix("drop", safe=False))
def lost_character(sample: Sample) -> Iterator[Fault]:
    """A text holds replacement characters (U+FFFD): letters were lost when it was decoded.

    Why it matters: what stood there cannot be recovered, and the model learns to write broken words.

    Example: "The caf\\ufffd is closed"

    How to fix it: read the source again with the right encoding; otherwise correct the words or drop the row.
    """
    for text in sample.texts():
        if "\ufffd" in text.text:
            if any(_ABOUT_REPLACEMENT.search(other.text) for other in sample.texts()):
                return
            start = text.text.index("\ufffd")
            count = text.text.count("\ufffd")
            around = excerpt(text.text, max(0, start - 20), start + 20)
            yield Fault(
                f"{count} lost character{'s' * (count > 1)} (U+FFFD): {around}",
                Where(text.message, text.field, start, start + 1),
                {"count": count},
            )
