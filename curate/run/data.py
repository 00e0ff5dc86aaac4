"""What a run reads: the data as the user named it, row by row, each row with its bytes and its samples."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate.examine import raw_id
from curate.finding import Fault, Place
from curate.formats import Layout, Unreadable, gather, read_value, survey
from curate.io import Input, Parsed, RawRow, find_inputs, parse_row
from curate.io.records import COMPRESSION_SUFFIXES
from curate.io.sources import STANDARD_INPUT
from curate.run.folder import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.sample import Sample

_STRING_OR_SPACE = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")|[ \t\r\n]++', re.DOTALL)
_MARK = b"\xef\xbb\xbf"


class Part(NamedTuple):
    """One sample of a row, or (`sample` None) what gives none, with its own bytes and why it gives none."""

    place: Place
    data: bytes
    sample: Sample | None
    faults: Sequence[Fault]


class Row(NamedTuple):
    """A row as the readers count it: nearly always one part. `rows` is more than one for a tree that was gathered."""

    rows: int
    parts: list[Part]


def open_run(words: Sequence[str], folder: str | None) -> Run:
    """The run that a command line means: the run folder it names, or the one of its data (`folder`, else runs/STEM).

    Raises:
        CurateError: no such data, data that cannot be read twice, or a run folder of other data.
    """
    if is_run(words):
        if folder is not None:
            raise CurateError(f"{words[0]} is a run folder already: leave {folder} out, or name the data")
        return Run.open(Path(words[0]))
    for word in words:
        if word == STANDARD_INPUT or word.startswith("hf://"):
            raise CurateError(f"{word}: a run reads its data again and again: save it to a file first")
    found = find_inputs(words)
    for source in found:
        if source.is_stream:
            raise CurateError(f"{source.path}: a run reads its data again and again: save it to a file first")
    run = Run.create(Path(folder) if folder else default_folder(found[0].path))
    record = run.record("check")
    if record and record["config"]["data"] != as_seen_from(run, words):
        others = " ".join(record["config"]["data"])
        raise CurateError(f"{run.folder}: the run of other data ({others}); name another folder, or remove this one")
    return run


def is_run(words: Sequence[str]) -> bool:
    """Whether the words of a command line are one run folder, and not data."""
    return len(words) == 1 and Run(Path(words[0])).is_made


def default_folder(data: str) -> Path:
    name = PurePath(data)
    if name.suffix.lower() in COMPRESSION_SUFFIXES:
        name = name.with_suffix("")
    return Path("runs", name.stem or "data")


def as_seen_from(run: Run, words: Sequence[str]) -> list[str]:
    """Paths as the manifest keeps them: relative ones as seen from where the run was made."""
    home = run.manifest()["directory"]
    return [word if Path(word).is_absolute() else os.path.relpath(word, home) for word in words]


def kept_name(run: Run, word: str) -> str:
    """What may be a path or a name (of a model on the hub, of a template of our own), as the manifest keeps it."""
    return as_seen_from(run, [word])[0] if Path(word).exists() else word


def found_name(run: Run, word: str) -> str:
    """What `kept_name` kept: a path that can be opened from anywhere, or else the name."""
    path = run.source(word)
    return str(path) if path.exists() else word


def model_files(run: Run, config: dict[str, Any]) -> list[Path]:
    """Every file that has a say in the ids of the model that a config names (`model`, `chat_template`).

    Raises:
        CurateError: no such model.
    """
    from curate.template.load import template_files
    from curate.template.source import find

    chat_template = config.get("chat_template")
    source = find(found_name(run, config["model"]), offline=bool(config.get("offline")))
    return template_files(source.path, found_name(run, chat_template) if chat_template else None)


def run_inputs(run: Run, config: dict[str, Any]) -> list[Input]:
    """The inputs of a run, named as in its findings. What the run itself wrote is never among them.

    Raises:
        CurateError: an input is gone, or cannot be read.
    """
    home = run.manifest()["directory"]
    own = os.path.realpath(run.folder)
    inputs = []
    for word in config["data"]:
        for source in find_inputs([str(run.source(word))]):
            if Path(os.path.realpath(source.path)).is_relative_to(own):
                continue
            if not Path(word).is_absolute():
                source.path = os.path.relpath(source.path, home)
            inputs.append(source)
    if not inputs:
        raise CurateError(f"{' '.join(config['data'])}: no data files outside of the run folder {run.folder}")
    return inputs


def run_files(run: Run) -> Iterator[tuple[Input, Layout]]:
    """A run's inputs, each with the layout by which its rows are read.

    Raises:
        CurateError: an input is gone, or the run was never checked.
    """
    config = run.config("check")
    for source in run_inputs(run, config):
        values = (value for row in source.rows() if row.data for value in parse_row(row.data).values)
        yield source, survey(values, forced=config["format"], columns=config["columns"])


def run_rows(run: Run) -> Iterator[Row]:
    """Every row of a run's inputs, in the order and with the places of its findings.

    Raises:
        CurateError: an input is gone, or the run was never checked.
    """
    for source, layout in run_files(run):
        yield from rows_of(source, layout)


def rows_of(source: Input, layout: Layout) -> Iterator[Row]:
    for row in gather(source.rows(), layout):
        yield Row(row.rows, parts_of(row, source.path, layout))


def parts_of(row: RawRow, path: str, layout: Layout) -> list[Part]:
    """The parts of a row as it was read: by `gather`, or again by its offset."""
    parsed = parse_row(row.data) if row.data else Parsed([], [])
    parts: list[Part] = []
    read = 0
    unread: list[Fault] = []
    for value, data in zip(parsed.values, _values(row.data, len(parsed.values)), strict=True):
        try:
            (sample,) = read_value(value, layout)
        except Unreadable as unreadable:
            unread += unreadable.faults
            parts.append(Part(Place(path, row.line, read, raw_id(data)), data, None, unreadable.faults))
            continue
        sample.path, sample.line, sample.part = path, row.line, read
        read += 1
        parts.append(Part(sample.place, one_line(data), sample, ()))
    if read:
        return parts
    return [Part(Place(path, row.line, 0, raw_id(row.data)), row.data, None, [*unread, *parsed.faults, *row.faults])]


def _values(data: bytes, count: int) -> list[bytes]:
    """The bytes of each JSON value of a row: of the only one all of the row's, which it keeps."""
    if count < 2:
        return [data] * count
    from curate.io.strict import examine

    data = data.removeprefix(_MARK)
    return [data[start:end] for start, end in examine(data).spans]


def one_line(data: bytes) -> bytes:
    """JSON on one line: the same bytes if it stands on one, else without the white space around its values."""
    return _STRING_OR_SPACE.sub(lambda match: match[1] or b"", data) if b"\n" in data else data
