"""Rows are given to a template in the form that it can render, found by trying."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from curate.sample import Message, ToolCall
from curate.template import ChatTemplate, load, to_messages
from curate.template.form import Form, probe_form
from tests.template.byte_model import CHATML, write_model
from tests.template.conversations import CALL, answer, sample, user
from tests.template.oracle import model_of, stock

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 3, 9)
# What trl's stock templates need, where it is not the usual form; read in the templates themselves.
NEEDED = {
    "deepseek_r1_distill": Form("object", "empty"),
    "deepseekv3": Form("string", "empty"),
    "cohere": Form("object", "empty"),
    "lfm2": Form("object", "empty"),
    "phi3": Form("object", "empty"),
    "phi3_5": Form("object", "empty"),
}


def form_of(folder: Path, template: str) -> Form:
    return probe_form(ChatTemplate(load(write_model(folder, template)), {}, DAY))


def test_the_form_that_each_stock_template_needs(tmp_path: Path) -> None:
    templates = stock()
    if templates is None:
        pytest.skip("trl, whose templates these are, is not installed")
    found = {
        name: probe_form(ChatTemplate(model_of(tmp_path / name, name, file.read_text(encoding="utf-8")), {}, DAY))
        for name, file in templates.items()
        if not name.endswith("_training")
    }
    assert {name: form for name, form in found.items() if form != Form()} == NEEDED


def test_parts_for_a_template_that_reads_nothing_else(tmp_path: Path) -> None:
    parts = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"
    assert form_of(tmp_path, parts).content == "parts"
    assert form_of(tmp_path, CHATML).content == "text"
    assert to_messages(sample([user("Hi")]), Form(content="parts")) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    ]


def test_an_object_as_python_prints_it_is_no_form(tmp_path: Path) -> None:
    printing = CHATML.replace(
        "message['content'] +", "(message['content'] or message['tool_calls'][0]['function']['arguments'] | string) +"
    )
    assert form_of(tmp_path, printing).arguments == "string"


def test_arguments_are_given_as_wanted_whatever_the_row_has() -> None:
    as_text = ToolCall("f", '{"a": [1, "ü"]}')
    as_object = ToolCall("f", {"a": [1, "ü"]})
    for call in (as_text, as_object):
        for form, wanted in ((Form(), {"a": [1, "ü"]}), (Form("string"), '{"a": [1, "ü"]}')):
            (message,) = to_messages(sample([answer(None, tool_calls=[call])]), form)
            assert message["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": wanted}}]
    (broken,) = to_messages(sample([answer(None, tool_calls=[ToolCall("f", '{"a')])]))
    assert broken["tool_calls"][0]["function"]["arguments"] == '{"a'


def test_a_turn_without_content_says_so_as_wanted() -> None:
    turn = sample([Message("assistant", None, tool_calls=[CALL])])
    assert "content" not in to_messages(turn)[0]
    assert to_messages(turn, Form(missing="empty"))[0]["content"] == ""


def test_reasoning_is_given_under_every_key_that_templates_read() -> None:
    (message,) = to_messages(sample([answer("A", reasoning="B")]))
    assert {message[key] for key in ("reasoning_content", "thinking", "reasoning")} == {"B"}
