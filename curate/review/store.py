"""The rows of a run as the pages see them: asked of search.db, whose size does not show in the answers."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.finding import SEVERITIES, Finding
from curate.report.report import finding_from
from curate.review.decisions import Decision, Decisions
from curate.review.filters import DECIDED, Filter, State, words_of
from curate.review.index import check_stamp, database, facets, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from curate.run import Run

MOST_SEARCHES = 8
READABLE = " and r.id >= 'v1:'"
ALL_RANKS = {"first": 0, "last": 1 << 62}
_NAMES = (
    "number",
    "id",
    "file",
    "line",
    "part",
    "start",
    "size",
    "beside",
    "copies",
    "severity",
    "flagged",
    "rank",
    "state",
)
_COLUMNS = ", ".join(f"r.{name}" for name in _NAMES)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is told from others by what it says (`id`): its first place in the data, and what was decided.

    `rank` is its place in the queue, 0 the worst; `severity` an index into SEVERITIES, beyond them for none.
    """

    number: int
    id: str
    file: int
    line: int
    part: int
    start: int
    size: int
    beside: bool
    copies: int
    severity: int
    flagged: bool
    rank: int
    state: State

    @property
    def is_readable(self) -> bool:
        """Whether it gives a sample: one that does not has no conversation, and is left out by cleaning."""
        return self.id >= "v1:"  # else it is raw-…


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the flagged rows are decided (kept, dropped, edited), skipped and left."""

    decided: int
    skipped: int
    total: int


class Store:
    """One run's search.db. Safe for the threads of several sessions: one connection behind a lock."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.decisions = Decisions(run)
        self.check = check_stamp(run)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(database(run), timeout=10, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma synchronous = off")  # what is lost is counted again from the decisions
        self._connection.execute("pragma temp_store = memory")
        self.files: list[tuple[str, str, tuple[int, int, int], str]] = [
            (path, location, (size, modified, inode), layout)
            for path, location, size, modified, inode, layout in self._all(
                "select path, location, size, modified, inode, layout from files order by number"
            )
        ]
        self.rules: dict[str, str] = dict(
            self._all("select code, max(entry ->> '$.rule') from findings where row is not null group by code")
        )
        self._searches: OrderedDict[str, str] = OrderedDict()
        self._counts: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._seen: int | None = None
        self._log: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            if self._log:
                self._log.close()

    def is_current(self) -> bool:
        """Whether the check is still the one that the rows were taken from."""
        return check_stamp(self.run) == self.check

    def changed_file(self) -> str | None:
        """The first data file that is not what was checked any more."""
        from pathlib import Path

        return next((path for path, location, was, _ in self.files if stamp(Path(location)) != was), None)

    def follow(self) -> None:
        """Take up what was decided since the last time, here or in another window or process."""
        with self._lock:
            self._hold_log()
            if self._seen is None:
                self._seen = int(next(iter(self._one("select value from meta where key = 'decided'") or ["0"])))
            entries = self.decisions.log(since=max(0, self._seen - 1))
            is_other = self._seen > 0 and (not entries or entries[0].seq != self._seen)  # the log was taken away
            new = [entry for entry in entries if is_other or entry.seq > self._seen]
            if not new and not is_other:
                return
            ids = {entry.sample_id for entry in (self.decisions.log() if is_other else new)}
            self._connection.execute("begin immediate")
            try:
                if is_other:
                    ids.update(sample_id for (sample_id,) in self._all("select id from rows where state != 0"))
                holding = self.decisions.current()
                for sample_id in ids:
                    self._set_state(sample_id, holding.get(sample_id))
                last = entries[-1].seq if entries else 0
                self._connection.execute("insert or replace into meta values ('decided', ?)", (str(last),))
                self._connection.execute("commit")
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._seen = last
            self._counts.clear()

    def _hold_log(self) -> None:
        """Keep a connection to the log: when the last one of a database closes, SQLite tidies up and syncs the disk."""
        if self._log is None and self.decisions.file.exists():
            self._log = sqlite3.connect(self.decisions.file, timeout=10, check_same_thread=False)
            self._log.execute("select 1 from sqlite_master").fetchone()

    def _set_state(self, sample_id: str, decision: Decision | None) -> None:
        row = self._one(
            "select number, severity, length, turns, zone, flagged, state from rows where id = ?", sample_id
        )
        if row is None:
            return
        number, severity, length, turns, zone, flagged, was = row
        codes = {code for (code,) in self._all("select distinct code from findings where row = ?", number)}
        state = state_of(decision, codes)
        if state == was:
            return
        self._connection.execute("update rows set state = ? where number = ?", (state, number))
        for facet, value in facets(codes, severity, length, turns, zone):
            self._connection.executemany(
                "insert into tally values (?, ?, ?, ?, ?) on conflict do update set n = n + excluded.n",
                [(facet, value, was, flagged, -1), (facet, value, state, flagged, 1)],
            )

    def progress(self, rule: str | None = None) -> Progress:
        """How far the review is: of all flagged rows, or of those with a finding of one rule."""
        facet, value = ("rule", rule) if rule else ("all", "")
        flagged = "" if rule else "and flagged = 1"
        by_state: dict[int, int] = dict(
            self._all(
                f"select state, sum(n) from tally where facet = ? and value = ? {flagged} group by state", facet, value
            )
        )
        decided = sum(by_state.get(state, 0) for state in DECIDED)
        return Progress(decided, by_state.get(State.SKIPPED, 0), sum(by_state.values()))

    def row(self, sample_id: str) -> Row | None:
        return next(self._rows("from rows r where r.id = :id", {"id": sample_id}), None)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        found = {row.number: row for row in self._rows(f"from rows r where r.number in ({_marks(numbers)})", numbers)}
        return [found[number] for number in numbers]

    def copies(self, row: Row) -> list[tuple[str, int]]:
        """Every place of a row, as (path, line), in input order."""
        further = self._all("select file, line from copies where row = ? order by file, line, part", row.number)
        return [(self.files[file][0], line) for file, line in [(row.file, row.line), *further]]

    def findings(self, row: Row) -> list[Finding]:
        """What was found in a row, the worst first."""
        entries = self._all("select entry from findings where row = ?", row.number)
        found = [finding_from(json.loads(entry)) for (entry,) in entries]
        return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))

    def codes(self, row: Row) -> list[str]:
        return [
            code for (code,) in self._all("select distinct code from findings where row = ? order by 1", row.number)
        ]

    def codes_of(self, rows: Sequence[Row]) -> dict[int, tuple[str, ...]]:
        """By the number of each row, the rules that found something in it."""
        wanted = {row.number for row in rows}
        found: dict[int, tuple[str, ...]] = {}
        for number, code in self._all("select distinct row, code from findings where row is not null order by 1, 2"):
            if number in wanted:
                found[number] = (*found.get(number, ()), code)
        return found

    def rows_read(self) -> int:
        """The rows that were read, copies of one another counted each."""
        return int(self._one("select coalesce(sum(copies), 0) from rows")[0])

    def file_findings(self) -> list[Finding]:
        """What was found about the data as a whole."""
        return [
            finding_from(json.loads(entry)) for (entry,) in self._all("select entry from findings where row is null")
        ]

    def group(self, name: str) -> list[Row]:
        """The members of a group, in input order, the kept one among them."""
        return list(
            self._rows(
                "from members m join rows r on r.number = m.row where m.grp = :group order by r.number", {"group": name}
            )
        )

    def count(self, chosen: Filter) -> int:
        if plain := chosen.plain():
            condition, values = chosen.tallied(plain[0])
            found = self._one(
                f"select sum(n) from tally where {condition} and value = :value", **values, value=plain[1]
            )
            return found[0] or 0
        source, values = self._asked(chosen)
        return int(self._remembered(("count", chosen), lambda: self._one(f"select count(*) {source}", **values)[0]))

    def page(self, chosen: Filter, number: int, size: int) -> list[Row]:
        """Page `number`, from 1, of the rows in a filter, `size` rows to the page."""
        source, values = self._asked(chosen)
        return list(
            self._rows(
                f"{source} order by {_rank(source)} limit :limit offset :skipped",
                values | {"limit": size, "skipped": (number - 1) * size},
            )
        )

    def after(self, chosen: Filter, rank: int) -> Row | None:
        """The next row of a filter behind a place in the queue (-1: the first)."""
        source, values = self._asked(chosen)
        return next(self._rows(f"{source} order by {_rank(source)} limit 1", values | {"first": rank + 1}), None)

    def before(self, chosen: Filter, rank: int) -> Row | None:
        source, values = self._asked(chosen)
        return next(self._rows(f"{source} order by {_rank(source)} desc limit 1", values | {"last": rank - 1}), None)

    def everything(self, chosen: Filter, *, readable: bool = False) -> Iterator[Row]:
        """Every row of a filter, in the order of the queue; or those that give a sample."""
        source, values = self._asked(chosen)
        return self._rows(f"{source}{READABLE if readable else ''} order by {_rank(source)}", values)

    def ends(self, chosen: Filter, size: int, *, readable: bool = False) -> list[Row]:
        """The first and the last `size` rows of a filter, or all of fewer; or those of them that give a sample."""
        source, values = self._asked(chosen)
        which = f"{source}{READABLE if readable else ''} order by {_rank(source)}"
        first = list(self._rows(f"{which} limit :limit", values | {"limit": 2 * size}))
        if len(first) < 2 * size:
            return first
        last = list(self._rows(f"{which} desc limit :limit", values | {"limit": size}))
        return first[:size] + [row for row in reversed(last) if row not in first[:size]]

    def totals(self, chosen: Filter, *, readable: bool = False) -> dict[State, tuple[int, int]]:
        """By state, how many rows of a filter there are and on how many lines; or of those that give a sample."""
        source, values = self._asked(chosen)
        body = f"select r.state, count(*), sum(r.copies) {source}{READABLE if readable else ''} group by r.state"
        return {State(state): (rows, lines) for state, rows, lines in self._all(body, **values)}

    def counts(self, chosen: Filter, facet: str) -> dict[str, int]:
        """How many rows each value of a facet (rule, severity, length, turns, zone) would give beside the rest."""
        rest = chosen.without(facet)
        if rest.plain() == ("all", ""):
            condition, values = rest.tallied(facet)
            found = self._all(f"select value, sum(n) from tally where {condition} group by value", **values)
            return {value: n for value, n in found if n}
        source, values = self._asked(rest, by_rule=facet == "rule")
        if facet == "rule":
            body = f"select f.code, count(*) from row_codes f where f.row in (select r.number {source}) group by f.code"
        else:
            body = f"select cast(r.{facet} as text), count(*) {source} group by r.{facet}"
        found = self._remembered((facet, rest), lambda: dict(self._all(body, **values)))
        return dict(found)

    def shown(self, chosen: Filter) -> dict[str, int]:
        """How many rows of the filter there are in each state, flagged or not at all."""
        from dataclasses import replace

        return {
            show: self.count(replace(chosen, show=show))
            for show in ("open", "skipped", "kept", "dropped", "edited", "flagged", "all")
        }

    def _asked(self, chosen: Filter, by_rule: bool = False) -> tuple[str, dict[str, Any]]:
        hits = self._hits(chosen.text) if chosen.text.strip() else None
        source, values = chosen.sql(hits, by_rule)
        return source, values | ALL_RANKS

    def _hits(self, text: str) -> str:
        """A table of the rows that have the words, by rank; the tables of the last few searches are kept."""
        with self._lock:
            if name := self._searches.get(text):
                self._searches.move_to_end(text)
                return name
            self._made = getattr(self, "_made", 0) + 1
            name = f"temp.hits_{self._made}"
            self._connection.execute(f"create temp table hits_{self._made} (rank integer primary key, number int)")
            condition, values = _searched(text)
            self._connection.execute(
                f"insert into {name} select r.rank, r.number from rows r where {condition} order by r.rank", values
            )
            self._searches[text] = name
            if len(self._searches) > MOST_SEARCHES:
                _, oldest = self._searches.popitem(last=False)
                self._connection.execute(f"drop table {oldest}")
            return name

    def _remembered(self, key: tuple[Any, ...], ask: Any) -> Any:
        with self._lock:
            if key not in self._counts:
                self._counts[key] = ask()
                if len(self._counts) > 100:
                    self._counts.popitem(last=False)
            return self._counts[key]

    def _rows(self, source: str, values: Any) -> Iterator[Row]:
        for row in self._fetched(f"select {_COLUMNS} {source}", values):
            found = dict(zip(_NAMES, row, strict=True))
            found |= {
                "beside": bool(found["beside"]),
                "flagged": bool(found["flagged"]),
                "state": State(found["state"]),
            }
            yield Row(**found)

    def _fetched(self, statement: str, values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise CurateError(
                    f"{database(self.run)}: cannot be read ({error}); remove it: it is made again"
                ) from error

    def _all(self, statement: str, *values: Any, **named: Any) -> list[Any]:
        return self._fetched(statement, named or values)

    def _one(self, statement: str, *values: Any, **named: Any) -> Any:
        return next(iter(self._fetched(statement, named or values)), None)


def state_of(decision: Decision | None, codes: Iterable[str]) -> State:
    """What a decision makes of a row with findings of these rules: a keep holds only for those it saw."""
    if decision is None:
        return State.OPEN
    if decision.action == "keep":
        return State.KEPT if set(codes) <= set(decision.codes) else State.OPEN
    return {"drop": State.DROPPED, "edit": State.EDITED, "skip": State.SKIPPED}.get(decision.action, State.OPEN)


def _searched(text: str) -> tuple[str, dict[str, Any]]:
    """The condition on rows `r` that a search is: words, `line:41`, or the beginning of an id."""
    word = text.strip()
    if word.startswith("line:") and word[5:].isdecimal():
        line = int(word[5:])
        return "r.line = :line or r.number in (select row from copies where line = :line)", {"line": line}
    if word.startswith(("v1:", "raw-")) and word[3:]:
        return "r.id >= :id and r.id < :id || '~'", {"id": word}
    wanted, unwanted, _ = words_of(text)
    conditions, values = [], {}
    if wanted:
        conditions.append("r.number in (select rowid from texts where texts match :wanted)")
        values["wanted"] = " ".join(wanted)
    if unwanted:
        conditions.append("r.number not in (select rowid from texts where texts match :unwanted)")
        values["unwanted"] = " OR ".join(unwanted)
    return " and ".join(conditions) or "0", values


def _rank(source: str) -> str:
    return "h.rank" if "hits_" in source else "c.rank" if "row_codes c" in source else "r.rank"


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
