"""`curate plan` as a user runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.train import fabricate
from tests.train.configs import LLAMA_8B
from tests.train.conftest import need
from tests.train.test_train_command import curate

if TYPE_CHECKING:
    from pathlib import Path


def test_a_config_alone_is_planned_for_a_gpu(tmp_path: Path) -> None:
    need("torch", "transformers", "peft", "accelerate", "bitsandbytes")
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    done = curate("plan", "--model", "config.json", "--memory", "12", "--batch-size", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trainable 41,943,040 || all 8,072,204,288" in done.stdout
    for word in ("weights", "adapter", "gradients", "optimizer", "activations", "logits", "full", "lora", "qlora"):
        assert word in done.stdout
    assert "12.0 GB are there: qlora (--quant nf4)" in done.stdout


def test_a_run_is_planned_with_its_rows_and_a_measured_step(tmp_path: Path, tiny: Path) -> None:
    rows = fabricate.rows("train", fabricate.samples(10), fabricate.as_bytes)
    run = fabricate.make_run(tmp_path / "run", tiny, rows, [])
    file = run / "tokens" / "tokens.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"rows": {"train": 10, "val": 0, "test": 50}}))
    done = curate(
        "plan", "run", "--model", str(tiny), "--measure", "--output-format", "json", "--max-steps", "7", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["training"] == {"rows": 10, "steps": 7}
    assert made["length"] == max(len(row.ids) for row in rows)
    assert made["test"]["smallest_difference"]["0.2"] == pytest.approx(0.177, abs=0.001)
    assert made["time"]["seconds"] > 0
    assert made["recommendation"]["kind"] == "lora"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name a model"),
        (["--model", "nowhere"], "no such file"),
        (["--model", "x", "--measure"], "--measure: a run"),
    ],
)
def test_wrong_words_say_what_to_do(tmp_path: Path, args: list[str], said: str) -> None:
    need("torch", "transformers", "peft", "accelerate", "bitsandbytes")
    done = curate("plan", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
