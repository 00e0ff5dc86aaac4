"""Rows that belong together, side by side: duplicates and contradictions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from curate.review.decisions import Decisions
from tests.review_app.pages import (
    CLASH,
    EMPTY,
    GOOD,
    LONG,
    TWINS,
    chat,
    log,
    run_of,
    turn,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("streamlit")


def test_duplicates_stand_side_by_side_with_the_words_that_differ(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(*TWINS, EMPTY)
    browser.open(rule="DUP002").key("Enter")
    cards = browser.find("article", "member")
    assert [card[1]["aria-label"] for card in cards] == [f"Row {n} of the group" for n in (1, 2, 3)]
    assert " Thanks" in [ins[2] for ins in browser.find("ins")]
    browser.key("2")
    entries = log(tmp_path)
    assert [entry.action for entry in entries] == ["drop", "keep", "drop"] and len({e.batch for e in entries}) == 1
    assert all(entry.reason.endswith("line 2 was kept") for entry in entries)
    assert browser.query == {"done": "1", "rule": "DUP002"}
    assert "Of the rows of this filter, 1 kept, 1 dropped." in browser.text
    browser.key("Z")
    assert "Undone: 3 decisions that were made as one." in browser.text
    assert Decisions(run_of(tmp_path)).current() == {}


def test_contradictions_stand_side_by_side_with_what_disagrees(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(GOOD, *CLASH).key("Enter")
    assert "They disagree: 30 days or 14 days" in browser.text
    assert [mark[2] for mark in browser.find("mark", "error")] == ["30 days", "14 days", "30 days", "14 days"]
    browser.key("1")
    assert [(entry.action, entry.codes) for entry in log(tmp_path)] == [("keep", ("CON001",)), ("drop", ("CON001",))]
    assert "2 of 2 decided" in browser.text


def test_what_all_of_a_group_begin_with_is_shown_once(open_on: Any) -> None:
    system = turn("system", "You are the assistant of a shop.")
    rows = [{"messages": [system, *row["messages"]]} for row in CLASH]
    browser = open_on(*rows).key("Enter")
    (common,) = browser.find("dl", "in-all")
    assert [part[2] for part in common[2:] if part[0] == "dt"] == ["system", "user"]
    assert browser.text.count("You are the assistant of a shop.") == 1
    assert [len(card[3:]) for card in browser.find("article", "member")] == [1, 1], "each answer stands alone"


def test_the_first_of_a_group_is_cut_as_the_others_are(open_on: Any) -> None:
    story = " ".join(f"On day {n} the caravan went on to the well of {n * 7} palms." for n in range(200))
    rows = [chat("Tell me.", f"{story} The end{end}") for end in (".", "! And so on.")]
    browser = open_on(*rows).key("Enter")
    assert len(browser.find("article", "member")) == len(browser.find("span", "gap")) == 2
    assert browser.text.count("The end") == 2 and "day 100 " not in browser.text
    browser.key("A")
    assert not browser.find("span", "gap") and browser.text.count("day 100 ") == 2


def test_a_row_of_two_groups_shows_one_after_the_other(open_on: Any) -> None:
    asked = "Until when may I send it back, and when do you open?"
    said = f"{LONG} You have {{}} days from delivery to send it back, in the box that it came in."
    browser = open_on(
        chat(f"{asked} Thanks", said.format(30)), chat(asked, said.format(30)), chat(asked, said.format(14))
    )
    browser.open(rule="DUP002").key("Enter")
    assert {"CON001", "DUP002"} <= {code[2] for code in browser.find("span", "code")}
    first = browser.data["row"]
    browser.key("G")
    assert browser.data["row"] != first and browser.query["group"] in browser.data["row"]
    browser.key("G")
    assert browser.data["row"] == first


def test_a_keep_of_a_group_dismisses_only_what_was_compared(open_on: Any, tmp_path: Path) -> None:
    both = json.dumps(CLASH[0])[:-1].encode() + b', "id": 1, "id": 2}'
    browser = open_on(both, CLASH[1])
    browser.open(rule="CON001").key("Enter").key("1")
    assert "1 of 2 decided" in browser.text, "the other finding of the kept row was not on the page of the group"
