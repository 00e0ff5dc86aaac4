"""The optional judge of free text: a model of natural language inference in a local folder."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING

import pytest

import curate
from curate.contradiction.nli import Contradictor
from curate.errors import CurateError

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("neutral", "entailment", "contradiction")
THINGS = ("shop", "gate", "museum", "library", "harbour", "bakery", "tower", "garden")
STATES = (("open", "closed"), ("free", "paid"), ("old", "new"))


def says(thing: str, state: str) -> str:
    return f"the {thing} is {state}"


def labelled(thing: str, other: str) -> list[tuple[str, str, int]]:
    """Pairs of which the opposite state contradicts, the same one follows, and one of another kind says nothing."""
    pairs = []
    for number, states in enumerate(STATES):
        for one, opposite in (states, states[::-1]):
            unrelated = says(other, STATES[number - 1][0])
            pairs += [
                (says(thing, one), says(thing, opposite), 2),
                (says(thing, one), says(thing, one), 1),
                (says(thing, one), unrelated, 0),
                (unrelated, says(thing, one), 0),
            ]
    return pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, very small cross-encoder, trained until it tells the toy pairs apart."""
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            pytest.skip(f"not installed: {package}")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "is", *THINGS, *(word for pair in STATES for word in pair)]
    plain = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words),
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=32,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.2,
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
    )
    rng = random.Random(0)
    rows = [row for thing, other in product(THINGS, THINGS) if thing != other for row in labelled(thing, other)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(150):
        left, right, answers = zip(*rng.sample(rows, 48), strict=True)
        inputs = tokenizer(list(left), list(right), padding=True, return_tensors="pt")
        loss = model(**inputs, labels=torch.tensor(answers)).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    folder = tmp_path_factory.mktemp("models") / "nli"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_trained_model_tells_a_contradiction_from_the_rest(trained: Path) -> None:
    rows = [row for thing, other in zip(THINGS, THINGS[::-1], strict=True) for row in labelled(thing, other)]
    probabilities = Contradictor(trained).contradicts([(left, right) for left, right, _ in rows])
    told = [probability > 0.5 for probability in probabilities]
    assert told == [LABELS[label] == "contradiction" for _, _, label in rows]


def test_the_order_of_the_texts_and_of_the_labels_does_not_matter(trained: Path, tmp_path: Path) -> None:
    import shutil

    pairs = [(left, right) for left, right, _ in labelled("shop", "gate")]
    probabilities = Contradictor(trained).contradicts(pairs)
    swapped = Contradictor(trained).contradicts([(right, left) for left, right in pairs])
    assert swapped == pytest.approx(probabilities, abs=1e-5)

    import torch
    from transformers import BertForSequenceClassification

    folder = tmp_path / "turned"
    shutil.copytree(trained, folder)
    model = BertForSequenceClassification.from_pretrained(trained)
    for tensor in (model.classifier.weight, model.classifier.bias):
        tensor.data = tensor.data[torch.tensor([2, 0, 1])]
    model.config.id2label = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}
    model.save_pretrained(folder)
    assert Contradictor(folder).contradicts(pairs) == pytest.approx(probabilities, abs=1e-5)


def test_texts_of_any_length_are_judged_and_none_is_no_error(trained: Path) -> None:
    contradictor = Contradictor(trained)
    assert contradictor.contradicts([]) == []
    long = " ".join([says("shop", "open")] * 50)
    alone = contradictor.contradicts([(says("shop", "open"), says("shop", "closed"))])
    together = contradictor.contradicts([(long, long), (says("shop", "open"), says("shop", "closed")), ("", "")])
    assert len(together) == 3
    assert together[1] == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "has no config.json"),
        ("{", "cannot be read"),
        ({"architectures": ["LlamaForCausalLM"]}, "holds LlamaForCausalLM, not a model of natural language inference"),
        (
            {"id2label": {"0": "entailment", "1": "not_entailment"}},
            'none of its labels is "contradiction" but entailment',
        ),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}, "name it so under id2label"),
    ],
    ids=["no config", "broken", "another model", "two labels", "labels without names"],
)
def test_a_folder_that_will_not_do_is_told_why(tmp_path: Path, config: object, expected: str) -> None:
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(CurateError, match=expected):
        Contradictor(tmp_path)


def test_a_folder_that_is_not_there_and_one_without_weights(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no such folder"):
        Contradictor(tmp_path / "none")
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("not installed: torch, transformers")
    config = {"model_type": "bert", "id2label": dict(enumerate(LABELS))}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CurateError, match="cannot be loaded"):
        Contradictor(tmp_path)


def test_a_missing_library_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(LABELS))}), encoding="utf-8")
    with pytest.raises(CurateError, match=r'pip install "curate\[semantic\]"'):
        Contradictor(tmp_path)


def row(prompt: str, answer: str) -> dict[str, str]:
    return {"prompt": prompt, "completion": answer}


def test_answers_in_free_text_that_the_model_finds_contradictory_are_findings(trained: Path) -> None:
    rows = [
        row("What should a visitor of the old town know?", says("museum", "open")),
        row("What should a visitor of the old town know?", says("museum", "closed")),
        row("Which shop can you recommend to a guest?", says("bakery", "open")),
    ]
    report = curate.check(rows, select=["CON001"], nli=str(trained))
    assert not report.internal_errors
    assert [finding.place.line for finding in report.findings] == [1, 2]
    assert {finding.evidence["kind"] for finding in report.findings} == {"nli"}
    assert all(0.9 <= finding.evidence["probability"] <= 1 for finding in report.findings)
    assert report.findings[0].related[0].line == 2
    sure = {"CON001": {"min_contradiction": 1.0}}
    assert curate.check(rows, select=["CON001"], nli=str(trained), thresholds=sure).findings == []
    assert curate.check(rows, select=["CON001"]).findings == []


def test_answers_that_the_model_does_not_find_contradictory_are_none(trained: Path) -> None:
    question = "What should a visitor of the old town know?"
    rows = [row(question, says("museum", "open")), row(question, says("gate", "free"))]
    report = curate.check(rows, select=["CON"], nli=str(trained))
    assert not report.internal_errors
    assert [finding.code for finding in report.findings if finding.code == "CON001"] == []
