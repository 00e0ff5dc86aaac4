"""From a row's bytes to its JSON value: orjson for speed, and a proof that it hid nothing."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from curate.finding import Fault, Where
from curate.io.rows import DEEPEST

_BEYOND_64_BITS = float(1 << 63)
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_KEYS = re.compile(rb'"[ \t\r\n]*:')
_KEYS_UNESCAPED = re.compile(rb'(?<!\\)"[ \t\r\n]*:')
_UTF8_MARK = b"\xef\xbb\xbf"


class Parsed(NamedTuple):
    """The JSON values of a row (none if it cannot be read, several if objects stand side by side) and its faults."""

    values: list[Any]
    faults: list[Fault]


def parse_row(data: bytes) -> Parsed:
    """Parse the bytes of one row. Never raises.

    What counts as JSON is RFC 8259. A row with a fault that makes it unreadable has no values; what parsers accept in
    silence (duplicate keys, integers beyond 64 bits) is reported beside the value, and integers keep every digit.
    """
    if data.count(b"{") + data.count(b"[") > DEEPEST and (column := _too_deep(data)):
        message = f"nested deeper than {DEEPEST} levels"
        return Parsed([], [Fault(message, Where(column=column), None, "nested-too-deep")])
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _second_look(data, error)
    if hides_nothing(data, value):
        return Parsed([value], [])
    from curate.io.strict import examine

    faults = examine(data).faults
    if any(fault.rule == "integer-beyond-64-bits" for fault in faults):
        value = json.loads(data)
    return Parsed([value], faults)


def hides_nothing(data: bytes, value: Any) -> bool:
    """Whether a value that orjson gave is surely all that the bytes say.

    Keys in the value are compared with the `":` in the bytes, of which there are at least as many as keys were written:
    if there are no more, no key was lost. An integer beyond 64 bits shows as a float of that size.
    """
    keys = _count_keys(value)
    if keys < 0:
        return False
    if len(_KEYS.findall(data)) == keys:
        return True
    # Text that quotes JSON holds `\":` too, which is no key unless the backslash is itself an escaped one.
    return b'\\\\"' not in data and len(_KEYS_UNESCAPED.findall(data)) == keys


def _count_keys(value: Any) -> int:
    """The keys of all objects in the value, or -1 if a float may stand for a larger integer."""
    kind = type(value)
    if kind is dict:
        keys = len(value)
        members = value.values()
    elif kind is list:
        keys = 0
        members = value
    else:
        return -1 if kind is float and abs(value) >= _BEYOND_64_BITS else 0
    for member in members:
        kind = type(member)
        if kind is str:
            continue
        if kind is dict or kind is list or kind is float:
            inner = _count_keys(member)
            if inner < 0:
                return -1
            keys += inner
    return keys


def _too_deep(data: bytes) -> int:
    """The 1-based column of the bracket that goes too deep, or 0."""
    depth = 0
    for token in _BRACKETS.finditer(data):
        byte = data[token.start()]
        if byte in b"[{":
            depth += 1
            if depth > DEEPEST:
                return token.start() + 1
        elif byte != 0x22:
            depth -= 1
    return 0


def _second_look(data: bytes, error: orjson.JSONDecodeError) -> Parsed:
    from curate.io.strict import examine

    if data.startswith(_UTF8_MARK):
        inner = parse_row(data[len(_UTF8_MARK) :])
        mark = Fault("a UTF-8 byte-order mark before the row", Where(column=1), None, "byte-order-mark")
        return Parsed(inner.values, [mark, *(_shifted(fault, len(_UTF8_MARK)) for fault in inner.faults)])
    found = examine(data)
    if not found.readable:
        return Parsed([], found.faults)
    if not found.spans:
        return Parsed([], [])
    values = [json.loads(data[start:end]) for start, end in found.spans]
    return Parsed(values, found.faults)


def _shifted(fault: Fault, by: int) -> Fault:
    if fault.where is None or fault.where.column is None:
        return fault
    return fault._replace(where=fault.where._replace(column=fault.where.column + by))
