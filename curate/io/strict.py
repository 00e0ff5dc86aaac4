"""The second look at a row: RFC 8259 by the letter, every fault named with its byte.

Used only for rows that the fast parser refuses or may have read wrongly, so it is written to explain, not for speed. It
keeps its own stack: no input can exhaust Python's.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import orjson

from curate.finding import Fault, Where

STILL_READABLE = frozenset({"duplicate-key", "integer-beyond-64-bits", "several-values-on-a-line", "byte-order-mark"})

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_WORD = re.compile(rb"[+-]?[A-Za-z_0-9$.][A-Za-z_0-9$.+-]*+")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_BAD_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.{0,1}))', re.DOTALL)
_SURROGATES = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\\\|(\\u[dD][89a-fA-F]..)")
_COMMENTS = (b"//", b"/*", b"#", b"<!--")
_PYTHON = {b"None": "null", b"True": "true", b"False": "false"}
_OTHER_WORDS = {b"undefined", b"nil", b"NULL", b"Null", b"TRUE", b"FALSE", b"null", b"true", b"false"}
_NOT_FINITE = {
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"+Infinity",
    b"nan",
    b"inf",
    b"-inf",
    b"Inf",
    b"-Inf",
    b"-NaN",
    b"-nan",
}
_CURLY = (b"\xe2\x80\x9c", b"\xe2\x80\x9d", b"\xe2\x80\x98", b"\xe2\x80\x99")
_CONTROL_NAMES = {0: "NUL", 9: "tab", 10: "line feed", 13: "carriage return", 27: "escape", 8: "backspace"}


class Examined(NamedTuple):
    """What the second look found: the faults in order of their column, and the (start, end) of each value."""

    faults: list[Fault]
    spans: list[tuple[int, int]]

    @property
    def readable(self) -> bool:
        return all(fault.rule in STILL_READABLE for fault in self.faults)


class _Broken(Exception):
    """The grammar is broken here; what follows cannot be judged."""


def examine(data: bytes) -> Examined:
    """Find everything that is wrong with a row's bytes. Never raises."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return Examined([_not_utf8(data, error)], [])
    scan = _Scan(data)
    with suppress(_Broken):
        scan.values()
    faults = scan.collected()
    if not faults:
        faults = _what_the_parser_says(data, scan.spans)
    return Examined(faults, scan.spans)


def _what_the_parser_says(data: bytes, spans: list[tuple[int, int]]) -> list[Fault]:
    # orjson alone decides what is accepted: should the two ever differ, its refusal stands.
    for start, end in spans:
        try:
            orjson.loads(data[start:end])
        except orjson.JSONDecodeError as error:
            return [Fault(f"not JSON: {error.msg}", Where(column=start + error.pos + 1), None, "invalid-json")]
    return []


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> Fault:
    bad = data[error.start]
    rest = data[error.start : error.start + 3]
    column = error.start + 1
    cut = error.end == len(data) and "unexpected end" in error.reason
    if cut and data.lstrip()[:1] in (b"{", b"["):
        return Fault("the row ends inside a character: it was cut", Where(column=column), None, "truncated-row")
    if re.match(rb"\xed[\xa0-\xbf][\x80-\xbf]", rest):
        why = "a surrogate code point written as three bytes (CESU-8)"
    elif 0xA0 <= bad <= 0xFF or bad in b"\x91\x92\x93\x94\x96\x97\x85\x80":
        why = f"byte 0x{bad:02X}, which would be {bytes([bad]).decode('cp1252', 'replace')!r} in Windows-1252 (Latin-1)"
    else:
        why = f"byte 0x{bad:02X}"
    return Fault(f"not UTF-8 at byte {column:,}: {why}", Where(column=column), {"byte": bad}, "invalid-utf8")


class _Scan:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.spans: list[tuple[int, int]] = []
        self._seen: dict[str, tuple[Fault, int]] = {}

    def collected(self) -> list[Fault]:
        """One fault for each rule, at its first place, saying how many more there are."""
        out = [
            fault if count == 1 else fault._replace(message=f"{fault.message} (and {count - 1:,} more)")
            for fault, count in self._seen.values()
        ]
        return sorted(out, key=lambda fault: fault.where.column or 0 if fault.where else 0)

    def note(self, rule: str, message: str, at: int, evidence: dict[str, Any] | None = None) -> None:
        if rule in self._seen:
            fault, count = self._seen[rule]
            self._seen[rule] = (fault, count + 1)
            return
        start = self.data.count(b"\n", 0, at)
        if start:
            message = f"{message} (line {start + 1} of the row)"
        self._seen[rule] = (Fault(message, Where(column=at + 1), evidence, rule), 1)

    def broken(self, message: str, at: int | None = None, rule: str = "invalid-json") -> NoReturn:
        self.note(rule, message, self.at if at is None else at)
        raise _Broken

    def skip_space(self) -> None:
        space = _SPACE.match(self.data, self.at)
        assert space is not None
        self.at = space.end()

    def values(self) -> None:
        """All the values of the row; more than one is legal only for objects and lists side by side."""
        data = self.data
        self.skip_space()
        while self.at < len(data):
            start = self.at
            if self.spans:
                if data[start] not in b"{[":
                    self._after_the_value()
                if len(self.spans) == 1:
                    self.note("several-values-on-a-line", "a second value starts on the same line", start)
            self.value()
            self.spans.append((start, self.at))
            self.skip_space()

    def _after_the_value(self) -> NoReturn:
        rest = self.data[self.at : self.at + 30]
        if rest.startswith(b","):
            if self.data[self.at + 1 :].strip():
                self.broken("a comma between two values of a line: write one row a line")
            self.broken("a comma after the row")
        if rest.startswith(b"\x00"):
            self.broken("NUL bytes after the value", rule="nul-byte")
        if rest.startswith((b"}", b"]")):
            self.broken(f"a {rest[:1].decode()} too many")
        if rest.startswith(_COMMENTS):
            self.broken("a comment: JSON has none")
        self.broken(f"text after the value: {_quote(rest)}")

    def value(self) -> None:
        """One value, with everything inside it, without recursion."""
        data = self.data
        stack: list[set[str] | None] = []  # the keys of each open object, None for a list
        while True:
            self.skip_space()
            byte = data[self.at : self.at + 1]
            if byte == b"{":
                self.at += 1
                stack.append(set())
                if not self._closes(b"}"):
                    self._key(stack)
                    continue
                stack.pop()
            elif byte == b"[":
                self.at += 1
                stack.append(None)
                if not self._closes(b"]"):
                    continue
                stack.pop()
            else:
                self._scalar(byte, bool(stack))
            # A value has ended: close what it closes, then go to the next member.
            while stack:
                self.skip_space()
                keys = stack[-1]
                closer = b"}" if keys is not None else b"]"
                byte = data[self.at : self.at + 1]
                if byte == closer:
                    self.at += 1
                    stack.pop()
                    continue
                if byte != b",":
                    self._no_comma(byte, closer)
                comma = self.at
                self.at += 1
                if self._closes(closer):
                    self.broken(f"a comma before {closer.decode()} (trailing comma)", comma)
                if keys is not None:
                    self._key(stack)
                break
            else:
                return

    def _closes(self, closer: bytes) -> bool:
        self.skip_space()
        if self.data[self.at : self.at + 1] != closer:
            return False
        self.at += 1
        return True

    def _ended(self, inside: str) -> NoReturn:
        self.broken(f"the row ends {inside}: it was cut", max(len(self.data.rstrip()) - 1, 0), "truncated-row")

    def _no_comma(self, byte: bytes, closer: bytes) -> NoReturn:
        what = "object" if closer == b"}" else "list"
        if not byte:
            self._ended(f"before the closing {closer.decode()} of its {what}")
        rest = self.data[self.at : self.at + 30]
        if rest.startswith(_COMMENTS):
            self.broken("a comment: JSON has none")
        if byte in b"}]":
            self.broken(f"{byte.decode()} where {closer.decode()} should close the {what}")
        if byte == b"\x00":
            self.broken("a raw NUL byte", rule="nul-byte")
        before = self.data[: self.at].rstrip()
        if before.endswith(b'"') and byte != b'"':
            self.broken(f'after a string: {_quote(rest)}; a quote inside the text must be written \\"')
        self.broken(f"a comma is missing before {_quote(rest)}")

    def _key(self, stack: list[set[str] | None]) -> None:
        self.skip_space()
        data = self.data
        start = self.at
        byte = data[start : start + 1]
        if byte != b'"':
            self._no_key(byte)
        raw = self._string()
        keys = stack[-1]
        assert keys is not None
        try:
            key = str(orjson.loads(raw))
        except orjson.JSONDecodeError:
            key = raw.decode()  # its own fault is already noted
        if key in keys:
            shown = key if len(key) <= 60 else key[:57] + "..."
            self.note(
                "duplicate-key",
                f'the key "{shown}" comes twice in one object; readers keep the last value in silence',
                start,
                {"key": shown},
            )
        keys.add(key)
        self.skip_space()
        byte = data[self.at : self.at + 1]
        if byte != b":":
            if not byte:
                self._ended("after a key")
            self.broken(f"a colon is missing before {_quote(data[self.at : self.at + 30])}")
        self.at += 1
        self.skip_space()
        if data[self.at : self.at + 1] in (b",", b"}"):
            self.broken("a key without a value")

    def _no_key(self, byte: bytes) -> NoReturn:
        rest = self.data[self.at : self.at + 30]
        if not byte:
            self._ended("where a key should follow")
        if byte == b"'":
            self.broken("single quotes (a Python dict?): JSON needs double quotes")
        if rest.startswith(_COMMENTS):
            self.broken("a comment: JSON has none")
        if rest.startswith(_CURLY):
            self.broken('a typographic quote: JSON needs "')
        if byte == b",":
            self.broken("a comma where a key should stand")
        if byte == b"\x00":
            self.broken("a raw NUL byte", rule="nul-byte")
        if word := _WORD.match(self.data, self.at):
            self.broken(f"the key {_quote(word[0])} has no quotes")
        self.broken(f"a key in double quotes should stand here, not {_quote(rest)}")

    def _string(self) -> bytes:
        start = self.at
        match = _STRING.match(self.data, start)
        if match is None:
            if b"\n" in (rest := self.data[start:]):
                self.broken("a string that is not closed on its line", start + rest.index(b"\n"))
            if self.data.rstrip().endswith((b"}", b"]")):
                self.broken("the string that starts here is never closed")
            self._ended(f"inside the string that starts at byte {start + 1:,}")
        raw = match[0]
        if control := _CONTROL.search(raw):
            code = control[0][0]
            at = start + control.start()
            if code == 0:
                self.note("nul-byte", "a raw NUL byte inside a string (write \\u0000)", at)
            else:
                name = _CONTROL_NAMES.get(code, "control character")
                self.note("invalid-json", f"a raw {name} (U+{code:04X}) inside a string: write it as an escape", at)
        if b"\\" in raw:
            for escape in _BAD_ESCAPE.finditer(raw):
                if escape[1] is not None:
                    shown = _quote(raw[escape.start() : escape.start() + 2])
                    self.note("invalid-json", f"{shown} is not an escape that JSON knows", start + escape.start())
                    break
            for surrogate in _SURROGATES.finditer(raw) if b"\\u" in raw else ():
                if surrogate[1]:
                    message = f"half a surrogate pair: {surrogate[1].decode('ascii', 'replace')} is no character"
                    self.note("lone-surrogate", message, start + surrogate.start())
        self.at = match.end()
        return raw

    def _scalar(self, byte: bytes, inside: bool) -> None:
        data = self.data
        start = self.at
        if byte == b'"':
            self._string()
            return
        if not byte:
            self._ended("where a value should follow")
        word = _WORD.match(data, start)
        text = word[0] if word else b""
        if text in (b"true", b"false", b"null"):
            self.at = start + len(text)
            return
        number = _NUMBER.fullmatch(text)
        if number:
            self.at = start + len(text)
            self._number(number, start)
            return
        if text in _NOT_FINITE:
            self.at = start + len(text)
            self.note("non-finite-number", f"{text.decode()} is not a JSON number", start)
            return
        self._no_value(byte, text, inside)

    def _number(self, number: re.Match[bytes], start: int) -> None:
        text = number[0]
        digits = len(text) - text.startswith(b"-")
        if number[1] is None and number[2] is None:
            if digits > 309:
                message = f"an integer of {digits:,} digits: beyond what a number can hold, readers make it infinity"
                self.note("non-finite-number", message, start)
            elif digits >= 19 and not -(1 << 63) <= (value := int(text)) < 1 << 64:
                message = f"the integer {_quote(text)} needs more than 64 bits: most readers round it"
                self.note("integer-beyond-64-bits", message, start, {"digits": len(str(abs(value)))})
        elif float(text) in (float("inf"), float("-inf")):
            self.note(
                "non-finite-number", f"{_quote(text)} is beyond what a number can hold: it reads as infinity", start
            )

    def _no_value(self, byte: bytes, text: bytes, inside: bool) -> NoReturn:
        rest = self.data[self.at : self.at + 30]
        if byte == b"\x00":
            if not self.data.strip(b"\x00"):
                self.broken(f"the row is {len(self.data):,} NUL bytes: a write that was interrupted?", rule="nul-byte")
            self.broken("a raw NUL byte", rule="nul-byte")
        if text in _PYTHON:
            self.broken(f"Python's {text.decode()}: JSON writes {_PYTHON[text]}")
        if byte == b"'":
            self.broken("single quotes (a Python literal?): JSON needs double quotes")
        if rest.startswith(_COMMENTS):
            self.broken("a comment: JSON has none")
        if rest.startswith(_CURLY):
            self.broken('a typographic quote: JSON needs "')
        if rest.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
            self.broken("a merge conflict was left in the file")
        if byte == b",":
            self.broken("a comma where a value should stand" if inside else "a comma before the row")
        if byte in b"}]:":
            self.broken(f"{byte.decode()} where a value should stand")
        if text in _OTHER_WORDS or (inside and text[:1].isalpha()):
            end = len(self.data.rstrip())
            if self.at + len(text) == end and any(w.startswith(text) for w in (b"true", b"false", b"null", b"NaN")):
                self._ended("inside a word")
            self.broken(f"{_quote(text)} is not a JSON value (text needs double quotes)")
        if text and (text[0] in b"+-." or text[:1].isdigit()):
            if self.at + len(text) == len(self.data.rstrip()) and inside and text[-1:] in b"-+.eE":
                self._ended("inside a number")
            self.broken(f"{_quote(text)} is not a number as JSON writes them")
        self.broken(f"text instead of JSON: {_quote(rest)}")


def _quote(raw: bytes) -> str:
    text = raw[:30].decode("utf-8", "ignore")
    return f"'{text}...'" if len(raw) >= 30 else f"'{text}'"
