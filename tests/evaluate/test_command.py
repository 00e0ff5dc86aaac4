"""`curate evaluate`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curate.cli.main import cli
from curate.run import Run
from tests.evaluate.test_step import lines, rows, scores

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


SAME = ("--shots", "2", "--batch-size", "16")


def evaluate(run: Run, *words: str, **options: bool) -> Result:
    return CliRunner().invoke(cli, ["evaluate", str(run.folder), *words], **options)


def test_a_second_time_nothing_is_done(evaluated: Run) -> None:
    result = evaluate(evaluated, *SAME)
    assert result.exit_code == 0, result.output
    assert "(up to date)" in result.stdout
    assert f"curate report {evaluated.folder}" in result.stdout


def test_the_settings_reach_the_step_and_are_the_command_that_it_notes(
    evaluated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("You are a clerk.\n")
    result = evaluate(evaluated, *SAME, "--prompt", "prompt.txt", "--margin", "5", "--metric", "chrf")
    assert result.exit_code == 0, result.output
    record = evaluated.record("evaluate")
    assert record is not None
    where = os.path.relpath(prompt, evaluated.manifest()["directory"])
    flags = f"--batch-size 16 --shots 2 --metric chrf --margin 5.0 --prompt {where}"
    assert record["command"] == f"curate evaluate {evaluated.folder} {flags}"
    assert scores(evaluated)["plan"]["metric"] == "chrf"
    assert [plan["margin"] for plan in evaluated.manifest()["plans"]] == [2.0, 5.0]
    assert all("system\nYou are a clerk.<|im_end|>" in line["sent"] for line in lines(evaluated, "zero-shot"))
    assert not any("sent" in line for line in lines(evaluated, "fine-tuned"))


def test_a_worse_adapter_fails_where_that_was_asked_for(evaluated: Run) -> None:
    """The base model is made right in every row, in the file that keeps the answers."""
    right = {line["output"]: line["reference"] for line in lines(evaluated, "zero-shot")}
    assert len(right) == len(rows(evaluated)) >= 6
    file = evaluated / "answers.jsonl"
    entries = [json.loads(line) for line in file.read_bytes().splitlines()]
    for entry in entries:
        entry["text"] = right.get(entry["text"], entry["text"])
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert evaluate(evaluated, *SAME, "--force").exit_code == 0
    assert scores(evaluated)["verdict"]["verdict"] == "worse"
    assert evaluate(evaluated, *SAME, standalone_mode=False).return_value == 0
    result = evaluate(evaluated, *SAME, "--fail-if-worse", standalone_mode=False)
    assert result.return_value == 1
    assert "This adapter is worse than zero-shot" in result.stdout


@pytest.mark.parametrize("value", ["0", "nan", "inf"])
def test_a_margin_is_a_number_above_0(evaluated: Run, value: str) -> None:
    assert evaluate(evaluated, "--margin", value).exit_code == 2


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
@pytest.mark.parametrize("flag", ["--gpu-hour", "--price-in", "--price-out"])
def test_a_price_is_a_number_from_0_on(evaluated: Run, flag: str, value: str) -> None:
    assert evaluate(evaluated, "--gpu-hour", "2", flag, value).exit_code == 2


@pytest.mark.parametrize("words", [("--shots", "-1"), ("--passages", "0"), ("--batch-size", "0")])
def test_settings_without_sense_are_refused(evaluated: Run, words: tuple[str, ...]) -> None:
    assert evaluate(evaluated, *words).exit_code == 2


def test_a_process_that_is_killed_between_answers_is_gone_on_with_to_the_same_report(
    trained: Run, tmp_path: Path
) -> None:
    """Killed twice, each time when some more answers are kept; the third process comes to the end."""
    whole = Run(Path(shutil.copytree(trained.folder, tmp_path / "whole")))
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("", "train", "evaluate"))
    command = [sys.executable, "-m", "curate", "evaluate", str(trained.folder), "--shots", "2", "--batch-size", "1"]
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    answers = trained / "answers.jsonl"
    kept = 0
    for more in (3, 20):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and counted(answers) < kept + more:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert not (trained / "evaluate").exists()
        assert counted(answers) >= kept + more
        kept = counted(answers)
    assert evaluate(trained, "--shots", "2", "--batch-size", "1").exit_code == 0
    keys = [json.loads(line)["key"] for line in answers.read_bytes().splitlines()]
    assert evaluate(whole, "--shots", "2", "--batch-size", "1").exit_code == 0
    assert len(keys) == len(set(keys)) == counted(whole / "answers.jsonl")
    assert (trained / "evaluate/examples.jsonl").read_bytes() == (whole / "evaluate/examples.jsonl").read_bytes()


def counted(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0
