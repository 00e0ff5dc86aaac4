"""Answers that exclude each other are found, with the right kind; answers that only differ are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.contradiction.answers import disagreement, read_answer
from curate.contradiction.questions import read_question

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> list[Any]:
    document = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return [
        pytest.param(group, case, id=f"{group}-{i}-{case['left'][:20]}")
        for group, members in document.items()
        for i, case in enumerate(members)
    ]


def compare(case: dict[str, Any]) -> Any:
    return disagreement(*(read_answer(case["question"], case[side]) for side in ("left", "right")))


@pytest.mark.parametrize(("kind", "case"), cases("disagree.yaml"))
def test_names_what_differs(kind: str, case: dict[str, Any]) -> None:
    found = compare(case)
    assert found is not None
    assert found.kind == kind
    assert found.path == case.get("path", "")
    mirrored = compare({**case, "left": case["right"], "right": case["left"]})
    assert mirrored is not None
    assert (mirrored.kind, mirrored.left, mirrored.right) == (found.kind, found.right, found.left)
    if kind != "json":
        assert case["left"][slice(*found.left_span)].strip() == found.left
        assert case["right"][slice(*found.right_span)].strip() == found.right


@pytest.mark.parametrize(("group", "case"), cases("agree.yaml"))
def test_leaves_alone(group: str, case: dict[str, Any]) -> None:
    assert compare(case) is None
    assert compare({**case, "left": case["right"], "right": case["left"]}) is None


def test_white_space_does_not_change_what_a_question_asks_for() -> None:
    assert read_question("How  many\u00a0 days is it\topen?").kind == "number"
