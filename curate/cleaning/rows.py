"""The rows that are cleaned: all their parts in order, each with its bytes and what is to become of it."""

from __future__ import annotations

import os
import tempfile
from array import array
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from curate.io import Input, RawRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.finding import Place
    from curate.run.data import Row


class Reason(NamedTuple):
    """Why a part is left out: the rule (None: no rule, a person said so), in words, and who or what left it out."""

    code: str | None
    reason: str
    by: str


class Change(NamedTuple):
    """What a part becomes: its bytes, the id of the sample in them, and why."""

    data: bytes
    sample_id: str
    codes: tuple[str, ...]
    reason: str
    by: str


class Rows:
    """Every part of the data by number, in input order; a part is one sample of a row, or what of it gives none.

    The bytes lie in a nameless file, so that memory holds only the places. `rejected` and `changed` say what is to
    become of a part: all others stay as they are.
    """

    def __init__(self, folder: Path) -> None:
        self.places: list[Place] = []
        self.rejected: dict[int, Reason] = {}
        self.changed: dict[int, Change] = {}
        self.sizes: list[int] = []  # physical rows of each row
        self._row = array("q")
        self._ends = array("q", [0])
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (lives as long as the rows)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def add(self, row: Row) -> range:
        """Take in a row and return the numbers of its parts."""
        first = len(self.places)
        for part in row.parts:
            self.places.append(part.place)
            self._row.append(len(self.sizes))
            self._spool.write(part.data)
            self._ends.append(self._ends[-1] + len(part.data))
        self.sizes.append(row.rows)
        return range(first, len(self.places))

    def added(self) -> None:
        """Nothing more is added: have the file hold all."""
        self._spool.flush()

    def before(self, number: int) -> bytes:
        """The bytes of a part as the data has it."""
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._spool.fileno(), end - start, start)

    def now(self, number: int) -> bytes:
        """The bytes of a part as it shall be."""
        change = self.changed.get(number)
        return change.data if change else self.before(number)

    def sample_id(self, number: int) -> str:
        """The id of a part as it shall be."""
        change = self.changed.get(number)
        return change.sample_id if change else str(self.places[number].sample_id)

    def staying(self) -> Iterator[tuple[int, Place]]:
        """The parts that are not rejected, each with its place as a check of them finds it."""
        for _, numbers in groupby(self._staying(), key=self._row.__getitem__):
            for part, number in enumerate(numbers):
                place = self.places[number]
                if part != place.part or number in self.changed:
                    place = place._replace(part=part, sample_id=self.sample_id(number))
                yield number, place

    def _staying(self) -> Iterator[int]:
        return (number for number in range(len(self.places)) if number not in self.rejected)

    def inputs(self) -> list[Input]:
        """The parts that stay, as what a check reads: under the names and on the lines where they stand."""
        by_path = groupby(self._staying(), key=lambda number: self.places[number].path)
        return [InRows(self, path, list(mine)) for path, mine in by_path]

    def raw_rows(self, numbers: Sequence[int]) -> Iterator[RawRow]:
        """The rows that some parts make, as they shall be."""
        for _, parts in groupby(numbers, key=self._row.__getitem__):
            mine = list(parts)
            yield RawRow(self.places[mine[0]].line, b" ".join(map(self.now, mine)))

    def counts(self) -> dict[str, int]:
        """The rows read, kept as they are, changed and rejected: a row is rejected where none of its parts stays."""
        counts = {"read": sum(self.sizes), "kept": 0, "changed": 0, "rejected": 0}
        for row, numbers in groupby(range(len(self.places)), key=self._row.__getitem__):
            stays = [number for number in numbers if number not in self.rejected]
            fate = "rejected" if not stays else "kept" if self.changed.keys().isdisjoint(stays) else "changed"
            counts[fate] += self.sizes[row]
        return counts


class InRows(Input):
    """Some parts, to be read like a file."""

    def __init__(self, rows: Rows, path: str, numbers: Sequence[int]) -> None:
        self.path = path
        self.sha256 = ""
        self.faults = []
        self.size = 0
        self._raw_rows = partial(rows.raw_rows, numbers)

    def rows(self) -> Iterator[RawRow]:
        self.size = 0
        for row in self._raw_rows():
            self.size += len(row.data)
            yield row
