"""JSON arrays, split into their elements while streaming; a broken element costs one record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from curate.finding import Fault, Where
from curate.io.rows import LONGEST_ROW, RawRow, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP = 8 * 1024 * 1024
_SPACE = re.compile(rb"[ \t\r\n]*+")
# A string ends with its line at the latest (JSON has no raw newlines), so a missing quote upsets one line only.
_TOKENS = re.compile(rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+("|\\?\n|\\?\Z)|[\[{]|[\]}]|,')
_NOT_THE_END = re.compile(rb"\][ \t\r\n]*,[ \t\r\n]*[\[{]")
_FIRST_KEY = re.compile(rb'\{[ \t\r\n]*("(?:[^"\\\n]|\\.)*+")[ \t\r\n]*:')
_NEXT_OBJECT = re.compile(rb"\}[ \t\r\n]*(,)[ \t\r\n]*(?=\{)")
UNFINISHED, BROKEN = -1, -2
_TURN_KEYS = ({"role"}, {"from"})


def is_array(text: bytes) -> bool:
    """Whether a stream that starts with `[` is one array of rows, not JSON Lines whose rows are lists.

    Told from the first line: a complete list with other lines after it, or a list of chat turns, is a row.
    """
    line, newline, rest = text.partition(b"\n")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        # An array over several lines, as is usual, or a line longer than what can be seen here.
        return bool(newline) or not _is_turn(_first_element(text))
    if rest.strip():
        return False
    return not (value and all(_is_turn(element) for element in value))


def _is_turn(element: object) -> bool:
    return isinstance(element, dict) and any(keys <= element.keys() for keys in _TURN_KEYS)


def _first_element(text: bytes) -> object:
    end = _end_of_element(text, 1)
    return _value(text[1:end]) if end > 0 else None


def _value(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _end_of_element(data: bytes, start: int, *, strict: bool = False) -> int:
    """The index of the `,` or `]` after the element that starts at `start`, or UNFINISHED if the data ends before.

    With `strict`, BROKEN as soon as brackets do not fit together. Without, only their number is counted.
    """
    open_brackets = bytearray()
    after_comma = False
    for token in _TOKENS.finditer(data, start):
        at = token.start()
        byte = data[at]
        if byte == 0x22:
            if token.end() == len(data) and token[1] in (b"", b"\\"):
                return UNFINISHED
        elif byte in b"[{":
            if strict and after_comma and open_brackets[-1:] == b"}":
                return BROKEN  # in an object a key stands after a comma
            open_brackets.append(byte + 2)  # its closing counterpart in ASCII
        elif byte == 0x2C:
            if not open_brackets:
                return at
            after_comma = True
            continue
        elif open_brackets:
            if open_brackets.pop() != byte and strict:
                return BROKEN
        elif byte == 0x5D and not _NOT_THE_END.match(data, at):
            return at
        after_comma = False
    return UNFINISHED


def array_rows(
    blocks: Iterator[bytes], faults: list[Fault], *, start: int = 0, longest: int = LONGEST_ROW
) -> Iterator[RawRow]:
    """Yield the elements of an array, or of several arrays one after the other. `line` is the record number."""
    elements = _Elements(blocks, start, faults, longest)
    while elements.next_byte():
        if elements.next_byte() != b"[":
            yield elements.rest()
            return
        elements.at += 1
        yield from elements.rows()


class _Elements:
    """A window over the stream (`data`, read up to `at`) from which elements are cut."""

    def __init__(self, blocks: Iterator[bytes], start: int, faults: list[Fault], longest: int) -> None:
        self.blocks = blocks
        self.data = b""
        self.at = 0
        self.before = start  # where `data` stands in the stream
        self.number = 0
        self.faults = faults
        self.longest = longest
        self.separator: re.Pattern[bytes] | None = None
        self.keys: set[str] = set()

    def more(self) -> bool:
        """Forget what was read and take about as much again as is held, so that looking again stays linear."""
        kept = self.data[self.at :]
        self.before += self.at
        self.at = 0
        taken = [kept]
        wanted = min(max(len(kept), 1), STEP)
        while wanted > 0 and (block := next(self.blocks, None)) is not None:
            taken.append(block)
            wanted -= len(block)
        self.data = b"".join(taken)
        return len(taken) > 1

    def next_byte(self) -> bytes:
        """Go to the next byte that is not white space and return it; empty at the end of the stream."""
        while True:
            space = _SPACE.match(self.data, self.at)
            assert space is not None
            self.at = space.end()
            if self.at < len(self.data) or not self.more():
                return self.data[self.at : self.at + 1]

    def rows(self) -> Iterator[RawRow]:
        """The elements up to the `]` that closes the array."""
        after_comma = False
        while byte := self.next_byte():
            if byte == b"]":
                self.at += 1
                if after_comma:
                    message = f"a comma before the closing ], after record {self.number:,}"
                    self.faults.append(Fault(message, None, None, "invalid-json"))
                return
            self.number += 1
            yield self.element()
            after_comma = self.next_byte() == b","
            self.at += after_comma
        self.faults.append(Fault("the array is not closed: the file was cut", None, None, "truncated-row"))

    def element(self) -> RawRow:
        """Cut one element: to the comma after it, or, if brackets or quotes do not add up, to where the next starts."""
        end = self.end(strict=True)
        if self.separator is None and (key := _FIRST_KEY.match(self.data, self.at)):
            self.separator = re.compile(rb"(,)[ \t\r\n]*(?=\{[ \t\r\n]*" + re.escape(key[1]) + rb"[ \t\r\n]*:)")
        cut = None
        if end == BROKEN and not (cut := self.next_element(len(self.data))):
            end = self.end(strict=False)
        stop = cut or (end if end >= 0 else len(self.data))
        offset = self.before + self.at
        data = self.data[self.at : stop].rstrip()
        if not data:
            self.at = stop
            fault = Fault("nothing stands before this comma", Where(column=1), None, "invalid-json")
            return RawRow(self.number, b"", offset, (fault,))
        value = _value(data)
        if isinstance(value, dict):
            self.keys = set(value)
        elif value is None and cut is None and data != b"null":
            cut = self.next_element(stop)
            if cut is None and end < 0 and len(data) > self.longest:
                return self.dropped(offset)
            if cut:
                stop, data = cut, self.data[self.at : cut].rstrip()
        self.at = stop
        if len(data) > self.longest:
            return too_long(self.number, offset, len(data), self.longest)
        return RawRow(self.number, data, offset)

    def end(self, *, strict: bool) -> int:
        """Where the element ends, with as much of it in memory as is needed and allowed."""
        while (end := _end_of_element(self.data, self.at, strict=strict)) == UNFINISHED:
            if len(self.data) - self.at > self.longest or not self.more():
                break
        return end

    def next_element(self, stop: int) -> int | None:
        """The comma before `stop` after which an element like those before, or else any object, seems to start."""
        for separator in (self.separator, _NEXT_OBJECT):
            for comma in separator.finditer(self.data, self.at + 1, stop) if separator else ():
                end = _end_of_element(self.data, comma.end(), strict=True)
                after = _value(self.data[comma.end() : end]) if end >= 0 else None
                if not isinstance(after, dict) or 2 * len(self.keys & after.keys()) >= len(self.keys):
                    return comma.start(1)
        return None

    def dropped(self, offset: int) -> RawRow:
        """Pass over an element too long to hold, up to where one like those before it starts."""
        while True:
            comma = self.separator.search(self.data, self.at + 1) if self.separator else None
            if comma:
                self.at = comma.start()
                break
            self.at = max(self.at, len(self.data) - 1000)
            if not self.more():
                self.at = len(self.data)
                break
        return too_long(self.number, offset, self.before + self.at - offset, self.longest)

    def rest(self) -> RawRow:
        """What stands after the end of the array: one broken record."""
        while len(self.data) - self.at <= self.longest and self.more():
            pass
        data = self.data[self.at : self.at + self.longest].rstrip()
        for _ in self.blocks:
            pass
        fault = Fault("text after the end of the array", Where(column=1), None, "invalid-json")
        return RawRow(self.number + 1, b"", self.before + self.at, (fault._replace(evidence={"bytes": len(data)}),))
