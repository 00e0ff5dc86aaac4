"""The data of the stories: the same each time, and nothing in it that a check would flag."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

import curate

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "stories.py"


@pytest.fixture(scope="module")
def stories() -> Any:
    spec = importlib.util.spec_from_file_location("stories", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["stories"] = module  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["wins", "as-good", "overfits"])
def test_the_rows_of_a_story_are_many_different_ones_without_a_fault(stories: Any, tmp_path: Path, name: str) -> None:
    story = stories.STORIES[name]
    file = tmp_path / f"{name}.jsonl"
    file.write_text(stories.data(story), encoding="utf-8")
    assert stories.data(story) == file.read_text(encoding="utf-8")
    report = curate.check([file])
    assert {finding.code for finding in report.findings} <= {"SET001"}  # fewer rows than is common, on purpose
    assert report.rows == story.rows


def test_one_word_of_a_complaint_decides_what_is_done(stories: Any) -> None:
    from random import Random

    random, seen = Random(1), set()
    for number in range(300):
        said, decision = stories.complains(random, number)
        state = said.partition(" is ")[2].partition(",")[0].partition(".")[0]
        assert [name for name, states in stories.STATES.items() if state in states] == [decision], said
        seen.add(decision)
    assert seen == set(stories.STATES)
