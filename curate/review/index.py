"""search.db: where each row of a run stands in its file, what was found in it, and which words are in it.

It is made from check.json and the data, and made again when either has changed: nothing of value is in it. Rows are not
copied: they are read from the user's file by their offset. Those that have no bytes of their own there (compressed
files, CSV, Parquet, trees of several rows) are written once into search.rows beside it.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from curate.errors import CurateError
from curate.finding import SEVERITIES
from curate.formats import Layout, gather, survey
from curate.io import parse_row
from curate.io.write import PREFIX, SUFFIX, sweep_strays
from curate.run import Run
from curate.run.data import parts_of, run_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from curate.io import Input, RawRow
    from curate.run.data import Part
    from curate.sample import Sample

DATABASE = "search.db"
BESIDE = "search.rows"
VERSION = 1

LENGTHS = 20
"""Classes of length: class n holds texts of 2**(n-1) to 2**n - 1 characters, class 0 those without any."""
MOST_TURNS = 9
ZONES = 24
"""Equal parts of the data, in the order of its rows."""

# Scripts that are written without spaces: each character is a word of its own to the index, and a search a phrase.
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")

_SCHEMA = """
create table meta (key text primary key, value text not null);
create table files (
    number integer primary key, path text, location text, size int, modified int, inode int, layout text
);
create table rows (
    number integer primary key, id text not null, file int not null, line int not null, part int not null,
    start int not null, size int not null, beside int not null, copies int not null default 1,
    severity int not null, flagged int not null, rank int not null,
    length int not null, turns int not null, zone int not null, state int not null default 0
);
create table copies (row int not null, file int not null, line int not null, part int not null);
create table findings (row int, code text not null, entry text not null);
create table row_codes (code text, rank int, row int, primary key (code, rank)) without rowid;
create table members (grp text, row int, primary key (grp, row)) without rowid;
create table tally (facet text, value text, state int, flagged int, n int, primary key (facet, value, state, flagged))
    without rowid;
create virtual table texts using fts5(text, content='', tokenize='unicode61 remove_diacritics 2');
"""
_INDEXES = """
create unique index rows_by_rank on rows (rank);
create unique index rows_by_id on rows (id);
create index rows_by_line on rows (file, line);
create index rows_by_state on rows (flagged, state, rank);
create index copies_by_row on copies (row);
create index findings_by_row on findings (row);
"""


@dataclass(slots=True)
class _Row:
    """What is gathered of one row before all are known. `at` is the place of its first copy."""

    number: int
    sample_id: str
    at: tuple[int, int, int]
    start: int
    size: int
    beside: bool
    length: int
    turns: int
    copies: int = 1
    findings: list[dict[str, Any]] = field(default_factory=list)


def database(run: Run) -> Path:
    return run / DATABASE


def is_fresh(run: Run) -> bool:
    """Whether search.db is of the check and the data as they are now, by size, time and inode."""
    if not database(run).exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{database(run)}?mode=ro", uri=True)) as connection:
            if connection.execute("pragma user_version").fetchone() != (VERSION,):
                return False
            meta = dict(connection.execute("select key, value from meta"))
            files = connection.execute("select location, size, modified, inode from files").fetchall()
    except sqlite3.Error:
        return False
    return meta.get("check") == check_stamp(run) and all(stamp(Path(at)) == tuple(was) for at, *was in files)


def check_stamp(run: Run) -> str:
    return json.dumps(stamp(run / "check.json"))


def stamp(file: Path) -> tuple[int, int, int]:
    """What tells a version of a file from another without reading it: size, time of the last write, inode."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino


def prepare(run: Run, progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Make search.db where it is missing or stale, in a process of its own, whose memory goes when it ends.

    Raises:
        CurateError: the data is gone, or is not what was checked.
    """
    if is_fresh(run):
        return
    command = [sys.executable, "-m", "curate.review.index", str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None and maker.stderr is not None
        for line in maker.stdout:
            progress(*json.loads(line))
        said = maker.stderr.read()
    if maker.returncode:
        lines = said.strip().splitlines() or ["it was killed"]
        raise CurateError(lines[-1].removeprefix("curate: "))


def build(run: Run, progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Make search.db anew: it takes the place of the old one when it is whole.

    Raises:
        CurateError: the data is gone, or is not what was checked.
    """
    sweep_strays(run.folder)
    target, beside = database(run), run / BESIDE
    made = run.folder / f"{PREFIX}{os.getpid()}-search{SUFFIX}"
    made_beside = run.folder / f"{PREFIX}{os.getpid()}-rows{SUFFIX}"
    before = check_stamp(run)
    document = orjson.loads((run / "check.json").read_bytes())
    try:
        for file in (made, made_beside):
            file.touch(mode=0o600)
        with (
            closing(sqlite3.connect(made, isolation_level=None)) as connection,
            made_beside.open("wb") as rows,
        ):
            connection.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536;")
            connection.executescript(_SCHEMA)
            connection.execute("begin")
            _Builder(run, document, connection, rows, progress).build()
            connection.execute("insert into meta values ('check', ?)", (before,))
            connection.execute("commit")
            connection.executescript(f"{_INDEXES} pragma user_version = {VERSION}; analyze;")
            connection.execute("pragma journal_mode = wal")
        for wal in (f"{target}-wal", f"{target}-shm"):
            Path(wal).unlink(missing_ok=True)
        made_beside.replace(beside)
        made.replace(target)
    finally:
        for file in (made, made_beside):
            file.unlink(missing_ok=True)


class _Builder:
    def __init__(
        self,
        run: Run,
        document: dict[str, Any],
        connection: sqlite3.Connection,
        beside: BinaryIO,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.run = run
        self.connection = connection
        self.beside = beside
        self.progress = progress
        self.total = sum(info["rows"] for info in document["inputs"])
        self.speaks_info = "select" in document["config"]
        self.rows: dict[str, _Row] = {}
        self.copies: list[tuple[int, int, int, int]] = []
        self.words: list[tuple[int, str]] = []
        self.by_id: dict[str, list[dict[str, Any]]] = {}
        self.of_files: list[dict[str, Any]] = []
        for finding in document["findings"]:
            if finding["sample_id"] is None:
                self.of_files.append(finding)
            else:
                self.by_id.setdefault(finding["sample_id"], []).append(finding)

    def build(self) -> None:
        config = self.run.config("check")
        for number, source in enumerate(run_inputs(self.run, config)):
            self._read(number, source, config)
        self._write_words()
        if missing := self.by_id.keys() - self.rows.keys():
            place = self.by_id[next(iter(missing))][0]
            raise CurateError(
                f"{place['path']}:{place['line']}: not the row that was checked; check the data again: "
                f"curate check {self.run.folder}"
            )
        self.progress("sorting rows", self.total, self.total)
        self._write()

    def _read(self, number: int, source: Input, config: dict[str, Any]) -> None:
        location = self.run.source(source.path)
        was = stamp(location)
        values = (value for row in source.rows() if row.data for value in parse_row(row.data).values)
        layout = survey(values, forced=config["format"], columns=config["columns"])
        kept = json.dumps(asdict(layout), default=dict)
        self.connection.execute(
            "insert into files values (?, ?, ?, ?, ?, ?, ?)", (number, source.path, str(location), *was, kept)
        )
        said = time.monotonic()
        with location.open("rb") as file:
            for row in gather(source.rows(), layout):
                start, beside = self._placed(row, file.fileno())
                for part in parts_of(row, source.path, layout):
                    self._add(number, part, start, len(row.data), beside)
                if time.monotonic() - said > 0.2:
                    said = time.monotonic()
                    self.progress("reading rows", len(self.rows) + len(self.copies), self.total)
        if source.faults and any(fault.rule == "changed-while-reading" for fault in source.faults):
            raise CurateError(
                f"{source.path}: changed while it was read; check it again: curate check {self.run.folder}"
            )

    def _placed(self, row: RawRow, file: int) -> tuple[int, bool]:
        """Where the bytes of a row are: in the user's file if they stand there as they were read, else beside."""
        if row.offset >= 0 and row.data and os.pread(file, len(row.data), row.offset) == row.data:
            return row.offset, False
        start = self.beside.tell()
        self.beside.write(row.data + b"\n")
        return start, True

    def _add(self, file: int, part: Part, start: int, size: int, beside: bool) -> None:
        sample_id = str(part.place.sample_id)
        at = (file, part.place.line, part.place.part)
        known = self.rows.get(sample_id)
        if known is not None:
            known.copies += 1
            self.copies.append((known.number, *at))
            return
        number = len(self.rows)
        text = searchable(part)
        turns = len(part.sample.messages) if part.sample else 0
        self.rows[sample_id] = _Row(
            number, sample_id, at, start, size, beside, min(len(text).bit_length(), LENGTHS), min(turns, MOST_TURNS)
        )
        self.words.append((number, spaced(text)))
        if len(self.words) >= 2000:
            self._write_words()

    def _write_words(self) -> None:
        self.connection.executemany("insert into texts (rowid, text) values (?, ?)", self.words)
        self.words.clear()

    def _write(self) -> None:
        tally: dict[tuple[str, str, int, int], int] = {}
        order = sorted(self.rows.values(), key=self._order)
        ranks = {row.number: rank for rank, row in enumerate(order)}
        count = max(1, len(order))
        members: set[tuple[str, int]] = set()
        for row in self.rows.values():
            findings = self.by_id.get(row.sample_id, [])
            severity = min((SEVERITIES.index(finding["severity"]) for finding in findings), default=len(SEVERITIES))
            flagged = int(self._is_flagged(findings))
            codes = {finding["code"] for finding in findings}
            zone = row.number * ZONES // count
            rank = ranks[row.number]
            self.connection.execute(
                "insert into rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    row.number,
                    row.sample_id,
                    *row.at,
                    row.start,
                    row.size,
                    row.beside,
                    row.copies,
                    severity,
                    flagged,
                    rank,
                    row.length,
                    row.turns,
                    zone,
                ),
            )
            self.connection.executemany(
                "insert into row_codes values (?, ?, ?)", [(c, rank, row.number) for c in codes]
            )
            self.connection.executemany(
                "insert into findings values (?, ?, ?)",
                [(row.number, finding["code"], orjson.dumps(finding).decode()) for finding in findings],
            )
            for finding in findings:
                if group := finding["group"]:
                    members.add((group, row.number))
                    related = (self.rows.get(place["sample_id"]) for place in finding["related"])
                    members.update((group, other.number) for other in related if other)
            for facet, value in facets(codes, severity, row.length, row.turns, zone):
                key = (facet, value, 0, flagged)
                tally[key] = tally.get(key, 0) + 1
        write = self.connection.executemany
        write("insert into copies values (?, ?, ?, ?)", self.copies)
        write("insert into members values (?, ?)", sorted(members))
        write("insert into tally values (?, ?, ?, ?, ?)", ((*key, n) for key, n in tally.items()))
        write(
            "insert into findings values (null, ?, ?)",
            ((finding["code"], orjson.dumps(finding).decode()) for finding in self.of_files),
        )

    def _is_flagged(self, findings: Iterable[dict[str, Any]]) -> bool:
        return any(
            not finding.get("known") and (finding["severity"] != "info" or self.speaks_info) for finding in findings
        )

    def _order(self, row: _Row) -> tuple[Any, ...]:
        """Flagged rows first, the worst at the front; faults of one kind and rows of one group stand together."""
        findings = self.by_id.get(row.sample_id, ())
        if not self._is_flagged(findings):
            return (1, row.number)
        worst = min(findings, key=lambda finding: (SEVERITIES.index(finding["severity"]), finding["code"]))
        first = min((place["line"] for place in (worst, *worst["related"])), default=0) if worst["group"] else row.at[1]
        return (0, SEVERITIES.index(worst["severity"]), worst["code"], first, worst["group"] or "", row.number)


def facets(codes: Iterable[str], severity: int, length: int, turns: int, zone: int) -> list[tuple[str, str]]:
    """What a row counts under, as (facet, value)."""
    return [
        ("all", ""),
        ("severity", str(severity)),
        ("length", str(length)),
        ("turns", str(turns)),
        ("zone", str(zone)),
        *(("rule", code) for code in codes),
    ]


def searchable(part: Part) -> str:
    """The text of a row that a search finds: what is said, thought and called; all of a row that cannot be read."""
    if part.sample is None:
        return part.data.decode("utf-8", "replace")
    return "\n".join(text_of(part.sample))


def text_of(sample: Sample) -> list[str]:
    texts = [text.text for text in sample.texts()]
    for message in sample.messages:
        for call in message.tool_calls:
            arguments = call.arguments
            said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            texts.append(f"{call.name} {said}")
    return texts


def spaced(text: str) -> str:
    """The text as the index takes it; encodable, and with spaces where a script has none."""
    if text.isascii():
        return text
    return _UNSPACED.sub(r" \1 ", text.encode("utf-8", "replace").decode())


def layout_from(kept: str) -> Layout:
    values = json.loads(kept)
    return Layout(**values | {"names": tuple(values["names"])})


def main(folder: str) -> None:
    def say(doing: str, done: int, total: int) -> None:
        print(json.dumps([doing, done, total]), flush=True)

    build(Run.open(Path(folder)), say)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (CurateError, OSError, sqlite3.Error) as error:
        sys.exit(f"curate: {error}")
