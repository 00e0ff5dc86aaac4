"""Answers that stop before they end: in code, in JSON, in a sentence, in their reasoning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from curate.finding import Fault, Fix, Where
from curate.rules.answers import answer_texts
from curate.rules.prose import last_words, looks_like_code, requests, without_code
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_REASONING = re.compile(r"\s*<(think|thinking|thought|reasoning|reflection|scratchpad)>.*?</\1>\s*", re.DOTALL)


def _after_reasoning(text: str) -> int:
    """Where the answer starts: after the closed block of reasoning that the text begins with, or at 0."""
    block = _REASONING.match(text)
    return block.end() if block else 0


_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)


@rule("TXT001", severity="warning", fix=Fix("drop", safe=False))
def unclosed_code_fence(sample: Sample) -> Iterator[Fault]:
    """An answer opens a code block and never closes it.

    Why it matters: it is the usual trace of an answer that was cut at a length limit; the model learns to stop in the
    middle of code, and everything after the fence is shown as code.

    Example: "Here it is:\\n```python\\ndef add(a, b):\\n    return" and nothing more.

    How to fix it: complete the answer, or drop the row. A bare fence as the last line is taken for a stray end. The
    fences of closed reasoning are drafts: only those of the answer after it count.
    """
    for i, text in answer_texts(sample):
        if "```" not in text and "~~~" not in text:
            continue
        head = _after_reasoning(text)
        start = _open_fence(text[head:])
        if start is None or any(_open_fence(request) is not None for request in requests(sample, i)):
            continue
        start += head
        line = text[start:].split("\n", 1)[0].strip()
        yield Fault(f"the code block opened with {line[:40]} is never closed", Where(i, "content", start, len(text)))


def _open_fence(text: str) -> int | None:
    """Where the outermost code block starts that is still open at the end of the text.

    A fence with a language inside an open block opens a block in the block: models answer like that when asked for
    markdown, although CommonMark reads it otherwise.
    """
    if "```" not in text and "~~~" not in text:
        return None
    stack: list[tuple[int, str]] = []
    for match in _FENCE.finditer(text):
        marks, info = match[1], match[2].strip()
        if "`" in info and marks[0] == "`":
            continue
        if info or not stack:
            stack.append((match.start(1), marks))
        elif marks[0] == stack[-1][1][0] and len(marks) >= len(stack[-1][1]):
            stack.pop()
    if not stack:
        return None
    start, marks = stack[0]
    rest = text[start:].lstrip("`~")
    if not rest.strip() or marks in rest.replace("\n" + marks, "\n"):
        return None
    return start


_JSON_START = re.compile(r'\s*(?:\{\s*(?:"|\Z)|\[\s*(?:\{\s*"|"[^"\n]*"\s*,|\[\s*[\d"]))')
_FENCED_JSON = re.compile(r"\s*```json\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_ASKS_FOR_JSON = re.compile(r"\bjson\b", re.IGNORECASE)


@rule("TXT002", severity="warning", fix=Fix("drop", safe=False))
def unfinished_json(sample: Sample) -> Iterator[Fault]:
    """An answer that starts as JSON does not close, or does not parse although JSON was asked for.

    Why it matters: the model learns JSON that no program can read; mostly the answer was cut at a length limit.

    Example: {"name": "Ada", "skills": ["math", "pro

    How to fix it: complete or correct the JSON, or drop the row. A block of reasoning before the JSON (`<think>`) is
    passed over.
    """
    for i, text in answer_texts(sample):
        head = _after_reasoning(text)
        fenced = _FENCED_JSON.match(text, head) if "```json" in text else None
        start = fenced.start(1) if fenced else head
        body = fenced[1] if fenced else text[head:]
        if not _JSON_START.match(body) or _parses(body):
            continue
        depth, end = _scan_json(body)
        if depth:
            opened = "1 bracket" if depth == 1 else f"{depth} brackets"
            yield Fault(
                f"the answer starts as JSON and stops with {opened} open: {last_words(body.rstrip(), limit=40)}",
                Where(i, "content", start, start + len(body)),
                {"open": depth},
            )
        elif end == len(body.rstrip()) and any(_ASKS_FOR_JSON.search(request) for request in requests(sample, i)):
            yield Fault(f"JSON was asked for, and the answer is not JSON: {_reason(body)}", Where(i, "content"))


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _reason(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"{error.msg} at character {error.pos}" if error.pos else error.msg
    return ""


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*\\?\Z|[\[\]{}]', re.DOTALL)


def _scan_json(text: str) -> tuple[int, int]:
    """The number of brackets still open at the end of the text, and where the outermost one closed (0: nowhere)."""
    depth = 0
    for match in _JSON_TOKEN.finditer(text):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth <= 0:
                return 0, match.end()
    return depth, 0


# Words that no English, French, German, Spanish, Italian or Portuguese sentence ends with.
_DANGLING = re.compile(
    r"(?:the|an?|and|or|but|because|although|unless|whose|my|your|their|our|its|if|than|into|of|from|is|are|was|were|"
    r"le|la|les|des|du|et|ou|mais|que|une?|der|die|das|und|oder|aber|weil|eine?|einen|el|los|las|y|pero|porque|una|"
    r"il|gli|di|che|os|uma|para|com)\Z"
)
_LAST_WORD = re.compile(r"([^\W\d_]+)\Z")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’)\]*_]*(?:\s|\Z)""")
_BARE_NUMBER = re.compile(r"\n\s*(\d{1,2})([.)])\Z")
# Who types like this leaves the last full stop out too.
_INFORMAL = re.compile(
    r"[a-z]  [a-z]|\w [.,!?] |[.!?]{2}\s|[.!?] [a-z]{2,} [a-z]|!{2}|"
    r"\b(?:i|id|im|ive|dont|cant|wont|didnt|doesnt|ur|pls|plz|thx)\b"
)
_SIGN_OFF = re.compile(r"\W*(?:thanks?|cheers|regards|love|best|yours)\b", re.IGNORECASE)
_EMOTICON = re.compile(r"[:;=x]['-]?[()\[]\Z")
_LINK_OR_TAG = re.compile(r".*(?:https?:|www\.|[#@])")
_SPEAKER = re.compile(r"[A-Z][\w .'-]{0,30}:\s")  # the lines of a chat log end as people type
_LIST_LINE = re.compile(r"\s*(?:[-*•–+>|#]|\d+[.)]|[A-Za-z][.)]\s|\|)")


@rule("TXT003", severity="info")
def unfinished_sentence(sample: Sample, *, min_words: int = 40) -> Iterator[Fault]:
    """A longer answer in full sentences stops in the middle of one.

    Why it matters: the model learns to stop without finishing, usually because the answer was cut at a length limit.

    Example: "... Water the plant once a week. In winter it needs less water, and you should"

    How to fix it: complete the sentence or cut it off, or drop the row. Answers whose other lines end without a full
    stop too (lists, verses, code, titles) are left alone, and so are texts typed as in a chat or a review.
    """
    for i, answer in answer_texts(sample):
        text = answer.rstrip()
        if len(text) < 5 * min_words or not (text[-1].isalpha() or text[-1] in ",-–([.)"):
            continue
        if text.count(" ") + 1 < min_words:
            continue
        start = max(text.rfind("\n") + 1, len(text) - 50)
        if text[-1] in ".)":
            if _is_empty_item(text):
                said = f'the answer stops at an empty list item: "{text[start:].strip()}"'
                yield Fault(said, Where(i, "content", start, len(text)))
        elif _stops_within_a_sentence(without_code(text)):
            said = f"the answer stops within a sentence: {last_words(text)}"
            yield Fault(said, Where(i, "content", start, len(text)))


def _is_empty_item(text: str) -> bool:
    """Whether the last line is the number of an item that was not written, one more than an item above."""
    match = _BARE_NUMBER.search(text, max(len(text) - 40, 0))
    return (
        match is not None
        and int(match[1]) > 1
        and re.search(rf"^\s*{int(match[1]) - 1}{re.escape(match[2])}\s+\S", text, re.MULTILINE) is not None
    )


def _stops_within_a_sentence(text: str) -> bool:
    *lines, last = [line for line in text.split("\n") if line.strip()]
    ends = _SENTENCE_END.findall(text)
    if (_LIST_LINE.match(last) and not _SENTENCE_END.search(last, 5)) or len(last.split()) < 4 or len(ends) < 2:
        return False
    if _LINK_OR_TAG.match(last.split()[-1]) or looks_like_code(text):
        return False
    word = _LAST_WORD.search(last)
    is_dangling = word is not None and _DANGLING.match(word[1]) is not None
    if is_dangling and len(last) > 100:
        return True
    prose = [line for line in lines if len(line) > 60 and not _LIST_LINE.match(line)]
    if any(line.rstrip()[-1].isalnum() for line in prose) or (len(lines) > 3 and not prose):
        return False
    if _SPEAKER.match(last) and any(map(_SPEAKER.match, lines)):
        return False
    if word is None:
        return text[-1] in ",-–([" and not _EMOTICON.search(last)
    if is_dangling:
        return True
    rest = last[[0, *(end.end() for end in _SENTENCE_END.finditer(last))][-1] :]
    return (
        (len(last) > 80 or (word[1].islower() and len(word[1]) > 2))
        and len(ends) >= 3
        and len(text.split()) < 40 * len(ends)
        and not _SIGN_OFF.match(rest)
        and not _INFORMAL.search(text)
    )


_TAG = re.compile(
    r"^[ \t]*<(/?)(think|thinking|thought|reasoning|reflection|scratchpad)>|</(think|thinking|thought|reasoning|"
    r"reflection|scratchpad)>",
    re.MULTILINE,
)


@rule("TXT018", severity="warning", fix=Fix("drop", safe=False))
def broken_reasoning_tags(sample: Sample) -> Iterator[Fault]:
    """The tags around the reasoning of an answer do not pair, or no answer follows them.

    Why it matters: chat templates and servers split the reasoning from the answer at these tags; with one missing, the
    whole answer is taken for reasoning or the reasoning is shown to the user.

    Example: "<think>First I add 2 and 2. The answer is 4." (never closed)

    How to fix it: write the missing tag, or drop the row. A closing tag alone is legal: some chat templates write the
    opening one themselves.
    """
    for i, answer in sample.answers():
        text = answer.text
        if ">" in text and (
            "<think" in text
            or "</think" in text
            or "<thought" in text
            or "</thought" in text
            or "<re" in text
            or "</re" in text
            or "scratchpad>" in text
        ):
            fault = _broken_tags(text, has_calls=bool(answer.tool_calls))
            if fault:
                message, start, end = fault
                yield Fault(message, Where(i, "content", start, end))


def _broken_tags(text: str, *, has_calls: bool) -> tuple[str, int, int] | None:
    opened: re.Match[str] | None = None
    closed: re.Match[str] | None = None
    for match in _TAG.finditer(text):
        name = match[2] or match[3]
        if match[2] and not match[1]:
            if opened:
                return f"<{name}> is opened again before it is closed", match.start(), match.end()
            opened = match
        elif opened is None and closed is not None:
            return f"</{name}> closes what is not open", match.start(), match.end()
        elif opened is not None and opened[2] != name:
            continue
        else:
            opened, closed = None, match
    if opened:
        return f"<{opened[2]}> is never closed", opened.start(), opened.end()
    if closed and not has_calls and not text[closed.end() :].strip():
        return f"nothing follows {closed[0].strip()}: the row has reasoning and no answer", closed.start(), closed.end()
    return None
