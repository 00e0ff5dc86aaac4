"""Decisions are only ever added, by any number of people at once, and none that was acknowledged is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from curate.errors import CurateError
from curate.finding import Finding, Place
from curate.review.decisions import (
    Decision,
    Decisions,
    current,
    decisions_file,
    dumped,
    mark_accepted,
    read_decisions,
    read_log,
)
from curate.run import Run

A, B = "v1:a", "v1:b"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run")


def holding(decisions: dict[str, Decision]) -> dict[str, str]:
    return {sample_id: decision.action for sample_id, decision in decisions.items()}


def test_the_last_decision_that_is_not_undone_holds(run: Run) -> None:
    decisions = Decisions(run)
    assert decisions.current() == {}
    decisions.record(A, "keep", ["TXT001"], "it is fine", "ana")
    decisions.record(B, "drop", by="ben")
    decisions.record(A, "drop", by="ben")
    assert holding(decisions.current()) == {A: "drop", B: "drop"}
    assert [one.by for one in decisions.of(A)] == ["ana", "ben"]
    decisions.record(A, "undo", by="ben")
    assert holding(decisions.current()) == {A: "keep", B: "drop"}
    kept = decisions.current()[A]
    assert (kept.codes, kept.reason, kept.by, kept.seq) == (("TXT001",), "it is fine", "ana", 1)
    with pytest.raises(CurateError, match="v1:a: ben has no decision left to undo"):
        decisions.record(A, "undo", by="ben")
    assert holding(decisions.current()) == {A: "keep", B: "drop"}
    decisions.record(A, "undo", by="ana")
    assert holding(decisions.current()) == {B: "drop"}
    assert len(decisions.log()) == 5
    assert [entry.seq for entry in decisions.log(since=3)] == [4, 5]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["keep", "drop", "undo"]), st.sampled_from(["ana", "ben"])),
        max_size=30,
    )
)
def test_what_holds_is_what_is_left_when_each_undo_takes_the_persons_last_word(
    steps: list[tuple[str, str, str]],
) -> None:
    said: list[tuple[str, str, str]] = []
    entries = []
    for sample_id, action, by in steps:
        mine = [i for i, (other, _, who) in enumerate(said) if (other, who) == (sample_id, by)]
        if action == "undo" and not mine:
            continue
        entries.append(Decision(sample_id, action, by=by))  # type: ignore[arg-type]
        if action == "undo":
            del said[mine[-1]]
        else:
            said.append((sample_id, action, by))
    assert holding(current(entries)) == {sample_id: action for sample_id, action, _ in said}


def test_an_undo_takes_back_a_bulk_action_as_a_whole_and_the_action_before_it_next(run: Run) -> None:
    decisions = Decisions(run)
    decisions.record(A, "keep", by="ana")
    bulk = decisions.record_all([Decision(f"v1:{n}", "drop", by="ana") for n in range(3)])
    assert len({one.batch for one in bulk}) == 1 and bulk[0].batch
    decisions.record(B, "drop", by="ben")
    again = Decisions(run)  # as after a restart
    assert [(one.sample_id, one.action) for one in again.undo(by="ana")] == [
        ("v1:2", "undo"),
        ("v1:1", "undo"),
        ("v1:0", "undo"),
    ]
    assert holding(again.current()) == {A: "keep", B: "drop"}
    assert [one.sample_id for one in Decisions(run).undo(by="ana")] == [A]
    assert again.undo(by="ana") == []
    assert holding(decisions.current()) == {B: "drop"}


def test_a_batch_can_be_undone_after_later_decisions_and_one_row_of_it_alone(run: Run) -> None:
    decisions = Decisions(run)
    (first, *_) = decisions.record_all([Decision(one, "drop", by="ana") for one in (A, B, "v1:c")])
    decisions.record(A, "keep", by="ana")
    decisions.record(B, "undo", by="ana")
    assert {one.sample_id for one in decisions.undo(first.batch, by="ana")} == {A, "v1:c"}
    assert holding(decisions.current()) == {A: "keep"}
    assert decisions.undo(first.batch, by="ana") == []
    assert decisions.undo("no such batch", by="ana") == []


def test_an_edit_carries_the_row_as_it_shall_be(run: Run) -> None:
    row = {"prompt": "p\U0001f600", "completion": "c", "n": 10**30}
    Decisions(run).record(A, "edit", ["TXT001"], by="ana", after=row)
    assert Decisions(run).current()[A].after == row
    assert read_log(decisions_file(run))[0].after == row
    for action, after in (("edit", None), ("keep", row)):
        with pytest.raises(CurateError, match="after"):
            Decisions(run).record(A, action, after=after)  # type: ignore[arg-type]


def test_two_people_who_disagree_are_shown_until_they_agree(run: Run) -> None:
    decisions = Decisions(run)
    decisions.record(A, "keep", by="ana")
    decisions.record(A, "skip", by="cem")
    decisions.record(B, "drop", by="ana")
    decisions.record(B, "drop", by="ben")
    assert decisions.conflicts() == []
    decisions.record(A, "drop", by="ben")
    (conflict,) = decisions.conflicts()
    assert conflict.sample_id == A
    assert [(one.by, one.action) for one in conflict.decisions] == [("ana", "keep"), ("ben", "drop")]
    assert holding(decisions.current())[A] == "drop", "the newest holds"
    decisions.record(A, "drop", by="ana")
    assert decisions.conflicts() == []
    decisions.undo(by="ana")
    assert len(decisions.conflicts()) == 1
    decisions.undo(by="ben")
    assert decisions.conflicts() == []
    decisions.record(A, "edit", by="ana", after={"text": "x"})
    decisions.record(A, "edit", by="ben", after={"text": "y"})
    assert len(decisions.conflicts()) == 1


class TwoReviewers(RuleBasedStateMachine):
    """Two people with an app each, against a plain list of what they did."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.run_folder = Run.create(Path(self.folder.name, "run"))
        self.apps = {by: Decisions(self.run_folder) for by in ("ana", "ben")}
        self.actions: list[tuple[str, list[tuple[str, str]]]] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(
        by=st.sampled_from(["ana", "ben"]),
        ids=st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True),
        action=st.sampled_from(["keep", "drop", "skip"]),
    )
    def decide(self, by: str, ids: list[str], action: str) -> None:
        self.apps[by].record_all([Decision(one, action, by=by) for one in ids])  # type: ignore[arg-type]
        self.actions.append((by, [(one, action) for one in ids]))

    @rule(by=st.sampled_from(["ana", "ben"]))
    def undo(self, by: str) -> None:
        mine = [i for i, (who, _) in enumerate(self.actions) if who == by]
        undone = self.apps[by].undo(by=by)
        expected = self.actions.pop(mine[-1])[1] if mine else []
        assert sorted(one.sample_id for one in undone) == sorted(one for one, _ in expected)

    @rule(by=st.sampled_from(["ana", "ben"]))
    def restart(self, by: str) -> None:
        self.apps[by] = Decisions(self.run_folder)

    @invariant()
    def everyone_sees_what_is_left(self) -> None:
        left = {one: action for _, rows in self.actions for one, action in rows}
        for app in self.apps.values():
            assert holding(app.current()) == left
        words = {one: {self.last_word(by, one) for by in self.apps} - {None, "skip"} for one in left}
        conflicting = {one for one, said in words.items() if len(said) > 1}
        assert {conflict.sample_id for conflict in self.apps["ana"].conflicts()} == conflicting

    def last_word(self, by: str, sample_id: str) -> str | None:
        said = [action for who, rows in self.actions if who == by for one, action in rows if one == sample_id]
        return said[-1] if said else None


TestTwoReviewers = TwoReviewers.TestCase
TestTwoReviewers.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_the_export_is_the_log_and_reads_back(run: Run) -> None:
    assert read_decisions(run) == {}
    decisions = Decisions(run)
    decisions.record(A, "keep", ["DUP001", "TXT001"], "d\u00e9j\u00e0 vu\n\u2028", "ana")
    decisions.record(A, "undo", by="ana")
    decisions.record(B, "drop")
    file = run / "review" / "decisions.jsonl"
    assert not file.exists(), "it is written when a step or a person asks for it"
    assert decisions_file(run) == file
    assert read_log(file) == decisions.log()
    before = file.stat().st_mtime_ns
    decisions_file(run)
    assert file.stat().st_mtime_ns == before
    file.write_bytes(file.read_bytes()[:-5])
    decisions_file(run)
    assert read_log(file) == decisions.log()
    assert read_decisions(run) == decisions.current()
    assert list(json.loads(file.read_bytes().splitlines()[0])) == [
        "seq", "batch", "sample_id", "action", "after", "codes", "reason", "by", "at",
    ]  # fmt: skip


def test_several_decisions_are_recorded_together_or_not_at_all(run: Run) -> None:
    decisions = Decisions(run)
    with pytest.raises(CurateError):
        decisions.record_all([Decision(A, "keep"), Decision(B, "undo")])
    assert decisions.log() == []
    decisions.record(A, "keep")
    assert len(decisions.log()) == 1


def test_nothing_in_the_log_can_be_changed_or_removed(run: Run) -> None:
    Decisions(run).record(A, "keep")
    with sqlite3.connect(run / "review.db") as connection:
        for statement in ("update decisions set action = 'drop'", "delete from decisions"):
            with pytest.raises(sqlite3.IntegrityError, match="decisions are only added"):
                connection.execute(statement)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_an_import_adds_what_is_new_once(run: Run, tmp_path: Path) -> None:
    theirs = Decisions(Run.create(tmp_path / "other"))
    theirs.record(A, "keep", by="ana")
    theirs.record(B, "drop", by="ana")
    mine = Decisions(run)
    mine.record(B, "keep", by="ben")
    entries = read_log(decisions_file(Run(tmp_path / "other")))
    assert mine.add_log(entries) == 2
    assert mine.add_log(entries) == 0
    assert mine.add_log([*entries, entries[0]]) == 1, "what comes twice in a file was said twice"
    mine.undo(by="ana")
    assert holding(mine.current()) == {A: "keep", B: "drop"}
    assert [entry.by for entry in mine.log()] == ["ben", "ana", "ana", "ana", "ana"]
    assert [entry.at for entry in mine.log()[1:3]] == [entry.at for entry in entries]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "it has no sample_id"),
        ('{"sample_id": "v1:a", "action": "burn"}', "the action 'burn' is not one of keep, drop, edit, skip, undo"),
        ('{"sample_id": "v1:a", "action": "keep", "after": {}}', "it changes the row .* this is a keep"),
        ('{"sample_id": "v1:a", "action": "edit", "after": "x"}', "an edit needs `after`"),
        ("[" * 100_000, "maximum recursion"),
        ('{"sample_id": "v1:a", "action": "keep", "codes": "TXT001"}', "codes is not a list"),
        ('{"sample_id": "v1:a", "action": "keep", "by": 3}', "must be text"),
    ],
)
def test_a_bad_line_of_a_file_of_decisions_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(dumped(Decision(A, "keep")).decode() + "\n" + text + "\n")
    with pytest.raises(CurateError, match=f"d.jsonl:3: .*{why}"):
        read_log(file)


def test_a_keep_accepts_the_findings_that_were_shown_and_no_others() -> None:
    findings = [
        Finding(code, "x", "error", Place("f", 1, 0, sample_id), "m")
        for code in ("TXT001", "DUP001")
        for sample_id in (A, B, None)
    ]
    mark_accepted(findings, {A: Decision(A, "keep", ("TXT001",)), B: Decision(B, "drop", ("TXT001",))})
    assert [(f.code, f.place.sample_id) for f in findings if f.accepted] == [("TXT001", A)]


def reviewer(folder: Path, name: str, count: int) -> None:
    decisions = Decisions(Run(folder))
    for n in range(count):
        decisions.record(f"v1:{name}-{n}", "drop", by=name)


def test_reviewers_at_once_lose_no_decision(run: Run) -> None:
    context = multiprocessing.get_context("spawn")
    people = [context.Process(target=reviewer, args=(run.folder, f"p{n}", 15)) for n in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
        assert person.exitcode == 0
    log = Decisions(run).log()
    assert len(log) == 60
    assert [entry.seq for entry in log] == list(range(1, 61))
    assert read_log(decisions_file(run)) == log


def test_a_log_that_somebody_else_is_just_making_is_waited_for(run: Run) -> None:
    other = sqlite3.connect(run / "review.db", isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    letting_go = threading.Timer(0.3, other.close)
    letting_go.start()
    assert Decisions(run).record(A, "keep").seq == 1
    letting_go.join()


def test_threads_of_one_app_lose_no_decision(run: Run) -> None:
    decisions = Decisions(run)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: decisions.record(f"v1:{n}", "drop", by=f"p{n % 3}"), range(60)))
    assert len(decisions.current()) == len(Decisions(run).current()) == 60


def test_a_killed_reviewer_loses_nothing_that_was_acknowledged(run: Run) -> None:
    script = f"""
from pathlib import Path
from curate.review.decisions import Decisions
from curate.run import Run
decisions = Decisions(Run(Path({str(run.folder)!r})))
n = 0
while True:
    print(decisions.record(f"v1:{{n}}", "drop").seq, flush=True)
    n += 1
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    acknowledged = 0
    for lines in (3, 1, 5, 2):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env)
        assert process.stdout is not None
        for _ in range(lines):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        log = Decisions(run).log()
        assert [entry.seq for entry in log][:acknowledged] == list(range(1, acknowledged + 1))
        assert read_log(decisions_file(run)) == log


def test_a_database_of_another_version_is_left_alone(run: Run) -> None:
    Decisions(run).record(A, "keep")
    with sqlite3.connect(run / "review.db") as connection:
        connection.execute("pragma user_version = 9")
    with pytest.raises(CurateError, match="another version"):
        Decisions(run).log()
