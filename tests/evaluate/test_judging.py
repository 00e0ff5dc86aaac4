"""Judging by hand and by a model: what is drawn, how votes are kept, and what they come to."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import beta, binom
from sklearn.metrics import cohen_kappa_score

from curate.cli.main import cli
from curate.errors import CurateError
from curate.run import Run, make, why_stale
from curate_evaluate.judging.pairs import Plan, context_of, draw, make_plan, read_plan
from curate_evaluate.judging.stats import agreements, kappa, preference
from curate_evaluate.judging.summary import summary
from curate_evaluate.judging.votes import BOTH_BAD, TIE, Vote, Votes
from curate_evaluate.judging.words import minutes, sentences
from curate_evaluate.report import step as report
from tests.evaluate.answered import ARMS, PAIRS, answered_run

if TYPE_CHECKING:
    from curate_evaluate.judging.pairs import Pairs

ROOT = Path(__file__).resolve().parents[2]
TUNED, FEW = "fine-tuned", "few-shot"
SCHEMA = json.loads((ROOT / "evaluate/curate_evaluate/report/report.schema.json").read_bytes())


# Statistics.


@pytest.mark.parametrize(("won", "lost"), [(9, 1), (5, 5), (0, 6), (30, 14), (1, 0), (41, 19), (24, 36)])
def test_the_preference_is_the_exact_sign_test_and_the_interval_of_clopper_and_pearson(won: int, lost: int) -> None:
    found, n = preference(won, lost), won + lost
    assert found is not None
    more = max(won, lost)
    assert found.p == pytest.approx(min(1.0, 2 * binom.sf(more - 1, n, 0.5)))
    assert found.low == pytest.approx(0 if won == 0 else beta.ppf(0.025, won, lost + 1))
    assert found.high == pytest.approx(1 if lost == 0 else beta.ppf(0.975, won + 1, lost))
    assert found.share == won / n


def test_the_preference_is_as_a_textbook_has_it() -> None:
    """Nine of ten: p = 22 / 1024; the limits are those of any table of the binomial."""
    found = preference(9, 1)
    assert found is not None
    assert found.p == pytest.approx(22 / 1024)
    assert (round(found.low, 4), round(found.high, 4)) == (0.5550, 0.9975)
    assert preference(0, 0) is None


def test_interval_and_p_never_disagree_about_one_half() -> None:
    for n in range(1, 121):
        for won in range(n + 1):
            found = preference(won, n - won)
            assert found is not None
            assert (found.p < 0.05) == (not found.low <= 0.5 <= found.high), (won, n)


def test_kappa_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(7)
    for _ in range(50):
        n = int(random.integers(5, 80))
        one = random.choice(["a", "b", "neither"], n, p=[0.5, 0.3, 0.2])
        other = np.where(random.random(n) < 0.6, one, random.choice(["a", "b", "neither"], n))
        assert kappa(list(one), list(other)) == pytest.approx(cohen_kappa_score(one, other))


def test_kappa_is_as_a_textbook_has_it() -> None:
    """Cohen's own kind of table: 20 both yes, 5 and 10 apart, 15 both no: 0.7 seen, 0.5 by chance."""
    one = ["y"] * 25 + ["n"] * 25
    other = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert kappa(one, other) == pytest.approx(0.4)
    assert kappa(["y", "n"], ["n", "y"]) == pytest.approx(-1.0)
    assert kappa(["y", "y"], ["y", "y"]) is None
    with pytest.raises(ValueError):
        kappa([], [])
    with pytest.raises(ValueError):
        kappa(["y"], [])


def test_agreement_is_taken_over_the_pairs_that_both_judged() -> None:
    votes = {"ana": {"1": "a", "2": "b", "3": "a"}, "bo": {"2": "b", "3": "b"}, "cy": {"9": "a"}}
    (found,) = agreements(votes)
    assert (found.between, found.pairs, found.same) == (("ana", "bo"), 2, 0.5)


# Pairs.


def test_pairs_are_the_same_whoever_draws_them_and_hold_what_each_arm_wrote(answered: Run) -> None:
    plan = read_plan(answered)
    assert plan == Plan((TUNED, json.loads((answered / "evaluate/scores.json").read_bytes())["verdict"]["decisive"]))
    pairs = draw(answered, plan)
    assert draw(answered, plan) == pairs
    lines = [json.loads(line) for line in (answered / "evaluate/examples.jsonl").read_bytes().splitlines()]
    wrote = {(line["line"], line["arm"]): line["output"] for line in lines}
    for pair in pairs.asked:
        assert pair.outputs == tuple(wrote[pair.line, arm] for arm in plan.arms)
        assert (context_of(answered, pair)[-1].text, pair.reference) in PAIRS
    assert pairs.identical == sum(line % 8 == 0 for line, arm in wrote if arm == TUNED) > 0
    assert len(pairs.asked) == pairs.different == pairs.rows - pairs.identical


def test_a_smaller_draw_is_the_beginning_of_a_larger_one_and_another_seed_another_draw(answered: Run) -> None:
    plan = read_plan(answered)
    whole, some = draw(answered, plan).asked, draw(answered, Plan(plan.arms, 5)).asked
    assert some == whole[:5]
    assert draw(answered, Plan(plan.arms, 5, seed=1)).asked != some
    assert [pair.line for pair in whole] != sorted(pair.line for pair in whole)


def test_sides_are_as_often_one_way_as_the_other_and_not_the_same_for_all(answered: Run) -> None:
    pairs = draw(answered, read_plan(answered)).asked
    sides = Counter(pair.is_swapped(seed, who) for pair in pairs for seed in range(20) for who in ("ana", "bo"))
    n = sides.total()
    assert abs(sides[True] - n / 2) < 4 * math.sqrt(n) / 2
    assert [pair.is_swapped(0, "ana") for pair in pairs] != [pair.is_swapped(0, "bo") for pair in pairs]


def test_the_order_of_the_arms_does_not_make_another_pair(answered: Run) -> None:
    one, other = draw(answered, Plan((TUNED, FEW))), draw(answered, Plan((FEW, TUNED)))
    assert [pair.id for pair in one.asked] == [pair.id for pair in other.asked]
    assert [pair.outputs for pair in one.asked] == [pair.outputs[::-1] for pair in other.asked]


def test_votes_are_of_the_answers_that_were_shown_and_not_of_later_ones(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW)))
    pairs = vote_all(answered, plan, "ana")
    file = answered / "evaluate/examples.jsonl"
    changed = pairs.asked[0]
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    for line in lines:
        if (line["line"], line["arm"]) == (changed.line, TUNED):
            line["output"] = "Something else."
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = summary(draw(answered, plan), Votes(answered).standing())
    assert (found["judged"], found["pairs"]["asked"]) == (len(pairs.asked) - 1, len(pairs.asked))
    assert found["result"] is None


def test_plans_that_cannot_be_are_refused(answered: Run, trained_folder: Run) -> None:
    with pytest.raises(CurateError, match="no arm of"):
        make_plan(answered, Plan((TUNED, "gpt")))
    with pytest.raises(CurateError, match="compared with itself"):
        make_plan(answered, Plan((TUNED, TUNED)))
    with pytest.raises(CurateError, match="curate evaluate"):
        read_plan(trained_folder)


@pytest.fixture
def trained_folder(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "other")


# Votes.


def vote_all(run: Run, plan: Plan, by: str, say: Any = lambda k: TUNED) -> Pairs:
    """Have a person judge every pair; `say` gives what is said of the k-th."""
    pairs = draw(run, plan)
    votes = Votes(run)
    for k, pair in enumerate(pairs.asked):
        votes.add(Vote(pair.id, plan.arms, say(k), plan.arms[0], by))
    return pairs


def test_votes_are_only_added_by_each_their_own_taken_back_and_private(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    votes, arms = Votes(run), ("a", "b")
    assert votes.standing() == [] and votes.undo("ana", arms) is None
    votes.add(Vote("1", arms, "a", "a", "ana"))
    votes.add(Vote("1", arms, "b", "a", "bo"))
    votes.add(Vote("2", arms, TIE, "b", "ana"))
    before = votes.file.read_bytes()
    assert stat.S_IMODE(votes.file.stat().st_mode) == 0o600
    taken = votes.undo("ana", arms)
    assert taken is not None and taken.pair == "2"
    assert votes.file.read_bytes().startswith(before), "what was written stays"
    assert {(vote.by, vote.pair) for vote in votes.standing()} == {("ana", "1"), ("bo", "1")}
    votes.add(Vote("1", arms, BOTH_BAD, "a", "ana"))
    assert [vote.preferred for vote in votes.standing() if vote.by == "ana"] == [BOTH_BAD]
    for _ in range(2):
        votes.undo("ana", arms)
    assert votes.undo("ana", arms) is None and votes.undo("ana", ("b", "a")) is None
    assert [vote.by for vote in Votes(run).standing()] == ["bo"]
    assert votes.undo("bo", ("a", "c")) is None, "that was about other arms"


def test_a_vote_that_was_never_finished_swallows_no_other(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    votes = Votes(run)
    votes.add(Vote("1", ("a", "b"), "a", "a", "ana"))
    with votes.file.open("ab") as file:
        file.write(b'{"pair": "2", "arms": ["a"')
    votes.add(Vote("3", ("a", "b"), "b", "a", "ana"))
    assert [vote.pair for vote in votes.standing()] == ["1", "3"]


@pytest.mark.parametrize("line", ["5", "null", "{}", '{"pair": "1"}', '{"undo": "x"}', "[]"])
def test_a_line_that_is_no_vote_is_refused_by_name(tmp_path: Path, line: str) -> None:
    run = Run.create(tmp_path / "run")
    votes = Votes(run)
    votes.add(Vote("1", ("a", "b"), "a", "a", "ana"))
    with votes.file.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(CurateError, match="holds a line that is no vote"):
        votes.standing()


SEVERAL = """
import sys
from pathlib import Path
from curate.run import Run
from curate_evaluate.judging.votes import Vote, Votes
votes = Votes(Run(Path(sys.argv[1])))
for k in range(100):
    votes.add(Vote(str(k), ("a", "b"), "a", "a", sys.argv[2]))
"""


def test_two_people_at_once_lose_nothing(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SEVERAL, str(run.folder)]
    people = [subprocess.Popen([*command, by], env=environment, cwd=ROOT) for by in ("ana", "bo", "cy")]
    assert [person.wait() for person in people] == [0, 0, 0]
    votes = Votes(run).standing()
    assert Counter(vote.by for vote in votes) == {"ana": 100, "bo": 100, "cy": 100}
    assert len(Votes(run).file.read_bytes().splitlines()) == 300


# What they come to.


def test_there_is_no_result_before_all_pairs_are_judged(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW)))
    pairs = vote_all(answered, plan, "ana")
    assert summary(pairs, Votes(answered).standing())["result"]["won"] == len(pairs.asked)
    Votes(answered).undo("ana", plan.arms)
    found = summary(pairs, Votes(answered).standing())
    assert found["result"] is None and found["agreement"] == []
    assert not any("preferred" in said for said in sentences(found))


def test_a_pair_that_several_people_judge_counts_once_for_what_more_of_them_say(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW), pairs=5))
    said = {
        "ana": (TUNED, TUNED, FEW, TIE, BOTH_BAD),
        "bo": (TUNED, FEW, FEW, TUNED, BOTH_BAD),
        "cy": (FEW, TIE, FEW, TIE, TIE),
    }
    for by, of in said.items():
        vote_all(answered, plan, by, lambda k, of=of: of[k])
    found = summary(draw(answered, plan), Votes(answered).standing())
    result = found["result"]
    assert (result["won"], result["lost"], result["ties"], result["both_bad"]) == (2, 1, 1, 1)
    assert found["voters"] == {"ana": 5, "bo": 5, "cy": 5}
    kappas = {tuple(one["between"]): one["kappa"] for one in found["agreement"]}
    ways = {by: ["neither" if word in (TIE, BOTH_BAD) else word for word in of] for by, of in said.items()}
    assert kappas == {
        (one, other): pytest.approx(cohen_kappa_score(ways[one], ways[other]))
        for one, other in (("ana", "bo"), ("ana", "cy"), ("bo", "cy"))
    }


def test_the_sentences(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW)))
    pairs = draw(answered, plan)
    n = len(pairs.asked)
    assert f"People judged 0 of {n} pairs of fine-tuned and few-shot, 2 examples" in sentences(summary(pairs, []))[0]
    vote_all(answered, plan, "ana", lambda k: TUNED if k < 12 else FEW if k == 12 else TIE)
    vote_all(answered, plan, "bo", lambda k: TUNED if k < 12 else FEW if k == 12 else BOTH_BAD)
    by_people, agree = sentences(summary(pairs, Votes(answered).standing()))
    assert by_people == (
        f"Judged blind by ana and bo: fine-tuned is preferred in 12 of 13 decided pairs (92%, 95% CI 64% to 100%, sign "
        f"test p = 0.0034); {n - 13} ties, 0 with both bad, of {n} pairs. On {pairs.identical} of {pairs.rows} rows "
        "both wrote the same: ties that nobody is asked about."
    )
    assert agree == f"ana and bo agree on {n} of {n} pairs (Cohen's κ 1.00)."
    assert minutes(60) == "about 15 minutes" and minutes(1) == "about 1 minute"


def test_the_baseline_may_be_what_people_prefer(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW), pairs=10))
    vote_all(answered, plan, "ana", lambda k: FEW if k < 6 else TUNED if k == 6 else TIE)
    (said,) = sentences(summary(draw(answered, plan), Votes(answered).standing()))
    assert "few-shot, 2 examples is preferred in 6 of 7 decided pairs (86%, 95% CI 42% to 100%" in said
    assert "which chance alone may give" in said and "Fewer than 60 pairs say little." in said


# The report.


def reported(run: Run) -> dict[str, Any]:
    make(run, report.STEP, {})
    found: dict[str, Any] = json.loads((run / "report.json").read_bytes())
    jsonschema.validate(found, SCHEMA)
    return found


def test_the_report_asks_for_a_judgement_and_gives_it_once_there_is_one(answered: Run) -> None:
    plan = read_plan(answered)
    before = reported(answered)
    assert before["headline"].startswith(
        "Cannot tell from automatic metrics: judge 20 pairs, about 5 minutes: curate judge "
    )
    assert before["judging"] == []
    pairs = draw(answered, plan)
    Votes(answered).add(Vote(pairs.asked[0].id, plan.arms, TUNED, TUNED, "ana"))
    assert why_stale(answered, report.STEP, {}) == ["judge/votes.jsonl is new"]
    half = reported(answered)
    assert "judge 20 pairs" in half["headline"]
    assert half["notes"][0].startswith(f"People judged 1 of {len(pairs.asked)} pairs")
    vote_all(answered, plan, "ana", lambda k: TUNED if k else TIE)
    after = reported(answered)
    n = len(pairs.asked)
    assert after["headline"].startswith(
        f"Cannot tell from automatic metrics: people judged, and fine-tuned is preferred in {n - 1} of {n - 1} decided"
    )
    assert after["notes"][0].startswith("Judged blind by ana: ")
    assert after["verdict"] == before["verdict"], "the declared metric is never replaced"
    assert "fine-tuned is preferred" in (answered / "report.html").read_text()


def test_few_pairs_of_many_are_in_the_notes_and_not_in_the_headline(answered: Run) -> None:
    plan = make_plan(answered, Plan(read_plan(answered).arms, pairs=5))
    vote_all(answered, plan, "ana")
    found = reported(answered)
    assert "judge 20 pairs" in found["headline"]
    assert "Fewer than 60 pairs say little." in found["notes"][0]


def test_a_comparison_with_another_arm_is_in_the_notes_too(answered: Run) -> None:
    decisive = read_plan(answered).arms[1]
    other = next(arm.name for arm in ARMS[1:] if arm.name != decisive)
    vote_all(answered, Plan((TUNED, other)), "ana")
    found = reported(answered)
    assert [one["arms"] for one in found["judging"]] == [[TUNED, other]]
    assert "judge 20 pairs" in found["headline"]


def test_votes_outlive_the_rows_that_they_are_about(answered: Run) -> None:
    pairs = vote_all(answered, read_plan(answered), "ana")
    (answered / "split/test.jsonl").write_bytes(b"")
    (answered / "tokens/test.arrow").unlink()
    assert reported(answered)["notes"][0].startswith("Judged blind by ana")
    file = answered / "evaluate/examples.jsonl"
    assert len(file.read_bytes().splitlines()) == 3 * pairs.rows


# The command.


def test_the_command_prints_what_there_is(answered: Run) -> None:
    folder = str(answered.folder)

    def told(*words: str) -> str:
        result = CliRunner().invoke(cli, ["judge", folder, *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "People judged 0 of" in told("--summary")
    assert "of 5 pairs of fine-tuned and zero-shot" in told("--summary", "--against", "zero-shot", "--pairs", "5")
    assert not (answered / "judge").exists(), "looking writes nothing"
    make_plan(answered, Plan((TUNED, "zero-shot"), 5))
    vote_all(answered, read_plan(answered), "a*b|c")
    assert told("--markdown").startswith("- Judged blind by a\\*b\\|c: fine-tuned is preferred in 5 of 5")


def test_the_command_refuses_what_it_does_not_know(answered: Run, tmp_path: Path) -> None:
    for words in (["--against", "gpt"], ["--arm", "few-shot", "--against", "few-shot"], ["--by", "gpt-4"]):
        result = CliRunner().invoke(cli, ["judge", str(answered.folder), *words])
        assert isinstance(result.exception, CurateError), words
    result = CliRunner().invoke(cli, ["judge", str(tmp_path)])
    assert isinstance(result.exception, CurateError)


def test_equal_answers_everywhere_leave_nothing_to_judge(tmp_path: Path) -> None:
    run = answered_run(tmp_path, answer=lambda case, arm: case.reference)
    assert "wrote the same on every row" in CliRunner().invoke(cli, ["judge", str(run.folder), "--summary"]).stdout
    found = draw(run, read_plan(run))
    assert (found.asked, found.identical) == ((), found.rows)
