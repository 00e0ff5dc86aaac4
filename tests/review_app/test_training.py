"""The page of the training without a browser: every state of it, and that what files say stays text."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from curate.review.training import LAUNCH, OUTPUT
from curate_train.running import LOCK, alone
from tests.review_app.pages import EMPTY, GOOD, elements, run_of
from tests.review_app.payloads import PAYLOADS
from tests.train.conftest import need

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run
    from tests.review_app.pages import Browser

pytest.importorskip("streamlit")

STEP = {"epoch": 0.5, "learning_rate": 2e-4, "grad_norm": 1.0, "memory_bytes": 1_500_000_000}


@pytest.fixture
def libraries() -> None:
    need("torch", "transformers", "peft", "accelerate", "bitsandbytes")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "a model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def command(browser: Browser) -> str:
    return str(browser.find("div", "command")[0][2][2])


def start_button(browser: Browser) -> list[Any]:
    return browser.keys()["Ctrl+Enter"]


@pytest.mark.usefixtures("libraries")
def test_the_form_says_the_command_and_what_it_makes_first(open_on: Any, model: Path, tmp_path: Path) -> None:
    browser = open_on(EMPTY).key("T")
    assert browser.query == {"view": "training"} and browser.data["poll"] == 0
    assert "Say which model to train" in browser.text and start_button(browser)[1]["disabled"]
    browser.press({"act": "training_form"}, value="", model=str(model))
    run = tmp_path / "run"
    assert command(browser) == f"curate train {run} --model '{model}'"
    assert "It makes clean, split and tokens first" in browser.text
    assert not start_button(browser)[1].get("disabled")
    chosen = {one[1]["aria-pressed"]: one for one in browser.find("button", "recipe")}
    assert "default" in str(chosen["true"])
    quick = next(key for key, one in browser.keys().items() if one[1]["press"].get("recipe") == "quick")
    browser.key(quick, rank="8", epochs=" 2 ")
    assert command(browser) == f"curate train {run} --model '{model}' --recipe quick --epochs 2 --rank 8"


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"model": "nowhere"}, "nowhere: no model folder (config.json and *.safetensors)"),
        ({"epochs": "many"}, "epochs = 'many': input should be a valid number"),
        ({"rank": "0"}, "rank = '0': input should be greater than or equal to 1"),
        ({"learning_rate": "-1"}, "learning_rate = '-1': input should be greater than 0"),
        ({"model": "long" * 2000}, "name too long"),
        ({"model": "a\0b"}, "a\\x00b: no model folder"),
        ({"model": "~no such user"}, "~no such user: no model folder"),
    ],
)
def test_what_would_be_refused_is_said_before_it_is_started(
    open_on: Any, model: Path, tmp_path: Path, typed: dict[str, str], said: str
) -> None:
    browser = open_on(EMPTY, view="training").press({"act": "training_form"}, **{"model": str(model), **typed})
    assert said in browser.text and start_button(browser)[1]["disabled"]
    browser.press({"act": "training_start"})
    assert (
        "That was not done: " in browser.text
        and browser.text.count(said) == 2
        and not (tmp_path / "run" / OUTPUT).exists()
    )


def test_missing_libraries_are_a_sentence(open_on: Any, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    browser = open_on(EMPTY, view="training").press({"act": "training_form"}, model=str(model))
    assert 'pip install "curate[train]"' in browser.text and start_button(browser)[1]["disabled"]


@pytest.mark.usefixtures("libraries")
def test_a_table_of_curate_toml_is_the_start_of_the_form(
    open_on: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curate.toml").write_text('[train]\nrecipe = "quick"\nrank = 4\n')
    browser = open_on(EMPTY, view="training").press({"act": "training_form"}, model=str(model))
    assert command(browser).endswith("--model 'a model'") or "--recipe" not in command(browser)
    (rank,) = browser.find("input", name="rank")
    assert rank[1]["placeholder"] == "4" and "recipe, rank" in browser.text
    (tmp_path / "curate.toml").write_text("[train\n")
    browser.open(view="training")
    assert "curate.toml" in browser.text and start_button(browser)[1]["disabled"]


def test_t_is_the_tokens_of_a_row_and_the_training_elsewhere(open_on: Any) -> None:
    browser = open_on(EMPTY).key("Enter")
    assert browser.keys()["T"][1]["press"]["act"] != "go"
    assert [one for one in browser.find("button") if one[1].get("press", {}).get("view") == "training"]
    browser.open(view="overview")
    assert browser.keys()["T"][1]["press"] == {"act": "go", "view": "training"}
    assert "Train it here" in browser.text


def a_log(run: Run, steps: int, of: int = 10, folder: str = "fit") -> Path:
    """checkpoints/ of a training that came so far."""
    inner = run / "checkpoints" / folder
    inner.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = [{"step": 0, "val_loss": 4.0, "seconds": 0.0}]
    for step in range(1, steps + 1):
        lines.append({"step": step, "steps": of, "loss": 4.0 - step / 10, **STEP, "seconds": 3.0 * step})
    (inner / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = {"recipe": "quick", "model": "m"}
    (run / "checkpoints/training.json").write_text(
        json.dumps({"config": {**config, "sweep": None}, "reads": {}, "base": {}})
    )
    return inner


def test_a_training_that_runs_is_watched(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    with alone(run_of(tmp_path)):
        browser.open(view="training")
        assert "Getting ready" in browser.text and browser.data["poll"] == 1000
        a_log(run_of(tmp_path), 4)
        browser.press({"act": "look again"})
        assert "Step 4 of 10" in browser.text and "40% done, 18 s left" in browser.text
        for figure in ("3.600 training loss", "4.000 validation loss", "0.0002 learning rate", "1.5 GB memory"):
            assert figure in browser.text
        (bar,) = browser.find("div", role="progressbar", aria_label="40% done, 18 s left")
        assert (bar[1]["aria-valuenow"], bar[1]["aria-valuemax"]) == (4, 10)
        points = [one[1]["points"] for one in elements(browser.data["tree"]) if one[0] == "polyline"]
        assert any(len(one.split()) == 4 for one in points), "the training loss of four steps"
        assert browser.keys()["S"][1]["press"] == {"act": "training_stop"}
        a_log(run_of(tmp_path), 6, folder="learning_rate=0.1")
        browser.press({"act": "look again"})
        assert "Sweep: learning_rate=0.1" in browser.text and "Step 6 of 10" in browser.text
    browser.press({"act": "look again"})
    assert "Stopped at step 6 of 10" in browser.text and browser.data["poll"] == 0


def test_a_log_of_what_is_given_up_is_not_taken_for_the_new_one(open_on: Any, tmp_path: Path) -> None:
    import os

    browser = open_on(EMPTY)
    os.utime(a_log(run_of(tmp_path), 4) / "log.jsonl", (1, 1))
    with alone(run_of(tmp_path)):
        browser.open(view="training")
        assert "Getting ready" in browser.text and "Step 4" not in browser.text


def ended(run: Run, *said: str, **launch: Any) -> None:
    """What a training that was started on the page left of its output."""
    (run / LAUNCH).write_text(json.dumps({"pid": 77, "command": "curate train RUN", "since": 2e9, **launch}))
    (run / LOCK).write_text(json.dumps({"pid": 77, "command": "curate train RUN", "since": 2e9}))
    (run / OUTPUT).write_bytes("\n".join(["$ curate train RUN", *said, ""]).encode(errors="surrogatepass"))


def test_a_training_that_was_stopped_is_resumed_or_started_over(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    run = run_of(tmp_path)
    inner = a_log(run, 4)
    browser.open(view="training")
    assert "It ended without a word: it was killed" in browser.text and "No step was saved yet" in browser.text
    assert "Resume" in str(browser.keys()["Enter"]) and command(browser) == f"curate train {run.folder} --resume"
    (inner / "checkpoint-3").mkdir()
    (inner / "checkpoint-3/checkpoint.json").write_text("{}")
    ended(run, asked=77)
    browser.press({"act": "look again"})
    assert "It was stopped at once. 1 step since the last checkpoint will be done again." in browser.text
    assert "Resume goes on from step 3" in browser.text
    ended(run, "curate: stopped at step 4 of 10, which was saved; go on from there: curate train RUN --resume")
    browser.press({"act": "look again"})
    assert "Step 3 was saved before it stopped." in browser.text
    ended(run, "curate: checkpoints: the disk is full: free some space")
    browser.press({"act": "look again"})
    assert "the disk is full: free some space" in browser.text
    browser.key("A")
    assert "This gives up the training that stopped at step 4 of 10." in browser.text
    assert command(browser).endswith("--force") and "--recipe quick" in command(browser)
    browser.key("Escape")
    assert "Resume" in browser.text


def test_a_training_that_failed_says_its_line_and_offers_the_form_again(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    ended(run_of(tmp_path), "curate: m: no model folder; give one")
    browser.open(view="training")
    (said,) = browser.find("div", "error")
    assert "m: no model folder; give one" in str(said) and start_button(browser)
    ended(run_of(tmp_path), "Error: no such option")
    browser.press({"act": "look again"})
    assert "The last training ended without a word" in browser.text and "Error: no such option" in browser.text


SUMMARY = {
    "rows": {"train": 40, "val": 4},
    "steps": 10,
    "epochs": 3.0,
    "best_step": 8,
    "train_loss": {"first": 4.0, "last": 1.5},
    "val_loss": {"before": 4.0, "after": 2.0},
    "advice": ["overfitting: try fewer --epochs"],
    "adapter": {"parameters": 4_884_480},
    "peak_memory_bytes": 1_900_000_000,
    "seconds": {"load": 1.0, "train": 300.0, "step": 1.0},
}


def trained(run: Run) -> None:
    inner = a_log(run, 10)
    (run / "train/adapter").mkdir(parents=True)
    (run / "train/adapter/adapter_model.safetensors").write_bytes(bytes(2_000_000))
    lines = (inner / "log.jsonl").read_text() + '{"step": 8, "val_loss": 2.0, "seconds": 30}\n'
    (run / "train/log.jsonl").write_text(lines)
    (run / "train/train.json").write_text(json.dumps(SUMMARY))
    shutil.rmtree(run / "checkpoints")
    manifest = run.manifest()
    manifest["steps"]["train"] = {
        "command": "curate train RUN --recipe quick",
        "said": "train: 10 steps",
        "config": {"recipe": "quick", "model": "m"},
        "writes": {},
        "at": "2026-01-01T10:00:00+00:00",
    }
    run.save(manifest)


def test_a_training_that_is_done_says_what_came_of_it(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    run = run_of(tmp_path)
    trained(run)
    browser.open(view="training")
    for said in (
        "2.000 validation loss, 4.000 before",
        "8 of 10 steps: the one that was kept",
        "5 min for 3 epochs of 40 rows",
        "2.0 MB adapter of 4,884,480 parameters",
        "overfitting: try fewer --epochs",
        "kept: step 8",
        f"curate evaluate {run.folder}",
    ):
        assert said in browser.text
    browser.key("A")
    assert "takes the place of the adapter" in browser.text and command(browser).endswith("--force")
    ended(run, "curate: out of memory")
    browser.key("Escape")
    assert "Training again did not succeed" in browser.text and "out of memory" in browser.text
    assert "2.000 validation loss" in browser.text
    a_log(run, 3)
    browser.press({"act": "look again"})
    assert "Stopped at step 3 of 10" in browser.text and "trained before is still in train/" in browser.text


def test_no_training_is_stopped_where_none_runs(open_on: Any) -> None:
    browser = open_on(GOOD, view="training").press({"act": "training_stop"})
    assert "That was not done: no training is running" in browser.text


def test_what_files_say_is_text(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY)
    run = run_of(tmp_path)
    trained(run)
    (run / "train/train.json").write_text(json.dumps({**SUMMARY, "advice": PAYLOADS}))
    ended(run, *[" ".join(payload.split()) or "-" for payload in PAYLOADS])
    browser.open(view="training")
    assert "Trained" in browser.text and "Something went wrong" not in browser.text
    for text in (*PAYLOADS,):
        assert "\u202e" not in browser.text and "\x1b" not in browser.text, text
    (run / "train/log.jsonl").write_text('{"step": 1, "steps": 10, "loss": NaN, "seconds": 1}\n')
    browser.press({"act": "look again"})
    assert "Trained" in browser.text
