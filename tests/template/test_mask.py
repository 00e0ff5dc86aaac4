"""The mask is the answers and their stop tokens, proven row by row, or there is none and a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from curate.sample import Message, Sample, ToolCall
from curate.template import ChatTokenizer, Exact, Rendering, load
from curate.template.note import ADVICE
from tests.template.byte_model import CHATML, write_model
from tests.template.conversations import CALL, PLAIN, REASONING, TOOLS, WITH_TOOLS, answer, sample, user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = date(2026, 3, 9)
# Reasoning, tools and calls as Qwen's templates write them, and history without its reasoning.
THINKING = """{%- if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif -%}
{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and loop.last %}{{ '<think>' + (m.reasoning_content or '') + '</think>' }}{% endif -%}
{{ m.content }}
{%- for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is false %}{{ '<think></think>' }}{% endif %}{% endif -%}"""


class Model:
    """A model of one template, and what it makes of rows."""

    def __init__(self, chat: ChatTokenizer, args: dict[str, Any] | None = None, turns: Any = "all") -> None:
        self.exact = Exact(chat, args or {}, DAY, turns=turns)

    def rows(self, row: Sample | list[Message]) -> list[Rendering]:
        (rows,) = self.exact.read([row if isinstance(row, Sample) else sample(row)])
        return rows

    def row(self, row: Sample | list[Message]) -> Rendering:
        (only,) = self.rows(row)
        return only

    def trained(self, row: Sample | list[Message]) -> list[str]:
        """The trained texts of a row that is verified."""
        made = self.row(row)
        assert made.verified, made.notes
        return self.spelled(made)

    def spelled(self, row: Rendering) -> list[str]:
        decode = self.exact.chat.tokenizer.decode
        return [decode(row.ids[turn.first : turn.last], skip_special_tokens=False) for turn in row.turns]

    def faults(self, row: Sample | list[Message]) -> list[tuple[str, str]]:
        """The code and the reason of all that keeps a row from being verified."""
        made = self.row(row)
        assert not made.verified
        return [(note.code, note.message) for note in made.notes if note.code not in ADVICE]


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Any]:
    """Makes a model of bytes from a template."""
    made: list[Model] = []

    def make(template: str = CHATML, args: dict[str, Any] | None = None, turns: str = "all", **more: Any) -> Model:
        chat = load(write_model(tmp_path / str(len(made)), template, **more))
        made.append(Model(chat, args, turns))
        return made[-1]

    yield make
    for one in made:
        one.exact.close()


def test_a_row_is_trained_on_its_answers_and_their_stop_tokens(model: Any) -> None:
    chatml = model()
    row = chatml.row(PLAIN["three turns"])
    assert row.text == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
        "<|im_start|>user\n6 x 7?<|im_end|>\n<|im_start|>assistant\n42.<|im_end|>\n"
        "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    )
    assert (row.verified, row.notes) == (True, [])
    assert chatml.spelled(row) == ["Hello<|im_end|>", "42.<|im_end|>", "Yes.<|im_end|>"]
    assert [turn.message for turn in row.turns] == [1, 3, 5]
    ids_of = chatml.exact.chat.ids
    assert row.ids == ids_of(row.text)
    for turn in row.turns:
        assert row.ids[: turn.first] == ids_of(row.text[: turn.start])
        assert row.text[turn.end : turn.stop] == "<|im_end|>"
        assert row.ids[turn.last - 1] == ids_of("<|im_end|>")[0]


def test_a_batch_gives_what_its_rows_give_alone(model: Any) -> None:
    thinking = model(THINKING)
    rows = [sample(turns, tools=TOOLS) for turns in {**PLAIN, **WITH_TOOLS, **REASONING}.values()] * 20
    assert thinking.exact.read(rows) == [thinking.rows(row) for row in rows]


def test_turns_that_are_not_to_be_learned_are_not_trained(model: Any) -> None:
    chatml = model()
    weighed = [user("Hi"), answer("Hello", weight=0), user("2+2?"), answer("4", weight=1)]
    assert chatml.trained(weighed) == ["4<|im_end|>"]
    weighed[3].weight = 0
    assert chatml.faults(weighed) == [("TPL009", "no trained token: no answer is meant to be learned")]
    assert chatml.faults(sample([user("Hi"), answer("Go away")], label=False))[0][0] == "TPL009"
    assert chatml.faults([user("Hi"), answer("  ")]) == [("TPL009", "no trained token: turn 2 (assistant) has no text")]


def test_the_last_answer_alone_or_each_in_a_row_of_its_own(model: Any) -> None:
    assert model(turns="last").trained(PLAIN["three turns"]) == ["Yes.<|im_end|>"]
    each = model(turns="each")
    rows = each.rows(PLAIN["three turns"])
    assert [each.spelled(row) for row in rows] == [["Hello<|im_end|>"], ["42.<|im_end|>"], ["Yes.<|im_end|>"]]
    assert all(row.verified for row in rows)
    assert rows[0].text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
    last_only = [replace(turn, weight=0) if turn.text == "Hello" else turn for turn in PLAIN["three turns"]]
    assert len(each.rows(last_only)) == 2


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (
            [user([{"type": "image_url", "image_url": {"url": "x"}}]), answer("A")],
            "TPL007",
            "images and audio cannot be verified: turn 1 (user)",
        ),
        ([user("Hi\ud800"), answer("A")], "TPL007", "half of a surrogate pair is no character: no tokenizer takes it"),
        ([user("a<|im_end|>b"), answer("A")], "TPL003", "turn 1 (user) holds the control token <|im_end|>"),
        ([user("Hi"), answer("A<|im_end|>b")], "TPL003", "turn 2 (assistant) holds the control token <|im_end|>"),
    ],
)
def test_what_cannot_be_verified_says_why(model: Any, row: list[Message], code: str, reason: str) -> None:
    assert model().faults(row) == [(code, reason)]


def test_a_stop_token_typed_at_the_end_of_an_answer_is_trained_and_noted(model: Any) -> None:
    row = model().row([user("Hi"), answer("A<|im_end|>")])
    assert row.verified
    (note,) = row.notes
    assert (note.code, note.where) == ("TPL004", {"message": 1, "field": "content", "start": 1, "end": 11})
    assert row.text[row.turns[0].start : row.turns[0].stop] == "A<|im_end|><|im_end|>"


def test_a_token_that_begins_a_text_twice_is_noted(model: Any) -> None:
    doubled = model("{{ bos_token }}" + CHATML, control_tokens=["<s>", "<|im_start|>", "<|im_end|>"], bos_token="<s>")
    assert doubled.row(PLAIN["single"]).notes == []
    once_more = model("{{ bos_token }}{{ messages[0].content }}", control_tokens=["<s>"], bos_token="<s>")
    codes = [note.code for note in once_more.row([user("<s>[INST] Hi [/INST]"), answer("A")]).notes]
    assert {"TPL003", "TPL010"} <= set(codes)


def test_white_space_that_the_template_trims_is_not_trained(model: Any) -> None:
    trimming = model(CHATML.replace("message['content']", "message['content'] | trim"))
    assert trimming.trained([user("Hi"), answer("\n Hello \n")]) == ["Hello<|im_end|>"]
    assert model().trained([user("Hi"), answer("\n Hello \n")]) == ["\n Hello \n<|im_end|>"]


def test_what_the_template_adds_to_an_answer_is_trained_with_it(model: Any) -> None:
    quoting = model(CHATML.replace("message['content']", "'Answer: ' + message['content'] + ' '"))
    assert quoting.trained([user("Hi"), answer("Yes")]) == ["Answer: Yes <|im_end|>"]


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (
            ("message['content']", "(message['content'] if message['role'] == 'user' or loop.length < 3 else 'No')"),
            "TPL005",
            "the template leaves out or rewrites the content of turn 2 (assistant)",
        ),
        (
            ("message['content']", "message['content'][:2]"),
            "TPL005",
            "the template leaves out or rewrites the content of turn 2 (assistant)",
        ),
        (
            ("'<|im_end|>'", "('' if message['role'] == 'assistant' else '<|im_end|>')"),
            "TPL008",
            "no stop token follows turn 2 (assistant)",
        ),
        (
            ("message['content'] +", "message['content'] + ('' if loop.last else '!') +"),
            "TPL002",
            "the template rewrites turn 2 (assistant) once later turns follow; train each answer on its own "
            "(--turns each), or only the last one (--turns last)",
        ),
        (
            ("message['content'] +", "message['content'] + (messages[0]['content'] if loop.last else '') +"),
            "TPL007",
            "what the template writes behind turn 4 (assistant) cannot be told from it",
        ),
        (
            ("if add_generation_prompt %}", "if add_generation_prompt %}Now: "),
            "TPL006",
            "at inference the prompt of turn 2 (assistant) goes on with 'Now: <|im_start|>assistant\\n', "
            "in the row with '<|im_start|>assistant\\nHello<|im_end|>\\n'",
        ),
        (
            ("if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}", "if false %}"),
            "TPL006",
            "the template opens turn 2 (assistant) where the inference prompt has ended already",
        ),
        (
            ("message['role'] +", "raise_exception('only two turns') if loop.length > 2 else message['role'] +"),
            "TPL001",
            "the template refuses the row: only two turns",
        ),
    ],
)
def test_a_template_that_does_something_else_to_a_row_is_found(
    model: Any, change: tuple[str, str], code: str, reason: str
) -> None:
    assert change[0] in CHATML
    row = [user("How are you?"), answer("Hello"), user("Well?"), answer("Yes")]
    assert (code, reason) in model(CHATML.replace(*change)).faults(row)


@pytest.mark.parametrize(
    ("template", "row", "reason"),
    [
        (
            CHATML.replace(
                "for message",
                "if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for message",
                1,
            ),
            PLAIN["system"],
            "this template refuses a system turn (no system); put its text into the first user turn",
        ),
        (
            "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
            "{{ raise_exception('must alternate') }}{% endif %}"
            "{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}{% endfor %}",
            PLAIN["two questions"],
            "this template refuses two turns of one role in a row (must alternate); join them",
        ),
        (
            "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('a tool?') }}{% endif %}"
            "{{ '<|im_start|>' + m.role + (m.content or '') + '<|im_end|>' }}{% endfor %}",
            WITH_TOOLS["a call and its result"],
            "this template refuses tool calls and their results (a tool?); take a model that has tools",
        ),
    ],
)
def test_what_a_template_refuses_is_named_with_a_remedy(
    model: Any, template: str, row: list[Message], reason: str
) -> None:
    assert model(template).faults(row) == [("TPL001", reason)]


def test_a_turn_or_tools_that_the_template_leaves_out_are_named(model: Any) -> None:
    without_system = CHATML.replace("for message in messages", "for message in messages if message['role'] != 'system'")
    said = "the template leaves out or rewrites the content of turn 1 (system)"
    assert model(without_system).faults(PLAIN["system"]) == [("TPL005", said)]
    same_words = [Message("system", "Hi"), user("Hi"), answer("Hi")]
    assert model(without_system).faults(same_words) == [("TPL005", said)]
    tooled = sample(PLAIN["single"], tools=TOOLS)
    assert model().faults(tooled) == [("TPL005", "the template leaves out the tool definitions")]
    assert model("{% if tools %}{{ tools | tojson }}{% endif %}" + CHATML).row(tooled).verified


def test_calls_are_trained_in_the_form_that_the_template_needs(model: Any) -> None:
    called = sample([user("Weather?"), answer(None, tool_calls=[CALL])], tools=TOOLS)
    call = '<tool_call>{"name": "get_weather", "arguments": {"city": "Zürich"}}</tool_call>'
    thinking = model(THINKING)
    assert (thinking.exact.facts.form.arguments, thinking.exact.facts.form.missing) == ("object", "absent")
    assert thinking.trained(called) == [f"<think></think>{call}<|im_end|>"]
    as_text = sample(
        [user("Weather?"), answer(None, tool_calls=[ToolCall("get_weather", '{"city": "Zürich"}')])], tools=TOOLS
    )
    assert thinking.trained(as_text) == [f"<think></think>{call}<|im_end|>"]
    concatenating = model(
        "{{ tools | tojson if tools else '' }}"
        + CHATML.replace(
            "message['content'] +",
            "(message['content'] or '') + (message['tool_calls'][0]['function']['name'] + "
            "message['tool_calls'][0]['function']['arguments'] if message['tool_calls'] else '') +",
        )
    )
    assert concatenating.exact.facts.form.arguments == "string"
    assert concatenating.trained(called) == ['get_weather{"city": "Zürich"}<|im_end|>']
    assert concatenating.trained(as_text) == ['get_weather{"city": "Zürich"}<|im_end|>']


def test_calls_reasoning_or_content_that_the_template_leaves_out_are_found(model: Any) -> None:
    called = sample([user("Weather?"), answer("Let me see.", tool_calls=[CALL])])
    (note,) = model().row(called).notes
    assert (note.code, note.where) == ("TPL005", {"message": 1, "field": "tool_calls.0"})
    only_calls = model(
        CHATML.replace(
            "message['content'] +",
            "(message['tool_calls'] | tojson if message['tool_calls'] else message['content']) +",
        )
    )
    (note,) = only_calls.row(called).notes
    assert (note.code, note.where) == ("TPL005", {"message": 1, "field": "content"})
    (note,) = model().row(REASONING["reasoning"]).notes
    assert (note.code, note.where) == ("TPL014", {"message": 1, "field": "reasoning"})
    only_thought = [user("Hi"), answer("", reasoning="They greet.")]
    assert model().faults(only_thought) == [("TPL009", "no trained token: turn 2 (assistant) has no text")]


def test_control_tokens_and_broken_json_inside_calls_and_tools_are_found(model: Any) -> None:
    thinking = model(THINKING)
    inside = ToolCall("get_weather", {"city": "x<|im_end|>"})
    row = thinking.row(sample([user("Weather?"), answer(None, tool_calls=[inside])], tools=TOOLS))
    assert [note.where for note in row.notes if note.code == "TPL003"] == [
        {"message": 1, "field": "tool_calls.0.arguments", "start": 11, "end": 21}
    ]
    tool = {"type": "function", "function": {"name": "f", "description": "<|im_end|>", "parameters": {}}}
    assert thinking.faults(sample(PLAIN["single"], tools=[tool])) == [
        ("TPL003", "the tool definitions hold the control token <|im_end|>")
    ]
    broken = sample([user("Weather?"), answer(None, tool_calls=[ToolCall("get_weather", '{"city": ')])], tools=TOOLS)
    assert thinking.faults(broken) == [("TPL007", "the arguments of call 1 of turn 2 (assistant) are no JSON")]


def test_text_that_the_template_writes_otherwise_is_found_in_any_turn(model: Any) -> None:
    replacing = model(CHATML.replace("message['content'] +", "(message['content'] | replace('cat', 'dog')) +"))
    assert replacing.trained([user("A fox?"), answer("No, a bird.")]) == ["No, a bird.<|im_end|>"]
    for turns, i, role in (
        ([user("A cat?"), answer("No.")], 1, "user"),
        ([user("A"), answer("My cat")], 2, "assistant"),
    ):
        said = f"the template leaves out or rewrites the content of turn {i} ({role})"
        assert replacing.faults(turns) == [("TPL005", said)]
    long = [turn for n in range(60) for turn in (user(f"Question {n}"), answer(f"Answer {n}"))]
    assert len(replacing.trained(long)) == 60
    long[0] = user("A cat?")
    assert replacing.faults(long) == [("TPL005", "the template leaves out or rewrites the content of turn 1 (user)")]


def test_rows_of_odd_values_neither_crash_nor_pass_unseen(model: Any) -> None:
    thinking = model(THINKING)
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for arguments, is_verified in (
        ({"a": deep}, False),
        ({"a": 2**80, "b": -1, "c": 1.5, "d": None, "e": True}, True),
        ({"a": 917300003, "b": "Zq00002xW"}, True),
        ([1, 2], True),
        ({}, True),
    ):
        call = ToolCall("get_weather", arguments, "c1")
        row = thinking.row(sample([user("Weather?"), answer(None, tool_calls=[call])], tools=TOOLS))
        assert (row.verified, bool(row.notes)) == (is_verified, True), arguments
    assert thinking.trained([user("Zq00000xW"), answer("Zq00001xW, Zq00000xW, 917300001")]) == [
        "<think></think>Zq00001xW, Zq00000xW, 917300001<|im_end|>"
    ]
    assert thinking.faults([user("Hi"), answer("A", reasoning="\ud800"), user("Well?"), answer("B")])
    assert thinking.faults([]) == [("TPL009", "no trained token: no answer is meant to be learned")]
    refusing = model("{{ raise_exception(messages[0].content) }}")
    assert refusing.faults([user("\ud800 no"), answer("A")]) == [("TPL001", "the template refuses the row: ? no")]


def test_reasoning_is_trained_and_which_mode_a_row_trains_is_said(model: Any) -> None:
    thinking, silent = model(THINKING), model(THINKING, {"enable_thinking": False})
    assert thinking.trained(REASONING["reasoning"]) == ["<think>They greet.</think>Hello<|im_end|>"]
    row = thinking.row(PLAIN["single"])
    assert (thinking.spelled(row), row.verified) == (["<think></think>Hello there 😀<|im_end|>"], True)
    assert [(note.code, note.evidence) for note in row.notes] == [
        ("TPL013", {"reasoning": False, "prompt": "thinking", "switch": "enable_thinking"})
    ]
    row = silent.row(PLAIN["single"])
    assert (silent.spelled(row), row.notes) == (["Hello there 😀<|im_end|>"], [])
    assert silent.faults(REASONING["reasoning"])[0][0] == "TPL006"


def test_history_that_is_rewritten_later_is_not_trained(model: Any) -> None:
    thinking, each, last = model(THINKING), model(THINKING, turns="each"), model(THINKING, turns="last")
    row = thinking.row(PLAIN["three turns"])
    assert {note.code for note in row.notes} == {"TPL002", "TPL013"}
    assert not row.verified
    assert thinking.spelled(row) == ["Hello<|im_end|>", "42.<|im_end|>", "<think></think>Yes.<|im_end|>"]  # as shown
    assert [each.spelled(row) for row in each.rows(PLAIN["three turns"])] == [
        ["<think></think>Hello<|im_end|>"],
        ["<think></think>42.<|im_end|>"],
        ["<think></think>Yes.<|im_end|>"],
    ]
    assert last.trained(PLAIN["three turns"]) == ["<think></think>Yes.<|im_end|>"]


def test_an_answer_that_merges_with_its_prompt_is_found(model: Any) -> None:
    merging = model(words=["\n\n"])  # one token for two line breaks, as nearly all vocabularies have it
    assert merging.row([user("Hi"), answer("Hello\n\nthere")]).verified
    boundary = ("TPL006", "prompt ids differ at the boundary: turn 2 (assistant) merges with what is before it")
    assert boundary in merging.faults([user("Hi"), answer("\nHello")])


def test_merges_at_the_boundary_of_a_real_vocabulary_are_found(smollm2: ChatTokenizer) -> None:
    model = Model(smollm2)
    assert model.faults(PLAIN["blank lines first"])[0][0] == "TPL006"
    assert model.faults([user("Hi"), answer("  leading spaces")])[0][0] == "TPL006"
    assert model.row(PLAIN["single"]).verified


def test_a_tokenizer_that_normalizes_an_answer_spells_it_all_the_same(qwen3: ChatTokenizer) -> None:
    model = Model(qwen3, {"enable_thinking": False})
    assert model.trained([user("e\u0301?"), answer("e\u0301")]) == ["\u00e9<|im_end|>"]


def test_control_tokens_that_are_not_marked_as_special_count_too(model: Any) -> None:
    template = (
        "{% for m in messages %}<U>{{ m['content'] }}<end>{% endfor %}{% if add_generation_prompt %}<U>{% endif %}"
    )
    unmarked = model(template, control_tokens=["<end>"], words=["<U>", "<table>"])
    assert unmarked.faults([user("a <U>"), answer("b")])[0][0] == "TPL003"
    assert unmarked.row([user("a <table>"), answer("b")]).verified


def test_a_template_by_which_nothing_can_be_verified_says_so_on_each_row(model: Any) -> None:
    for template, code in (
        (CHATML.replace("<|im_end|>", "."), "TPL008"),
        (CHATML.replace("message['content']", "''"), "TPL005"),
        ("{{ raise_exception('no') }}", "TPL001"),
    ):
        assert model(template).faults(PLAIN["single"])[0][0] == code


def test_of_two_tokens_that_end_an_answer_the_one_that_ends_a_text_stops_it(model: Any) -> None:
    doubled = CHATML.replace("'<|im_end|>'", "'<|im_end|><e>'")
    tokens = ["<|im_start|>", "<|im_end|>", "<e>"]
    first = model(doubled, control_tokens=tokens, eos_token="<|im_end|>")
    assert first.trained(PLAIN["single"]) == ["Hello there 😀<|im_end|>"]
    assert model(doubled, control_tokens=tokens, eos_token="<e>").trained(PLAIN["single"]) == [
        "Hello there 😀<|im_end|><e>"
    ]


def test_what_the_template_marks_itself_is_a_cross_check(model: Any) -> None:
    marking = CHATML.replace(
        "message['content'] + '<|im_end|>' + '\\n' }}",
        "'' }}{% generation %}{{ message['content'] + '<|im_end|>' + '\\n' }}{% endgeneration %}",
    )
    assert model(marking).trained(PLAIN["single"]) == ["Hello there 😀<|im_end|>"]
    partly = CHATML.replace(
        "message['content'] + '<|im_end|>' + '\\n' }}",
        "message['content'][:3] }}{% generation %}{{ message['content'][3:] + '<|im_end|>\\n' }}{% endgeneration %}",
    )
    assert model(partly).faults(PLAIN["single"]) == [
        ("TPL007", "the template's own {% generation %} leaves out turn 2 (assistant), or a part of it")
    ]


def test_every_real_tokenizer_verifies_plain_rows(real: ChatTokenizer) -> None:
    model = Model(real, {"enable_thinking": False} if "qwen3" in str(real.folder) else {})
    for name in ("single", "system", "the same words", "code", "parts", "one letter"):
        turns = PLAIN["the same words"][:2] if name == "the same words" else PLAIN[name]
        row = model.row(turns)
        assert row.verified, (name, row.notes)
        text = turns[-1].text
        assert model.spelled(row)[-1].removesuffix(model.exact.facts.stop) in (text, text.strip()), name
