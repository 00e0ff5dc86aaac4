"""What is compared: packed batch by batch, read back as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from curate.config import Config
from curate.dedup.corpus import Corpus, Turn, pack, turns_of
from curate.dedup.folded import plain
from curate.errors import CurateError
from curate.rules.prose import value
from curate.sample import Message, Sample, ToolCall

if TYPE_CHECKING:
    from pathlib import Path

ROLES = ["system", "user", "assistant", "tool", ""]
TEXTS = st.text(st.characters(), max_size=20) | st.none()
SAMPLES = st.lists(
    st.builds(
        lambda turns: Sample([Message(role, text) for role, text in turns]),
        st.lists(st.tuples(st.sampled_from(ROLES), TEXTS), max_size=5),
    ),
    max_size=6,
)
TEXT = "Explain how a heat pump warms a house even when it is cold outside"


def corpus_of(*batches: list[Sample]) -> Corpus:
    corpus = Corpus(Config())
    for batch in batches:
        corpus.add(pack(batch))
    corpus.begin_theirs()
    return corpus


@given(SAMPLES.filter(bool))
@settings(max_examples=100)
def test_turns_are_read_back_as_they_were(samples: list[Sample]) -> None:
    corpus = corpus_of(samples)
    assert corpus.mine == len(samples)
    for number, sample in enumerate(samples):
        assert corpus.turns(number) == turns_of(sample)


@given(SAMPLES.filter(bool), SAMPLES.filter(bool))
@settings(max_examples=50)
def test_batches_make_no_difference(one: list[Sample], other: list[Sample]) -> None:
    together, apart = corpus_of([*one, *other]), corpus_of(one, other)
    for name in ("sample", "turn", "context_hash", "answer_hash", "answer_length", "answer_bits", "final"):
        assert np.array_equal(getattr(together, name), getattr(apart, name)), name
    for sketch in ("rows", "contexts"):
        assert np.array_equal(getattr(together, sketch).keys, getattr(apart, sketch).keys)
        assert np.array_equal(getattr(together, sketch).bits, getattr(apart, sketch).bits)
    assert [together.turns(i) for i in range(together.mine)] == [apart.turns(i) for i in range(apart.mine)]


def test_an_exchange_is_an_answer_and_all_before_it() -> None:
    turns = [("system", "Be brief."), ("user", "One?"), ("assistant", "1."), ("user", "Two?"), ("assistant", "2.")]
    corpus = corpus_of([Sample([Message("user", "Alone")]), Sample([Message(role, text) for role, text in turns])])
    assert corpus.sample.tolist() == [1, 1]
    assert corpus.final.tolist() == [-1, 1]
    first, second = corpus.exchange(0), corpus.exchange(1)
    assert (first.question, first.answer) == ("One?", Turn("assistant", "1.", 2))
    assert (second.question, len(second.context)) == ("Two?", 4)


def test_tools_calls_reasoning_and_rejected_answers_are_part_of_a_row() -> None:
    call = Message(
        "assistant", "A moment.", reasoning="Look it up.", tool_calls=[ToolCall("stock", '{"b": 1, "a": 2}')]
    )
    sample = Sample(
        [Message("user", "How many?"), call], tools=[{"name": "stock"}], rejected=[Message("assistant", "No.")]
    )
    tools, _, answer, rejected = turns_of(sample)
    assert tools == Turn("tools", '[{"name":"stock"}]', -1)
    assert answer.text.split("\n") == [
        "Look it up.",
        "A moment.",
        '[{"arguments":{"a":2,"b":1},"name":"stock"}]',
    ]
    assert rejected == Turn("rejected", "No.", -1)


@pytest.mark.parametrize("text", ["", "?", "...", "!?", "\0", " "])
def test_what_is_all_punctuation_stays_what_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Where is it?", "where  is it"),
        ("ＰＤＦ", "pdf"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("“Hello”, she said…", '"hello" she said'),
        ("您好。", "您好"),
    ],
)
def test_what_is_said_is_the_same_in_another_spelling(left: str, right: str) -> None:
    assert plain(left) == plain(right)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def called(arguments: Any) -> dict[str, Any]:
    function = {"name": "search", "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}]}


UNTRAINED = {"role": "assistant", "content": "It moves heat.", "weight": 0}
ODD_ROWS: dict[str, list[str]] = {
    "no row": [],
    "only broken rows": ['{"prompt": '],
    "no answer": [json.dumps({"messages": [user(text)]}) for text in (TEXT, TEXT + " please")],
    "no learned answer": [json.dumps({"messages": [user(text), UNTRAINED]}) for text in (TEXT, TEXT + " please")],
    "no turn": ['{"messages": []}', '{"messages": []}'],
    "empty texts": [json.dumps({"messages": [user(""), {"role": "assistant", "content": ""}]})] * 2,
    "NUL characters": [json.dumps({"prompt": "\0" * n, "completion": "\0"}) for n in (1, 2)],
    "lone surrogates": [json.dumps({"prompt": f"a\ud800{space}b", "completion": "\udfff"}) for space in (" ", "  ")],
    "integers beyond 64 bits": [json.dumps({"messages": [user(TEXT), called({"n": 10**n})]}) for n in (30, 31)],
    "arguments that are no JSON": [json.dumps({"messages": [user(TEXT), called(text)]}) for text in ("{", "[1")],
    "lone surrogates in arguments": [json.dumps({"messages": [user(TEXT), called({"q": "\ud800"})]})] * 2,
    "a tool with an integer beyond 64 bits": [
        json.dumps({"tools": [{"name": "a", "parameters": {"maximum": 10**30}}], "messages": [user(TEXT), UNTRAINED]})
    ],
}


@pytest.mark.parametrize("rows", ODD_ROWS.values(), ids=ODD_ROWS)
def test_no_row_is_too_odd_to_be_compared(tmp_path: Path, rows: list[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(row + "\n" for row in rows))
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"prompt": TEXT, "completion": "It moves heat."}) + "\n")
    report = curate.check(file, select=["DUP", "CON", "LEAK"], against=[str(other)])
    assert report.internal_errors == []


def test_a_typed_stop_token_and_a_label_are_told_from_the_answer() -> None:
    turns = [Message("user", "Ask </s>"), Message("assistant", "Where?<|endoftext|>\n")]
    asked, answer, label = turns_of(Sample(turns, label=True))
    assert asked.text == "Ask </s>"
    assert answer == Turn("assistant", "Where?", 1)
    assert label == Turn("label", "true", -1)


@pytest.mark.parametrize("reasoning", [None, "Two and two."])
def test_a_span_is_given_only_where_the_content_was_compared(tmp_path: Path, reasoning: str | None) -> None:
    file = tmp_path / "rows.jsonl"
    answers = [{"role": "assistant", "content": f"It is {n}.", "reasoning_content": reasoning} for n in (4, 5)]
    question = user("How many apples are two and two apples together?")
    file.write_text("".join(json.dumps({"messages": [question, answer]}) + "\n" for answer in answers))
    for finding in curate.check(file, select=["CON"]).findings:
        assert finding.where and (finding.where.start is None) == bool(reasoning)


def test_a_value_is_quoted_once() -> None:
    assert value('"Paris"') == value("Paris") == '"Paris"'
    assert value('"a" or "b') == '""a" or "b"'


def test_a_model_that_is_not_there_ends_the_check(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"prompt": TEXT, "completion": f"It moves heat {n}"}) + "\n" for n in "ab"))
    with pytest.raises(CurateError, match="nowhere"):
        curate.check(file, select=["DUP004"], semantic=str(tmp_path / "nowhere"))
