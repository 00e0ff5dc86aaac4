"""Text from the data, made harmless to show: no terminal, browser or build log may obey what a row says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Control characters (ESC and C1 drive terminals), bidirectional controls (they reorder what is read), line and
# paragraph separators, lone surrogates (no encoder takes them), and characters without any width, tags included, which
# hide text. ZWJ, ZWNJ and variation selectors stay: emoji and the Persian and Indic scripts are spelled with them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# Build servers obey `##[command]` and `##vso[command]` anywhere in a line of a log.
_LOG_COMMAND = re.compile(r"##(?=\w*\[)")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str) -> str:
    """The text on one line, with what could act on a terminal or a build log as a visible escape such as `\\x1b`."""
    if not text.isprintable():
        text = _UNSAFE.sub(_escape, text)
    return _LOG_COMMAND.sub(r"#\\x23", text) if "##" in text else text


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces: what can be shown as it is, and (True) an escape for each character that cannot.

    Line breaks and tabs stay, as a page shows them.
    """
    at = 0
    for found in _UNSAFE_IN_BLOCKS.finditer(text) if not text.isprintable() else ():
        if found.start() > at:
            yield text[at : found.start()], False
        yield _escape(found), True
        at = found.end()
    if at < len(text):
        yield text[at:], False


def safe_path(path: str) -> str:
    """A path that may begin a line: GitHub obeys a line that begins with `::`, and a place is `path:line`."""
    path = safe(path)
    return f"./{path}" if path.lstrip().startswith(":") else path


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xD800 <= code < 0xE000:  # an escaped lone surrogate is JSON that many readers refuse: show it as text
        return f"\\\\u{code:04x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def safe_json(document: str) -> str:
    """A JSON document that reads as the same value, the same characters escaped inside its strings.

    The line breaks that lay the document out stay. Only lone surrogates change: each becomes the text `\\ud800`.
    """
    document = _UNSAFE_IN_JSON.sub(_json_escape, document)
    return _LOG_COMMAND.sub(r"\\u0023#", document) if "##" in document else document


_UNSAFE_IN_JSON = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


_UNSAFE_IN_BLOCKS = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def shorten(text: str, limit: int) -> str:
    """`safe(text)` cut to `limit` characters, the last of them an ellipsis."""
    text = safe(text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"
