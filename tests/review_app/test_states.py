"""Links that lead nowhere, and what a page says when there is nothing to show."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from curate.review.decisions import Decisions
from curate.run import Run, make
from curate.steps import check
from tests.review_app.pages import (
    EMPTY,
    FENCE,
    GOOD,
    Browser,
    row_id,
    run_of,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("streamlit")


LINKS = {
    "a row that is not there": ({"row": "v1:nothing"}, "This row is not in the data"),
    "a rule that is none": ({"rule": "<b>evil"}, "No row has a finding of '<b>evil'"),
    "a severity that is none": ({"severity": "fatal"}, "'fatal' is no severity"),
    "a bar that is none": ({"length": "99"}, "length='99' is no bar"),
    "a state that is none": ({"show": "gone"}, "There is nothing called 'gone' to show"),
    "a page beyond the last": ({"page": "77"}, "There is no page 77"),
    "a page that is no number": ({"page": "x"}, "2 rows to decide"),
    "a view that is none": ({"view": "nowhere"}, "2 rows to decide"),
    "a view of a row that is none": ({"row": "FIRST", "as": "nothing"}, "What was found"),
    "an action that is none": ({"view": "bulk", "do": "explode"}, "'explode' is no decision"),
    "a rule page that is none": ({"view": "guide", "about": "XYZ999"}, "No such rule"),
    "words that are nowhere": ({"q": "zebra"}, "No row matches"),
    "a filter that leaves nothing to do": ({"view": "bulk", "do": "drop", "q": "zebra"}, "No row matches"),
}


@pytest.mark.parametrize("name", list(LINKS))
def test_a_link_that_leads_nowhere_lands_on_a_page_that_says_so(open_on: Any, name: str) -> None:
    browser = open_on(EMPTY, FENCE)
    first = row_id(browser.key("Enter"))
    query, said = LINKS[name]
    browser.open(**{key: first if word == "FIRST" else word for key, word in query.items()})
    assert said in browser.text
    assert browser.keys(), "and there is a way on"


def test_nothing_flagged_and_all_decided_name_the_next_command(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(GOOD)
    assert "None of the 1 rows is flagged" in browser.text and "curate clean" in browser.text
    browser.key("A")
    assert browser.query == {"show": "all"} and len(browser.find("button", "item")) == 1


def test_all_decided_names_the_next_command(open_on: Any) -> None:
    browser = open_on(EMPTY).key("Enter").key("D")
    assert "All decided" in browser.text and "curate clean" in browser.text


def test_a_check_made_anew_is_seen_without_a_restart(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    (tmp_path / "data.jsonl").write_bytes(json.dumps(FENCE).encode() + b"\n")
    browser.at.run()
    _settle(browser)
    assert "The data changed since it was checked" in browser.text and "curate check" in browser.text
    make(run_of(tmp_path), check.STEP, run_of(tmp_path).config("check"))
    browser.key("Enter")
    _settle(browser)
    assert "TXT001" in browser.text


def _settle(browser: Browser) -> None:
    import time

    for _ in range(300):
        if "Preparing the review" not in browser.text:
            return
        time.sleep(0.05)
        browser.press({"act": "look again"})
    raise AssertionError(browser.text)


def test_data_that_is_gone_is_said_and_found_again_when_the_page_is_opened(
    open_on: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = open_on(EMPTY)
    data = tmp_path / "data.jsonl"
    was = data.read_bytes()
    data.unlink()
    browser.at.run()
    _settle(browser)
    assert "data.jsonl is not where it was" in browser.text
    data.write_bytes(was)
    browser.at.run()
    assert "data.jsonl is not where it was" in browser.text, "it is looked for when somebody asks"
    del browser.at.session_state["session"]
    browser.at.run()
    _settle(browser)
    assert "1 row to decide" in browser.text


def test_data_that_was_only_touched_is_prepared_again(open_on: Any, tmp_path: Path) -> None:
    import os

    browser = open_on(EMPTY)
    os.utime(tmp_path / "data.jsonl")
    browser.at.run()
    _settle(browser)
    assert "1 row to decide" in browser.text


def test_a_run_that_is_none_or_was_not_checked_says_what_to_do(
    open_on: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = open_on(EMPTY)
    monkeypatch.setenv("CURATE_RUN", str(tmp_path / "nowhere"))
    browser.open()
    assert "This run cannot be opened" in browser.text and "curate check DATA --run" in browser.text
    Run.create(tmp_path / "fresh")
    monkeypatch.setenv("CURATE_RUN", str(tmp_path / "fresh"))
    browser.open()
    assert "This run was not checked yet" in browser.text


def test_without_a_run_the_runs_of_the_folder_are_offered(
    open_on: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = open_on(EMPTY)
    monkeypatch.delenv("CURATE_RUN")
    monkeypatch.chdir(tmp_path)
    browser.open()
    (item,) = browser.find("button", "item")
    assert "check: 1 rows read" in browser.text
    browser.press(item[1]["press"])
    _settle(browser)
    assert "1 row to decide" in browser.text


def test_a_folder_without_runs_says_how_to_make_one(
    open_on: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = open_on(EMPTY)
    (tmp_path / "empty").mkdir()
    monkeypatch.delenv("CURATE_RUN")
    monkeypatch.chdir(tmp_path / "empty")
    browser.open()
    assert "There is no run here yet" in browser.text and "curate review data.jsonl" in browser.text


def test_the_preparation_says_how_far_it_is_and_is_looked_at_again() -> None:
    from curate.review.screens.states import preparing

    first, later = preparing("starting", 0, 0), preparing("finding words", 5, 20)
    assert str(first.tree).count("being made again: starting.") == 1 and first.poll and later.poll
    assert "finding words, 5 of 20 rows." in str(later.tree)


def test_an_error_of_ours_is_a_page_and_loses_nothing(open_on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.review.screens import shell

    browser = open_on(EMPTY)

    def broken(_: Any) -> Any:
        raise ZeroDivisionError("it broke")

    monkeypatch.setitem(shell.PAGES, "overview", broken)
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    browser.open(view="overview")
    assert "Something went wrong in this page" in browser.text and "it broke" in browser.text
    browser.key("Enter")
    assert "1 row to decide" in browser.text


def test_a_decision_that_cannot_be_written_is_said(open_on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.errors import CurateError

    browser = open_on(EMPTY).key("Enter")

    def full(*_: Any, **__: Any) -> None:
        raise CurateError("review.db: the disk is full")

    monkeypatch.setattr(Decisions, "record", full)
    browser.key("D")
    assert "That was not done: review.db: the disk is full" in browser.text
    assert "0 of 1 decided" in browser.text
