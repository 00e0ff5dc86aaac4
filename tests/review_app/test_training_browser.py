"""The training in a browser: started, watched, stopped, resumed and read, by keyboard."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from curate.review.training import LAUNCH, OUTPUT
from curate_train.running import alone
from tests.review_app.conftest import Tab, serving
from tests.review_app.pages import GOOD, chat, checked
from tests.review_app.payloads import PAYLOADS
from tests.review_app.test_browser import STATE, STRANGE
from tests.review_app.test_training import a_log
from tests.train.conftest import tiny
from tests.train.test_train_command import save_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["tiny"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SECONDS = 300


def step(tab: Tab) -> int:
    found = re.search(r"(?:Step|Stopped at step) (\d+) of \d+", tab.text)
    return int(found[1]) if found else 0


def until(tab: Tab, said: str) -> None:
    tab.page.get_by_role("heading", name=re.compile(said)).wait_for(timeout=SECONDS * 1000)


class Looks:
    """What axe, a phone and a guard against markup say of the page as it stands."""

    def __init__(self, chromium: Any, address: str) -> None:
        carrier = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
        self.axe = importlib.resources.files(carrier).joinpath("axe.min.js").read_text(encoding="utf-8")
        self.tabs = [
            Tab(chromium, address, scheme=scheme, width=width, path="/?view=training", bypass_csp=True)
            for scheme, width in (("light", 1280), ("dark", 390))
        ]

    def at(self, path: str) -> None:
        for tab in self.tabs:
            tab.go(path)
            tab.page.evaluate("axe => { eval(axe) }", self.axe)
            found = tab.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            assert [
                (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
            ] == []
            width = tab.page.viewport_size["width"]
            widths = (
                "[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => e.scrollWidth)"
            )
            assert max(tab.page.evaluate(widths)) <= width
            strange = tab.page.evaluate(STATE, STRANGE.replace(".paper svg, ", ""))["strange"]
            assert strange == [] and tab.wrong == []

    def close(self) -> None:
        for tab in self.tabs:
            tab.close()


def test_a_training_that_runs_looks_right_and_a_press_is_never_lost_to_a_look(chromium: Any, tmp_path: Path) -> None:
    run = checked(tmp_path, [GOOD])
    with alone(run), serving("app", str(run.folder), folder=tmp_path) as address:
        (run / OUTPUT).write_bytes("\n".join(["$ curate train RUN", *PAYLOADS]).encode(errors="surrogatepass"))
        (run / LAUNCH).write_text(json.dumps({"pid": os.getpid(), "command": PAYLOADS[0], "since": 0.0}))
        a_log(run, 4)
        looks = Looks(chromium, address)
        looks.at("/?view=training")
        (tab, *_) = looks.tabs
        assert tab.page.locator("svg polyline").count() > 3 and "<img src=x" in tab.text
        a_log(run, 5)
        until(tab, "Step 5 of 10")
        for pause in range(920, 1160, 20):  # it looks each second, and takes some of it: presses fall into that
            tab.page.keyboard.press("o")
            tab.page.get_by_role("heading", name="Overview").wait_for()
            tab.page.keyboard.press("t")
            until(tab, "Step 5 of 10")
            tab.page.wait_for_timeout(pause)
        tab.page.locator("#stop").focus()
        tab.page.wait_for_timeout(2500)
        assert tab.page.evaluate("document.activeElement.id") == "stop", "a look leaves the focus where it is"
        assert tab.wrong == []
        looks.close()


def test_a_training_is_started_watched_stopped_and_resumed_by_keyboard(
    chromium: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = shutil.copytree(tiny, tmp_path / "tiny")
    save_tokenizer(model)
    run = checked(tmp_path, [chat(f"What is {i} and one?", f"{i + 1}, of course.") for i in range(40)])
    with serving("app", str(run.folder), "--model", "tiny", folder=tmp_path) as address:
        looks = Looks(chromium, address)
        tab = Tab(chromium, address).key("t")
        assert "Train an adapter" in tab.text and f"curate train {run.folder} --model tiny" in tab.text
        looks.at("/?view=training")
        tab.page.get_by_label("Epochs").focus()
        tab.type("80")
        assert "--epochs 80" in tab.text
        tab.page.keyboard.press("Control+Enter")
        until(tab, r"Step \d+ of \d+")
        first = step(tab)
        tab.page.wait_for_function(
            "first => Number((document.querySelector('h1').innerText.match(/Step (\\d+)/) ?? [0, 0])[1]) > first",
            arg=first,
            timeout=SECONDS * 1000,
        )
        assert tab.page.locator("svg polyline.training").count() == 1
    # The app was closed: the training went on, and is there again.
    with serving("app", str(run.folder), folder=tmp_path) as address:
        tab = Tab(chromium, address, path="/?view=training")
        later = step(tab)
        assert later > first and "Step" in tab.text
        tab.page.keyboard.press("s")
        until(tab, r"Stopped at step \d+")
        at = step(tab)
        assert at >= later and f"Step {at} was saved before it stopped." in tab.text
        looks = Looks(chromium, address)
        looks.at("/?view=training")
        tab.key("a")
        assert "This gives up the training" in tab.text and "--force" in tab.text
        looks.at("/?view=training&do=again")
        tab.key("Escape")
        tab.page.keyboard.press("Enter")
        until(tab, "Trained")
        assert "validation loss" in tab.text and f"curate evaluate {run.folder}" in tab.text
        looks.at("/?view=training")
        assert tab.wrong == []
        looks.close()
        tab.close()
    assert (run / "train/adapter/adapter_model.safetensors").exists()
