"""What other trainers would do with a row: on rows made for it, and beside the packages where they are installed."""

from __future__ import annotations

import hashlib
import sys
import time
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.sample import Message, Sample, ToolCall
from curate.template import ChatTokenizer, Exact, load
from curate.template.renders import SECONDS, Ask, render_all
from curate.template.trainers import TRL_KNOWS, OtherMask, Trainers
from tests.template.byte_model import CHATML, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = date(2026, 3, 9)
USER, ANSWER = Message("user", "Hi"), Message("assistant", "Hello")
MARKED = """{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' -%}
{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
{%- else -%}
{{ message['content'] + '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"""


def masks(
    chat: ChatTokenizer, sample: Sample, args: Mapping[str, Any] | None = None
) -> tuple[dict[str, OtherMask], list[str]]:
    """The masks of a row by trainer, and its tokens as text."""
    exact = Exact(chat, args or {}, DAY)
    rendering = exact.read([sample])[0][0]
    (row,) = Trainers(chat, args or {}, DAY, exact.facts.form).masks([(sample, rendering)])
    exact.close()
    tokens = [chat.tokenizer.decode([i], skip_special_tokens=False) for i in rendering.ids]
    return {mask.trainer: mask for mask in row}, tokens


def trained(mask: OtherMask, tokens: list[str]) -> str:
    assert mask.trained is not None, mask.reason
    return "".join(token if flag else "~" for token, flag in zip(tokens, mask.trained, strict=True)).replace("~", "")


def chatml(folder: Path, template: str = CHATML, **config: Any) -> ChatTokenizer:
    return load(write_model(folder, template, **{"eos_token": "<|im_end|>", **config}))


def test_an_ordinary_row_is_trained_alike_by_all_that_can(tmp_path: Path) -> None:
    sample = Sample([USER, ANSWER, Message("user", "More"), Message("assistant", "No.")])
    found, tokens = masks(chatml(tmp_path, MARKED), sample)
    for trainer in ("TRL", "Unsloth", "Axolotl"):
        assert trained(found[trainer], tokens) == "Hello<|im_end|>No.<|im_end|>"
        assert (found[trainer].wrong, found[trainer].missed) == ([], [])
    assert found["LLaMA-Factory"].trained is None
    assert "one of its own" in found["LLaMA-Factory"].reason


def test_trl_stops_on_a_template_without_marks_that_it_does_not_know(tmp_path: Path) -> None:
    found, _ = masks(chatml(tmp_path), Sample([USER, ANSWER]))
    assert found["TRL"].trained is None
    assert "stops with an error: the template has no {% generation %}" in found["TRL"].reason


def test_a_turn_that_is_not_to_be_learned_is_learned_by_others(tmp_path: Path) -> None:
    bad = Message("assistant", "Bad", weight=0)
    found, tokens = masks(chatml(tmp_path, MARKED), Sample([USER, bad, Message("user", "No"), ANSWER]))
    for trainer in ("TRL", "Unsloth", "Axolotl"):
        wrong = found[trainer].wrong
        assert "".join(tokens[at] for at in wrong) == "Bad<|im_end|>"
        assert found[trainer].missed == []


def test_a_stop_token_that_is_not_the_end_of_text_is_missed_by_axolotl(tmp_path: Path) -> None:
    chat = load(
        write_model(tmp_path, MARKED, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"], eos_token="<|endoftext|>")
    )
    found, tokens = masks(chat, Sample([USER, ANSWER]))
    assert trained(found["Axolotl"], tokens) == "Hello"
    assert [tokens[at] for at in found["Axolotl"].missed] == ["<|im_end|>"]
    assert trained(found["Unsloth"], tokens) == "Hello<|im_end|>\n"
    assert [tokens[at] for at in found["Unsloth"].wrong] == ["\n"]


def test_marks_that_leave_the_stop_token_out_show(tmp_path: Path) -> None:
    marked = "+ '<|im_end|>' }}{% endgeneration %}{{ '"
    assert marked in MARKED
    short = MARKED.replace(marked, "}}{% endgeneration %}{{ '<|im_end|>")
    found, tokens = masks(chatml(tmp_path, short), Sample([USER, ANSWER]))
    assert trained(found["TRL"], tokens) == "Hello"
    assert [tokens[at] for at in found["TRL"].missed] == ["<|im_end|>"]


def test_a_marker_that_a_user_types_starts_an_answer_for_unsloth(tmp_path: Path) -> None:
    typed = Message("user", "Say <|im_start|>assistant\nboo")
    found, tokens = masks(chatml(tmp_path, MARKED), Sample([typed, ANSWER]))
    assert trained(found["Unsloth"], tokens) == "boo<|im_end|>Hello<|im_end|>"
    assert trained(found["TRL"], tokens) == "Hello<|im_end|>"


def test_real_templates_with_the_differences_that_are_known(qwen3: ChatTokenizer) -> None:
    sample = Sample([USER, ANSWER, Message("user", "More"), Message("assistant", "No.")])
    found, tokens = masks(qwen3, sample)
    # The last answer gets an empty reasoning that the prompt does not end with: Unsloth trains it, which is right, and
    # Axolotl, which looks for what changes with the answer, does not.
    assert trained(found["Unsloth"], tokens) == "Hello<|im_end|><think>\n\n</think>\n\nNo.<|im_end|>"
    assert trained(found["Axolotl"], tokens) == "Hello<|im_end|>No.<|im_end|>"
    found, tokens = masks(qwen3, Sample([USER, ANSWER]), {"enable_thinking": False})
    assert "".join(tokens[at] for at in found["Unsloth"].wrong) == "<think>\n\n</think>\n\n"


def test_what_a_trainer_gets_otherwise_than_we_do_is_said(qwen3: ChatTokenizer) -> None:
    call = Message("assistant", None, tool_calls=[ToolCall("now", {}, "call_1")])
    result = Message("tool", "noon", tool_call_id="call_1", name="now")
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    found, _ = masks(qwen3, Sample([USER, call, result, ANSWER], tools=[tool]))
    assert found["Unsloth"].trained is None
    assert "'content'" in found["Unsloth"].reason  # transformers leaves out what is null, and the template fails
    assert "not computed for tools" in found["Axolotl"].reason


def test_a_row_that_the_template_refuses_is_refused_by_all(tmp_path: Path) -> None:
    strict = "{%- if messages[0].role == 'system' %}{{ raise_exception('No system') }}{% endif -%}" + MARKED
    found, _ = masks(chatml(tmp_path, strict), Sample([Message("system", "Be brief."), USER, ANSWER]))
    assert {mask.reason for mask in found.values()} == {"the template refuses the row"}


def test_a_hostile_template_is_stopped(tmp_path: Path) -> None:
    chat = chatml(tmp_path)
    asks = [Ask([{"role": "user", "content": "Hi"}]), Ask([], template="{% for i in range(10**9) %}{% endfor %}")]
    started = time.monotonic()
    assert {rendered.refusal for rendered in render_all(chat, {}, DAY, asks)} != {""}
    assert time.monotonic() - started < SECONDS * 3
    big = "{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
    assert render_all(chat, {}, DAY, [Ask([], template=big)])[0].refusal
    assert render_all(chat, {}, DAY, [Ask([], template="{% if %}")])[0].refusal == "the template is no valid Jinja"
    leak = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    assert render_all(chat, {}, DAY, [Ask([], template=leak)])[0].text == ""


def test_the_templates_that_trl_replaces_are_known(tmp_path: Path) -> None:
    """And what it puts in their places, where it is installed."""
    assert len(TRL_KNOWS.split()) == 31
    found = find_spec("trl")
    if found is None or not found.submodule_search_locations:
        pytest.skip("trl is not installed")
    folder = Path(found.submodule_search_locations[0], "chat_templates")
    chat = chatml(tmp_path, (folder / "qwen2_5.jinja").read_text(encoding="utf-8"))
    masks_of, tokens = masks(chat, Sample([USER, ANSWER]))
    assert trained(masks_of["TRL"], tokens).endswith("Hello<|im_end|>\n")


def test_without_trl_its_copy_of_a_template_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = chatml(tmp_path)
    digits = hashlib.sha256(chat.templates["default"].encode()).hexdigest()[:12]
    monkeypatch.setattr("curate.template.trainers.TRL_KNOWS", digits)
    monkeypatch.setitem(sys.modules, "trl", None)
    found, _ = masks(chat, Sample([USER, ANSWER]))
    assert "install trl here to see its mask" in found["TRL"].reason
