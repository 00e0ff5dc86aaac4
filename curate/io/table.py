"""CSV and TSV: each record becomes a JSON object of strings; nothing is guessed to be a number or a date."""

from __future__ import annotations

import csv
from collections import deque
from typing import TYPE_CHECKING

import orjson

from curate.finding import Fault, Where
from curate.io.lines import physical_lines
from curate.io.rows import LONGEST_ROW, RawRow, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS = (",", "\t", ";", "|")
EXTRA_CELLS = "extra_cells"


def is_table(head: bytes, suffix: str) -> bool:
    """Whether a stream is CSV or TSV: by its name unless it starts like JSON, else by lines that split evenly."""
    lines = [line for line in head.split(b"\n")[:20] if line.strip()]
    if any(line.lstrip()[:1] in (b"{", b"[") for line in lines[:2]):
        return False
    if suffix in (".csv", ".tsv", ".tab"):
        return True
    if suffix in (".jsonl", ".ndjson", ".json") or len(lines) < 2:
        return False
    delimiter = _delimiter(head, suffix)
    widths = [len(cells) for cells in _first_records(head, delimiter)[:3]]
    return len(widths) >= 2 and widths[0] >= 2 and len(set(widths)) == 1


def _first_records(head: bytes, delimiter: str) -> list[list[str]]:
    # The last line may be cut by the end of the head.
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    try:
        records = [
            cells for cells in csv.reader((f"{line}\n" for line in lines[:-1] or lines), delimiter=delimiter) if cells
        ]
    except csv.Error:
        return []
    return records


def _delimiter(head: bytes, suffix: str) -> str:
    """The delimiter that splits the header into the most cells and the next records into as many."""
    if suffix in (".tsv", ".tab"):
        return "\t"
    best, most = ",", 0.0
    for delimiter in DELIMITERS:
        records = _first_records(head, delimiter)[:20]
        if not records:
            continue
        width = len(records[0])
        even = sum(len(cells) == width for cells in records) / len(records)
        if width > 1 and width * even > most:
            best, most = delimiter, width * even
    return best


def table_rows(
    head: bytes,
    blocks: Iterator[bytes],
    suffix: str,
    faults: list[Fault],
    *,
    start: int = 0,
    longest: int = LONGEST_ROW,
) -> Iterator[RawRow]:
    """Yield one object of strings for each record; `line` is the record number, the header not counted."""
    csv.field_size_limit(max(longest, csv.field_size_limit()))
    records = _Records(physical_lines(blocks, start=start, longest=longest), _delimiter(head, suffix), longest)
    header: list[str] | None = None
    number = 0
    for offset, cells, problem in records:
        if header is None:
            if problem:
                faults.append(problem)
            header = _unique(cells, faults)
            continue
        number += 1
        if problem:
            yield RawRow(number, b"", offset, (problem,))
            continue
        row: dict[str, object] = dict(zip(header, cells, strict=False))
        noted: tuple[Fault, ...] = ()
        if len(cells) != len(header):
            more = "more" if len(cells) > len(header) else "fewer"
            message = f"{len(cells)} cells where the header has {len(header)}: {more} than there are columns"
            evidence = {"cells": len(cells), "columns": len(header)}
            noted = (Fault(message, None, evidence, "uneven-csv-row"),)
            if more == "more":
                row[EXTRA_CELLS] = cells[len(header) :]
        yield RawRow(number, _json(row), offset, noted)


def _json(row: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(row)
    except TypeError:  # bytes that are not UTF-8: kept as they are, so that the row is reported like any other
        import json

        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _unique(names: list[str], faults: list[Fault]) -> list[str]:
    out: list[str] = []
    for name in names:
        unique, count = name, 1
        while unique in out:
            count += 1
            unique = f"{name}_{count}"
        if count > 1:
            message = f'two columns are named "{name[:60]}": the second is read as "{unique[:60]}"'
            faults.append(Fault(message, None, {"key": name[:60]}, "duplicate-key"))
        out.append(unique)
    return out


class _Records:
    """Records of one or more physical lines; one with broken quotes costs its first line, the others are read again."""

    def __init__(self, lines: Iterator[tuple[int, bytes, int]], delimiter: str, longest: int) -> None:
        self.lines = lines
        self.longest = longest
        self.again: deque[tuple[int, bytes, int]] = deque()
        self.used: list[tuple[int, bytes, int]] = []
        self.size = 0  # of the lines used
        self.reader = csv.reader(_Text(self), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str], Fault | None]]:
        """Yield (byte offset, cells, fault): a record that has a fault has no cells."""
        while True:
            self.used.clear()
            self.size = 0
            try:
                cells = next(self.reader)
            except StopIteration:
                return
            except csv.Error as error:
                (offset, _, size), *rest = self.used
                self.again.extendleft(reversed(rest))
                if size > self.longest:
                    yield offset, [], too_long(0, offset, size, self.longest).faults[0]
                else:
                    message = f"the quotes of this record do not add up ({error})"
                    yield offset, [], Fault(message, Where(column=1), None, "broken-csv-quotes")
                continue
            if not cells:
                continue
            offset = self.used[0][0]
            if any(b"\x00" in line for _, line, _ in self.used):
                yield offset, [], Fault("a raw NUL byte", None, None, "nul-byte")
            else:
                yield offset, cells, None


class _Text:
    """The lines as the csv module wants them. Not a generator: that would end at the first exception."""

    def __init__(self, records: _Records) -> None:
        self.records = records

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        records = self.records
        line = records.again.popleft() if records.again else next(records.lines)
        records.used.append(line)
        records.size += line[2]
        if records.size > records.longest:
            raise csv.Error("too long")
        return line[1].decode("utf-8", "surrogateescape") + "\n"
