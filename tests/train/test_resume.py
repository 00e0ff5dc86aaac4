"""A training that is killed goes on to the very adapter that it would have made, or says why it cannot."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.errors import CurateError
from curate.run import make
from curate_train import checkpoint
from curate_train.log import Log, read_log
from curate_train.step import STEP, clear, config, interrupted
from tests.train import fabricate

if TYPE_CHECKING:
    from curate.run import Run
    from curate_train.data import Row

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

ROOT = Path(__file__).parents[2]
SETTINGS = {"max_steps": 30, "accumulate": 2, "batch_size": 2, "learning_rate": 1e-3, "save_steps": 2, "patience": 100}
ADAPTER = "train/adapter/adapter_model.safetensors"
GO = """
import sys
from pathlib import Path
from curate.run import Run, make
from curate_train.step import STEP, config, interrupted
import torch
torch.set_num_threads(1)
run = Run.open(Path(sys.argv[1]))
make(run, STEP, interrupted(run) or config(run, sys.argv[2], {settings}))
"""


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(14), fabricate.as_bytes)


def a_run(folder: Path, model: Path, rows: list[Row]) -> Run:
    return fabricate.make_run(folder, model, rows[4:], [row._replace(split="val") for row in rows[:4]])


def started(run: Run, model: Path, limit: int | None = None) -> subprocess.Popen[str]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "train", ROOT / "evaluate")))
    return subprocess.Popen(
        [sys.executable, "-c", GO.replace("{settings}", repr(SETTINGS)), str(run.folder), str(model)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited(limit) if limit else None,
    )


def limited(size: int) -> object:
    """No file may grow beyond so many bytes: writing fails in the kernel, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_killed_at_three_random_times_it_ends_with_the_same_bytes(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    whole = a_run(tmp_path / "whole", tiny, rows)
    make(whole, STEP, config(whole, str(tiny), SETTINGS))
    killed = a_run(tmp_path / "killed", tiny, rows)
    log = killed / "checkpoints/fit/log.jsonl"
    chosen = random.Random(os.urandom(8))
    at = sorted(chosen.sample(range(2, 26), 3))
    for step in at:
        process = started(killed, tiny)
        while process.poll() is None and (not log.exists() or log.read_bytes().count(b'"loss"') < step):
            time.sleep(0.005)
        time.sleep(chosen.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it had ended before step {step}"
        assert not (killed / "train").exists()
        assert interrupted(killed)
    process = started(killed, tiny)
    assert process.communicate() and process.returncode == 0
    assert (killed / ADAPTER).read_bytes() == (whole / ADAPTER).read_bytes(), f"killed after steps {at}"
    losses = [[line.get("loss", line.get("val_loss")) for line in lines(run)] for run in (killed, whole)]
    assert losses[0] == losses[1]
    assert interrupted(killed) is None


def lines(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "train/log.jsonl").read_text().splitlines()]


def stopped(run: Run, model: Path) -> None:
    """Leave a training behind that was killed after some checkpoints."""
    process = started(run, model)
    while process.poll() is None and not checkpoint.complete(run / "checkpoints/fit"):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert checkpoint.complete(run / "checkpoints/fit")


def test_it_does_not_go_on_with_other_rows_settings_or_weights(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = a_run(tmp_path / "run", tiny, rows)
    stopped(run, tiny)
    wanted = interrupted(run)
    assert wanted
    with pytest.raises(CurateError, match=r"interrupted training that is another one now: config \(rank\) changed"):
        make(run, STEP, {**wanted, "rank": 8})
    fabricate.write_split(run / "tokens", "train", rows[5:])
    with pytest.raises(CurateError, match=r"reads \(tokens/tokens.json\), reads \(tokens/train.arrow\) changed"):
        make(run, STEP, wanted)
    clear(run)
    assert interrupted(run) is None


def test_a_checkpoint_counts_once_its_manifest_is_complete(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = a_run(tmp_path / "run", tiny, rows)
    stopped(run, tiny)
    folder = run / "checkpoints/fit"
    for found in checkpoint.complete(folder)[:-1]:
        (found.folder / checkpoint.MANIFEST).unlink()
    (last,) = checkpoint.complete(folder)
    with (last.folder / "optimizer.pt").open("ab") as file:
        file.write(b"\0")
    assert checkpoint.complete(folder) == []
    checkpoint.prune(folder)
    assert not list(folder.glob("checkpoint-*"))


def test_a_full_disk_at_a_checkpoint_is_one_line_and_keeps_the_last_one(
    tmp_path: Path, tiny: Path, rows: list[Row]
) -> None:
    run = a_run(tmp_path / "run", tiny, rows)
    stopped(run, tiny)
    step = checkpoint.complete(run / "checkpoints/fit")[-1].step
    process = started(run, tiny, limit=100_000)  # less than the adapter takes
    _, said = process.communicate()
    assert process.returncode == 1
    last = said.strip().splitlines()[-1]
    assert "the disk is full" in last
    assert f"the last complete one is step {step:,}" in last
    assert "--resume" in last
    assert checkpoint.complete(run / "checkpoints/fit")[-1].step == step
    process = started(run, tiny)
    process.communicate()
    assert process.returncode == 0


def test_a_stop_saves_the_step_first(tmp_path: Path, tiny: Path, rows: list[Row]) -> None:
    run = a_run(tmp_path / "run", tiny, rows)
    process = started(run, tiny)
    log = run / "checkpoints/fit/log.jsonl"
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b'"loss"') < 3):
        time.sleep(0.005)
    process.terminate()
    _, said = process.communicate()
    assert "which was saved; go on from there: curate train RUN --resume" in said
    steps = [line["step"] for line in map(json.loads, log.read_text().splitlines())]
    assert checkpoint.complete(run / "checkpoints/fit")[-1].step == max(steps)


FEW = {"accumulate": 1, "batch_size": 2, "learning_rate": 1e-2, "save_steps": 2, "schedule": "constant"}
ENDS = {
    "inside an epoch": {"epochs": 1.5},  # 8 of 10 steps
    "early": {"max_steps": 12, "learning_rate": 1e-1, "patience": 1},
    "as an AdaLoRA": {"max_steps": 6, "quant": "none", "adalora": True},
}


@pytest.mark.parametrize("end", ENDS)
def test_killed_after_its_end_it_is_not_trained_on(
    tmp_path: Path, tiny: Path, rows: list[Row], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its last checkpoint and result.json."""
    from curate_train import fit

    settings = {**FEW, **ENDS[end]}
    whole, killed = a_run(tmp_path / "whole", tiny, rows), a_run(tmp_path / "killed", tiny, rows)
    make(whole, STEP, config(whole, str(tiny), settings))

    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "best", kill)
        make(killed, STEP, config(killed, str(tiny), settings))
    assert not (killed / "checkpoints/fit" / checkpoint.RESULT).exists()
    wanted = interrupted(killed)
    assert wanted
    make(killed, STEP, wanted)
    assert outcome(killed) == outcome(whole)
    assert outcome(whole)[1]["stopped_early"] == (end == "early")


def outcome(run: Run) -> tuple[bytes, dict[str, Any], list[float]]:
    """The adapter, what is said of it but for times and memory, and the losses."""
    said = json.loads((run / "train/train.json").read_bytes())
    for measured in ("seconds", "tokens_a_second", "peak_memory_bytes", "training_memory_bytes"):
        del said[measured]
    return (run / ADAPTER).read_bytes(), said, [line.get("loss", line.get("val_loss", 0.0)) for line in lines(run)]


def test_stopped_in_its_last_step_it_is_not_trained_on(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate_train.watch import Watch

    settings = {**FEW, "max_steps": 3}
    whole, stopped = a_run(tmp_path / "whole", tiny, rows), a_run(tmp_path / "stopped", tiny, rows)
    make(whole, STEP, config(whole, str(tiny), settings))
    begin = Watch.on_step_begin

    def terminated(watch: Watch, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        begin(watch, args, state, control, **more)

    with monkeypatch.context() as patched, pytest.raises(CurateError, match="stopped at step 3 of 3, which was saved"):
        patched.setattr(Watch, "on_step_begin", terminated)
        make(stopped, STEP, config(stopped, str(tiny), settings))
    wanted = interrupted(stopped)
    assert wanted
    make(stopped, STEP, wanted)
    assert outcome(stopped) == outcome(whole)


def test_a_log_that_is_opened_again_is_never_without_what_it_keeps(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    first = Log(file, -1)
    for step in range(4):
        first.add({"step": step, "loss": 1.0})
    first.close()
    kept = file.read_bytes().splitlines(keepends=True)[:3]
    with file.open("ab") as cut_off:
        cut_off.write(b'{"step": 2, "lo')
    again = Log(file, 2)
    assert file.read_bytes() == b"".join(kept)  # by now, not with the next line or the end
    again.add({"step": 3, "loss": 0.5})
    assert [line["loss"] for line in read_log(file)] == [1.0, 1.0, 1.0, 0.5]
    assert read_log(file) == again.lines
    again.close()


def test_a_sweep_is_interrupted_until_each_of_its_trainings_ended(
    tmp_path: Path, tiny: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first training makes the adapter that is there: on a CPU the same settings give the same bytes."""
    from curate_train import fit

    run = a_run(tmp_path / "run", tiny, rows)
    earlier, sweep = {**FEW, "max_steps": 2}, {"learning_rate": [1e-2, 2e-2]}
    make(run, STEP, config(run, str(tiny), earlier))
    clear(run)
    there = (run / ADAPTER).read_bytes()
    swept = config(run, str(tiny), earlier, sweep=sweep)
    chosen = fit._fit

    def kill(*given: Any) -> dict[str, Any]:
        if given[3].learning_rate == 2e-2:
            raise KeyboardInterrupt
        return chosen(*given)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "_fit", kill)
        make(run, STEP, swept, force=True)
    first = run / "checkpoints/learning_rate=0.01"
    assert (first / "adapter/adapter_model.safetensors").read_bytes() == there
    assert (first / checkpoint.RESULT).is_file()
    assert interrupted(run) == swept
    at = (first / checkpoint.RESULT).stat().st_mtime_ns
    make(run, STEP, swept, force=True)
    assert (first / checkpoint.RESULT).stat().st_mtime_ns == at  # it was gone on with, and not begun anew
    assert interrupted(run) is None
    assert set(json.loads((run / "train/train.json").read_bytes())["sweep"]) == {
        "learning_rate=0.01",
        "learning_rate=0.02",
    }


def test_a_sweep_without_validation_rows_is_refused_before_anything_is_trained(
    tmp_path: Path, tiny: Path, rows: list[Row]
) -> None:
    run = fabricate.make_run(tmp_path / "run", tiny, rows, [])
    with pytest.raises(CurateError, match=r"val.arrow: holds no row.* --val 0.1 --seed 1, or leave --sweep out"):
        make(run, STEP, config(run, str(tiny), FEW, sweep={"rank": [4, 8]}))
    assert not (run / "checkpoints").exists()
    assert interrupted(run) is None
