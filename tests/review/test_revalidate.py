"""An edited row is judged by the readers and the rules of the check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.finding import Place
from curate.review.revalidate import revalidate
from tests.steps.test_clean import CUT, EMPTY, GOOD, checked

if TYPE_CHECKING:
    from pathlib import Path


def test_what_the_check_would_find_is_found(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, CUT]))
    place = Place(str(tmp_path / "data.jsonl"), 2, 0, "v1:x")
    row: dict[str, Any] = json.loads(EMPTY)
    assert [finding.code for finding in revalidate(run, place, row)] == ["FMT104"]
    row["messages"][1]["content"] = "I am a shop assistant\u200b."
    (finding,) = revalidate(run, place, row)
    assert (finding.code, finding.place.line) == ("TXT012", 2)
    row["messages"][1]["content"] = "I am a shop assistant."
    assert revalidate(run, place, row) == []


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"messages": 3}, "messages is an integer|messages is a number"),
        ({}, "not a row that gives one sample: no"),
        ([], "not a row that gives one sample"),
        (7, "the row is a number|is an integer"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "cannot be written as JSON"),
    ],
)
def test_a_value_that_is_no_row_is_refused_with_the_reason(tmp_path: Path, after: Any, why: str) -> None:
    run = checked(tmp_path, GOOD)
    with pytest.raises(CurateError, match=why):
        revalidate(run, Place(str(tmp_path / "data.jsonl"), 1, 0, "v1:x"), after)


def test_a_file_that_is_not_in_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match=r"other.jsonl: not a file of this run"):
        revalidate(checked(tmp_path, GOOD), Place("other.jsonl", 1), json.loads(GOOD))
