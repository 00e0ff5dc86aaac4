"""Real fits: what is written loads in plain peft, is the same for the same seed, and has learned something."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.run import Run, make, why_stale
from curate_train.settings import default_settings
from curate_train.step import STEP, config
from tests.train import fabricate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

SHORT = {"max_steps": 4, "accumulate": 1, "learning_rate": 1e-3, "schedule": "constant"}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(12), fabricate.as_bytes)


def fitted(folder: Path, model: Path, rows: Sequence[Row], *, val: int = 4, **settings: Any) -> tuple[Run, Any]:
    """A run trained with the short settings: the run and its train.json."""
    run = fabricate.make_run(folder, model, rows[val:], [row._replace(split="val") for row in rows[:val]])
    make(run, STEP, config(run, str(model), {**SHORT, **settings}))
    return run, json.loads((run / "train" / "train.json").read_bytes())


def weights(run: Run) -> bytes:
    return (run / "train" / "adapter" / "adapter_model.safetensors").read_bytes()


def in_plain_peft(model: Path, adapter: Path, *, quant: str, dtype: str = "bf16") -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    computing = torch.float32 if dtype == "fp32" else torch.bfloat16
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=computing,
    )
    base = AutoModelForCausalLM.from_pretrained(
        model, dtype=computing, quantization_config=nf4 if quant == "nf4" else None, device_map={"": "cpu"}
    )
    return PeftModel.from_pretrained(base, adapter).eval()


def kept_model(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The model objects that the next fits trained, as they were when they were saved."""
    from curate_train import variants

    kept: list[Any] = []
    save = variants.save

    def keep(model: Any, folder: Path, **how: Any) -> None:
        kept.append(model)
        save(model, folder, **how)

    monkeypatch.setattr(variants, "save", keep)
    return kept


@pytest.mark.parametrize("quant", ["nf4", "none"])
def test_the_adapter_gives_the_same_logits_in_plain_peft(
    tmp_path: Path, tiny: Path, rows: list[Row], quant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from curate_train.batches import collate

    kept = kept_model(monkeypatch)
    run, _ = fitted(tmp_path / "run", tiny, rows, quant=quant)
    loaded = in_plain_peft(tiny, run / "train" / "adapter", quant=quant)
    batch = {key: value for key, value in collate(rows[:4]).items() if key != "labels"}
    with torch.no_grad():
        trained, plain = kept[-1].eval()(**batch).logits, loaded(**batch).logits
        with loaded.disable_adapter():
            base = loaded(**batch).logits
    assert torch.equal(trained, plain)
    assert not torch.equal(plain, base)


def test_one_seed_gives_one_adapter_and_another_seed_another(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    first, _ = fitted(tmp_path / "first", tiny, rows)
    second, _ = fitted(tmp_path / "second", tiny, rows)
    other, _ = fitted(tmp_path / "other", tiny, rows, seed=1)
    assert weights(first) == weights(second)
    name = "train/adapter/adapter_config.json"
    assert (first / name).read_bytes() == (second / name).read_bytes()
    targets = json.loads((first / name).read_bytes())["target_modules"]
    assert targets == sorted(targets)  # a set's order is another in each process
    assert weights(first) != weights(other)


def test_measuring_the_validation_rows_does_not_change_the_training(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes packs 4-bit weights on some CPUs when it computes in eval mode; packed ones have no backward."""
    from curate_train import fit

    measured, summary = fitted(tmp_path / "measured", tiny, rows)
    monkeypatch.setattr(fit, "mean_loss", lambda *_: None)  # also where it is said when to measure
    unmeasured, _ = fitted(tmp_path / "unmeasured", tiny, rows)
    assert summary["val_loss"]["before"] != summary["val_loss"]["after"]
    assert weights(measured) == weights(unmeasured)


def test_gradient_checkpointing_gives_the_same_adapter(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    plain, _ = fitted(tmp_path / "plain", tiny, rows)
    checkpointed, _ = fitted(tmp_path / "checkpointed", tiny, rows, gradient_checkpointing=False)
    assert weights(plain) == weights(checkpointed)


def test_it_learns_and_says_what_it_did(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run, summary = fitted(tmp_path / "run", tiny, rows, max_steps=16, learning_rate=1e-2)
    log = [json.loads(line) for line in (run / "train" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 17))
    assert summary["train_loss"] == {"first": steps[0]["loss"], "last": steps[-1]["loss"]}
    validated = {line["step"]: line["val_loss"] for line in log if "val_loss" in line}
    assert summary["val_loss"] == {"before": validated[0], "after": min(validated.values())}
    assert validated[summary["best_step"]] == min(validated.values())
    assert summary["val_loss"]["after"] < summary["val_loss"]["before"] - 0.2
    assert summary["rows"] == {"train": 8, "val": 4}
    assert summary["trained_tokens"]["train"] == sum(int((row.labels != -100).sum()) for row in rows[4:])
    assert summary["adapter"]["dtype"] == ["float32"]
    assert summary["settings"]["learning_rate"] == {"value": 1e-2, "source": "flag"}
    assert summary["settings"]["epochs"] == {"value": 3.0, "source": "default"}
    assert sorted(file.name for file in (run / "train" / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
    ]
    assert "polyline" in (run / "train" / "curves.svg").read_text()


def test_the_loss_is_the_mean_over_tokens_whatever_the_batches(tiny: Path, rows: list[Row]) -> None:
    import torch

    from curate_train.model import load, mean_loss

    model = load(tiny, "none")
    total = 0.0
    for row in rows:
        logits = model(torch.tensor(row.ids)[None].long()).logits[0].float().log_softmax(-1)
        total -= sum(logits[i - 1, label].item() for i, label in enumerate(row.labels.tolist()) if label != -100)
    mean = total / sum(row.trained for row in rows)
    assert mean_loss(model, rows, 1) == pytest.approx(mean, rel=1e-5)
    assert mean_loss(model, rows, 5) == pytest.approx(mean, rel=2e-3)  # padding rounds otherwise in bf16


def test_every_row_is_trained_on_once_an_epoch(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate_train import batches, trainer

    seen: list[str] = []

    def collate(batch: Sequence[Row]) -> Any:
        seen.extend(row.sample_id for row in batch)
        return batches.collate(batch)

    monkeypatch.setattr(trainer, "collate", collate)
    settings = {"max_steps": None, "epochs": 2.0, "batch_size": 3, "accumulate": 2}
    _, summary = fitted(tmp_path / "run", tiny, rows[:10], val=0, **settings)
    assert summary["steps"] == 4  # 10 rows: 4 batches, the last of one row; 2 steps an epoch
    assert sorted(seen) == sorted([row.sample_id for row in rows[:10]] * 2)
    assert summary["val_loss"] == {"before": None, "after": None}


def test_a_loss_that_is_not_finite_stops_names_the_rows_and_keeps_the_last_checkpoint(
    tmp_path: Path, tiny: Path, rows: list[Row]
) -> None:
    from curate_train import checkpoint

    settings = {"learning_rate": 1e30, "max_steps": 30, "save_steps": 1, "batch_size": 2, "patience": 100}
    with pytest.raises(CurateError, match=r"is (nan|inf)|is not finite") as refused:
        fitted(tmp_path / "run", tiny, rows, **settings)
    assert not (tmp_path / "run" / "train").exists()
    said = str(refused.value)
    assert "split/train.jsonl:" in said
    assert "--learning-rate" in said
    kept = checkpoint.complete(tmp_path / "run" / "checkpoints" / "fit")
    assert kept
    assert all(found.val_loss is not None and math.isfinite(found.val_loss) for found in kept)
    assert str(kept[-1].folder) in said


def test_a_part_without_a_gradient_is_left_out_or_stops(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama.modeling_llama import LlamaAttention

    forward = LlamaAttention.forward

    def detached(self: Any, *args: Any, **kwargs: Any) -> Any:
        output, attention = forward(self, *args, **kwargs)
        return output if output.is_meta and in_step else output.detach(), attention

    monkeypatch.setattr(LlamaAttention, "forward", detached)
    in_step = False
    _, summary = fitted(tmp_path / "left_out", tiny, rows)
    missed = summary["audit"]["missed"]["no gradient reaches it"]
    assert missed == {f"model.layers.self_attn.{name}_proj": 2 for name in "qkvo"}
    assert set(summary["adapter"]["targets"]) == {"gate_proj", "up_proj", "down_proj"}

    in_step = True  # a model that is not what its config says
    with pytest.raises(CurateError, match=r"16 parts of the adapter have no gradient.*self_attn"):
        fitted(tmp_path / "stopped", tiny, rows)


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path, rows: list[Row]) -> None:
    run = fabricate.make_run(tmp_path / "run", tmp_path, rows, [])
    with pytest.raises(CurateError, match=r"nowhere: no model folder \(config.json and \*.safetensors\)"):
        config(run, str(tmp_path / "nowhere"), {})


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    run = fabricate.make_run(tmp_path / "run", tmp_path, rows, [])
    with pytest.raises(CurateError, match=r"another tokenizer .*: curate tokens .* --model"):
        make(run, STEP, config(run, str(tiny), SHORT))
    assert not (run / "train").exists()


def test_it_is_stale_by_tokens_model_and_settings(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    import shutil

    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    run, _ = fitted(tmp_path / "run", model, rows)
    same = config(run, str(model), SHORT)
    assert why_stale(run, STEP, same) == []
    assert why_stale(run, STEP, config(run, str(model), {**SHORT, "rank": 8})) == ["rank is now 8, was 16"]

    fabricate.write_split(run / "tokens", "train", rows[5:])
    assert why_stale(run, STEP, same) == ["tokens/tokens.json changed", "tokens/train.arrow changed"]
    fabricate.write_split(run / "tokens", "train", rows[4:])

    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    (reason,) = why_stale(run, STEP, same)
    assert reason.endswith("config.json changed")
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert any(reason.startswith("weights is now") for reason in why_stale(run, STEP, config(run, str(model), SHORT)))


def test_smollm2_learns_on_real_text_in_nf4(
    tmp_path: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoTokenizer

    from curate_train.batches import collate

    kept = kept_model(monkeypatch)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    chosen = fabricate.samples(3)
    rows = fabricate.rows("train", chosen, fabricate.by_template(tokenizer))
    run, summary = fitted(tmp_path / "run", smollm2, rows, val=1, warmup=0.0, learning_rate=2e-4)
    assert summary["best_step"] == 4  # what is compared below is the model after the last step
    assert summary["settings"]["quant"]["value"] == default_settings().quant == "nf4"
    assert summary["adapter"]["dtype"] == ["float32"]
    assert summary["adapter"]["parameters"] == 4_884_480
    assert summary["train_loss"]["last"] < summary["train_loss"]["first"] - 0.3  # each step sees the same 2 rows
    assert summary["val_loss"]["after"] < summary["val_loss"]["before"]
    batch = {key: value for key, value in collate(rows[:2]).items() if key != "labels"}
    loaded = in_plain_peft(smollm2, run / "train" / "adapter", quant="nf4")
    with torch.no_grad():
        assert torch.equal(kept[-1].eval()(**batch).logits, loaded(**batch).logits)
    out, err = capfd.readouterr()
    assert out == ""
    assert "train: step 4 of 4, loss" in err


@pytest.mark.parametrize(("quant", "dtype", "digits"), [("none", "fp32", 1e-5), ("nf4", "bf16", 5e-4)])
def test_the_first_losses_are_those_of_a_plain_loop(
    tmp_path: Path, tiny: Path, rows: list[Row], quant: str, dtype: str, digits: float
) -> None:
    """Written out with nothing of ours but the weights, the adapter and the order of the rows."""
    import torch
    from transformers import set_seed

    from curate_train.batches import Order
    from curate_train.model import load
    from curate_train.shape import empty_model
    from curate_train.targets import adapted, choose

    given = {"quant": quant, "dtype": dtype, "dropout": 0.0, "batch_size": 2, "warmup": 0.0}
    run, _ = fitted(tmp_path / "run", tiny, rows, val=0, **given)
    log = [json.loads(line) for line in (run / "train" / "log.jsonl").read_text().splitlines()]

    settings = default_settings(**{**SHORT, **given})
    base = load(tiny, quant, dtype)
    set_seed(0)
    model = adapted(base, choose(empty_model(tiny, dtype), settings), settings).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)
    order = list(Order([len(row.ids) for row in rows], 2, 0, by_length=True))
    losses = []
    for step in range(4):
        nll, count = torch.zeros(()), 0
        for i in order[2 * step : 2 * step + 2]:
            ids, labels = (torch.tensor(column).long()[None] for column in (rows[i].ids, rows[i].labels))
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            nll = nll + torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="sum")
            count += int((labels[0, 1:] != -100).sum())
        (nll / count).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(nll.item() / count)
    assert [line["loss"] for line in log] == pytest.approx(losses, rel=digits)
