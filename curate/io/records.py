"""From the bytes of any input to its rows: decompress, decode, tell the kind of file, split."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from curate.finding import Fault
from curate.io.array import array_rows, is_array
from curate.io.compression import MAGIC_LENGTH, compression_of, decompressed
from curate.io.encoding import as_utf8
from curate.io.jsonl import WHITE, jsonl_rows
from curate.io.lines import physical_lines, with_newlines
from curate.io.rows import BLOCK, LONGEST_ROW, RawRow, peek
from curate.io.table import is_table, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPRESSION_SUFFIXES = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd")
DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_EXPLAINS_NO_ROWS = frozenset({"corrupt-compression", "damaged-parquet"})


def data_suffix(name: str) -> str:
    """The suffix that tells the kind of data: `.jsonl` of `a.jsonl.gz`; lower case, "" without one."""
    path = PurePath(name.lower())
    if path.suffix in COMPRESSION_SUFFIXES:
        path = path.with_suffix("")
    return path.suffix


def read_rows(
    blocks: Iterator[bytes], name: str, location: Path | None, faults: list[Fault], *, longest: int = LONGEST_ROW
) -> Iterator[RawRow]:
    """Yield the rows of a stream; `faults` gets what is true of the whole file.

    `name` helps only to tell CSV from JSON. `location` is the regular file the blocks come from, if they do.
    """
    rows = 0
    for row in _rows(blocks, name, location, faults, longest):
        rows += 1
        yield row
    if not rows and not any(fault.rule in _EXPLAINS_NO_ROWS for fault in faults):
        blank = any(fault.rule == "blank-lines" for fault in faults)
        what = "only blank lines" if blank else "no rows"
        faults.append(Fault(f"the file holds {what}", None, None, "empty-file"))


def _rows(
    blocks: Iterator[bytes], name: str, location: Path | None, faults: list[Fault], longest: int
) -> Iterator[RawRow]:
    head, blocks = peek(blocks, MAGIC_LENGTH)
    if compression_of(head):
        location = None
    head, blocks = peek(decompressed(blocks, faults), MAGIC_LENGTH)
    if head.startswith(b"PAR1"):
        from curate.io.parquet import parquet_rows

        return parquet_rows(blocks, location, faults)
    blocks, start = as_utf8(blocks, faults)
    head, blocks = peek(blocks, BLOCK)
    head, blocks = peek(with_newlines(head, blocks), BLOCK)
    suffix = data_suffix(name)
    if is_table(head, suffix):
        return table_rows(head, blocks, suffix, faults, start=start, longest=longest)
    text = head.lstrip(WHITE)
    if text.startswith(b"[") and is_array(text):
        if suffix in (".jsonl", ".ndjson"):
            faults.append(Fault("the file is one JSON array, not JSON Lines", None, None, "json-array-in-jsonl"))
        return array_rows(blocks, faults, start=start, longest=longest)
    return jsonl_rows(physical_lines(blocks, start=start, longest=longest), faults, longest)
