"""What a model folder says of its tokenizer and its template, and how it may be laid out."""

import json
from datetime import date
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from curate.errors import CurateError
from curate.template.load import load, template_files
from curate.template.render import ChatTemplate, TemplateRefuses
from tests.template.byte_model import CHATML, write_model

STOCK = ("alpaca", "chatml", "llama3")


def test_a_template_file_wins_over_the_config(tmp_path: Path) -> None:
    chat = load(write_model(tmp_path, CHATML, chat_template="another"))
    assert chat.templates == {"default": CHATML}


def test_the_template_may_stand_in_the_config_alone_or_by_name(tmp_path: Path) -> None:
    assert load(write_model(tmp_path / "one", None, chat_template=CHATML)).templates == {"default": CHATML}
    named = [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": "tools"}]
    assert load(write_model(tmp_path / "two", None, chat_template=named)).templates == {
        "default": CHATML,
        "tool_use": "tools",
    }


def test_special_tokens_are_text_or_objects_or_in_the_old_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path, bos_token={"content": "<s>", "lstrip": False}, pad_token=None, add_bos_token=True)
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "old", "eos_token": "<|im_end|>"}))
    assert load(folder).special_tokens == {"bos_token": "<s>", "eos_token": "<|im_end|>"}


def test_lengths_that_a_tokenizer_was_saved_with_do_not_cut_rows(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert len(load(folder).ids("0123456789")) == 10


def test_the_template_hash_is_of_the_template_alone(tmp_path: Path) -> None:
    one, two = load(write_model(tmp_path / "1", CHATML)), load(write_model(tmp_path / "2", CHATML, eos_token="x"))
    other = load(write_model(tmp_path / "3", CHATML + " "))
    assert one.template_sha256 == two.template_sha256 != other.template_sha256
    assert one.tokenizer_sha256 == other.tokenizer_sha256


def test_a_folder_without_what_is_needed_says_what(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no such folder; --model takes a local folder"):
        load(tmp_path / "none")
    with pytest.raises(CurateError, match=r"has no tokenizer\.json; save one there"):
        load(tmp_path)
    (tmp_path / "model.gguf").touch()
    with pytest.raises(CurateError, match=r"has no tokenizer\.json; give the file: --model .*model\.gguf"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CurateError, match="its tokenizer cannot be read"):
        load(tmp_path)
    (write_model(tmp_path) / "tokenizer_config.json").write_text("{")
    with pytest.raises(CurateError, match="is not JSON"):
        load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(CurateError, match="is not a JSON object"):
        load(tmp_path)


def test_what_would_give_other_ids_each_time_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="chat_template is no list of names and templates"):
        load(write_model(tmp_path, None, chat_template=[{"template": CHATML}]))
    file = write_model(tmp_path) / "tokenizer.json"
    source = json.loads(file.read_bytes())
    source["model"]["dropout"] = 0.1
    file.write_text(json.dumps(source))
    with pytest.raises(CurateError, match="leaves merges out at random; set dropout to null"):
        load(tmp_path)


def test_a_file_is_its_folder_or_no_model(tmp_path: Path) -> None:
    assert load(write_model(tmp_path) / "tokenizer.json").folder == tmp_path
    with pytest.raises(CurateError, match=r"is no \.gguf file; .*; a template goes with --chat-template"):
        load(tmp_path / "chat_template.jinja")


def test_a_model_without_a_template_is_told_of_the_option(tmp_path: Path) -> None:
    folder = write_model(tmp_path, None)
    with pytest.raises(CurateError, match=r"has no chat template; .*: --chat-template alpaca\|chatml\|llama3\|FILE"):
        load(folder)
    for name in STOCK:
        chat = load(folder, chat_template=name)
        assert chat.template_from == f"--chat-template {name}"
        assert "message" in chat.templates["default"]


def test_the_option_goes_before_the_models_own_templates_and_takes_a_file(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "own"}, {"name": "tool_use", "template": "tools"}]
    folder = write_model(tmp_path / "model", None, chat_template=named)
    assert load(folder).template_from == "tokenizer_config.json"
    file = tmp_path / "mine.jinja"
    file.write_text("mine: {{ messages }}")
    chat = load(folder, chat_template=str(file))
    assert chat.templates == {"default": "mine: {{ messages }}"}
    assert chat.template_sha256 != load(folder).template_sha256
    with pytest.raises(
        CurateError, match="--chat-template vicuna: neither alpaca nor chatml nor llama3, and no such file"
    ):
        load(folder, chat_template="vicuna")


def test_every_file_with_a_say_in_the_ids_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    assert set(folder.iterdir()) <= set(template_files(folder))
    (tmp_path / "model.gguf").touch()
    assert template_files(tmp_path / "model.gguf") == [tmp_path / "model.gguf"]
    assert template_files(folder, "chatml")[-1].name == "chatml.jinja"


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Yes."},
]
RENDERED = {
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4"
        "<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    ),
    "llama3": (
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
        "2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n4<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nSure?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
    ),
    "alpaca": (
        "Be brief.\n\n### Instruction:\n2+2?\n\n### Response:\n4</s>\n\n### Instruction:\nSure?\n\n### Response:\n"
        "Yes.</s>\n\n"
    ),
}
HEADER = {
    "chatml": "<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "alpaca": "### Response:\n",
}


@pytest.mark.parametrize("name", STOCK)
def test_our_own_templates_write_what_their_names_promise(name: str, tmp_path: Path) -> None:
    template = _template(tmp_path, name, bos_token="<s>", eos_token="</s>")
    assert template.render(CONVERSATION) == "<s>" + RENDERED[name]
    prompt = template.render(CONVERSATION[:4], add_generation_prompt=True)
    assert prompt.endswith(HEADER[name])
    assert ("<s>" + RENDERED[name]).startswith(prompt)
    assert _template(tmp_path, name, eos_token="</s>").render(CONVERSATION) == RENDERED[name]


@pytest.mark.parametrize("name", STOCK)
def test_our_own_templates_refuse_what_they_cannot_write(name: str, tmp_path: Path) -> None:
    template = _template(tmp_path, name, eos_token="</s>")
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    for messages, tools in (
        ([*CONVERSATION, {"role": "tool", "content": "1"}], None),
        ([CONVERSATION[1], call], None),
        (CONVERSATION, [{"type": "function", "function": {"name": "f"}}]),
    ):
        with pytest.raises(TemplateRefuses, match=f"the stock template {name} has no"):
            template.render(messages, tools)


def test_our_own_templates_need_the_tokens_that_they_end_answers_with(tmp_path: Path) -> None:
    with pytest.raises(TemplateRefuses, match="eos_token, which this tokenizer does not name"):
        _template(tmp_path, "alpaca").render(CONVERSATION)
    # Where the token that begins a text is the one that begins a turn, it stands once.
    smollm = _template(tmp_path, "chatml", bos_token="<|im_start|>")
    assert smollm.render(CONVERSATION) == RENDERED["chatml"]


def _template(folder: Path, name: str, **tokens: str) -> ChatTemplate:
    return ChatTemplate(load(write_model(folder, None, **tokens), chat_template=name), {}, date(2026, 1, 2))
