"""JSON Lines: one row a line, and JSON values that were pretty-printed over several lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault
from curate.io.rows import DEEPEST, LONGEST_ROW, RawRow, too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WHITE = b" \t\r\n"
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def jsonl_rows(
    lines: Iterable[tuple[int, bytes, int]], faults: list[Fault], longest: int = LONGEST_ROW
) -> Iterator[RawRow]:
    """Yield the rows; a line that cannot be a row of its own starts a value over several lines if the next lines fit.

    Afterwards `faults` holds what is true of the file: CRLF line ends, blank lines, pretty-printed values.
    """
    blank, first_blank, crlf, first_crlf, spread, first_spread = 0, 0, 0, 0, 0, 0
    value: Spread | None = None
    number = 0
    for offset, line, size in lines:
        number += 1
        end = line[-1:]
        if end == b"\r":
            line = line[:-1]
            end = line[-1:]
            if not crlf:
                first_crlf = number
            crlf += 1
        if value is not None:
            if size <= longest and value.takes(line):
                value.add(line)
                if value.size > longest:
                    yield too_long(value.line, value.offset, value.size, longest)
                    value = None
                elif not value.stack:
                    first_spread = first_spread or value.line
                    spread += 1
                    yield value.row()
                    value = None
                continue
            yield from value.rows()
            value = None
        if size > longest:
            yield too_long(number, offset, size, longest)
        elif end == b"}":
            yield RawRow(number, line, offset)
        elif not line.strip(WHITE):
            if not blank:
                first_blank = number
            blank += 1
        elif line.lstrip(WHITE).startswith(b"{") and (opened := Spread.opened_by(number, line, offset)):
            value = opened
        else:
            yield RawRow(number, line, offset)
    if value is not None:
        yield from value.rows()
    if crlf:
        faults.append(_note("crlf-line-ends", "CR LF line ends (Windows)", crlf, first_crlf))
    if blank:
        faults.append(_note("blank-lines", "blank lines", blank, first_blank))
    if spread:
        faults.append(_note("pretty-printed", "rows printed over several lines", spread, first_spread))


def _note(rule: str, what: str, count: int, first: int) -> Fault:
    return Fault(f"{what}: {count:,}, the first at line {first:,}", None, {"count": count, "first": first}, rule)


class Spread:
    """A JSON object that goes on over several lines: its lines so far and the brackets still open."""

    def __init__(self, line: int, offset: int) -> None:
        self.line = line
        self.offset = offset
        self.lines: list[bytes] = []
        self.stack = bytearray()
        self.size = 0
        self.last = b""

    @classmethod
    def opened_by(cls, number: int, line: bytes, offset: int) -> Spread | None:
        """The value that this line opens; None if it closes it, or ends inside a string, which no printer does."""
        value = cls(number, offset)
        if not value.add(line) or not 0 < len(value.stack) <= DEEPEST:
            return None
        return value

    def takes(self, line: bytes) -> bool:
        """Whether the line can go on here.

        A whole object at the margin is a new row, and inside a value an object or list can only start after `:`, `[`
        or, in a list, after a comma.
        """
        if line.startswith(b'{"') and line.endswith(b"}"):
            return False
        if not line.lstrip(WHITE).startswith((b"{", b"[")) or self.last in (b":", b"["):
            return True
        return self.last == b"," and self.stack[-1:] == b"["

    def add(self, line: bytes) -> bool:
        """Take the line; False if it ends inside a string."""
        self.lines.append(line)
        self.size += len(line) + 1
        closed = True
        for token in _TOKENS.findall(line):
            if token in b"{[":
                self.stack += token
            elif token in b"}]":
                del self.stack[-1:]
                if not self.stack:
                    break
            else:
                closed = len(token) > 1 and token.endswith(b'"')
        self.last = line.rstrip(WHITE)[-1:] or self.last
        return closed

    def row(self) -> RawRow:
        return RawRow(self.line, b"\n".join(self.lines), self.offset)

    def rows(self) -> Iterator[RawRow]:
        """What was taken, where the value never ends: one broken row."""
        while self.lines and not self.lines[-1].strip(WHITE):
            self.lines.pop()
        yield self.row()
