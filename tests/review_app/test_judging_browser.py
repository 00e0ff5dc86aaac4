"""Judging pairs in a browser: by keyboard alone, over a reload and a restart, to the names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from curate_evaluate.judging.pairs import Plan, draw, make_plan, read_plan
from curate_evaluate.judging.votes import TIE, Votes
from tests.evaluate.answered import ARMS, answered_run
from tests.review_app.conftest import Tab, serving
from tests.review_app.payloads import PAYLOADS

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
COUNT = 8


@pytest.fixture
def answered(tmp_path: Path) -> Run:
    run = answered_run(tmp_path)
    make_plan(run, Plan(read_plan(run).arms, pairs=COUNT))
    return run


def said(run: Run, by: str = "ana") -> list[str]:
    return [vote.preferred for vote in Votes(run).standing() if vote.by == by]


def test_a_judgement_by_keyboard_over_a_reload_and_a_restart(
    chromium: Any, answered: Run, outbound: Path, tmp_path: Path
) -> None:
    pairs = draw(answered, read_plan(answered))
    command = ["judge", str(answered.folder), "--reviewer", "ana"]
    with serving(*command, folder=tmp_path, watched=outbound) as address:
        assert address.endswith("&view=judging")
        tab = Tab(chromium, address)
        assert f"{COUNT} pairs left of {COUNT}" in tab.text
        tab.key("Enter").key("1", "2")
        assert len(said(answered)) == 2 and f"Pair 3 of {COUNT}" in tab.text
        tab.page.reload()
        tab.settle()
        assert f"Pair 3 of {COUNT}" in tab.text, "the address leads back to where it was"
        tab.key("t", "z", "3")
        assert said(answered)[2:] == [TIE]
        tab.key("Escape")
        assert f"{COUNT - 3} pairs left" in tab.text
        tab.key("q", "p")
        assert "Which answer is better?" in tab.text
        assert tab.wrong == []
        tab.close()
    with serving(*command, folder=tmp_path, watched=outbound) as address:
        tab = Tab(chromium, address).key("Enter")
        for k in range(3, COUNT):
            assert f"Pair {k + 1} of {COUNT}" in tab.text
            shown = [card.split("\n", 1)[1].strip() for card in tab.page.locator("article.member").all_inner_texts()]
            assert sorted(shown) == sorted(pairs.asked[k].outputs)
            assert not any(arm.title in tab.text for arm in ARMS if arm.title not in " ".join(shown))
            tab.key(str(1 + shown.index(pairs.asked[k].outputs[0])))
        assert "All pairs are judged" in tab.text and "Judged blind by ana: " in tab.text
        assert said(answered)[3:] == [pairs.plan.arms[0]] * (COUNT - 3)
        assert all(title in tab.text for title in pairs.titles)
        assert tab.wrong == []
        tab.close()


def test_keys_that_come_too_fast_say_nothing_of_what_was_not_seen(chromium: Any, answered: Run) -> None:
    with serving("judge", str(answered.folder), "--reviewer", "ana") as address:
        tab = Tab(chromium, address).key("Enter")
        for _ in range(6):
            tab.page.keyboard.press("1")
        tab.settle()
        ignored = int(tab.page.get_attribute(".paper", "data-ignored") or 0)
        assert len(said(answered)) + ignored == 6 and len(said(answered)) < 6
        tab.page.keyboard.down("2")
        for _ in range(8):
            tab.page.wait_for_timeout(50)
            tab.page.keyboard.down("2")  # a held key repeats
        tab.page.keyboard.up("2")
        tab.settle()
        assert len(said(answered)) + ignored == 7
        tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible_and_fits(chromium: Any, answered: Run, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    make_plan(answered, Plan(read_plan(answered).arms, pairs=2))

    def looked_at(tab: Tab) -> None:
        found = axe.run(tab.page).response["violations"]
        serious = [
            (one["id"], node["target"])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert serious == []
        stage = "document.querySelector('[data-testid=\"stMain\"]')"
        assert tab.page.evaluate(f"{stage}.scrollWidth") <= width

    with serving("judge", str(answered.folder), "--reviewer", "ana") as address:
        tab = Tab(chromium, address, scheme=scheme, width=width)
        looked_at(tab)
        tab.key("Enter")
        looked_at(tab)
        if width == 390:
            tab.page.get_by_role("button", name="1 is better").click()
            tab.settle()
        else:
            tab.key("1")
        tab.key("b")
        assert "All pairs are judged" in tab.text
        looked_at(tab)
        assert tab.wrong == []
        tab.close()


def test_answers_stay_text_in_the_browser(chromium: Any, tmp_path: Path) -> None:
    payloads = [str(payload) for payload in PAYLOADS]
    run = answered_run(tmp_path, answer=lambda case, arm: f"{payloads[case.line % len(payloads)]} {len(arm)}")
    with serving("judge", str(run.folder), "--reviewer", "ana") as address:
        tab = Tab(chromium, address).key("Enter")
        while "All pairs are judged" not in tab.text:
            assert tab.page.locator(".paper :is(script, img, iframe, a, style, form)").count() == 0
            tab.key("t")
        assert tab.wrong == []
        tab.close()
