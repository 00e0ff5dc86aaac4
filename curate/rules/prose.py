"""What of a text is prose, the request that an answer belongs to, and how a message quotes a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_CODE_SPAN = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|``[^\n]+?``|`[^`\n]+`", re.DOTALL)
_CODE_LINE = re.compile(
    r"""^[ \t]*(?:
        (?:def|class)\ \w+.*:\s*$ | (?:from\ \S+\ )?import\ [\w.{*] | return\b.*[;)\w]$ | \#include\b
        | using\ \w+ | package\ \w+;
        | (?:public|private|protected|static|const|let|var|func|fn|function|async|export|struct|enum|
            interface)\b.*[{};=(]
        | (?:if|for|while|switch|else|try|elif|with|elseif)\b.*[:{]\s*$ | SELECT\b.*|CREATE\ TABLE\b.*
        | INSERT\ INTO\b.*
        | [\w.\[\]]+\ ?(?:=|\+=|:=)\ ?[^=].* | [^\n]*[;{}]\s*$ | [\w.]+\(.*\)\s*$ | <[/!?]?\w+[^>]*>.* | @\w+.*
        | \#!/.* | \$\ \w+.* | //.*
        | \\(?:begin|end|frac|section|documentclass|usepackage)\b.*
    )""",
    re.VERBOSE | re.MULTILINE,
)


def without_code(text: str) -> str:
    """The text with its code spans (fenced and in backticks) blanked out, at the same offsets."""
    if "`" not in text and "~~~" not in text:
        return text
    return _CODE_SPAN.sub(lambda match: " " * len(match[0]), text)


def looks_like_code(text: str) -> bool:
    """Whether at least a third of the lines of an unfenced text read as program code or markup."""
    lines = text.count("\n") + 1
    return sum(1 for _ in _CODE_LINE.finditer(text)) * 3 >= lines


def requests(sample: Sample, message: int) -> Iterator[str]:
    """The texts of all turns before an answer but the assistant's own: what the answer was asked for."""
    return (turn.text for turn in sample.messages[:message] if turn.role != "assistant")


def request_matches(pattern: re.Pattern[str], sample: Sample, message: int, *, edges: int | None = None) -> bool:
    """Whether a pattern is found in anything that was asked before an answer.

    `edges`: only in that many characters at the beginning and the end of each text, where the task stands when a
    long passage comes with it.
    """
    texts = requests(sample, message)
    if edges is not None:
        texts = (text if len(text) <= 2 * edges else f"{text[:edges]}\n{text[-edges:]}" for text in texts)
    return any(pattern.search(text) for text in texts)


_QUOTES = re.compile('"{2,}')  # a doubled escape of CSV is one mark


def is_quoted(text: str, position: int) -> bool:
    """Whether a position lies within a quotation, as in a story or a suggested wording."""
    before = _QUOTES.sub('"', text[:position])
    return before.count('"') % 2 == 1 or before.count("“") > before.count("”")


_PAIRS = frozenset({'""', "“”", "„“", "„”", "''"})
_LONGEST_WORD = 24  # a word is completed by at most so many characters: not all scripts put spaces between words


def excerpt(text: str, start: int = 0, end: int | None = None, *, limit: int = 60) -> str:
    """A stretch of a text in quotation marks, widened to whole words, white space collapsed.

    More than `limit` characters are cut after a word, and "..." says so.
    """
    end = len(text) if end is None else end
    head, tail = text[max(start - _LONGEST_WORD, 0) : start], text[end : end + _LONGEST_WORD]
    if head[-1:].isalnum() and text[start : start + 1].isalnum() and len(word := head.split()[-1]) < _LONGEST_WORD:
        start -= len(word)
    if tail[:1].isalnum() and text[end - 1 : end].isalnum() and len(word := tail.split()[0]) < _LONGEST_WORD:
        end += len(word)
    piece = " ".join(text[start : min(end, start + 4 * limit)].split())
    if len(piece) > limit:
        whole_words = piece[: limit - 2].rpartition(" ")[0]
        piece = (whole_words if len(whole_words) >= limit // 2 else piece[: limit - 3]).rstrip() + "..."
    return f'"{piece}"'


def value(text: str) -> str:
    """A value as `excerpt` shows it, in one pair of quotation marks: its own at both ends are left out."""
    return excerpt(text[1:-1] if len(text) > 2 and text[0] + text[-1] in _PAIRS else text)


def last_words(text: str, *, limit: int = 60) -> str:
    """How a text ends, in quotation marks: whole words, white space collapsed, "..." for what comes before."""
    piece = " ".join(text[-4 * limit :].split())
    if len(piece) < limit:
        return f'"{piece}"'
    whole_words = piece[-limit + 3 :].partition(" ")[2]
    return f'"... {whole_words if len(whole_words) >= limit // 2 else piece[-limit + 4 :]}"'
