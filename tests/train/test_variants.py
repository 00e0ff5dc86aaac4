"""The variants of LoRA: a real fit of each that works, and of each that cannot why, before anything is loaded."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.run import Run, make
from curate_train.settings import IMPOSSIBLE, default_settings, resolve
from curate_train.step import STEP, clear, config, interrupted
from curate_train.sweep import candidates
from tests.train import fabricate
from tests.train.configs import CONFIGS, small
from tests.train.test_fit import SHORT, fitted, in_plain_peft, kept_model, weights
from tests.train.test_train_command import curate

if TYPE_CHECKING:
    from pathlib import Path

    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

VARIANTS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "rsLoRA": {"rslora": True},
    "DoRA": {"dora": True},
    "PiSSA": {"init": "pissa"},
    "LoRA+": {"loraplus_ratio": 16.0},
    "AdaLoRA": {"adalora": True, "learning_rate": 0.1},
}
TOGETHER: list[dict[str, Any]] = [
    {"dora": True, "rslora": True},
    {"dora": True, "loraplus_ratio": 16.0},
    {"init": "pissa", "rslora": True},
    {"init": "pissa", "loraplus_ratio": 4.0},
    {"init": "pissa", "packing": True},
    {"adalora": True, "learning_rate": 0.1, "packing": True, "gradient_checkpointing": False},
]
BASES = [("nf4", "bf16"), ("none", "bf16"), ("none", "fp32")]
WORK = [
    (values, *base) for values in VARIANTS.values() for base in BASES if (values, base[0]) != ({"init": "pissa"}, "nf4")
]
WORK += [(values, "none", "fp32") for values in TOGETHER]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(12), fabricate.as_bytes)


def named(value: Any) -> str:
    return "+".join(value) or "lora" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(("values", "quant", "dtype"), WORK, ids=named)
def test_each_that_works_gives_the_same_logits_in_plain_peft_on_the_plain_base(
    tmp_path: Path,
    tiny: Path,
    rows: list[Row],
    values: dict[str, Any],
    quant: str,
    dtype: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from curate_train.batches import collate

    kept = kept_model(monkeypatch)
    run, summary = fitted(tmp_path / "run", tiny, rows, quant=quant, dtype=dtype, **values)
    assert (summary["steps"], summary["best_step"]) == (4, 4)
    assert summary["val_loss"]["after"] < summary["val_loss"]["before"]
    loaded = in_plain_peft(tiny, run / "train" / "adapter", quant=quant, dtype=dtype)
    batch = {key: value for key, value in collate(rows[:4]).items() if key != "labels"}
    with torch.no_grad():
        trained, plain = kept[-1].eval()(**batch).logits, loaded(**batch).logits
        with loaded.disable_adapter():
            base = loaded(**batch).logits
    # Of what is saved in another form than it is trained in, the sums are rounded otherwise in bf16.
    rounded = dtype == "bf16" and ("init" in values or "adalora" in values)
    assert (trained - plain).abs().max() <= (0.02 if rounded else 1e-4)
    assert (plain - base).abs().max() > 0.05
    untrained = in_plain_peft(tiny, run / "train" / "adapter", quant=quant, dtype=dtype).unload()
    assert torch.equal(base, untrained(**batch).logits)


@pytest.mark.parametrize(("together", "said"), IMPOSSIBLE, ids=named)
def test_each_that_cannot_work_is_refused_before_anything_is_loaded(
    tmp_path: Path, tiny: Path, rows: list[Row], together: dict[str, Any], said: str
) -> None:
    model = unloadable(tmp_path / "model", json.loads((tiny / "config.json").read_bytes()))
    run = fabricate.make_run(tmp_path / "run", model, rows, [])
    values = {key: 16.0 if value is ... else value for key, value in together.items()}
    other = {"quant": "none"} if "quant" not in values else {}
    with pytest.raises(CurateError) as refused:
        config(run, str(model), {**other, **values})
    assert said in str(refused.value)
    assert all(f"--{key.replace('_', '-')}" in str(refused.value) for key in together)
    first, *_ = values
    with pytest.raises(CurateError, match="no causal language model that transformers can load"):  # one alone
        make(run, STEP, config(run, str(model), {"quant": "none", first: values[first]}))


def unloadable(folder: Path, shape: dict[str, Any]) -> Path:
    """A model folder whose weights are none: whatever loads it fails."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(shape))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"no weights")
    return folder


@pytest.mark.parametrize("values", [{"dora": True}, {"init": "pissa", "quant": "none"}, {"adalora": True}], ids=named)
def test_routers_that_peft_adapts_by_plain_lora_only_are_refused_before_anything_is_loaded(
    tmp_path: Path, tiny: Path, rows: list[Row], values: dict[str, Any]
) -> None:
    shape = small(CONFIGS["Qwen3-30B-A3B"][0]) | {"num_hidden_layers": 2, "vocab_size": 264}
    model = unloadable(tmp_path / "model", shape)
    run = fabricate.make_run(tmp_path / "run", model, rows, [])
    with pytest.raises(CurateError, match=r"--train-router: .* by plain LoRA only, not by (DoRA|PiSSA|AdaLoRA); leave"):
        make(run, STEP, config(run, str(model), {"train_router": True, "dropout": 0.0, **values}))


def test_what_needs_more_steps_or_singular_values_than_there_are_is_refused_before_anything_is_loaded(
    tmp_path: Path, tiny: Path, rows: list[Row]
) -> None:
    model = unloadable(tmp_path / "model", json.loads((tiny / "config.json").read_bytes()))
    run = fabricate.make_run(tmp_path / "run", model, rows, [])
    with pytest.raises(CurateError, match=r"--adalora: 1 optimiser step from 12 rows is too few"):
        make(run, STEP, config(run, str(model), {"adalora": True, "max_steps": 1}))
    clear(run)
    with pytest.raises(CurateError, match=r"--rank 33: .*[kv]_proj has 32 singular values only; take --rank 32"):
        make(run, STEP, config(run, str(model), {"init": "pissa", "quant": "none", "rank": 33}))


def test_a_file_a_sweep_and_a_recipe_are_refused_alike(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match=r"--init pissa and --quant nf4: .*train it with --quant none"):
        resolve({}, None, ("curate.toml", {"init": "pissa"}))
    with pytest.raises(CurateError, match="--init pissa and --quant nf4"):
        candidates(resolve({}), {"init": ["kaiming", "pissa"]})
    with pytest.raises(CurateError, match="--init pissa and --dora"):
        resolve({"dora": True}, "pissa")
    done = curate("plan", "--model", "config.json", "--init", "pissa", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("curate: --init pissa and --quant nf4: PiSSA takes its start out of the base")


@pytest.mark.parametrize("name", ["PiSSA", "LoRA+", "AdaLoRA"])
@pytest.mark.parametrize("stop", [2, 4])
def test_an_interrupted_one_goes_on_to_the_same_adapter(
    tmp_path: Path, tiny: Path, rows: list[Row], name: str, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At step 2 AdaLoRA takes ranks away, at step 4 it is done with that."""
    from curate_train import trainer

    settings = {"max_steps": 6, "save_steps": 1, "quant": "none", "dropout": 0.1, **VARIANTS[name]}
    whole, _ = fitted(tmp_path / "whole", tiny, rows, **settings)
    seal = trainer.seal

    def kill(folder: Path, step: int, *more: Any) -> None:
        seal(folder, step, *more)
        if step == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(trainer, "seal", kill)
        fitted(tmp_path / "killed", tiny, rows, **settings)
    run = Run.open(tmp_path / "killed")
    wanted = interrupted(run)
    assert wanted
    make(run, STEP, wanted)
    assert losses(run) == losses(whole)
    assert weights(run) == weights(whole)
    config_file = "train/adapter/adapter_config.json"
    assert (run / config_file).read_bytes() == (whole / config_file).read_bytes()
    clear(run)


def losses(run: Run) -> list[float]:
    lines = map(json.loads, (run / "train/log.jsonl").read_text().splitlines())
    return [line.get("loss", line.get("val_loss")) for line in lines]


def test_pissa_starts_from_the_largest_singular_values_and_is_saved_as_a_plain_lora(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from curate_train.model import load

    kept = kept_model(monkeypatch)
    run, summary = fitted(tmp_path / "run", tiny, rows, quant="none", dtype="fp32", init="pissa")
    name = "model.layers.0.mlp.up_proj"
    before = torch.linalg.svdvals(load(tiny, "none", "fp32").get_submodule(name).weight)
    left = torch.linalg.svdvals(kept[-1].get_base_model().get_submodule(name).base_layer.weight)
    assert torch.allclose(left[: len(before) - 16], before[16:], rtol=0.01)  # by the fast SVD
    saved = json.loads((run / "train/adapter/adapter_config.json").read_bytes())
    assert (saved["peft_type"], saved["r"], saved["lora_alpha"], saved["init_lora_weights"]) == ("LORA", 32, 64, True)
    assert summary["adapter"]["method"] == "PiSSA"
    plain, _ = fitted(tmp_path / "plain", tiny, rows, quant="none", dtype="fp32")
    assert losses(run)[0] == pytest.approx(losses(plain)[0], rel=1e-6)  # both start as the base


def test_loraplus_moves_the_half_that_starts_at_zero_faster(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    """Adam's first step is of the size of the learning rate, whatever the gradient."""
    from safetensors.torch import load_file

    steps = []
    for ratio in (1.0, 16.0):
        given = {"max_steps": 1, "learning_rate": 1e-4, "loraplus_ratio": ratio, "warmup": 0.0, "dtype": "fp32"}
        run, _ = fitted(tmp_path / str(ratio), tiny, rows, **given)
        saved = load_file(run / "train/adapter/adapter_model.safetensors")
        steps.append(max(tensor.abs().max().item() for name, tensor in saved.items() if "lora_B" in name))
    assert steps == pytest.approx([1e-4, 16e-4], rel=0.01)


def test_adalora_ends_with_the_rank_that_was_asked_for_spread_by_importance(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from curate_train import fit

    # Every step is said to be worse than the one before, but only one with the final ranks is kept, or ends it early.
    worse = itertools.count(1.0)
    monkeypatch.setattr(fit, "mean_loss", lambda *_: next(worse))
    run, summary = fitted(tmp_path / "run", tiny, rows, max_steps=8, save_steps=1, patience=2, **VARIANTS["AdaLoRA"])
    assert (summary["best_step"], summary["steps"], summary["stopped_early"]) == (4, 6, True)
    saved = json.loads((run / "train/adapter/adapter_config.json").read_bytes())
    ranks = [sum(kept) for kept in saved["rank_pattern"].values()]
    assert (saved["peft_type"], saved["init_r"], len(ranks)) == ("ADALORA", 24, 14)
    assert sum(ranks) == 14 * 16
    assert len(set(ranks)) > 1
    tensors = load_file(run / "train/adapter/adapter_model.safetensors")
    assert sorted(tensor.shape[0] for name, tensor in tensors.items() if "lora_E" in name) == sorted(ranks)
    assert summary["adapter"]["parameters"] == 49_152 + 14 * 24  # as many as are trained: 1.5 times those of a LoRA


def test_the_penalty_of_adalora_is_that_of_peft_and_not_in_the_logged_loss(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from curate_train.batches import collate
    from curate_train.model import load
    from curate_train.shape import empty_model
    from curate_train.targets import adapted, choose
    from curate_train.variants import AdaLora

    settings = default_settings(adalora=True, quant="none", dtype="fp32", dropout=0.0)
    model = adapted(load(tiny, "none", "fp32"), choose(empty_model(tiny), settings), settings)
    batch = collate(rows[:2])
    with torch.no_grad():
        with_penalty = model(**batch).loss
        logits = model(**batch).logits
        plain = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), batch["labels"][:, 1:])
        assert AdaLora(model).penalty().item() == pytest.approx((with_penalty - plain).item(), rel=1e-4)

    given = {"adalora": True, "quant": "none", "dtype": "fp32", "accumulate": 2, "batch_size": 2, "max_steps": 2}
    counted, summary = fitted(tmp_path / "counted", tiny, rows, **given)
    monkeypatch.setattr(AdaLora, "penalty", lambda _: None)
    without, same = fitted(tmp_path / "without", tiny, rows, **given)
    assert weights(counted) != weights(without)
    assert summary["train_loss"]["first"] == pytest.approx(same["train_loss"]["first"], rel=1e-6)
    assert SHORT["max_steps"] == 4
