"""Any bytes at all: nothing raises, no row is lost, and what is said to be clean is what a strict parser reads."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.io import RawRow, parse_row
from curate.io.compression import compression_of
from curate.io.lines import physical_lines
from curate.io.parse import hides_nothing
from curate.io.records import read_rows
from curate.io.strict import STILL_READABLE, examine
from tests.io.hostile import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.finding import Fault

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
json_bytes = json_values.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
PIECES = [b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\", b"\\u", b"\\ud83d", b"\n", b"\r", b" ", b"\x00", b"NaN"]
PIECES += [
    b'{"a":1}',
    b'"a":',
    b'{"a": "b", "a": "c"}',
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xe9",
    b"\x1f\x8b\x08",
    b"BZh9",
]
PIECES += [b"true", b"nul", b"12345678901234567890", b"'", b"// x", b"\t", b"q,a\n", b'"x""y",', b"1e999", b"PAR1"]
pieces = st.sampled_from(PIECES)
soup = st.lists(pieces | st.binary(max_size=4), max_size=25).map(b"".join)
mutated = st.builds(
    lambda data, at, cut, new: data[: at % (len(data) + 1)] + new + data[at % (len(data) + 1) + cut :],
    st.sampled_from([case.data for case in CASES if len(case.data) < 10_000]),
    st.integers(0, 10_000),
    st.integers(0, 5),
    soup,
)
many = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def in_blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def rows_of(data: bytes, name: str, block: int = 1 << 18, longest: int = 1 << 20) -> tuple[list[RawRow], list[Fault]]:
    faults: list[Fault] = []
    return list(read_rows(in_blocks(data, block), name, None, faults, longest=longest)), faults


@many
@given(soup | mutated, st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.tsv", "x.parquet", "-"]), st.integers(1, 50))
def test_no_bytes_make_the_reader_raise(data: bytes, name: str, longest: int) -> None:
    for cap in (1 << 20, longest):
        rows, _ = rows_of(data, name, longest=cap)
        for row in rows:
            parsed = parse_row(row.data)
            assert parsed.values or parsed.faults or row.faults, "a row without a value has a reason"


@many
@given(soup | mutated, st.integers(1, 7), st.sampled_from(["x.jsonl", "x.csv", "x.json"]))
def test_block_borders_do_not_matter_to_lines(data: bytes, block: int, name: str) -> None:
    whole = [(offset, line) for offset, line, _ in physical_lines(iter([data]))]
    assert whole == [(offset, line) for offset, line, _ in physical_lines(in_blocks(data, block))]
    if compression_of(data) is None:  # of a corrupt stream, how much can be read depends on the pieces it comes in
        assert rows_of(data, name) == rows_of(data, name, block)


@many
@given(
    st.lists(
        st.binary(max_size=30).map(lambda line: b"x" + line.replace(b"\n", b"")) | st.sampled_from([b"", b" ", b"\t"]),
        max_size=20,
    )
)
def test_rows_and_blank_lines_are_all_lines(lines: list[bytes]) -> None:
    data = b"\n".join([b'{"a": 1}', *lines]) + b"\n"
    rows, faults = rows_of(data, "x.jsonl")
    blank = sum(fault.evidence["count"] for fault in faults if fault.rule == "blank-lines" and fault.evidence)
    assert len(rows) + blank == data.count(b"\n")
    for row in rows:
        assert data[row.offset :].startswith(row.data)
        assert data.count(b"\n", 0, row.offset) == row.line - 1


@many
@given(soup | json_bytes)
def test_a_row_without_faults_is_what_a_strict_parser_reads(data: bytes) -> None:
    values, faults = parse_row(data)
    try:
        expected = [orjson.loads(data)]
    except orjson.JSONDecodeError:
        expected = []
    if not faults or {fault.rule for fault in faults} == {"duplicate-key"}:
        assert values == expected
    elif expected:
        assert {fault.rule for fault in faults} <= STILL_READABLE | {"nested-too-deep"}


@many
@given(json_values)
def test_every_value_survives_writing_and_reading(value: Any) -> None:
    text = json.dumps(value)
    values, faults = parse_row(text.encode())
    if any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)):
        assert "lone-surrogate" in {fault.rule for fault in faults}
    else:
        assert values == [value]
        assert {fault.rule for fault in faults} <= {"integer-beyond-64-bits"}


@many
@given(soup | json_bytes)
def test_the_second_look_agrees_with_the_first_on_what_is_json(data: bytes) -> None:
    try:
        orjson.loads(data)
        accepted = True
    except orjson.JSONDecodeError:
        accepted = False
    if data.strip(b" \t\r\n") and not data.startswith(b"\xef\xbb\xbf"):
        found = examine(data)
        assert (found.readable and len(found.spans) == 1) == accepted


@many
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "\\", 'x":', ":", " "]), json_bytes), max_size=4),
    st.sampled_from([":", " :", "\t:", ": "]),
)
def test_a_lost_key_is_always_noticed(members: list[tuple[str, bytes]], colon: str) -> None:
    data = b"{" + b",".join(json.dumps(key).encode() + colon.encode() + value for key, value in members) + b"}"
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if len({key for key, _ in members}) < len(members):
        assert not hides_nothing(data, value)
        assert "duplicate-key" in {fault.rule for fault in parse_row(data).faults}


@many
@given(st.binary(max_size=300), st.integers(0, 400))
def test_a_cut_gzip_stream_gives_what_was_there(tail: bytes, cut: int) -> None:
    lines = b"".join(b'{"n": %d, "t": "%d"}\n' % (i, i * i) for i in range(50))
    packed = gzip.compress(lines, mtime=0)
    rows, faults = rows_of(packed[: min(cut, len(packed))] + tail[:0], "x.jsonl.gz")
    values = [value for row in rows for value in parse_row(row.data).values]
    assert values == [{"n": i, "t": str(i * i)} for i in range(len(values))]
    if 3 <= cut < len(packed):
        assert "corrupt-compression" in {fault.rule for fault in faults}


@pytest.mark.parametrize("depth", [99, 100, 101, 1023, 1024, 5000])
@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_depth_is_capped_whatever_the_parser_allows(depth: int, bracket: bytes) -> None:
    close = b"]" if bracket == b"[" else b"}"
    data = bracket * depth + (b"" if bracket == b"[" else b"1") + close * depth
    parsed = parse_row(data)
    assert bool(parsed.values) == (depth <= 100)
    assert [fault.rule for fault in parsed.faults] == ([] if depth <= 100 else ["nested-too-deep"])
