"""Rendering and ids are those of transformers, on real templates; a template gets no further than its sandbox."""

import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from curate.errors import CurateError
from curate.sample import Message
from curate.template import ChatTemplate, ChatTokenizer, TemplateRefuses, load, to_messages
from tests.template.byte_model import write_model
from tests.template.conversations import PLAIN, REASONING, TOOLS, WITH_TOOLS, sample

DAY = date(2026, 3, 9)
CASES = [(name, messages, None) for name, messages in {**PLAIN, **REASONING, **WITH_TOOLS}.items()]
CASES += [(name, messages, TOOLS) for name, messages in {**WITH_TOOLS, "no call": PLAIN["system"]}.items()]


def rendered(template: str, tmp_path: Path, messages: list[dict[str, Any]] | None = None, **args: Any) -> str:
    chat = load(write_model(tmp_path, template, bos_token="<s>"))
    return ChatTemplate(chat, args, DAY).render(messages or [])


@pytest.mark.filterwarnings("ignore")
def test_text_and_ids_are_those_of_transformers(real: ChatTokenizer) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(real.folder)
    compared = 0
    for args in ({}, {"enable_thinking": False}):
        mine = ChatTemplate(real, args, DAY)
        for (name, turns, tools), is_prompt in product(CASES, (False, True)):
            messages = to_messages(sample(turns))
            try:
                text = theirs.apply_chat_template(
                    messages, tools=tools, add_generation_prompt=is_prompt, tokenize=False, **args
                )
            except Exception:
                with pytest.raises(TemplateRefuses):
                    mine.render(messages, tools, add_generation_prompt=is_prompt)
                continue
            assert mine.render(messages, tools, add_generation_prompt=is_prompt) == text, name
            assert real.ids(text) == theirs(text, add_special_tokens=False)["input_ids"], name
            compared += 1
    assert compared >= 40


def test_white_space_of_blocks_is_trimmed_as_in_transformers(tmp_path: Path) -> None:
    assert rendered("a\n  {% if true %}\nb\n  {% endif %}\nc", tmp_path) == "a\nb\nc"


def test_json_is_not_escaped_for_html(tmp_path: Path) -> None:
    assert rendered("{{ {'ü': '<&>', 'a': 1} | tojson }}", tmp_path) == '{"ü": "<&>", "a": 1}'
    assert rendered("{{ {'b': 1, 'a': 2} | tojson(indent=1, sort_keys=true) }}", tmp_path) == '{\n "a": 2,\n "b": 1\n}'


def test_the_clock_stands_still(tmp_path: Path) -> None:
    template = "{{ strftime_now('%d %B %Y %H:%M') }}"
    assert rendered(template, tmp_path) == "09 March 2026 00:00"
    assert ChatTemplate(load(tmp_path), {}, DAY).reads_clock
    assert not ChatTemplate(load(write_model(tmp_path)), {}, DAY).reads_clock


def test_special_tokens_and_arguments_are_variables_and_arguments_win(tmp_path: Path) -> None:
    assert rendered("{{ bos_token }}{{ eos_token }}{{ x }}", tmp_path, x=1) == "<s>1"
    assert rendered("{{ bos_token }}", tmp_path, bos_token="<b>") == "<b>"
    with pytest.raises(CurateError, match="messages cannot be set"):
        ChatTemplate(load(tmp_path), {"messages": []}, DAY)


def test_loop_controls_and_the_generation_mark_are_known(tmp_path: Path) -> None:
    template = (
        "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}"
        "{% endfor %}{% generation %}{% set inner = 1 %}x{% endgeneration %}{{ inner is defined }}"
    )
    assert rendered(template, tmp_path) == "013xFalse"


def test_rows_with_tools_get_the_template_for_tools(tmp_path: Path) -> None:
    templates = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    template = ChatTemplate(load(write_model(tmp_path, None, chat_template=templates)), {}, DAY)
    assert (template.render([]), template.render([], TOOLS)) == ("plain", "tools")


def test_a_null_is_left_out_as_templates_write_none_for_it() -> None:
    assert to_messages(sample([Message("assistant", None)])) == [{"role": "assistant"}]


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no system turn, please') }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{% set n = namespace(__init__=1) %}",
        "{% set n = namespace() %}{% set n.__class__ = 1 %}",
        "{{ dict.__subclasses__() }}",
        "{{ strftime_now.__self__ }}{{ strftime_now.__self__.now() }}",
        "{{ range(1000000000) }}",
        "{{ 1 / 0 }}",
        "{{ none + 'x' }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_what_a_template_may_not_do_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(TemplateRefuses):
        rendered(template, tmp_path)


def test_a_format_string_shows_nothing_of_python(tmp_path: Path) -> None:
    assert rendered("{{ '{0.__class__}'.format(messages) }}", tmp_path) == ""


def test_a_template_that_is_no_jinja_is_named(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no valid Jinja"):
        rendered("{% if %}", tmp_path)


def test_neither_transformers_nor_torch_is_imported() -> None:
    code = (
        "import sys, curate.template, curate.steps.tokens; print({'transformers', 'torch', 'numpy'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
