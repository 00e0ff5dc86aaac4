"""The page of pairs without a browser: what it hides, what it notes, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from curate.run import Run
from curate_evaluate.judging.pairs import Plan, context_of, draw, make_plan, read_plan
from curate_evaluate.judging.votes import BOTH_BAD, TIE, Vote, Votes
from tests.evaluate.answered import ARMS, answered_run
from tests.review_app.pages import Browser, chat, checked, texts
from tests.review_app.payloads import PAYLOADS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return answered_run(tmp_path_factory.mktemp("answered"))


@pytest.fixture
def answered(tmp_path: Path, answered_once: Run) -> Run:
    run = Run(Path(shutil.copytree(answered_once.folder, tmp_path / "run")))
    make_plan(run, Plan(read_plan(run).arms, pairs=6))
    return run


def said(run: Run, by: str = "ana") -> list[str]:
    return [vote.preferred for vote in Votes(run).standing() if vote.by == by]


def answers(browser: Browser) -> list[str]:
    return [" ".join("".join(texts(card)).split()) for card in browser.find("article", "member")]


def test_each_key_notes_what_it_says_of_the_pair_that_is_shown(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(answered)
    browser = Browser(answered, monkeypatch, view="judging")
    assert "6 pairs left of 6" in browser.text and "about 2 minutes" in browser.text
    browser.key("Enter")
    for k, key in enumerate(("1", "2", "3", "4", "T", "B")):
        pair = draw(answered, plan).asked[k]
        assert f"Pair {k + 1} of 6" in browser.text
        assert context_of(answered, pair)[-1].text in browser.text
        swapped = pair.is_swapped(plan.seed, "ana")
        shown = pair.outputs[::-1] if swapped else pair.outputs
        assert answers(browser) == [f"Answer {n} {' '.join(text.split())}" for n, text in enumerate(shown, 1)]
        browser.key(key)
        sides = plan.arms[::-1] if swapped else plan.arms
        expected = {"1": sides[0], "2": sides[1], "3": TIE, "T": TIE, "4": BOTH_BAD, "B": BOTH_BAD}[key]
        vote = Votes(answered).standing()[-1]
        assert (vote.pair, vote.preferred, vote.first, vote.by) == (pair.id, expected, sides[0], "ana")
    assert "All pairs are judged" in browser.text and "Judged blind by ana" in browser.text


def test_the_names_are_nowhere_on_the_page_of_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = answered_run(tmp_path, answer=lambda case, arm: f"{len(arm)} of {case.line}")
    browser = Browser(run, monkeypatch, view="judging").key("Enter")
    page = str(browser.data)
    assert "Pair 1 of" in browser.text
    assert not [arm.title for arm in ARMS if arm.title in page or arm.name in page]


def test_what_others_found_is_hidden_until_all_is_judged(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(answered)
    for pair in draw(answered, plan).asked:
        Votes(answered).add(Vote(pair.id, plan.arms, plan.arms[0], plan.arms[0], "bo"))
        Votes(answered).add(Vote(pair.id, plan.arms, plan.arms[0], plan.arms[0], "http://x#wise", judge=True))
    browser = Browser(answered, monkeypatch, view="judging")
    assert "preferred" not in browser.text and "bo" not in browser.text.split()
    browser.key("Enter")
    for _ in range(6):
        assert "preferred" not in browser.text
        browser.key("1")
    assert "Judged blind by bo and ana" in browser.text or "Judged blind by ana and bo" in browser.text
    assert "ana agree on" in browser.text or "bo agree on" in browser.text
    assert "The model http://x#wise" in browser.text and "What the model was told" in browser.text


def test_undo_takes_back_one_vote_after_the_other_and_shows_its_pair(
    answered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(answered, monkeypatch, view="judging").key("Enter").key("1").key("T")
    first = answers(Browser(answered, monkeypatch, view="judging", on="1"))
    browser.key("Z").key("Z")
    assert said(answered) == [] and "Pair 1 of 6" in browser.text and answers(browser) != first
    browser.key("Z")
    assert "There is nothing left to undo." in browser.text
    for _ in range(6):
        browser.key("1")
    browser.key("Z")
    assert "Pair 6 of 6" in browser.text and len(said(answered)) == 5
    browser.key("Escape")
    assert "1 pair left of 6" in browser.text
    browser.key("Z")
    assert len(said(answered)) == 4


def test_two_people_judge_at_once_and_each_sees_their_own(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = Browser(answered, monkeypatch, "ana", view="judging").key("Enter")
    bo = Browser(answered, monkeypatch, "bo", view="judging").key("Enter")
    for key in ("1", "2", "T"):
        monkeypatch.setenv("CURATE_REVIEWER", "ana")
        ana.key(key)
        monkeypatch.setenv("CURATE_REVIEWER", "bo")
        bo.key(key)
    assert len(said(answered, "ana")) == len(said(answered, "bo")) == 3
    bo.key("Z")
    assert len(said(answered, "ana")) == 3 and len(said(answered, "bo")) == 2


@pytest.mark.parametrize(("shown", "on_screen"), [(100, None), (1000, "another pair")])
def test_no_press_about_what_was_not_on_the_screen(
    answered: Run, monkeypatch: pytest.MonkeyPatch, shown: int, on_screen: str | None
) -> None:
    browser = Browser(answered, monkeypatch, view="judging").key("Enter")
    browser.key("1", shown=shown, on_screen=on_screen)
    assert said(answered) == [] and "not on the screen yet" in browser.text


def test_a_pair_of_an_earlier_evaluation_is_not_noted(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(answered, monkeypatch, view="judging").key("Enter")
    (button,) = [one for one in browser.find("button") if one[1].get("key") == "1"]
    browser.press(button[1]["press"] | {"pair": "0" * 32})
    assert said(answered) == [] and "that pair is no more" in browser.text


def test_another_baseline_is_chosen_before_and_kept(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(answered)
    other = next(arm for arm in ARMS[1:] if arm.name != plan.arms[1])
    browser = Browser(answered, monkeypatch, view="judging")
    (button,) = [one for one in browser.find("button") if one[1]["press"].get("against") == other.name]
    browser.press(button[1]["press"]).key("Enter").key("1").key("T")
    assert {vote.arms for vote in Votes(answered).standing()} == {(plan.arms[0], other.name)}
    assert browser.query == {"view": "judging", "against": other.name, "on": "1"}
    assert read_plan(answered) == plan


@pytest.mark.parametrize(
    "query", [{"against": "nobody"}, {"against": "fine-tuned"}, {"on": "2"}, {"all": "1"}], ids=str
)
def test_an_address_without_sense_leads_to_the_beginning(
    answered: Run, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    assert "6 pairs left of 6" in Browser(answered, monkeypatch, view="judging", **query).text


def test_long_texts_are_cut_and_shown_whole_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def long(case: Any, arm: str) -> str:
        return f"{arm} " + "# A **long** answer\n" * 2000 + "THE END"

    browser = Browser(answered_run(tmp_path, answer=long), monkeypatch, view="judging").key("Enter")
    assert "are not shown" in browser.text and "THE END" not in browser.text
    assert "# A **long** answer" in browser.text, "markdown stays text"
    browser.key("A")
    assert browser.text.count("THE END") == 2
    browser.key("1")
    assert "are not shown" in browser.text, "the next pair is cut again"


def test_hostile_answers_stay_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = [payload if isinstance(payload, str) else str(payload) for payload in PAYLOADS]

    def hostile(case: Any, arm: str) -> str:
        return f"{payloads[case.line % len(payloads)]} {len(arm)}"

    browser = Browser(answered_run(tmp_path, answer=hostile), monkeypatch, view="judging").key("Enter")
    for _ in range(5):
        for element in browser.find():
            assert element[0] not in ("script", "img", "iframe", "a", "style")
        browser.key("1")


def test_the_way_to_the_pairs_is_shown_once_there_are_some(answered: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Browser(answered, monkeypatch).find("button", key="P")


def test_a_run_that_was_not_evaluated_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(checked(tmp_path, [chat("Fine?", "")]), monkeypatch, view="judging")
    assert "There are no answers to judge yet" in browser.text and "curate evaluate" in browser.text
    assert not browser.find("button", key="P")


def test_equal_answers_are_said_and_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = answered_run(tmp_path, answer=lambda case, arm: case.reference)
    browser = Browser(run, monkeypatch, view="judging")
    assert "There is nothing to judge" in browser.text and "both wrote the same" in browser.text
    assert not browser.find("button", key="Enter")


def test_rows_that_are_no_longer_those_of_the_answers_are_not_judged(
    answered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = answered / "evaluate/examples.jsonl"
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[3:]))
    browser = Browser(answered, monkeypatch, view="judging", on="1")
    assert "was made of other rows" in browser.text
