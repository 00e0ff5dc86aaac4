"""Parquet records come out as the JSON a person would expect, whatever the types."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType, Field, RecordBatch
from arro3.io import infer_json_schema, read_json, write_parquet

from curate.io import find_inputs, parse_row

if TYPE_CHECKING:
    from pathlib import Path

    from curate.io import Input


def values(source: Input) -> list[Any]:
    return [value for row in source.rows() for value in parse_row(row.data).values]


def cast(numbers: list[int], kind: DataType, through: DataType) -> Array:
    return Array(numbers, through).cast(kind)


COLUMNS = {
    "text": (Array(["a", "\u2028\n😀", None], DataType.utf8()), ["a", "\u2028\n😀", None]),
    "large text": (Array(["007", "2024-01-01", ""], DataType.large_utf8()), ["007", "2024-01-01", ""]),
    "unsigned": (Array([2**64 - 1, 0, None], DataType.uint64()), [2**64 - 1, 0, None]),
    "float": (Array([1.5, float("nan"), None], DataType.float64()), [1.5, None, None]),
    "bool": (Array([True, False, None], DataType.bool()), [True, False, None]),
    "binary": (Array([b"\x00\xff", b"", None], DataType.binary()), ["00ff", "", None]),
    "date": (cast([0, 19_723, 1], DataType.date32(), DataType.int32()), ["1970-01-01", "2024-01-01", "1970-01-02"]),
    "time": (
        cast([0, 1_704_067_200_000_000, 1], DataType.timestamp("us"), DataType.int64()),
        ["1970-01-01T00:00:00", "2024-01-01T00:00:00", "1970-01-01T00:00:00.000001"],
    ),
    "zone": (
        cast([0, 1_704_067_200_000_000, 1], DataType.timestamp("us", tz="UTC"), DataType.int64()),
        ["1970-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z"],
    ),
    "decimal": (cast([1, -2, 3], DataType.decimal128(10, 2), DataType.int64()), [1.0, -2.0, 3.0]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_each_type_becomes_json(tmp_path: Path, name: str) -> None:
    column, expected = COLUMNS[name]
    write_parquet(RecordBatch.from_pydict({name: column}), tmp_path / "x.parquet", compression="zstd(3)")
    rows = values(find_inputs([str(tmp_path / "x.parquet")])[0])
    assert rows == [{name: value} for value in expected]


def test_nested_turns_stay_nested(tmp_path: Path) -> None:
    turns = b'[{"role":"user","content":"hi"},{"role":"assistant","content":null}]'
    data = b'{"messages":' + turns + b',"tags":[],"meta":{"a":{"b":[1]}}}\n'
    source = tmp_path / "x.jsonl"
    source.write_bytes(data * 5)
    with source.open("rb") as file:
        schema = infer_json_schema(file)
    write_parquet(read_json(source, schema), tmp_path / "x.parquet")
    assert values(find_inputs([str(tmp_path / "x.parquet")])[0]) == [parse_row(data).values[0]] * 5


@pytest.mark.parametrize("packed", [False, True])
def test_many_batches_come_in_order_with_the_hash_of_the_file(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / "x.parquet"
    batch = RecordBatch.from_pydict({"n": Array(list(range(5000)), DataType.int64())})
    write_parquet(batch, file, max_row_group_size=1500)
    if packed:
        file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    (source,) = find_inputs([str(file)])
    rows = list(source.rows())
    assert [row.line for row in rows] == list(range(1, 5001))
    assert values(source) == [{"n": n} for n in range(5000)]
    assert source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("at", [4, -20, -9])
def test_damage_is_a_fault_of_the_file_not_a_crash(tmp_path: Path, at: int) -> None:
    file = tmp_path / "x.parquet"
    write_parquet(
        RecordBatch.from_pydict({"n": Array(list(range(500)), DataType.int64())}), file, compression="zstd(3)"
    )
    data = bytearray(file.read_bytes())
    data[at : at + 8 if at > 0 else None] = bytes(b ^ 0xFF for b in data[at : at + 8 if at > 0 else None])
    data[-4:] = b"PAR1"
    file.write_bytes(data)
    (source,) = find_inputs([str(file)])
    rows = values(source)
    assert rows == [{"n": n} for n in range(len(rows))]
    assert [fault.rule for fault in source.faults] == ["damaged-parquet"]


def test_no_column_is_empty(tmp_path: Path) -> None:
    fields = [Field("prompt", DataType.utf8())]
    write_parquet(RecordBatch.from_arrays([Array([], DataType.utf8())], schema=_schema(fields)), tmp_path / "x.parquet")
    (source,) = find_inputs([str(tmp_path / "x.parquet")])
    assert values(source) == []
    assert [fault.rule for fault in source.faults] == ["empty-file"]


def _schema(fields: list[Field]) -> Any:
    from arro3.core import Schema

    return Schema(fields)
