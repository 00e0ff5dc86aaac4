"""Embeddings by a local model, and the pairs of vectors that are near each other."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.dedup import semantic
from curate.dedup.semantic import embed, near_pairs
from curate.errors import CurateError
from tests.dedup.models import need, sentence_model

WORDS = ["the", "a", "shop", "opens", "closes", "at", "nine", "ten", "on", "monday", "where", "is", "my", "order"]
WORDS += ["please", "tell", "me", "when", "it", "comes"]
TEXTS = [
    "the shop opens at nine",
    "a shop closes at ten on monday please tell me when it opens",
    "where is my order",
    "",
    "where is my order",
    "order " * 40,
]
LENGTH = 16


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small BERT with random weights, laid out as sentence-transformers do."""
    need("torch", "transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    plain = Tokenizer(models.WordLevel({word: n for n, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As in published folders: lengths of the run that saved the tokenizer, which are not those of the model.
    plain.enable_truncation(8)
    plain.enable_padding(length=8)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    put(folder, "sentence_bert_config.json", {"max_seq_length": LENGTH})
    pool(folder, pooling_mode_mean_tokens=True)
    return folder


def put(folder: Path, name: str, value: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def pool(folder: Path, **config: Any) -> None:
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    put(folder, "modules.json", [{"type": f"sentence_transformers.models.{kind}", "path": at} for kind, at in modules])
    put(folder, "1_Pooling/config.json", {"word_embedding_dimension": 32, "pooling_mode_cls_token": False, **config})


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "model"))


def reference(folder: Path, text: str, length: int, pooling: str = "mean") -> Any:
    """The vector of one text alone, by transformers' own tokenizer and model."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, truncation=True, max_length=length, padding=False, return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0]
    vector = hidden.mean(dim=0) if pooling == "mean" else hidden[0]
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_vectors_are_those_of_the_model(tiny: Path, tmp_path: Path, pooling: str) -> None:
    folder = copied(tiny, tmp_path)
    if pooling == "cls":
        pool(folder, pooling_mode_cls_token=True)
    vectors, _ = embed(folder, TEXTS)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([reference(folder, text, LENGTH, pooling) for text in TEXTS]), abs=1e-4)


def test_what_is_beyond_the_window_is_not_seen_and_said(tiny: Path) -> None:
    beginning = "where is my order please " * 3
    vectors, is_partial = embed(tiny, [beginning + "tell me", beginning + "closes at ten", "where is my order"])
    assert is_partial.tolist() == [True, True, False]
    assert vectors[0] == pytest.approx(vectors[1])


def test_the_window_is_what_the_folder_says(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path)
    (folder / "sentence_bert_config.json").unlink()
    put(folder, "tokenizer_config.json", {"model_max_length": 1e30})
    assert embed(folder, ["order " * 61, "order " * 63]).is_partial.tolist() == [False, True]
    put(folder, "tokenizer_config.json", {"model_max_length": 20})
    assert embed(folder, ["order " * 18, "order " * 19]).is_partial.tolist() == [False, True]


def test_the_order_and_company_of_texts_changes_nothing(tiny: Path) -> None:
    together, _ = embed(tiny, TEXTS)
    assert (embed(tiny, TEXTS).vectors == together).all()
    assert embed(tiny, TEXTS[::-1]).vectors[::-1] == pytest.approx(together, abs=1e-5)
    assert (together[2] == together[4]).all()


def test_progress_counts_each_text_once_and_no_text_is_no_error(tiny: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    embed(tiny, TEXTS, lambda *said: seen.append(said))
    assert seen[-1] == ("embedding texts", 5, 5)
    vectors, is_partial = embed(tiny, [])
    assert (len(vectors), len(is_partial)) == (0, 0)
    assert [len(column) for column in near_pairs(vectors, 0.9)] == [0, 0, 0]


def test_an_onnx_file_is_run_by_onnxruntime(tiny: Path, tmp_path: Path) -> None:
    need("onnx", "onnxruntime")
    from onnx import TensorProto, helper, numpy_helper, save

    folder = copied(tiny, tmp_path)
    (folder / "model.safetensors").unlink()
    table = np.random.default_rng(0).normal(size=(4 + len(WORDS), 32)).astype(np.float32)
    shape = ["batch", "length"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "a model that only looks up its words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape)],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 32])],
        [numpy_helper.from_array(table, "table")],
    )
    (folder / "onnx").mkdir()
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "onnx" / "model.onnx")
    vectors, _ = embed(folder, ["where is my order", "order", "the shop opens at nine"])
    assert vectors[1] == pytest.approx(unit(table[[[2, 4 + WORDS.index("order"), 3]]].mean(axis=1))[0], abs=1e-5)
    (folder / "onnx" / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(CurateError, match="cannot be loaded"):
        embed(folder, TEXTS)


def test_a_real_model_puts_paraphrases_near_each_other() -> None:
    folder = sentence_model()
    import torch

    torch.set_num_threads(1)
    texts = [
        "How do I reset my password?",
        "I forgot my password, how can I set a new one?",
        "What is the capital of Mongolia?",
        "Tell me the name of Mongolia's capital city.",
    ]
    vectors, _ = embed(folder, texts)
    assert vectors == pytest.approx(np.array([reference(folder, text, 256) for text in texts]), abs=1e-4)
    left, right, _ = near_pairs(vectors, 0.7)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("text", "is_partial"),
    [
        ("How do I reset my password?", False),
        ("Wie setze ich mein Passwort zurück?", False),
        ("Where is the café — “Zoë’s” — in São Paulo?", False),
        ("怎么重置密码?", True),
        ("商店星期六几点开门?", True),
        ("รีเซ็ตรหัสผ่านอย่างไร", True),
        ("Как сбросить пароль от моей учётной записи?", True),
        ("كيف أعيد تعيين كلمة المرور؟", True),
    ],
)
def test_a_language_that_the_model_has_not_learned_is_marked(text: str, is_partial: bool) -> None:
    # To this model all Thai and much of Chinese is one unknown word, so that any two sentences have the same vector.
    assert embed(sentence_model(), [text]).is_partial.tolist() == [is_partial]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", {}, "tokenizer.json: cannot be read"),
        ("model.safetensors", None, "holds no weights"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "has a Dense module"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by max_tokens, which is not supported"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pools by lasttoken, which is not supported"),
        ("config.json", {"model_type": "nothing"}, "cannot be loaded"),
        ("sentence_bert_config.json", None, None),
    ],
)
def test_a_folder_that_will_not_do_is_told_why(
    tiny: Path, tmp_path: Path, name: str, value: Any, expected: str | None
) -> None:
    folder = copied(tiny, tmp_path)
    if value is None:
        (folder / name).unlink()
    else:
        put(folder, name, value)
    if expected is None:
        assert len(embed(folder, TEXTS).vectors) == len(TEXTS)
        return
    with pytest.raises(CurateError, match=expected):
        embed(folder, TEXTS)


def test_a_model_for_another_purpose_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path)
    (folder / "modules.json").unlink()
    put(folder, "config.json", {"architectures": ["LlamaForCausalLM"]})
    with pytest.raises(CurateError, match="holds a LlamaForCausalLM, not a sentence-embedding model"):
        embed(folder, TEXTS)
    with pytest.raises(CurateError, match="no such folder"):
        embed(tmp_path / "none", TEXTS)


def test_a_missing_library_names_the_command(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CurateError, match=r'not installed; run: pip install "curate\[semantic\]"$'):
        embed(tiny, TEXTS)
    folder = copied(tiny, tmp_path)
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(CurateError, match=r'run: pip install onnxruntime or: pip install "curate\[semantic\]"$'):
        embed(folder, TEXTS)


def unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 7, 64, 2048])
def test_near_pairs_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(semantic, "_BLOCK", block)
    monkeypatch.setattr(semantic, "_PAIRS_TOGETHER", 11)
    draws = np.random.default_rng(3)
    centres = draws.normal(size=(12, 16))
    vectors = unit(centres[draws.integers(0, 12, size=100)] + 0.2 * draws.normal(size=(100, 16)))
    exact = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    expected = [(a, b) for a in range(100) for b in range(a + 1, 100) if exact[a, b] >= 0.9]
    left, right, similarity = near_pairs(vectors, 0.9)
    assert expected
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected
    assert similarity == pytest.approx(exact[left, right], abs=1e-6)


def test_equal_vectors_pass_the_highest_threshold() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(5, 384)))
    left, right, similarity = near_pairs(np.concatenate([vectors, vectors]), 1.0)
    assert (left.tolist(), right.tolist()) == (list(range(5)), list(range(5, 10)))
    assert similarity.tolist() == [1.0] * 5


def test_too_many_pairs_are_refused_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "MOST_PAIRS", 100)
    with pytest.raises(CurateError, match="more than 100 pairs of rows have a similarity"):
        near_pairs(np.ones((20, 1), dtype=np.float32), 0.9)
