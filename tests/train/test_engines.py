"""Other engines behind the same command: the same rows, the same first loss, an adapter for plain peft; or a reason."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.run import make
from curate_train.engines import engine
from curate_train.settings import default_settings
from curate_train.step import STEP, config
from tests.train import fabricate
from tests.train.conftest import need

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run
    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft, trl and bitsandbytes warn about themselves

SHORT = {"max_steps": 4, "accumulate": 2, "batch_size": 2, "learning_rate": 1e-3, "dropout": 0.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    import shutil

    from tests.train.test_train_command import save_tokenizer

    folder = tmp_path_factory.mktemp("models") / "with-tokenizer"
    shutil.copytree(tiny, folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(12), fabricate.as_bytes)


def fitted(folder: Path, model: Path, rows: list[Row], **settings: Any) -> tuple[Run, Any, list[Any]]:
    """A run trained with the short settings, its train.json, and the lines of its log."""
    run = fabricate.make_run(folder, model, rows[4:], [row._replace(split="val") for row in rows[:4]])
    make(run, STEP, config(run, str(model), {**SHORT, **settings}))
    log = [json.loads(line) for line in (run / "train" / "log.jsonl").read_text().splitlines()]
    return run, json.loads((run / "train" / "train.json").read_bytes()), log


@pytest.mark.parametrize(("quant", "dtype", "digits"), [("none", "fp32", 1e-5), ("nf4", "bf16", 2e-3)])
def test_trl_trains_what_we_train(
    tmp_path: Path, model: Path, rows: list[Row], quant: str, dtype: str, digits: float
) -> None:
    need("trl", "datasets")
    _, ours, our_log = fitted(tmp_path / "ours", model, rows, quant=quant, dtype=dtype)
    run, theirs, their_log = fitted(tmp_path / "theirs", model, rows, quant=quant, dtype=dtype, engine="trl")
    assert theirs["engine"] == {"name": "trl", "library": "trl", "version": version("trl")}
    assert theirs["settings"]["engine"] == {"value": "trl", "source": "flag"}
    assert [line["step"] for line in their_log] == [line["step"] for line in our_log]
    assert theirs["train_loss"]["first"] == pytest.approx(ours["train_loss"]["first"], rel=digits)
    assert theirs["val_loss"]["before"] == pytest.approx(ours["val_loss"]["before"], rel=1e-6)
    assert theirs["train_loss"]["last"] == pytest.approx(ours["train_loss"]["last"], rel=10 * digits)
    assert theirs["adapter"] == ours["adapter"] and theirs["adapter"]["dtype"] == ["float32"]
    assert theirs.keys() == ours.keys()
    assert {file.name for file in (run / "train" / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
    }


def test_an_adapter_of_trl_loads_in_plain_peft(tmp_path: Path, model: Path, rows: list[Row]) -> None:
    need("trl", "datasets")
    import torch

    from curate_train.model import mean_loss
    from tests.train.test_fit import in_plain_peft

    run, summary, _ = fitted(tmp_path / "run", model, rows, quant="none", engine="trl", learning_rate=1e-2)
    loaded = in_plain_peft(model, run / "train" / "adapter", quant="none")
    val = [row._replace(split="val") for row in rows[:4]]
    assert mean_loss(loaded, val, 2) == pytest.approx(summary["val_loss"]["after"], rel=1e-4)
    assert summary["val_loss"]["after"] < summary["val_loss"]["before"]
    assert all(torch.isfinite(value).all() for value in loaded.state_dict().values())


def test_settings_that_an_engine_does_not_heed_are_refused_by_name(
    tmp_path: Path, model: Path, rows: list[Row]
) -> None:
    need("trl", "datasets")
    run = fabricate.make_run(tmp_path / "run", model, rows[4:], [])
    with pytest.raises(CurateError, match="--engine trl does not heed packing = True"):
        config(run, str(model), {"engine": "trl", "packing": True})
    assert config(run, str(model), {"engine": "trl", "packing": False})["engine"] == "trl"
    with pytest.raises(CurateError, match="engine = 'axolotl'"):
        config(run, str(model), {"engine": "axolotl"})


def test_an_engine_that_cannot_run_here_is_refused_before_anything_is_loaded(
    tmp_path: Path, model: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    run = fabricate.make_run(tmp_path / "run", model, rows[4:], [])
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    for name in engine.ENGINES:
        with pytest.raises(CurateError, match=f"--engine {name} needs {name}.*pip install {name}"):
            config(run, str(model), {"engine": name})
    monkeypatch.setattr(engine, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CurateError, match="--engine unsloth needs an NVIDIA GPU"):
        config(run, str(model), {"engine": "unsloth"})
    with pytest.raises(CurateError, match="--engine unsloth does not heed dtype = fp32"):
        config(run, str(model), {"engine": "unsloth", "dtype": "fp32"})
    assert not (run.folder / "train").exists()


def test_a_setting_that_is_new_to_an_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    need("trl", "datasets")
    known = engine.ENGINES[engine.TRL]
    assert known.heeds <= set(default_settings().model_dump())
    monkeypatch.setitem(engine.ENGINES, engine.TRL, known._replace(heeds=known.heeds - {"rank"}))
    engine.refuse(default_settings(engine="trl"))
    with pytest.raises(CurateError, match="does not heed rank = 8"):
        engine.refuse(default_settings(engine="trl", rank=8))
