"""A training seen from beside it: the real command on a tiny model, started, watched, stopped, killed, resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.review.training import LAUNCH, OUTPUT, Training, command, look, start, stop
from curate_train.checkpoint import FOLDER, complete
from curate_train.running import LOCK, alone, running
from tests.review_app.pages import chat, checked
from tests.train.test_train_command import save_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.run import Run

ROOT = Path(__file__).parents[2]
ADAPTER = "train/adapter/adapter_model.safetensors"
FLAGS = {"max-steps": "30", "accumulate": "2", "batch-size": "2", "lr": "1e-3", "save-steps": "10", "patience": "99"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "train", ROOT / "evaluate"))))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(tiny, tmp_path_factory.mktemp("model") / "tiny")
    save_tokenizer(folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return checked(tmp_path, [chat(f"What is {i} and one?", f"{i + 1}, of course.") for i in range(40)])


def wait(run: Run, until: Callable[[Training], bool]) -> Training:
    for _ in range(3000):
        seen = look(run)
        if until(seen):
            return seen
        assert seen.state == "running", (seen, (run / OUTPUT).read_text() if (run / OUTPUT).exists() else "")
        time.sleep(0.05)
    raise AssertionError(seen)


def is_over(seen: Training) -> bool:
    return seen.state != "running"


def at_step(step: int) -> Callable[[Training], bool]:
    return lambda seen: seen.last.get("step", 0) >= step


def test_stopped_and_resumed_it_ends_with_the_bytes_of_an_uninterrupted_one(
    run: Run, model: Path, tmp_path: Path
) -> None:
    steps = 60  # seconds: it must not end between the look and the stop
    words = command(run, {"model": str(model), **FLAGS, "max-steps": str(steps)})
    assert words[:3] == ["curate", "train", str(run.folder)]
    start(run, words)
    with pytest.raises(CurateError, match="a training is running here already: curate train"):
        start(run, words)
    seen = wait(run, at_step(3))
    stop(run)
    assert seen.steps == steps and seen.name == "fit" and not seen.asked
    assert any(line.startswith("$ curate tokens") for line in seen.output), "the steps before it were made"
    assert look(run).asked or look(run).state == "stopped"
    seen = wait(run, is_over)
    assert seen.state == "stopped" and seen.asked
    assert seen.error.startswith(f"stopped at step {seen.saved} of {steps}, which was saved")
    assert seen.saved == seen.last["step"] < steps

    # Whoever starts it may end: what it started goes on.
    script = "import sys; from pathlib import Path; from curate.run import Run; from curate.review.training import *; "
    script += "run = Run.open(Path(sys.argv[1])); start(run, command(run, {}, resume=True))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(run.folder)], check=True)
    for _ in range(400):
        if running(run):
            break
        time.sleep(0.05)
    assert look(run).command == f"curate train {run.folder} --resume"
    seen = wait(run, is_over)
    assert seen.state == "done" and not seen.error
    assert [line["step"] for line in seen.log if "loss" in line] == list(range(1, steps + 1))
    assert seen.adapter_bytes == (run / ADAPTER).stat().st_size and seen.summary["steps"] == steps

    (tmp_path / "whole").mkdir()
    whole = checked(
        tmp_path / "whole", [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    )
    start(whole, command(whole, {"model": str(model), **FLAGS, "max-steps": str(steps)}))
    assert wait(whole, is_over).state == "done"
    assert (whole / ADAPTER).read_bytes() == (run / ADAPTER).read_bytes()


def test_one_of_a_terminal_is_watched_and_what_killed_it_is_not_guessed(run: Run, model: Path) -> None:
    (run / LAUNCH).write_text(json.dumps({"pid": 1, "command": "curate train earlier", "since": 0.0}))
    (run / OUTPUT).write_text("$ curate train earlier\ncurate: of another one\n")
    words = command(run, {"model": str(model), **FLAGS, "max-steps": "2000"})
    process = subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL)
    try:
        while not running(run):
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(CurateError, match="a training is running here already: curate train"):
            start(run, words)
        seen = wait(run, at_step(12))
        assert seen.steps == 2000 and not seen.output, "what it prints is in its terminal"
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    seen = look(run)
    assert (seen.state, seen.error, seen.asked) == ("stopped", "", False)
    assert seen.last["step"] >= 12 and seen.config["max_steps"] == 2000
    # Saved each 10 steps and at the end of an epoch, and it may have gone on until the signal came.
    assert seen.saved == complete(run / FOLDER / "fit")[-1].step >= 10


def test_a_second_stop_ends_it_at_once(run: Run, model: Path) -> None:
    start(run, command(run, {"model": str(model), **FLAGS, "max-steps": "2000"}))
    wait(run, at_step(1))
    stop(run)
    stop(run)
    seen = wait(run, is_over)
    assert seen.state == "stopped" and seen.asked and not seen.error and not (run / "train").exists()
    with pytest.raises(CurateError, match="no training is running"):
        stop(run)


def test_what_cannot_begin_is_failed_with_the_line_that_it_printed(run: Run) -> None:
    start(run, command(run, {"model": "nowhere"}))
    seen = wait(run, is_over)
    assert seen.state == "failed" and seen.error.startswith("nowhere: no model folder")
    assert seen.output[0] == f"$ {seen.command}"


def test_a_number_of_a_process_that_was_left_behind_is_not_taken_for_one_that_trains(run: Run) -> None:
    left = {"pid": os.getpid(), "command": "curate train", "since": time.time()}
    (run / LOCK).write_text(json.dumps(left))
    (run / LAUNCH).write_text(json.dumps(left))
    assert running(run) is None and look(run).state == "none"
    with pytest.raises(CurateError, match="no training is running"):
        stop(run)


def test_one_process_at_a_time(run: Run, model: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from curate.run import Run; from curate_train.running import alone\n"
        "with alone(Run.open(Path(sys.argv[1]))):\n    print('mine', flush=True)\n    time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(run.folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "mine\n"
        now = running(run)
        assert now is not None and now.pid == other.pid
        with pytest.raises(CurateError, match=f"process {other.pid}: .*kill {other.pid}"), alone(run):
            pass
        words = command(run, {"model": str(model), **FLAGS})
        in_terminal = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
        assert in_terminal.returncode == 2
        assert f"a training is running here (process {other.pid}" in in_terminal.stderr
    finally:
        other.kill()
        other.communicate()
    assert running(run) is None
    with alone(run), alone(run):
        now = running(run)
        assert now is not None and now.pid == os.getpid()
    assert running(run) is None
