"""Conversion between formats: every written row reads back as the same sample, and nothing is lost in silence."""

from __future__ import annotations

import importlib
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from curate.errors import CurateError
from curate.finding import Place
from curate.formats import FORMATS, Format, Layout, Unreadable, gather, read_value, survey
from curate.formats.preference import chosen_start
from curate.formats.tools import dump_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from curate.io import Input, RawRow
    from curate.sample import Sample

Use = Literal["chosen", "rejected"]
Reasons = tuple[Place, list[str]]
STANDARD_OUTPUT = frozenset(map(Path, ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")))
_COMPRESSORS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma", ".zst": "backports.zstd"}
_OTHER_KINDS = frozenset((".csv", ".tsv", ".parquet", ".arrow", ".feather", ".xlsx", ".zip", ".tar", ".tgz", ".lz4"))


@dataclass
class ConvertResult:
    """What a conversion did with every row.

    `rows` were read, `written` samples written. `unread` rows gave no sample, `lost` samples were left out because the
    target cannot hold them, each with the reasons; `unused` samples were left out by `use`.
    """

    rows: int = 0
    written: int = 0
    unread: list[Reasons] = field(default_factory=list)
    lost: list[Reasons] = field(default_factory=list)
    unused: int = 0


class CannotHold(CurateError):
    """The target format cannot hold some samples; `lost` lists all of them, with the reasons. Nothing was written."""

    def __init__(self, to: str, lost: list[Reasons]) -> None:
        place, reasons = lost[0]
        what = f"{len(lost):,} rows" if len(lost) > 1 else "1 row"
        super().__init__(
            f"{to} cannot hold {what}; first {place.path}:{place.line}: {reasons[0]}; "
            "choose another format with --to, or leave such rows out with --drop-unsupported"
        )
        self.lost = lost


def targets() -> list[str]:
    """The formats that can be written."""
    return [name for name, target in FORMATS.items() if target.build is not None]


def convert(
    paths: Sequence[str],
    to: str,
    out: Path,
    *,
    use: Use | None = None,
    drop_unsupported: bool = False,
    force: bool = False,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ConvertResult:
    """Write the samples of all inputs to `out`, as JSON lines in the format `to`.

    An `out` that ends in .gz, .bz2, .xz or .zst is compressed; `-` is standard output, which gets all rows or none.

    `use` takes one answer of each preference pair, or the rows of one label, as plain conversations. `force` replaces
    an `out` that exists; an input is never replaced. `format` and `columns` are those of the inputs, where detection
    needs help.

    Raises:
        CannotHold: the target cannot hold some samples, and `drop_unsupported` does not say to leave them out.
        CurateError: unknown format, input that cannot be read, `out` that exists or cannot be written.
    """
    from curate.io import find_inputs

    target = target_format(to)
    inputs = find_inputs(paths)
    check_out(out, inputs, force)
    result = ConvertResult()
    with opened(out) as file:
        for sample in _samples(inputs, format, columns or {}, result):
            taken = answer_used(sample, use) if use else sample
            if taken is None:
                result.unused += 1
            elif reasons := target.cannot_hold(taken):
                result.lost.append((sample.place, reasons))
            else:
                file.write(dump_json(target.write(taken)).encode() + b"\n")
                result.written += 1
        if result.lost and not drop_unsupported:
            raise CannotHold(to, result.lost)
    return result


def answer_used(sample: Sample, use: Use) -> Sample | None:
    """The conversation with the chosen or the rejected answer alone; None if the sample holds no such answer.

    A labelled row counts as chosen if its label is true; a row without any verdict is chosen.
    """
    wanted = use == "chosen"
    if sample.rejected is not None and not wanted:
        messages = sample.messages[: chosen_start(sample)] + sample.rejected
    elif sample.rejected is not None or (sample.label is None and wanted) or sample.label is wanted:
        messages = sample.messages
    else:
        return None
    return replace(sample, messages=messages, rejected=None, label=None, _id=None, _texts=None)


def target_format(to: str) -> Format:
    """The format that `--to` names.

    Raises:
        CurateError: no such format, or one that can only be read.
    """
    target = FORMATS.get(to)
    if target is None or target.build is None:
        reason = "can only be read" if target else "no such format"
        raise CurateError(f"--to {to}: {reason}; choose one of {', '.join(targets())}")
    return target


def check_out(out: Path, inputs: Sequence[Input], force: bool) -> None:
    """Make sure that JSON lines may be written to `out`.

    Raises:
        CurateError: it is an input, exists without `force`, or has the name of another kind of file.
    """
    if out in STANDARD_OUTPUT:
        return
    name = out.with_suffix("") if out.suffix.lower() in _COMPRESSORS else out
    if name.suffix.lower() in _OTHER_KINDS:
        raise CurateError(f"{out}: only JSON lines are written; name a .jsonl file with -o")
    if any(Path(data.path).resolve() == out.resolve() for data in inputs):
        raise CurateError(f"{out}: is an input, and inputs are never changed; name another file with -o")
    if out.exists() and not out.is_file():
        raise CurateError(f"{out}: is not a regular file; name another with -o, or - for standard output")
    if out.exists() and not force:
        raise CurateError(f"{out}: exists; replace it with --force, or name another file with -o")


@contextmanager
def opened(out: Path) -> Iterator[BinaryIO]:
    """A file whose content takes its place at `out` when all is written."""
    from tempfile import TemporaryFile

    from curate.io.write import atomic_write

    if out in STANDARD_OUTPUT:
        with TemporaryFile() as file:
            yield file
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        return
    compressor = _COMPRESSORS.get(out.suffix.lower())
    with atomic_write(out) as file:
        if compressor is None:
            yield file
        else:
            with importlib.import_module(compressor).open(file, "wb") as compressed:
                yield compressed


def _samples(
    inputs: Sequence[Input], format: str | None, columns: Mapping[str, str], result: ConvertResult
) -> Iterator[Sample]:
    from curate.io import parse_row

    for data in inputs:
        values = (value for row in data.rows() if row.data for value in parse_row(row.data).values)
        layout = survey(values, forced=format, columns=columns)
        for row in gather(data.rows(), layout):
            result.rows += row.rows
            samples, reasons = _read(row, layout)
            for part, sample in enumerate(samples):
                sample.path, sample.line, sample.part = data.path, row.line, part
                yield sample
            if reasons:
                result.unread.append((Place(data.path, row.line), reasons))


def _read(row: RawRow, layout: Layout) -> tuple[list[Sample], list[str]]:
    """The samples of a row, and why the row, or a value on its line, gave none."""
    from curate.io import parse_row

    if not row.data:
        return [], [fault.message for fault in row.faults]
    parsed: Any = parse_row(row.data)
    samples: list[Sample] = []
    reasons = [] if parsed.values else [fault.message for fault in parsed.faults]
    for value in parsed.values:
        try:
            samples += read_value(value, layout)
        except Unreadable as unreadable:
            reasons += [fault.message for fault in unreadable.faults]
    return samples, reasons
