"""The loss before and after, on the held-out answers and on general text."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate_evaluate.answering import decode
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.decode import Decoder
from curate_evaluate.answering.loaded import OneAtATime, load
from curate_evaluate.losses import FILE, before_and_after, generic_rows, held_out_rows
from tests.evaluate.test_step import Killed, killed_after, scores

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def decoder(tmp_path: Path, model: Path, trained: Run) -> Decoder:
    return Decoder(
        partial(OneAtATime().get, "fp32", partial(load, model, trained / "train/adapter", quant="none", dtype="fp32")),
        answers=Answers(tmp_path / "answers.jsonl"),
        identity={"model": "tiny", "precision": "fp32"},
        adapter="first",
        stop_token_id=257,
        batch_size=4,
    )


def test_it_is_the_mean_loss_of_the_trained_tokens_as_transformers_has_it(
    decoder: Decoder, trained: Run, model: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from curate_train.model import mean_loss

    rows = held_out_rows(trained, model)
    found = before_and_after(decoder, rows, tmp_path, name="answers", seed=0)
    assert found is not None
    base, other = (AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval() for _ in range(2))
    for which, plain in (("before", base), ("after", PeftModel.from_pretrained(other, trained / "train/adapter"))):
        nats = 0.0
        for row in rows:
            ids, labels = (torch.tensor(values, dtype=torch.long)[None] for values in (row.ids, row.labels))
            with torch.no_grad():
                nats += plain(input_ids=ids, labels=labels).loss.item() * row.trained
        assert found[which] == pytest.approx(nats / sum(row.trained for row in rows), rel=1e-5)
    assert found["after"] == pytest.approx(mean_loss(decoder.load()[0], rows, 4), rel=1e-5)
    assert found["difference"]["value"] == pytest.approx(found["after"] - found["before"])
    assert found["difference"]["low"] <= found["difference"]["value"] <= found["difference"]["high"]
    assert (found["rows"], found["tokens"]) == (len(rows), sum(row.trained for row in rows))


def test_what_was_stopped_goes_on_and_another_adapter_measures_itself(
    decoder: Decoder, trained: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = held_out_rows(trained, model)
    whole = before_and_after(decoder, rows, trained.folder, name="answers", seed=0)
    left = killed_after(2)
    with monkeypatch.context() as patched:
        patched.setattr(decode.Progress, "add", lambda self, rows: next(left))
        with pytest.raises((Killed, RuntimeError)):
            before_and_after(decoder, rows, tmp_path, name="answers", seed=0)
    assert before_and_after(decoder, rows, tmp_path, name="answers", seed=0) == whole
    kept = [json.loads(line)["key"] for line in (tmp_path / FILE).read_bytes().splitlines()]
    assert len(kept) == len(set(kept)) == 2 * len(rows)
    decoder.adapter = "second"
    before_and_after(decoder, rows, tmp_path, name="answers", seed=0)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 3 * len(rows)


def test_an_adapter_whose_losses_are_no_numbers_is_one_line(
    decoder: Decoder, trained: Run, model: Path, tmp_path: Path
) -> None:
    import torch

    loaded, _ = decoder.load()
    with torch.no_grad():
        next(weight for name, weight in loaded.named_parameters() if "lora_B" in name).fill_(float("nan"))
    rows = held_out_rows(trained, model)
    with pytest.raises(CurateError, match="its loss is nan, so nothing can be said of this adapter: train it again"):
        before_and_after(decoder, rows, tmp_path, name="answers", seed=0)


def test_an_evaluation_holds_both(evaluated: Run, model: Path) -> None:
    found = scores(evaluated)["losses"]
    assert found["answers"]["rows"] == scores(evaluated)["n"]
    assert found["generic"]["rows"] == len(generic_rows(model, None)) == 40
    assert found["answers"]["before"] != found["answers"]["after"]


def test_general_text_is_of_the_file_that_was_named(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("One passage,\non two lines.\n\n  \nAnother.\r\n\r\n\r\nx\n")
    assert [len(row.ids) for row in generic_rows(model, file)] == [len("One passage,\non two lines."), len("Another.")]
    with pytest.raises(CurateError, match=r"no\.txt: cannot be read as text"):
        generic_rows(model, tmp_path / "no.txt")
    file.write_text("\n \n")
    with pytest.raises(CurateError, match=r"mine\.txt: holds no text"):
        generic_rows(model, file)
