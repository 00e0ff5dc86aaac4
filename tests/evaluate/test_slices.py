"""Parts of the rows, and rows that leaked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import curate
from curate.config import Config
from curate.review.decisions import Decision, Decisions
from curate.run import Run, make
from curate.run.data import open_run
from curate.sample import Message
from curate.steps import check, clean
from curate_evaluate.arms import Case
from curate_evaluate.contamination import leaked
from curate_evaluate.history import History, histories
from curate_evaluate.metrics import Fit
from curate_evaluate.slices import groupings, holm, slices
from curate_evaluate.step import STEP
from tests.evaluate import fabricate
from tests.evaluate.test_step import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

LABELS = Fit("labels", "label", ("label",), ("yes", "no"), "")


def case(number: int, length: int, reference: str = "yes", **metadata: Any) -> Case:
    context = (Message("user", f"question {number}"),)
    answer = Message("assistant", reference)
    return Case(f"v1:{number}", number, context, answer, reference, None, metadata, "", tuple(range(length)), 2)


def sizes(found: dict[str, dict[str, list[int]]], by: str) -> dict[str, int]:
    return {part: len(rows) for part, rows in found[by].items()}


def test_rows_are_parted_by_length_label_turns_and_columns_of_few_values() -> None:
    cases = [
        case(i, 10 * (i + 1), ("yes", "no")[i % 2], source=("mail", "chat", None)[i % 3], ticket=i) for i in range(30)
    ]
    found = groupings(cases, LABELS, {})
    assert set(found) == {"prompt length", "turns", "label", "source", "file", "review", "flagged by"}
    assert sizes(found, "label") == {"yes": 15, "no": 15}
    assert sizes(found, "source") == {"mail": 10, "chat": 10}
    assert found["source"]["mail"][:2] == [0, 3]
    assert sizes(found, "prompt length") == {"up to 110 tokens": 11, "111 to 210 tokens": 10, "over 210 tokens": 9}


def test_a_column_of_the_data_takes_the_name_of_no_other_part() -> None:
    taken = ("prompt length", "turns", "label", "file", "review", "flagged by")
    cases = [case(i, 10 * (i + 1), ("yes", "no")[i % 2], **dict.fromkeys(taken, "ab"[i % 3 == 0])) for i in range(30)]
    known = {f"v1:{i}": History(((("a.jsonl", "b.jsonl")[i < 10], 1),), ()) for i in range(30)}
    found = groupings(cases, LABELS, known)
    assert sizes(found, "label") == {"yes": 15, "no": 15}
    assert sizes(found, "file") == {"a.jsonl": 20, "b.jsonl": 10}
    assert sizes(found, "turns") == {"one question": 30}
    for name in taken:
        assert sizes(found, f"column {name}") == {"a": 20, "b": 10}


def test_the_label_of_a_row_is_read_behind_its_thoughts() -> None:
    cases = [case(i, 10, f"<think>\nAnswer: no\n</think>\n\n{('yes', 'no')[i % 2]}") for i in range(20)]
    assert sizes(groupings(cases, LABELS, {}), "label") == {"yes": 10, "no": 10}


def test_few_rows_are_parted_by_length_into_halves_or_not_at_all() -> None:
    assert sizes(groupings([case(i, 10 * (i + 1)) for i in range(25)], LABELS, {}), "prompt length") == {
        "up to 130 tokens": 13,
        "over 130 tokens": 12,
    }
    assert groupings([case(i, 10 * (i + 1)) for i in range(19)], LABELS, {})["prompt length"] == {}


def test_rows_are_parted_by_what_the_review_said_of_them_and_small_parts_are_joined() -> None:
    def found(*codes: str, severity: str = "warning", **more: Any) -> History:
        return History((("a.jsonl", 1),), tuple({"code": code, "severity": severity} for code in codes), **more)

    keep, edit = (Decision("v1:x", action) for action in ("keep", "edit"))  # type: ignore[arg-type]
    known = {
        **{f"v1:{i}": found("TXT008", decision=keep) for i in range(12)},
        **{f"v1:{i}": found("TXT008", "DUP002") for i in range(12, 22)},
        **{f"v1:{i}": found("PII001", severity="info") for i in range(22, 40)},
        **{f"v1:{i}": found("CON001", decision=edit, change={"by": "ana"}) for i in range(40, 44)},
        **{f"v1:{i}": found("TXT011", change={"by": "curate clean"}) for i in range(44, 50)},
    }
    parts = groupings([case(i, 10) for i in range(50)], LABELS, known)
    assert sizes(parts, "review") == {
        "flagged, kept by a person": 12,
        "flagged, not decided": 10,
        "not flagged": 18,
        "edited by a person, mended by a fix": 10,
    }
    assert sizes(parts, "flagged by") == {"TXT008": 22, "DUP002": 10, "CON001, TXT011": 10}
    assert sizes(parts, "file") == {"a.jsonl": 50}


def test_a_part_is_compared_on_its_own_rows_and_small_ones_are_left_out() -> None:
    cases = [case(i, 10, source="mail" if i < 20 else "chat" if i < 35 else "fax") for i in range(40)]
    before = [0.0] * 40
    after = [1.0] * 20 + [0.0] * 20
    found = {(one["by"], one["part"]): one for one in slices(cases, before, after, LABELS, full=1.0, seed=0, known={})}
    assert set(found) == {("source", "mail"), ("source", "chat")}
    mail, chat = found["source", "mail"], found["source", "chat"]
    assert (mail["value"], mail["n"], chat["value"], chat["n"]) == (1.0, 20, 0.0, 15)
    assert mail["low"] > 0
    assert mail["holm"] == 2 * mail["p"] and chat["holm"] == chat["p"] == 1.0


def test_holm_corrects_each_value_for_those_that_are_not_smaller() -> None:
    # Of the four, 0.01 * 4, 0.02 * 3, 0.03 * 2 (not below the one before), 0.9.
    assert holm([0.03, 0.9, 0.01, 0.02]) == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert holm([]) == []


def test_the_history_of_a_row_leads_back_to_its_line_through_an_edit(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    rows = [fabricate.row("Where is it?", "On its way."), fabricate.row("When?", ""), fabricate.row("Who?", "Ana.")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = open_run([str(file)], str(tmp_path / "run"))
    make(run, check.STEP, check.config(run, [str(file)], Config()))
    found = json.loads((run / "check.json").read_bytes())["findings"]
    (flagged,) = [finding for finding in found if finding["code"] == "FMT104"]
    Decisions(run).record(
        flagged["sample_id"], "edit", ["FMT104"], "was empty", "ana", after=fabricate.row("When?", "At noon.")
    )
    make(run, clean.STEP, {"fix": "safe"})
    (changed,) = [json.loads(line) for line in (run / "clean/changed.jsonl").read_bytes().splitlines()]
    plain = next(curate.read(file)).id

    known = histories(run, {changed["sample_id"], plain})
    edited = known[changed["sample_id"]]
    assert edited.data == ((str(file), 2),)
    assert edited.codes == ["FMT104"] and edited.flag == "edited by a person"
    assert edited.decision is not None and (edited.decision.by, edited.decision.reason) == ("ana", "was empty")
    assert edited.as_json()["change"]["by"] == "ana"
    assert known[plain].data == ((str(file), 1),) and known[plain].flag == "not flagged"
    file.unlink()
    assert histories(run, {plain})[plain].data == ()


def test_a_held_out_row_that_is_also_trained_on_is_found_and_scored_without(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leaked(trained) == {}
    test = (trained / "split/test.jsonl").read_text(encoding="utf-8").splitlines()
    copied = json.loads(test[0])
    copied["messages"][1]["content"] = copied["messages"][1]["content"].upper()
    with (trained / "split/train.jsonl").open("a", encoding="utf-8") as train:
        train.write(json.dumps(copied) + "\n")
    assert list(leaked(trained)) == [1]
    monkeypatch.chdir(trained.folder)
    (trained / "curate.toml").write_text('ignore = ["LEAK"]\nformat = "prompts"\n')
    assert list(leaked(trained)) == [1]
    monkeypatch.undo()
    make(trained, STEP, CONFIG)
    found = json.loads((trained / "evaluate/scores.json").read_bytes())
    assert found["contamination"]["rows"] == 1
    assert {one["n"] for one in found["contamination"]["without"]["differences"].values()} == {len(test) - 1}
