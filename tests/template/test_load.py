"""What a model folder says of its tokenizer and its template, and how it may be laid out."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from curate.errors import CurateError
from curate.template import load
from tests.template.byte_model import CHATML, write_model


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
    with pytest.raises(CurateError, match=r"has no tokenizer\.json"):
        load(tmp_path)
    with pytest.raises(CurateError, match="has no chat template"):
        load(write_model(tmp_path, None))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CurateError, match=r"tokenizer\.json: cannot be read"):
        load(tmp_path)
    (write_model(tmp_path) / "tokenizer_config.json").write_text("{")
    with pytest.raises(CurateError, match="is not JSON"):
        load(tmp_path)
