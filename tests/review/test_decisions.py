"""Decisions are only ever added, by any number of people at once, and none that was acknowledged is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CurateError
from curate.finding import Finding, Place
from curate.review.decisions import Decision, Decisions, current, dumped, mark_accepted, read_decisions, read_log
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
    decisions.record(A, "undo", by="ana")
    assert holding(decisions.current()) == {A: "keep", B: "drop"}
    kept = decisions.current()[A]
    assert (kept.codes, kept.reason, kept.by, kept.seq) == (("TXT001",), "it is fine", "ana", 1)
    decisions.record(A, "undo")
    assert holding(decisions.current()) == {B: "drop"}
    with pytest.raises(CurateError, match="v1:a: there is no decision left to undo"):
        decisions.record(A, "undo")
    assert len(decisions.log()) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["keep", "drop", "undo"])), max_size=30))
def test_what_holds_is_what_a_stack_per_row_says(steps: list[tuple[str, str]]) -> None:
    stacks: dict[str, list[str]] = {}
    entries = []
    for sample_id, action in steps:
        stack = stacks.setdefault(sample_id, [])
        if action == "undo" and not stack:
            continue
        entries.append(Decision(sample_id, action))  # type: ignore[arg-type]
        if action == "undo":
            stack.pop()
        else:
            stack.append(action)
    assert holding(current(entries)) == {sample_id: stack[-1] for sample_id, stack in stacks.items() if stack}


def test_the_export_is_the_log_and_reads_back(run: Run) -> None:
    assert read_decisions(run) == {}
    decisions = Decisions(run)
    decisions.record(A, "keep", ["DUP001", "TXT001"], "d\u00e9j\u00e0 vu\n", "ana")
    decisions.record(A, "undo")
    decisions.record(B, "drop")
    file = run / "review" / "decisions.jsonl"
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
    assert not (run / "review" / "decisions.jsonl").exists()


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
    entries = read_log(tmp_path / "other" / "review" / "decisions.jsonl")
    assert mine.add_log(entries) == 2
    assert mine.add_log(entries) == 0
    assert holding(mine.current()) == {A: "keep", B: "drop"}
    assert [entry.by for entry in mine.log()] == ["ben", "ana", "ana"]
    assert [entry.at for entry in mine.log()[1:]] == [entry.at for entry in entries]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "it has no sample_id"),
        ('{"sample_id": "v1:a", "action": "burn"}', "the action 'burn' is not one of keep, drop, undo"),
        ('{"sample_id": "v1:a", "action": "keep", "after": {}}', "it edits a row"),
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
    assert read_log(run / "review" / "decisions.jsonl") == log


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
        exported = read_log(run / "review" / "decisions.jsonl")
        assert exported[:acknowledged] == log[:acknowledged]


def test_a_database_of_another_version_is_left_alone(run: Run) -> None:
    Decisions(run).record(A, "keep")
    with sqlite3.connect(run / "review.db") as connection:
        connection.execute("pragma user_version = 9")
    with pytest.raises(CurateError, match="another version"):
        Decisions(run).log()
