"""Which model answers, and in which precision: part of the key of everything that is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.models import Models
from curate_train.adapter import identity, write_base
from tests.evaluate.test_step import CONFIG

if TYPE_CHECKING:
    from curate.model import Model
    from curate.run import Run


def models(run: Run, base: Path, adapter: Path | None = None) -> Models:
    """Those of an evaluation; none is loaded, and none of their texts is needed."""
    training = json.loads((run / "train/train.json").read_bytes())
    none = cast("Model", None)
    return Models(run, CONFIG, none, base, adapter or run / "train/adapter", training, Answers(run / "answers.jsonl"))


def test_other_weights_of_the_same_size_have_none_of_what_the_first_ones_said(
    trained: Run, model: Path, tmp_path: Path
) -> None:
    """`who` is in the keys of answers, losses and the responses to tasks."""
    base = Path(shutil.copytree(model, tmp_path / "base"))
    first = models(trained, base)
    assert first.trained.who(tuned=False) == models(trained, model).trained.who(tuned=False), "wherever it lies"
    weights = base / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1000] ^= 1
    weights.write_bytes(changed)
    write_base(trained / "train/adapter", {"base": identity(base), "quant": "nf4", "dtype": "bf16"})
    again = models(trained, base)
    for tuned in (False, True):
        assert again.trained.who(tuned=tuned) != first.trained.who(tuned=tuned)
    assert not again.add_unquantised() and not first.add_unquantised()
    one, other = (found.answerers["unquantised"].decoder.who(tuned=False) for found in (first, again))  # type: ignore[attr-defined]
    assert one != other


@pytest.mark.parametrize(
    ("facts", "precision"),
    [
        ({"quant": "none", "dtype": "fp32"}, "fp32"),
        ({"quant": "none", "dtype": "bf16"}, "bf16"),
        ({"quant": "nf4", "dtype": "fp32"}, "nf4, fp32"),
        ({}, "nf4"),  # combined of several precisions: as the run was trained
    ],
)
def test_another_adapter_answers_in_the_precision_that_it_was_trained_in(
    trained: Run, model: Path, tmp_path: Path, facts: dict[str, Any], precision: str
) -> None:
    other = Path(shutil.copytree(trained / "train/adapter", tmp_path / "other"))
    write_base(other, {"base": identity(model), **facts})
    found = models(trained, model, other)
    assert found.trained.identity["precision"] == precision
    assert found.is_quantised == precision.startswith("nf4")
