"""Which answers were given to one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import curate
from curate.config import Config
from curate.dedup.asks import asks
from curate.dedup.corpus import Corpus, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "How many days do I have to return a pair of shoes that do not fit?"


def asked(rows: Sequence[dict[str, Any]]) -> list[list[tuple[int, int]]]:
    """The groups as (row, turn) of each member's answer."""
    corpus = Corpus(Config())
    corpus.add(pack(list(curate.read(list(rows)))))
    corpus.begin_theirs()
    return [
        [(int(corpus.sample[member.exchange]), int(corpus.turn[member.exchange])) for member in members]
        for members in asks(corpus)
    ]


def chat(*texts: str, system: str = "") -> dict[str, Any]:
    turns = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        QUESTION.upper(),
        QUESTION.rstrip("?") + " ?!",
        QUESTION.replace(" ", "\n"),
        QUESTION.replace("fit", "fit me"),
        QUESTION.replace("pair", "piar"),
        "Please: " + QUESTION,
    ],
)
def test_a_request_is_the_same_however_it_is_spelled(question: str) -> None:
    assert asked([chat(QUESTION, "30 days."), chat(question, "14 days.")]) == [[(0, 1), (1, 1)]]


@pytest.mark.parametrize(
    "question",
    [
        QUESTION.replace("do not fit", "do fit"),
        QUESTION.replace("days", "hours"),
        "Who pays for the parcel?",
    ],
)
def test_another_request_is_another_one(question: str) -> None:
    assert asked([chat(QUESTION, "30 days."), chat(question, "14 days.")]) == []


def test_all_that_stands_before_counts() -> None:
    rows = [
        chat("I bought boots.", "Nice.", QUESTION, "30 days."),
        chat("I bought a voucher.", "Nice.", QUESTION, "14 days."),
        chat(QUESTION, "7 days."),
        chat(QUESTION, "8 days.", system="Be brief."),
    ]
    assert asked(rows) == []
    again = chat("i bought boots", "Nice!", QUESTION, "60 days.")
    assert asked([*rows, again]) == [[(0, 1), (4, 1)], [(0, 3), (4, 3)]]


def test_each_answer_of_a_chat_is_one() -> None:
    rows = [chat(QUESTION, "30 days.", "Who pays?", "We do."), chat(QUESTION, "30 days.", "Who pays?", "You do.")]
    assert asked(rows) == [[(0, 1), (1, 1)], [(0, 3), (1, 3)]]


def test_edited_requests_with_one_answer_say_nothing() -> None:
    assert asked([chat(QUESTION, "30 days."), chat("Please: " + QUESTION, "30 days!")]) == []


def test_an_answer_without_a_request_has_none_to_share() -> None:
    rows = [{"messages": [{"role": "assistant", "content": text}]} for text in ("Hello!", "Good morning!")]
    assert asked(rows) == []
    assert asked([chat("", "Hello!"), chat("", "Good morning!")]) == []


def test_untrained_answers_are_no_answers() -> None:
    rows = [chat(QUESTION, "30 days."), chat(QUESTION, "14 days.")]
    rows[1]["messages"][1]["weight"] = 0
    assert asked(rows) == []


def test_a_group_is_around_its_first_member() -> None:
    rows = [chat("Please: " + QUESTION, "1 day."), chat(QUESTION, "2 days."), chat("please " + QUESTION, "3 days.")]
    assert asked(rows) == [[(0, 1), (1, 1), (2, 1)]]
