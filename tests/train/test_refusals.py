"""What a training does not do: replace an adapter unasked, go on without memory, train on what is not its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.run import ensure, make
from curate_train.step import STEP, config
from tests.train import fabricate

if TYPE_CHECKING:
    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

ROOT = Path(__file__).parents[2]
SHORT = {"max_steps": 2, "accumulate": 1}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(8), fabricate.as_bytes)


def test_no_command_replaces_an_adapter_unasked(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = fabricate.make_run(tmp_path / "run", tiny, rows[2:], [])
    make(run, STEP, config(run, str(tiny), SHORT))
    adapter = run / "train/adapter/adapter_model.safetensors"
    before = adapter.read_bytes()
    fabricate.write_split(run / "tokens", "train", rows[3:])
    other = config(run, str(tiny), {**SHORT, "rank": 4})
    said: list[str] = []
    with pytest.raises(CurateError, match=r"would be replaced \(rank is now 4, was 16; .*--rank 4 .*--force"):
        ensure(run, [(STEP, other)], said.append)  # what evaluate does with a stale step
    assert adapter.read_bytes() == before
    make(run, STEP, other, force=True)
    assert adapter.read_bytes() != before


def test_rows_of_another_template_or_none_are_refused(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = fabricate.make_run(tmp_path / "run", tiny, [], rows[:2])
    with pytest.raises(CurateError, match=r"train.arrow: holds no row; tokens/rejected.jsonl says why"):
        make(run, STEP, config(run, str(tiny), SHORT))
    manifest = run.manifest()
    made_with = {"enable_thinking": False}
    manifest["steps"]["tokens"] = {"config": {"template_args": made_with}, "reads": {}, "writes": {}}
    run.save(manifest)
    with pytest.raises(CurateError, match=r"other template arguments \(None\) than .*'enable_thinking': False"):
        make(run, STEP, config(run, str(tiny), SHORT))


def test_a_sweep_keeps_the_adapter_with_the_lowest_validation_loss(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = fabricate.make_run(tmp_path / "run", tiny, rows[3:], [row._replace(split="val") for row in rows[:3]])
    swept = {"learning_rate": [1e-6, 1e-2]}
    make(run, STEP, config(run, str(tiny), {**SHORT, "max_steps": 6}, sweep=swept))
    summary = json.loads((run / "train/train.json").read_bytes())
    losses = {name: loss["after"] for name, loss in summary["sweep"].items()}
    assert list(losses) == ["learning_rate=1e-06", "learning_rate=0.01"]
    assert losses["learning_rate=0.01"] == min(losses.values()) == summary["val_loss"]["after"]
    assert summary["settings"]["learning_rate"] == {"value": 0.01, "source": "sweep"}


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from curate.errors import CurateError
from curate.run import Run, make
from curate_train import fit
from curate_train.memory import in_use
from curate_train.step import STEP, config
from curate_train.trainer import TokenTrainer
torch.set_num_threads(1)
train = TokenTrainer.train
def with_little_memory(*args, **kwargs):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))
    return train(*args, **kwargs)
TokenTrainer.train = with_little_memory
run = Run.open(Path(sys.argv[1]))
try:
    make(run, STEP, config(run, sys.argv[2], {"batch_size": 64, "max_steps": 2, "gradient_checkpointing": False}))
except CurateError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_out_of_memory_ends_with_settings_that_need_less(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    import numpy as np

    long = [row._replace(ids=np.resize(row.ids, 2000), labels=np.resize(row.ids, 2000)) for row in rows] * 8
    run = fabricate.make_run(tmp_path / "run", tiny, long, [])
    path = os.pathsep.join(map(str, (ROOT, ROOT / "train", ROOT / "evaluate")))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(run.folder), str(tiny)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "out of memory with 64 rows of up to 2,000 tokens at once: it needs about" in done.stdout, done.stderr[
        -2000:
    ]
    assert "--gradient-checkpointing" in done.stdout
    assert "--force" in done.stdout
