"""The mask is the answers and their stop tokens, proven row by row, or there is none and a reason."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from curate.errors import CurateError
from curate.sample import Message, Sample
from curate.template import ChatTokenizer, Masked, Masker, Rejected, load, to_messages
from tests.template.byte_model import CHATML, byte_tokenizer, write_model
from tests.template.conversations import PLAIN, REASONING, TOOLS, WITH_TOOLS, answer, sample, user

DAY = date(2026, 3, 9)
CONTROL_TOKEN = re.compile(
    r"<[|｜][^<>|｜]*[|｜]>|<(?:start|end)_of_\w+>|<turn[|]>|<[|]turn>|<\w+_TOKEN>|\[/?[A-Z_]+\]"
)


def masker(tmp_path: Path, template: str = CHATML, args: dict[str, Any] | None = None, **model: Any) -> Masker:
    return Masker(load(write_model(tmp_path, template, **model)), args or {}, DAY)


def only(masker: Masker, row: Sample | list[Message]) -> Masked | Rejected:
    (masked,) = masker.mask([row if isinstance(row, Sample) else sample(row)])
    return masked


def verified(masker: Masker, row: Sample | list[Message]) -> Masked:
    masked = only(masker, row)
    assert isinstance(masked, Masked), masked
    return masked


def rejected(masker: Masker, row: Sample | list[Message]) -> tuple[str, str]:
    found = only(masker, row)
    assert isinstance(found, Rejected), found
    return found


def trained(masker: Masker, masked: Masked) -> str:
    ids = [label for label in masked.labels if label >= 0]
    text: str = masker.chat.tokenizer.decode(ids, skip_special_tokens=False)
    return text


def test_a_row_is_trained_on_its_answers_and_their_stop_tokens(tmp_path: Path) -> None:
    masker_ = masker(tmp_path)
    masked = verified(masker_, PLAIN["three turns"])
    assert masked.text == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
        "<|im_start|>user\n6 x 7?<|im_end|>\n<|im_start|>assistant\n42.<|im_end|>\n"
        "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    )
    assert trained(masker_, masked) == "Hello<|im_end|>42.<|im_end|>Yes.<|im_end|>"
    assert masked.answer == "Yes."
    prompt = masked.text.removesuffix("Yes.<|im_end|>\n")
    assert masked.ids[: masked.prompt_length] == masker_.chat.ids(prompt)
    assert all(label in (-100, token) for token, label in zip(masked.ids, masked.labels, strict=True))
    assert masked.labels[-1] == -100  # the line break behind the stop token


def test_each_row_of_a_batch_gets_its_own_mask(tmp_path: Path) -> None:
    masker_ = masker(tmp_path)
    rows = [sample(turns) for turns in {**PLAIN, **WITH_TOOLS}.values()] * 20
    assert masker_.mask(rows) == [only(masker_, row) for row in rows]


def test_turns_that_are_not_to_be_learned_are_not_trained(tmp_path: Path) -> None:
    masker_ = masker(tmp_path)
    weighed = [user("Hi"), answer("Hello", weight=0), user("2+2?"), answer("4", weight=1)]
    assert trained(masker_, verified(masker_, weighed)) == "4<|im_end|>"
    weighed[3].weight = 0
    assert rejected(masker_, weighed) == ("TPL009", "no trained token: no answer is meant to be learned")
    assert rejected(masker_, sample([user("Hi"), answer("Go away")], label=False))[0] == "TPL009"
    assert rejected(masker_, [user("Hi"), answer("  ")])[1] == "no trained token: turn 2 (assistant) has no text"


def test_the_last_trained_answer_is_the_one_to_score(tmp_path: Path) -> None:
    masked = verified(masker(tmp_path), [user("Hi"), answer("A"), user("Well?"), answer("B", weight=0)])
    assert masked.answer == "A"


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (WITH_TOOLS["a call"], "TPL007", "tool calls cannot be verified yet: turn 2 (assistant)"),
        (
            [user("Hi"), Message("tool", "{}"), answer("A")],
            "TPL007",
            "tool calls cannot be verified yet: turn 2 (tool)",
        ),
        (REASONING["reasoning"], "TPL007", "reasoning cannot be verified yet: turn 2 (assistant)"),
        (
            [user([{"type": "image_url", "image_url": {"url": "x"}}]), answer("A")],
            "TPL007",
            "images and audio cannot be verified: turn 1 (user)",
        ),
        ([answer("Hello"), user("Hi"), answer("A")], "TPL007", "no prompt: the row begins with its answer"),
        ([user("Hi\ud800"), answer("A")], "TPL007", "half of a surrogate pair is no character: no tokenizer takes it"),
        ([user("a<|im_end|>b"), answer("A")], "TPL003", "turn 1 (user) holds the control token <|im_end|>"),
        ([user("Hi"), answer("A<|im_end|>")], "TPL003", "turn 2 (assistant) holds the control token <|im_end|>"),
    ],
)
def test_what_cannot_be_verified_is_rejected_with_a_reason(
    tmp_path: Path, row: list[Message], code: str, reason: str
) -> None:
    assert rejected(masker(tmp_path), row) == (code, reason)


def test_a_row_too_long_says_by_how_much(tmp_path: Path) -> None:
    chat = load(write_model(tmp_path))
    row = [user("Hi"), answer("x" * 2000)]
    length = len(verified(Masker(chat, {}, DAY), row).ids)
    assert isinstance(only(Masker(chat, {}, DAY, max_length=length), row), Masked)
    reason = f"too long: {length:,} of {length - 1:,} tokens"
    assert rejected(Masker(chat, {}, DAY, max_length=length - 1), row) == ("LEN004", reason)


def test_white_space_that_the_template_trims_is_not_trained(tmp_path: Path) -> None:
    trimming = CHATML.replace("message['content']", "message['content'] | trim")
    masker_ = masker(tmp_path, trimming)
    masked = verified(masker_, [user("Hi"), answer("\n Hello \n")])
    assert (masked.answer, trained(masker_, masked)) == ("Hello", "Hello<|im_end|>")


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (
            (
                "message['content']",
                "(message['content'] if message['role'] == 'user' or loop.length < 3 else 'No')",
            ),
            "TPL002",
            "the template rewrites turn 2 (assistant)",
        ),
        (
            ("message['content']", "'Answer: ' + message['content']"),
            "TPL002",
            "the template writes 'Answer:' before turn 2 (assistant)",
        ),
        (
            ("message['content']", "'\\n' + message['content']"),
            "TPL002",
            "the template adds white space to turn 2 (assistant)",
        ),
        (
            ("message['content']", "message['content'] + ' '"),
            "TPL002",
            "the template adds white space to turn 2 (assistant)",
        ),
        (
            ("'<|im_end|>'", "('' if message['role'] == 'assistant' and loop.length > 2 else '<|im_end|>')"),
            "TPL008",
            "no stop token <|im_end|> follows turn 2 (assistant)",
        ),
        (
            ("message['content']", "(message['content'] if message['role'] != 'user' or loop.last else '')"),
            "TPL002",
            "the template rewrites turn 2 (assistant) once later turns follow; give it weight 0 to train only the last",
        ),
        (
            ("message['role'] +", "raise_exception('only two turns') if loop.length > 2 else message['role'] +"),
            "TPL001",
            "the template refuses the row: only two turns",
        ),
    ],
)
def test_a_template_that_does_something_else_to_a_row_is_found(
    tmp_path: Path, change: tuple[str, str], code: str, reason: str
) -> None:
    assert change[0] in CHATML
    row = [user("Hi"), answer("Hello"), user("Well?"), answer("Yes")]
    found = rejected(masker(tmp_path, CHATML.replace(*change)), row)
    assert found == (code, reason)


def test_a_turn_or_tools_that_the_template_leaves_out_are_named(tmp_path: Path) -> None:
    without_system = CHATML.replace("for message in messages", "for message in messages if message['role'] != 'system'")
    masker_ = masker(tmp_path, without_system)
    assert rejected(masker_, PLAIN["system"]) == ("TPL005", "the template leaves out or rewrites turn 1 (system)")
    tooled = sample(PLAIN["single"], tools=TOOLS)
    assert rejected(masker_, tooled) == ("TPL005", "the template leaves out the tool definitions")
    with_tools = masker(tmp_path, "{% if tools %}{{ tools | tojson }}{% endif %}" + CHATML)
    assert "get_weather" in verified(with_tools, tooled).text


def test_an_answer_that_merges_with_its_prompt_is_found(tmp_path: Path) -> None:
    masker_ = masker(tmp_path, words=["\n\n"])  # one token for two line breaks, as nearly all vocabularies have it
    assert isinstance(only(masker_, [user("Hi"), answer("Hello\n\nthere")]), Masked)
    code, reason = rejected(masker_, [user("Hi"), answer("\nHello")])
    assert (code, reason) == (
        "TPL006",
        "prompt ids differ at the boundary: turn 2 (assistant) merges with what is before it",
    )


def test_a_tokenizer_that_changes_the_answer_is_found(qwen3: ChatTokenizer) -> None:
    masker_ = Masker(qwen3, {"enable_thinking": False}, DAY)
    assert isinstance(only(masker_, [user("e\u0301?"), answer("\u00e9")]), Masked)
    code, reason = rejected(masker_, [user("Hi"), answer("e\u0301")])  # NFC makes one character of it
    assert (code, reason) == ("TPL007", "the tokenizer changes the text of turn 2 (assistant)")


def test_a_scaffold_before_the_answer_is_not_guessed_away(qwen3: ChatTokenizer) -> None:
    thinking, silent = Masker(qwen3, {}, DAY), Masker(qwen3, {"enable_thinking": False}, DAY)
    code, reason = rejected(thinking, PLAIN["single"])
    assert code == "TPL002"
    assert reason == (
        r"the template writes '<think>\n\n</think>' before turn 2 (assistant); "
        """try --template-args '{"enable_thinking": false}'"""
    )
    assert trained(silent, verified(silent, PLAIN["single"])) == "Hello there 😀<|im_end|>"
    # Reasoning inside the text is what the model writes itself.
    inline = verified(thinking, PLAIN["inline think"])
    assert trained(thinking, inline) == "<think>\nhm\n</think>\n\nHello<|im_end|>"


def test_history_that_is_rewritten_later_is_not_trained(qwen3: ChatTokenizer) -> None:
    masker_ = Masker(qwen3, {"enable_thinking": False}, DAY)
    assert rejected(masker_, PLAIN["three turns"])[0] == "TPL002"
    last_only = [replace(turn, weight=0) if turn.role == "assistant" else turn for turn in PLAIN["three turns"][:-1]]
    assert trained(masker_, verified(masker_, [*last_only, answer("Yes.")])) == "Yes.<|im_end|>"


def test_merges_at_the_boundary_of_a_real_vocabulary_are_found(smollm2: ChatTokenizer) -> None:
    masker_ = Masker(smollm2, {}, DAY)
    assert rejected(masker_, PLAIN["blank lines first"])[0] == "TPL006"
    assert isinstance(only(masker_, PLAIN["white space around"]), Masked)


def test_control_tokens_that_are_not_marked_as_special_count_too(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<U>{{ m['content'] }}<end>{% endfor %}{% if add_generation_prompt %}<U>{% endif %}"
    )
    masker_ = masker(tmp_path, template, control_tokens=["<end>"], words=["<U>", "<table>"])
    assert rejected(masker_, [user("a <U>"), answer("b")])[0] == "TPL003"
    assert isinstance(only(masker_, [user("a <table>"), answer("b")]), Masked)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (CHATML.replace("<|im_end|>", "."), "writes no stop token after an answer"),
        (CHATML.replace("'<|im_end|>'", "'<|im_end|><|im_start|>'"), "ends an answer with two control tokens"),
        (CHATML.replace("message['content']", "''"), "leaves the answer out"),
        ("{{ raise_exception('no') }}", "fails on a question and its answer"),
    ],
)
def test_a_template_by_which_nothing_can_be_verified_is_refused_at_once(
    tmp_path: Path, template: str, problem: str
) -> None:
    with pytest.raises(CurateError, match=problem):
        masker(tmp_path, template)


def test_every_real_tokenizer_verifies_plain_rows(real: ChatTokenizer) -> None:
    masker_ = Masker(real, {"enable_thinking": False} if "qwen3" in str(real.folder) else {}, DAY)
    for name in ("single", "system", "same words", "code", "parts", "one letter"):
        turns = PLAIN["the same words"][:2] if name == "same words" else PLAIN[name]
        text = turns[-1].text
        kept = trained(masker_, verified(masker_, turns)).removesuffix(masker_.stop_token)
        assert kept in (text, text.strip()), name


@pytest.mark.filterwarnings("ignore")
def test_the_mask_is_that_of_templates_which_mark_their_answers(tmp_path: Path) -> None:
    """trl's training templates mark what is learned. What is verified here lies within their marks; what these have
    beyond it is the header that the inference prompt gives, or white space and a second stop token behind the first."""
    found = find_spec("trl")
    if found is None or not found.submodule_search_locations:
        pytest.skip("trl is not installed")
    marked = pytest.importorskip("transformers").utils.chat_template_utils.render_jinja_template
    templates = sorted(Path(found.submodule_search_locations[0], "chat_templates").glob("*_training.jinja"))
    counts = {"verified": 0, "templates": 0}
    for file in templates:
        source = file.read_text(encoding="utf-8")
        tokens = {*CONTROL_TOKEN.findall(source), "<s>", "</s>"}
        chat = ChatTokenizer(
            file, byte_tokenizer(tokens), {"default": source}, {"bos_token": "<s>", "eos_token": "</s>"}, "", ""
        )
        for args in ({}, {"enable_thinking": False}):
            try:
                masker_ = Masker(chat, args, DAY)
            except CurateError:
                continue  # templates of image models, or with two stop tokens
            before = counts["verified"]
            for name, turns in PLAIN.items():
                masked = only(masker_, turns)
                if isinstance(masked, Rejected):
                    continue
                messages = to_messages(sample(turns))
                (text,), (spans,) = marked(
                    [messages], chat_template=source, return_assistant_tokens_mask=True, **chat.special_tokens, **args
                )
                assert masked.text == text, (file.name, name)
                compare(masked, spans, masker_, turns, f"{file.stem}, {name}, {args}")
                counts["verified"] += 1
            counts["templates"] += counts["verified"] > before
    assert counts["verified"] >= 450, counts


def compare(masked: Masked, spans: list[tuple[int, int]], masker_: Masker, turns: list[Message], where: str) -> None:
    theirs = {position for start, end in spans for position in range(start, end)}
    offsets = masker_.chat.tokenizer.encode(masked.text, add_special_tokens=False).offsets
    mine = {
        position
        for offset, label in zip(offsets, masked.labels, strict=True)
        if label >= 0
        for position in range(*offset)
    }
    assert mine <= theirs, where
    prompts = [
        masker_.template.render(to_messages(sample(turns[:i])), add_generation_prompt=True)
        for i, turn in enumerate(turns)
        if turn.role == "assistant"
    ]
    header = {position for prompt in prompts for position in range(len(prompt)) if position not in mine}
    beyond = "".join(masked.text[position] for position in sorted(theirs - mine - header))
    assert beyond.replace("</s>", "").strip() == "", where
