"""The decisions of a run: an append-only log in review.db, and its readable copy, which the steps read."""

from __future__ import annotations

import datetime
import getpass
import json
import sqlite3
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from curate.errors import CurateError
from curate.io.write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from curate.finding import Finding
    from curate.run.folder import Run

Action = Literal["keep", "drop", "undo"]
DATABASE = "review.db"
EXPORT = "review/decisions.jsonl"
VERSION = 1

_SCHEMA = """
create table decisions (
    seq integer primary key autoincrement, batch text, sample_id text not null, action text not null,
    codes text not null, reason text not null, "by" text not null, at text not null
);
create index by_sample on decisions (sample_id);
create trigger never_changed before update on decisions begin select raise(abort, 'decisions are only added'); end;
create trigger never_removed before delete on decisions begin select raise(abort, 'decisions are only added'); end;
"""
_COLUMNS = 'batch, sample_id, action, codes, reason, "by", at'


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a sample. `codes` are the findings that were shown: those are what a keep dismisses.

    `batch` ties decisions that were made as one; `seq` is the place in the log, 0 before it is in one.
    """

    sample_id: str
    action: Action
    codes: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
    at: str = ""
    batch: str | None = None
    seq: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "batch": self.batch,
            "sample_id": self.sample_id,
            "action": self.action,
            "after": None,
            "codes": list(self.codes),
            "reason": self.reason,
            "by": self.by,
            "at": self.at,
        }

    @classmethod
    def from_json(cls, entry: Any) -> Decision:
        """Raises:
        CurateError: what is wrong with the entry, without a place.
        """
        if not isinstance(entry, dict) or not isinstance(sample_id := entry.get("sample_id"), str) or not sample_id:
            raise CurateError("no decision: it has no sample_id")
        action, codes = entry.get("action"), entry.get("codes") or []
        if action not in get_args(Action):
            raise CurateError(f"the action {action!r} is not one of {', '.join(get_args(Action))}")
        if entry.get("after") is not None:
            raise CurateError("it edits a row (`after`), which only an action edit can, and that is not built yet")
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise CurateError("codes is not a list of rule codes")
        words = {key: entry.get(key) or "" for key in ("reason", "by", "at")}
        batch = entry.get("batch")
        if not all(isinstance(word, str) for word in words.values()) or not isinstance(batch, str | None):
            raise CurateError("reason, by, at and batch must be text")
        seq = entry.get("seq")
        number = seq if isinstance(seq, int) else 0
        return cls(sample_id, cast("Action", action), tuple(codes), **words, batch=batch, seq=number)


class Decisions:
    """The log of one run. Safe for several processes and threads at once: each call has its own connection."""

    def __init__(self, run: Run) -> None:
        self.file = run / DATABASE
        self.export_file = run / EXPORT

    def record(
        self, sample_id: str, action: Action, codes: Sequence[str] = (), reason: str = "", by: str | None = None
    ) -> Decision:
        """Add one decision and return it as it stands in the log.

        Raises:
            CurateError: nothing of this sample is left to undo, or the log cannot be written.
        """
        return self.record_all([Decision(sample_id, action, tuple(codes), reason, by or login_name(), now())])[0]

    def record_all(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Add decisions together: all of them or none."""
        with self._connection() as connection:
            connection.execute("begin immediate")
            stacks = _stacks(_read(connection))
            added = []
            for decision in decisions:
                _apply(decision, stacks)
                added.append(_insert(connection, decision))
            # Before the commit: another process must not write an older copy over this one.
            self._write_export(_read(connection))
            connection.execute("commit")
        return added

    def log(self) -> list[Decision]:
        """Every entry, the undone ones and the undos included, in order."""
        if not self.file.exists():
            return []
        with self._connection() as connection:
            return list(_read(connection))

    def current(self) -> dict[str, Decision]:
        """By sample id, the decision that holds: the last one that was not undone."""
        return current(self.log())

    def add_log(self, entries: Iterable[Decision]) -> int:
        """Add the entries of another log, in their order, less those that this one has. Returns how many were added.

        Raises:
            CurateError: an undo with nothing to undo.
        """
        known = {_identity(entry) for entry in self.log()}
        new = [entry for entry in entries if _identity(entry) not in known]
        if new:
            self.record_all(new)
        return len(new)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        new = not self.file.exists()
        try:
            if new:
                self.file.touch(mode=0o600)
            with closing(sqlite3.connect(self.file, timeout=10, isolation_level=None)) as connection:
                # Where the file system cannot do WAL (network drives), SQLite takes another mode: slower, as safe.
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = normal")
                self._prepare(connection)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise CurateError(f"{self.file}: the decisions cannot be read or written ({error})") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("pragma user_version").fetchone()
        if version == 0:
            connection.execute("begin immediate")
            if connection.execute("pragma user_version").fetchone() == (0,):
                for statement in _statements(_SCHEMA):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {VERSION}")
            connection.execute("commit")
        elif version != VERSION:
            raise CurateError(f"{self.file}: made by another version of curate; export the decisions with that one")

    def _write_export(self, entries: Iterable[Decision]) -> None:
        self.export_file.parent.mkdir(exist_ok=True)
        with atomic_write(self.export_file, mode=0o600) as file:
            for entry in entries:
                file.write(dumped(entry))


def read_decisions(run: Run) -> dict[str, Decision]:
    """The decisions that hold, from the file that `decisions_file` names.

    Raises:
        CurateError: the file is damaged.
    """
    file = decisions_file(run)
    return current(read_log(file)) if file.exists() else {}


def decisions_file(run: Run) -> Path:
    """The file to hash for all that depends on decisions; it is missing while there is none."""
    return run / EXPORT


def read_log(file: Path) -> list[Decision]:
    """The entries of a file of decisions, one JSON object a line.

    Raises:
        CurateError: the file cannot be read, or a line is no decision.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise CurateError(f"{file}: {(error.strerror or str(error)).lower()}; name a file of decisions") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entries.append(Decision.from_json(json.loads(line)))
            except (ValueError, CurateError) as error:
                raise CurateError(f"{file}:{number}: {error}") from error
    return entries


def dumped(decision: Decision) -> bytes:
    return json.dumps(decision.as_json()).encode() + b"\n"


def current(entries: Iterable[Decision]) -> dict[str, Decision]:
    """By sample id, the last decision that was not undone."""
    return {sample_id: stack[-1] for sample_id, stack in _stacks(entries).items() if stack}


def mark_accepted(findings: Iterable[Finding], decisions: Mapping[str, Decision]) -> None:
    """Mark what a person kept knowingly: the findings that were shown when the sample was kept. New ones stay news."""
    for finding in findings:
        decision = decisions.get(finding.place.sample_id or "")
        finding.accepted = decision is not None and decision.action == "keep" and finding.code in decision.codes


def login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return "unknown"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _stacks(entries: Iterable[Decision]) -> defaultdict[str, list[Decision]]:
    stacks: defaultdict[str, list[Decision]] = defaultdict(list)
    for entry in entries:
        _apply(entry, stacks)
    return stacks


def _apply(entry: Decision, stacks: defaultdict[str, list[Decision]]) -> None:
    stack = stacks[entry.sample_id]
    if entry.action != "undo":
        stack.append(entry)
    elif stack:
        stack.pop()
    else:
        raise CurateError(f"{entry.sample_id}: there is no decision left to undo")


def _identity(entry: Decision) -> tuple[Any, ...]:
    return entry.sample_id, entry.action, entry.codes, entry.reason, entry.by, entry.at


def _read(connection: sqlite3.Connection) -> Iterator[Decision]:
    for seq, batch, sample_id, action, codes, reason, by, at in connection.execute(
        f"select seq, {_COLUMNS} from decisions order by seq"
    ):
        yield Decision(sample_id, action, tuple(json.loads(codes)), reason, by, at, batch, seq)


def _insert(connection: sqlite3.Connection, entry: Decision) -> Decision:
    values = (entry.batch, entry.sample_id, entry.action, json.dumps(entry.codes), entry.reason, entry.by, entry.at)
    seq = connection.execute(f"insert into decisions ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)", values).lastrowid
    assert seq is not None
    return Decision(entry.sample_id, entry.action, entry.codes, entry.reason, entry.by, entry.at, entry.batch, seq)


def _statements(script: str) -> list[str]:
    """The statements of a script, as `executescript` would commit before it runs them."""
    statements, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements
