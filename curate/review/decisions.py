"""The decisions of a run: an append-only log in review.db, and its readable copy, which the steps read."""

from __future__ import annotations

import datetime
import getpass
import json
import sqlite3
import threading
import time
import uuid
import weakref
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.review.standing import Conflict, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from curate.finding import Finding
    from curate.run.folder import Run

Action = Literal["keep", "drop", "edit", "skip", "undo"]
DATABASE = "review.db"
EXPORT = "review/decisions.jsonl"
VERSION = 2
TIMEOUT = 10  # seconds that one writer waits for the others

_SCHEMA = """
create table decisions (
    seq integer primary key autoincrement, batch text, sample_id text not null, action text not null, after text,
    codes text not null, reason text not null, "by" text not null, at text not null
);
create trigger never_changed before update on decisions begin select raise(abort, 'decisions are only added'); end;
create trigger never_removed before delete on decisions begin select raise(abort, 'decisions are only added'); end;
"""
_COLUMNS = 'batch, sample_id, action, after, codes, reason, "by", at'


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a sample. `codes` are the findings that were shown: those are what a keep dismisses.

    `after` is the row that an edit puts in the place of the sample's, as a JSON value with the input's own keys.
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
    after: dict[str, Any] | list[Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "batch": self.batch,
            "sample_id": self.sample_id,
            "action": self.action,
            "after": self.after,
            "codes": list(self.codes),
            "reason": self.reason,
            "by": self.by,
            "at": self.at,
        }

    def checked(self) -> Decision:
        """The decision, if it is one that the log can hold.

        Raises:
            CurateError: what is wrong with it.
        """
        return Decision.from_json(self.as_json())

    @classmethod
    def from_json(cls, entry: Any) -> Decision:
        """Raises:
        CurateError: what is wrong with the entry, without a place.
        """
        if not isinstance(entry, dict) or not isinstance(sample_id := entry.get("sample_id"), str) or not sample_id:
            raise CurateError("no decision: it has no sample_id")
        action, after, codes = entry.get("action"), entry.get("after"), entry.get("codes") or []
        if action not in get_args(Action):
            raise CurateError(f"the action {action!r} is not one of {', '.join(get_args(Action))}")
        if action == "edit" and not isinstance(after, dict | list):
            raise CurateError("an edit needs `after`, the row as it shall be")
        if action != "edit" and after is not None:
            raise CurateError(f"it changes the row (`after`), which only an edit can; this is a {action}")
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise CurateError("codes is not a list of rule codes")
        words = {key: entry.get(key) or "" for key in ("reason", "by", "at")}
        batch = entry.get("batch")
        if not all(isinstance(word, str) for word in words.values()) or not isinstance(batch, str | None):
            raise CurateError("reason, by, at and batch must be text")
        seq = entry.get("seq")
        number = seq if isinstance(seq, int) else 0
        return cls(sample_id, cast("Action", action), tuple(codes), **words, batch=batch, seq=number, after=after)


class Decisions:
    """The log of one run. Safe for several processes, and for the threads of one, at once.

    An object remembers what it read and reads only what was added since: keep one where you ask often.
    """

    def __init__(self, run: Run) -> None:
        self.file = run / DATABASE
        self.export_file = run / EXPORT
        self._lock = threading.Lock()
        self._standing = Standing()
        self._seen = 0  # the number of the last entry that the standing knows
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def record(
        self,
        sample_id: str,
        action: Action,
        codes: Sequence[str] = (),
        reason: str = "",
        by: str | None = None,
        *,
        after: dict[str, Any] | list[Any] | None = None,
        batch: str | None = None,
    ) -> Decision:
        """Add one decision and return it as it stands in the log. `by` is the login name where nothing else is said.

        Raises:
            CurateError: an undo where this person has nothing on the sample to undo, an edit without `after`, or the
                log cannot be written.
        """
        return self.record_all([Decision(sample_id, action, tuple(codes), reason, by or "", "", batch, after=after)])[0]

    def record_all(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Add decisions together: all of them or none. Several that have no batch get one, so that one undo takes them
        all back; those without `by` and `at` get the login name and the time.
        """
        batch = new_batch() if len(decisions) > 1 and not any(decision.batch for decision in decisions) else None
        who, at = login_name(), now()
        entries = [
            replace(one, by=one.by or who, at=one.at or at, batch=one.batch or batch).checked() for one in decisions
        ]
        with self._changing() as connection:
            return self._added(connection, entries)

    def undo(self, batch: str | None = None, by: str | None = None) -> list[Decision]:
        """Take back the last action of a person, a bulk action as a whole, or the batch named; as often as wanted.

        Returns the entries that were added to the log: none where nothing is left to undo.
        """
        who = by or login_name()
        with self._changing() as connection:
            taken_back = self._standing.last_action(who, batch)
            entries = [Decision(one.sample_id, "undo", (), "", who, now(), one.batch) for one in taken_back]
            return self._added(connection, entries)

    def log(self, since: int = 0, sample_id: str | None = None) -> list[Decision]:
        """Every entry after the one numbered `since`, the undone ones and the undos included, in order; or those on one
        sample.
        """
        if not self.file.exists():
            return []
        with self._connected() as connection:
            return list(_read(connection, since, sample_id))

    def current(self) -> dict[str, Decision]:
        """By sample id, the decision that holds: the last one that was not undone. A skip decides nothing."""
        with self._reading() as standing:
            return dict(standing.current)

    def of(self, sample_id: str) -> list[Decision]:
        """The decisions on one sample that were not undone, the newest last."""
        with self._reading() as standing:
            return standing.of(sample_id)

    def conflicts(self) -> list[Conflict]:
        """The samples of which two people say different things: the last word of each. It is settled when they agree,
        or when one of them takes theirs back; until then the newest holds.
        """
        with self._reading() as standing:
            return list(standing.conflicts.values())

    def add_log(self, entries: Iterable[Decision]) -> int:
        """Add the entries of another log, in their order, less those that this one has. Returns how many were added.

        Raises:
            CurateError: an undo with nothing to undo.
        """
        with self._changing() as connection:
            known = Counter(map(_identity, _read(connection)))
            new = []
            for entry in entries:
                if known[_identity(entry)]:
                    known[_identity(entry)] -= 1
                else:
                    new.append(entry)
            return len(self._added(connection, new))

    def write_export(self) -> None:
        """Bring the readable copy up to the log. Not done at each decision: a copy of many would make each one slow."""
        if not self.file.exists():
            return
        with self._reading():
            is_current = _last_seq(self.export_file) == self._seen
        if is_current:
            return
        with self._changing() as connection:  # nobody may write an older copy over this one
            self.export_file.parent.mkdir(exist_ok=True)
            with atomic_write(self.export_file, mode=0o600) as file:
                file.writelines(dumped(entry) for entry in _read(connection))

    def _added(self, connection: sqlite3.Connection, entries: Iterable[Decision]) -> list[Decision]:
        added = [_insert(connection, entry) for entry in entries]
        self._catch_up(connection)  # refuses an undo of nothing before it is in the log
        return added

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes in, with what holds known; nothing of it stays where it fails."""
        with self._connected() as connection:
            try:
                connection.execute("begin immediate")
                self._catch_up(connection)
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                self._forget()
                raise

    @contextmanager
    def _reading(self) -> Iterator[Standing]:
        if not self.file.exists():
            yield Standing()
            return
        with self._connected() as connection:
            self._catch_up(connection)
            yield self._standing

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        for entry in _read(connection, self._seen):
            self._standing.apply(entry)
            self._seen = entry.seq

    def _forget(self) -> None:
        self._standing = Standing()
        self._seen = 0

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; a new one where the file is not the one that it was made to."""
        with self._lock:
            try:
                if not self.file.exists():
                    self.file.touch(mode=0o600)
                if self._connection is None or self.file.stat().st_ino != self._inode:
                    self._connect()
                assert self._connection
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise CurateError(f"{self.file}: the decisions cannot be read or written ({error})") from error

    def _connect(self) -> None:
        self._forget()
        self._inode = self.file.stat().st_ino
        connection = sqlite3.connect(self.file, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
        self._connection = connection
        weakref.finalize(self, connection.close)
        _use_wal(connection)
        connection.execute("pragma synchronous = normal")
        self._prepare(connection)

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


def read_decisions(run: Run) -> dict[str, Decision]:
    """The decisions that hold in a run, by sample id."""
    return Decisions(run).current()


def decisions_file(run: Run) -> Path:
    """The file to hash for all that depends on decisions, up to date; it is missing while there is none."""
    Decisions(run).write_export()
    return run / EXPORT


def read_log(file: Path) -> list[Decision]:
    """The entries of a file of decisions, one JSON object a line.

    Raises:
        CurateError: the file cannot be read, or a line is no decision.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise CurateError(f"{file}: {(error.strerror or str(error)).lower()}; name a file of decisions") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entries.append(Decision.from_json(json.loads(line)))
            except (ValueError, RecursionError, CurateError) as error:
                raise CurateError(f"{file}:{number}: {error}") from error
    return entries


def dumped(decision: Decision) -> bytes:
    return json.dumps(decision.as_json()).encode() + b"\n"


def current(entries: Iterable[Decision]) -> dict[str, Decision]:
    """By sample id, the last decision that was not undone.

    Raises:
        CurateError: an undo with nothing to undo.
    """
    standing = Standing()
    for entry in entries:
        standing.apply(entry)
    return standing.current


def mark_accepted(findings: Iterable[Finding], decisions: Mapping[str, Decision]) -> None:
    """Mark what a person kept knowingly: the findings that were shown when the sample was kept. New ones stay news."""
    for finding in findings:
        decision = decisions.get(finding.place.sample_id or "")
        finding.accepted = decision is not None and decision.action == "keep" and finding.code in decision.codes


def new_batch() -> str:
    """A name for decisions that are made as one."""
    return uuid.uuid4().hex


def login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return "unknown"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Have readers and writers not wait for each other. Where the file system cannot do that (network drives), SQLite
    stays with its other mode: slower, as safe.
    """
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            # Of two that open a new file at once SQLite refuses one at once, whatever the timeout is.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _identity(entry: Decision) -> str:
    return json.dumps({key: value for key, value in entry.as_json().items() if key != "seq"}, sort_keys=True)


def _last_seq(export: Path) -> int:
    """The number of the last entry in a readable copy; 0 where there is none, -1 where it is damaged."""
    try:
        with export.open("rb") as file:
            last = b""
            for line in file:
                last = line
        return int(json.loads(last)["seq"]) if last.endswith(b"\n") else -1
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError):
        return -1


def _read(connection: sqlite3.Connection, since: int = 0, only: str | None = None) -> Iterator[Decision]:
    for seq, batch, sample_id, action, after, codes, reason, by, at in connection.execute(
        f"select seq, {_COLUMNS} from decisions where seq > ? and (sample_id = ? or ? is null) order by seq",
        (since, only, only),
    ):
        row = None if after is None else json.loads(after)
        yield Decision(sample_id, action, tuple(json.loads(codes)), reason, by, at, batch, seq, row)


def _insert(connection: sqlite3.Connection, entry: Decision) -> Decision:
    after = None if entry.after is None else json.dumps(entry.after)
    codes = json.dumps(entry.codes)
    values = (entry.batch, entry.sample_id, entry.action, after, codes, entry.reason, entry.by, entry.at)
    seq = connection.execute(f"insert into decisions ({_COLUMNS}) values ({', '.join('?' * 8)})", values).lastrowid
    assert seq is not None
    return replace(entry, seq=seq)


def _statements(script: str) -> list[str]:
    """The statements of a script, as `executescript` would commit before it runs them."""
    statements, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements
