"""Answers that repeat: themselves, or the prompt."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Fault, Fix, Where
from curate.rules.answers import answer_texts
from curate.rules.prose import excerpt, looks_like_code, request_matches
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_PROBE = 12
_WANTS_REPETITION = re.compile(
    r"\b(?:repeat\w*|repetiti\w+|songs?|sing|lyrics?|poems?|poetry|chant|mantra|refrain|chorus|rap|wiederhol\w*|lied|gedicht|"
    r"répèt\w*|chanson|poème|repite|repetir|canción|poema)\b|"
    r"\b(?:write|say|print|type|output|copy|shout|display|echo|send)\b.{0,100}"
    r"\b(?:times|copies|over and over|again and again)\b(?! (?:as|the|more))|"
    r"\b(?:schreib\w*|sag\w*|écri\w*|dis|escrib\w*|di)\b.{0,100}\b(?:mal|fois|veces)\b|\b(?:singe?|chante|canta)\b|"
    r"(?:写|说|唱|打印|输出).{0,30}[次遍]|"
    r"重复|歌|诗|繰り返|반복",
    re.IGNORECASE | re.DOTALL,
)


@rule("TXT004", severity="warning", fix=Fix("drop", safe=False))
def repetition_loop(
    sample: Sample, *, min_repeats: int = 5, min_characters: int = 80, max_compression: float = 6.0
) -> Iterator[Fault]:
    """An answer repeats itself until it ends, or says little in many words.

    Why it matters: it is the commonest failure of generated data, and a few such rows teach the model never to stop.

    Example: "The answer is 4. The answer is 4. The answer is 4. ...", or a number with thousands of zeros.

    How to fix it: cut the answer after the first time, or drop the row. Repetition that was asked for (songs, "write it
    ten times"), lists of numbers, tables and rulers are left alone, and an answer that its row labels false may repeat.
    """
    for i, answer in answer_texts(sample):
        text = answer.rstrip()
        if len(text) < min_characters:
            continue
        loop = _loop_at_end(text, min_repeats, min_characters) or _long_run(text)
        if loop is None and len(text) >= 10 * min_characters:
            loop = _dense(text, max_compression)
        if loop and not request_matches(_WANTS_REPETITION, sample, i):
            yield Fault(loop.message, Where(i, "content", loop.start, loop.end), loop.evidence)


class _Loop(NamedTuple):
    message: str
    start: int
    end: int
    evidence: dict[str, float]


def _loop_at_end(text: str, min_repeats: int, min_characters: int) -> _Loop | None:
    """The stretch up to the end of the text that is one unit again and again; the last one may be cut."""
    probe = text[-_PROBE:]
    before = text.rfind(probe, 0, len(text) - 1)
    if before < 0 or text.count(probe) < min(min_repeats, 3) - 1:
        return None
    period = len(text) - _PROBE - before
    start = len(text) - _PROBE
    while start > period and text[start - 1] == text[start - 1 - period]:
        start -= 1
    start -= period
    length = len(text) - start
    repeats = length // period
    unit = text[start : start + period]
    words = len(unit.split())
    needed = min_repeats if period >= 20 else 2 * min_repeats
    if repeats < needed or length < min_characters or not _is_wordy(unit):
        return None
    if text.count("```", 0, start) % 2 and repeats < 2 * needed:
        return None
    what = f"the same {words} words" if words > 1 else excerpt(unit, limit=30)
    return _Loop(
        f"{what} {repeats} times in a row, until the answer ends",
        start,
        len(text),
        {"repeats": repeats, "period": period},
    )


_LONG_RUN = 500
_WINDOW = 64


def _long_run(text: str) -> _Loop | None:
    """One character or short token again and again, anywhere: thousands of zeros in a number.

    A run of 500 characters fills a window at every 128th character, so few windows need a look. Runs of signs are
    rulers, tables and drawings; digits with separators between them are data.
    """
    for at in range(0, len(text) - _LONG_RUN + 2 * _WINDOW + 1, 2 * _WINDOW):
        window = text[at : at + _WINDOW]
        period = window.find(window[:16], 1)
        if not 0 < period <= 16 or window[period:] != window[:-period]:
            continue
        unit = window[:period]
        if not (any(map(str.isalpha, unit)) or (period == 1 and unit.isalnum())):
            continue
        start, end = at, at + _WINDOW
        while start > 0 and text[start - 1] == text[start - 1 + period]:
            start -= 1
        while end < len(text) and text[end] == text[end - period]:
            end += 1
        if end - start >= _LONG_RUN:
            repeats = (end - start) // period
            said = f"{excerpt(unit, limit=30)} {repeats:,} times in a row"
            return _Loop(said, start, end, {"repeats": repeats, "period": period})
    return None


def _is_wordy(unit: str) -> bool:
    """Whether a repeated unit is language: letters, and not an unbroken run of ASCII such as base64 or "haha"."""
    letters = sum(map(str.isalpha, unit))
    return letters * 2 >= len(unit.strip()) and (" " in unit or "\n" in unit or not unit.isascii())


def _dense(text: str, max_compression: float) -> _Loop | None:
    """A text that shrinks like no prose does: the same phrases over and over, even where they vary a little."""
    data = text.encode(errors="surrogatepass")
    ratio = len(data) / len(zlib.compress(data, 1))
    if ratio <= max_compression or "```" in text or "|" in text or looks_like_code(text):
        return None
    if sum(map(str.isalpha, text)) < 0.6 * len(text):
        return None
    return _Loop(
        f"the answer compresses {ratio:.1f} times (prose: 2 to 3): it says the same over and over",
        0,
        len(text),
        {"compression": round(ratio, 2)},
    )


_KEEPS_TEXT = re.compile(
    r"\b(?:correct\w*|rewrit\w*|translat\w*|repeat\w*|gramma\w*|edit\w*|paraphras\w*|fix\w*|cop(?:y|ies)|"
    r"format\w*|continu\w*|"
    r"complet\w*|proofread\w*|convert\w*|punctuat\w*|spell\w*|echo\w*|rephras\w*|transcri\w*|normali[sz]\w*|"
    r"extract\w*|"
    r"clean\w*|finish\w*|fill|autocomplete|verbatim|restor\w*|anonymi[sz]\w*|redact\w*|simplif\w*|detokeni\w*|"
    r"capitali[sz]\w*|"
    r"korrigier\w*|übersetz\w*|corrige\w*|tradui\w*|traduc\w*)\b|翻译|改写|纠正|続き|修正",
    re.IGNORECASE,
)
_END_OF_REQUEST = re.compile(r"""[.?!:。？！]["'”’)\]]*\Z""")


@rule("TXT005", severity="warning", fix=Fix("drop", safe=False))
def echoes_prompt(sample: Sample, *, min_characters: int = 30) -> Iterator[Fault]:
    """An answer is the prompt again, or begins with all of it.

    Why it matters: the model learns to repeat the question instead of answering it. Mostly prompt and answer were
    joined by mistake, or a model without chat training made the answers.

    Example: prompt "What is the capital of France?", answer "What is the capital of France? The capital is Paris."

    How to fix it: cut the prompt off the answer, or drop the row. Where a system prompt asks to correct, translate or
    continue texts, and where the prompt is code or an open sentence, an equal beginning is right and is left alone.
    """
    for i, answer in answer_texts(sample):
        if i == 0 or sample.messages[i - 1].role != "user":
            continue
        prompt, text = sample.messages[i - 1].text.strip(), answer.lstrip()
        if len(prompt) < min_characters or len(text) < len(prompt) // 2 or prompt[:3].casefold() != text[:3].casefold():
            continue
        said, asked = " ".join(text.casefold().split()), " ".join(prompt.casefold().split())
        if not said.startswith(asked):
            continue
        if request_matches(_KEEPS_TEXT, sample, i - 1):
            continue
        rest = said[len(asked) :].strip()
        if rest and (not _END_OF_REQUEST.search(prompt) or looks_like_code(prompt) or _KEEPS_TEXT.search(prompt)):
            continue
        what = "begins with the whole prompt" if rest else "is the prompt again"
        end = len(answer) if not rest else min(len(answer), len(answer) - len(text) + len(prompt))
        yield Fault(f"the answer {what}: {excerpt(prompt)}", Where(i, "content", 0, end))
