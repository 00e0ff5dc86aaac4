"""Plant the faults that readers notice into one line of JSON Lines, as they look in the wild."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _strings(line: bytes, at_least: int = 4) -> list[tuple[int, int]]:
    """The (start, end) of each string value's text, without its quotes; keys are left out."""
    spans = ((match.start() + 1, match.end() - 1) for match in _STRING.finditer(line))
    return [
        (start, end)
        for start, end in spans
        if end - start >= at_least and not line[end + 1 :].lstrip().startswith(b":")
    ]


def _inside(random: random.Random, line: bytes) -> int | None:
    """A place inside the text of some string where an ASCII character stands that is no part of an escape."""
    places = [
        i
        for start, end in _strings(line)
        for i in range(start, end)
        if 0x20 < line[i] < 0x7F and line[i] not in b'\\"' and b"\\" not in line[max(i - 5, start) : i]
    ]
    return random.choice(places) if places else None


def _insert(random: random.Random, line: bytes, choices: list[bytes]) -> bytes | None:
    at = _inside(random, line)
    return None if at is None else line[:at] + random.choice(choices) + line[at:]


def invalid_json(random: random.Random, line: bytes) -> bytes | None:
    row = json.loads(line)
    kind = random.choice(["comma", "after", "python", "quote", "escape", "tab", "comment", "key", "log", "apostrophes"])
    if kind == "comma":
        return line.rstrip()[:-1].rstrip() + random.choice([b",}", b", }"])
    if kind == "after":
        return line.rstrip() + random.choice([b",", b";", b" ,"])
    if kind == "python":
        text = repr(row)
        return text.encode() if text[1:2] == "'" else None
    if kind == "quote":
        at = _inside(random, line)
        return None if at is None else line[:at] + b'"' + line[at : at + 3].replace(b'"', b"") + b'"' + line[at + 3 :]
    if kind == "escape":
        return _insert(random, line, [b"\\d", b"\\ ", b"\\'", b"\\(", b"\\u12", b"\\x41"])
    if kind == "tab":
        return _insert(random, line, [b"\t", b"\x1b[0m", b"\x08", b"\x0c"])
    if kind == "comment":
        return line.rstrip() + random.choice([b" // checked", b" # checked", b" /* ok */"])
    if kind == "key":
        return re.sub(rb'^(\s*\{\s*)"(\w+)"', rb"\1\2", line, count=1)
    if kind == "log":
        return random.choice([b"INFO:root:", b"data: ", b"1: "]) + line
    return line.replace(b'"', b"'")


def truncated_row(random: random.Random, line: bytes) -> bytes | None:
    line = line.rstrip()
    if len(line) < 12:
        return None
    cut = line[: random.randint(3, len(line) - 2)].rstrip()
    # Where the cut falls behind a bracket inside a text, a reader cannot tell it from a quote that was forgotten.
    return None if cut.endswith((b"}", b"]")) or len(cut) < 3 else cut


def invalid_utf8(random: random.Random, line: bytes) -> bytes | None:
    return _insert(
        random, line, [b"\xe9", b"\x93", b"\xa0", b"\xff", b"\xc3", b"\xed\xa0\xbd", b"\xf8\x88", b"\xc0\xaf"]
    )


def byte_order_mark(random: random.Random, line: bytes) -> bytes | None:
    return b"\xef\xbb\xbf" + line


def _add_member(random: random.Random, line: bytes, values: list[bytes]) -> bytes | None:
    key = random.choice([b"score", b"n", b"meta_value", b"id_2"])
    member = b'"' + key + random.choice([b'": ', b'":']) + random.choice(values)
    body = line.rstrip()
    if body.endswith(b"{}") or b'"' + key + b'"' in body:
        return None
    return body[:1] + member + b", " + body[1:] if random.random() < 0.5 else body[:-1] + b", " + member + b"}"


def non_finite_number(random: random.Random, line: bytes) -> bytes | None:
    return _add_member(
        random, line, [b"NaN", b"-Infinity", b"Infinity", b"1e999", b"[0.5, NaN]", b'{"x": nan}', b"9" * 400]
    )


def lone_surrogate(random: random.Random, line: bytes) -> bytes | None:
    return _insert(random, line, [b"\\ud83d", b"\\uDE00", b"\\ude00\\ud83d", b"\\ud800x"])


def duplicate_key(random: random.Random, line: bytes) -> bytes | None:
    keys = [match[0] for match in _STRING.finditer(line) if line[match.end() :].lstrip().startswith(b":")]
    if not keys:
        return None
    first = keys[0]
    value = random.choice([b'"x"', b"null", b"[]", b'"a \\":\\" b"', b"1"])
    return line.replace(first, first + random.choice([b": ", b":", b" : "]) + value + b", " + first, 1)


def integer_beyond_64_bits(random: random.Random, line: bytes) -> bytes | None:
    number = random.choice([2**64, -(2**63) - 1, random.getrandbits(100) | 2**99, 10**40])
    return _add_member(random, line, [b"%d" % number, b"[1, %d]" % number])


def nested_too_deep(random: random.Random, line: bytes) -> bytes | None:
    depth = random.randint(101, 3000)
    return _add_member(random, line, [b"[" * depth + b"]" * depth, b'{"a":' * depth + b"0" + b"}" * depth])


def several_values_on_a_line(random: random.Random, line: bytes) -> bytes | None:
    return line.rstrip() + random.choice([b"", b" ", b"\t"]) + line.lstrip()


def nul_byte(random: random.Random, line: bytes) -> bytes | None:
    if random.random() < 0.3:
        return line.rstrip() + b"\x00" * random.randint(1, 600)
    return _insert(random, line, [b"\x00", b"\x00" * 8])


def row_not_an_object(random: random.Random, line: bytes) -> bytes | None:
    return random.choice(
        [json.dumps(line.decode("utf-8", "replace")).encode(), b"42", b"null", b"true", b"[1, 2]", b'["a", "b"]']
    )


BYTE_MUTATORS: dict[str, Callable[[random.Random, bytes], bytes | None]] = {
    "FMT001": invalid_json,
    "FMT002": truncated_row,
    "FMT003": invalid_utf8,
    "FMT004": byte_order_mark,
    "FMT006": non_finite_number,
    "FMT007": lone_surrogate,
    "FMT008": duplicate_key,
    "FMT009": integer_beyond_64_bits,
    "FMT010": nested_too_deep,
    "FMT012": several_values_on_a_line,
    "FMT017": nul_byte,
    "FMT018": row_not_an_object,
}
