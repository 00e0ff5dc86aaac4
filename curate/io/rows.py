"""One row as the readers find it: its bytes and where they stand, not yet parsed."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_ROW = 64 * 1024 * 1024
"""Bytes of one row beyond which it is reported and not kept, so that no input can fill the memory."""

DEEPEST = 100
"""Levels of nesting beyond which a row is not parsed: deeper ones crash or stall common readers."""

BLOCK = 256 * 1024


class RawRow(NamedTuple):
    """One row: a non-blank physical line, an array element, a pretty-printed object, a CSV or Parquet record.

    `line` is the 1-based physical line where the row starts; for a JSON array, CSV and Parquet the record number.
    `data` are the row's bytes without the line end (CSV and Parquet: the record as JSON), empty where nothing could be
    kept. `offset` is where `data` starts in the decoded (decompressed, for UTF-16 and UTF-32 re-encoded) stream, -1 if
    the row has no bytes of its own in it. `faults` are what the reader noticed before parsing. `rows` is how many rows
    of the file it stands for: more than one for a tree that was gathered from several.
    """

    line: int
    data: bytes
    offset: int = -1
    faults: tuple[Fault, ...] = ()
    rows: int = 1


def too_long(line: int, offset: int, size: int, longest: int) -> RawRow:
    """A row that was not kept because it is longer than `longest` bytes."""
    message = f"the row is {size:,} bytes long; rows beyond {longest:,} bytes are not read"
    return RawRow(line, b"", offset, (Fault(message, None, {"bytes": size}, "line-too-long"),))


def peek(blocks: Iterable[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `size` bytes or more (fewer where the stream is shorter), and the whole stream again."""
    rest = iter(blocks)
    taken: list[bytes] = []
    have = 0
    while have < size and (block := next(rest, None)) is not None:
        taken.append(block)
        have += len(block)
    head = b"".join(taken)
    return head, chain([head] if head else [], rest)
