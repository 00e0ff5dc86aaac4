"""What of a text is prose: code set apart, and the request that an answer belongs to."""

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


def request_matches(pattern: re.Pattern[str], sample: Sample, message: int) -> bool:
    """Whether a pattern is found in anything that was asked before an answer."""
    return any(pattern.search(text) for text in requests(sample, message))
