"""What a format is, and the register of them: reading a row into samples, writing a sample into a row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from curate.finding import Fault
    from curate.sample import Sample

Row = dict[str, Any]
Names = frozenset[str]
NO_COLUMNS: Mapping[str, str] = {}


class Unreadable(Exception):
    """A row that gives no sample; `faults` say why."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def _no_losses(sample: Sample) -> list[str]:
    return []


@dataclass(frozen=True)
class Format:
    """One shape of row.

    `columns` are the names that the format reads. A row is of the format if `has_columns` accepts the set of its names
    and `fits` the row itself. Both are cheap; the first sees, and is cached by, those of the row's names that are
    columns of some format or among the `signs`, the further names that it asks for. `read_row` gives the samples,
    `build` the canonical row (None: the format is only read), and `losses` names, in words for a person, what of a
    sample the row could not hold.
    """

    name: str
    summary: str
    columns: Names
    has_columns: Callable[[Names], bool]
    fits: Callable[[Row], bool]
    read_row: Callable[[Row], list[Sample]]
    build: Callable[[Sample], Row] | None = None
    losses: Callable[[Sample], list[str]] = _no_losses
    has_answers: bool = True
    signs: Names = frozenset()

    def detect(self, row: Row) -> bool:
        """Whether the row is complete in this format; a format of higher precedence may fit it as well."""
        return self.has_columns(frozenset(row)) and self.fits(row)

    def read(self, row: Row, columns: Mapping[str, str] = NO_COLUMNS) -> list[Sample]:
        """Read one row; `columns` maps the format's name of a column or turn key to the name used in the file.

        Raises:
            Unreadable: the row gives no sample.
        """
        if not columns:
            return self.read_row(row)
        renamed, displaced = rename_columns(row, columns)
        samples = self.read_row(renamed)
        for sample in samples:
            sample.metadata.update(displaced)
        return samples

    def write(self, sample: Sample) -> Row | None:
        """The format's canonical row of a sample, its metadata as further columns; None if the format is only read.

        The row is faithful where `cannot_hold` returns nothing.
        """
        if self.build is None:
            return None
        row = self.build(sample)
        return {**row, **{name: value for name, value in sample.metadata.items() if name not in row}}

    def cannot_hold(self, sample: Sample) -> list[str]:
        """What of the sample would be lost or changed in this format, in words; empty if nothing."""
        if self.build is None:
            return [f"{self.name} is a format that can only be read"]
        if reasons := self.losses(sample):
            return reasons
        row = self.build(sample)
        if self._read_back(row) != (sample.id, {}):
            return ["it would be read back as another sample"]
        # A column that says what the written one of its name says is held by it.
        metadata = {name: value for name, value in sample.metadata.items() if not _same(value, row.get(name))}
        if not metadata:
            return []
        taken = [name for name in metadata if name in row]
        if not taken and self._read_back({**row, **metadata}) != (sample.id, metadata):
            taken = [
                name
                for name, value in metadata.items()
                if self._read_back({**row, name: value}) != (sample.id, {name: value})
            ]
            taken = taken or sorted(metadata)
        return [f"the column {name!r}, which means something else in {self.name} rows" for name in taken]

    def _read_back(self, row: Row) -> tuple[str, dict[str, Any]] | None:
        if detect(row) not in (self.name, "prompts"):
            return None
        try:
            (sample,) = self.read_row(row)
        except (Unreadable, ValueError):
            return None
        return sample.id, sample.metadata


def _same(one: object, other: object) -> bool:
    return one is not None and type(one) is type(other) and one == other


FORMATS: dict[str, Format] = {}
_telling: Names = frozenset()


def register(*formats: Format) -> None:
    """Add formats in order of precedence: the first that fits a row is the row's."""
    global _telling
    FORMATS.update((each.name, each) for each in formats)
    _telling = frozenset(name for each in FORMATS.values() for name in each.columns | each.signs)


def known_names() -> Names:
    """Every name of a column by which some format is told or that it reads."""
    return _telling


@lru_cache(maxsize=512)
def _candidates(names: Names) -> tuple[Format, ...]:
    return tuple(each for each in FORMATS.values() if each.has_columns(names))


def detect(value: object) -> str | None:
    """Name the format that a row is complete in, by its own column names and shapes; None if no format fits."""
    if type(value) is list:
        value = {"messages": value}
    if type(value) is not dict:
        return None
    for candidate in _candidates(_telling.intersection(value)):
        if candidate.fits(value):
            return candidate.name
    return None


def rename_columns(row: Row, columns: Mapping[str, str]) -> tuple[Row, Row]:
    """Give a row the names that the formats know, inside turns too.

    Returns the renamed row, and the columns whose own name was taken by a renamed one.
    """
    wanted = {theirs: ours for ours, theirs in columns.items() if ours != theirs}
    displaced = {name: value for name, value in row.items() if name in columns and name not in columns.values()}
    displaced = {name: value for name, value in displaced.items() if columns[name] in row}
    renamed = {
        wanted.get(name, name): _rename_turns(value, wanted) for name, value in row.items() if name not in displaced
    }
    return renamed, displaced


def _rename_turns(value: Any, wanted: Mapping[str, str]) -> Any:
    if not isinstance(value, list):
        return value
    return [{wanted.get(k, k): v for k, v in turn.items()} if isinstance(turn, dict) else turn for turn in value]


def rest(row: Row, *used: str) -> dict[str, Any]:
    """The columns of a row that were not read: its metadata."""
    found = dict(row)
    for name in used:
        found.pop(name, None)
    return found
