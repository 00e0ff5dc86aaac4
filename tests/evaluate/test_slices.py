"""Parts of the rows, and rows that leaked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.run import Run, make
from curate.sample import Message
from curate_evaluate.arms import Case
from curate_evaluate.contamination import leaked
from curate_evaluate.metrics import Fit
from curate_evaluate.slices import groupings, slices
from curate_evaluate.step import STEP
from tests.evaluate.test_step import CONFIG

if TYPE_CHECKING:
    import pytest

LABELS = Fit("labels", "label", ("label",), ("yes", "no"), "")


def case(number: int, length: int, reference: str = "yes", **metadata: Any) -> Case:
    context = (Message("user", f"question {number}"),)
    answer = Message("assistant", reference)
    return Case(f"v1:{number}", number, context, answer, reference, None, metadata, "", tuple(range(length)), 2)


def test_rows_are_parted_by_length_label_turns_and_columns_of_few_values() -> None:
    cases = [
        case(i, 10 * (i + 1), ("yes", "no")[i % 2], source=("mail", "chat", None)[i % 3], ticket=i) for i in range(30)
    ]
    found = groupings(cases, LABELS)
    assert set(found) == {"prompt length", "turns", "label", "source"}
    assert set(found["label"]) == {"yes", "no"} or len(set(found["label"])) == 2
    assert found["source"][:3] == ["mail", "chat", None]
    assert [found["prompt length"].count(part) for part in dict.fromkeys(found["prompt length"])] == [11, 10, 9]


def test_a_part_is_compared_on_its_own_rows_and_small_ones_are_left_out() -> None:
    cases = [case(i, 10, source="mail" if i < 20 else "chat" if i < 35 else "fax") for i in range(40)]
    before = [0.0] * 40
    after = [1.0] * 20 + [0.0] * 20
    found = {(one["by"], one["part"]): one for one in slices(cases, before, after, LABELS, full=1.0, seed=0)}
    assert set(found) == {("source", "mail"), ("source", "chat")}
    assert (found["source", "mail"]["value"], found["source", "mail"]["n"]) == (1.0, 20)
    assert found["source", "mail"]["low"] > 0
    assert (found["source", "chat"]["value"], found["source", "chat"]["n"]) == (0.0, 15)


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
    make(trained, STEP, CONFIG)
    found = json.loads((trained / "evaluate/scores.json").read_bytes())
    assert found["contamination"]["rows"] == 1
    assert {one["n"] for one in found["contamination"]["without"]["differences"].values()} == {len(test) - 1}
