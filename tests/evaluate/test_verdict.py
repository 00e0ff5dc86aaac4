"""The verdict, from intervals that are given."""

from __future__ import annotations

import json
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from curate.run import Run
from curate_evaluate.stats import Difference, compare
from curate_evaluate.verdict import Plan, Verdict, decide, declare, of_one

if TYPE_CHECKING:
    from pathlib import Path

WIN, EQUIVALENT, WORSE, CANNOT_TELL = Verdict


def found(low: float, value: float, high: float, n: int = 300) -> Difference:
    """In points."""
    p = 0.01 if low > 0 or high < 0 else 0.4
    return Difference(value / 100, low / 100, high / 100, 0.95, n, n, n, 20, 10, p, "exact McNemar", "m")


@pytest.mark.parametrize(
    ("low", "value", "high", "verdict"),
    [
        (0.1, 8, 16, WIN),
        (0.1, 2.0, 4, WIN),  # a gain of just the margin
        (0.1, 1.9, 4, CANNOT_TELL),  # a gain, which may be too small to matter
        (0.0, 8, 16, CANNOT_TELL),
        (-3, 8, 19, CANNOT_TELL),
        (-2.0, 0, 2.0, EQUIVALENT),
        (-1, 0.5, 1.9, EQUIVALENT),
        (0.1, 1, 1.9, EQUIVALENT),  # better, by less than matters
        (-1.9, -1, -0.1, EQUIVALENT),  # worse, by less than matters
        (-2.1, 0, 2.0, CANNOT_TELL),
        (-9, -5, -0.1, WORSE),
        (-2.1, -1.1, -0.1, WORSE),
        (-9, -5, 0.0, CANNOT_TELL),
        (-9, 0, 9, CANNOT_TELL),
    ],
)
def test_against_one_baseline(low: float, value: float, high: float, verdict: Verdict) -> None:
    assert of_one(found(low, value, high), 0.02) == verdict


GAIN, SAME, LOSS, OPEN = (5, 15, 25), (-1, 0, 1), (-25, -15, -5), (-8, 1, 10)


@pytest.mark.parametrize(
    ("against", "verdict", "decisive"),
    [
        ({"zero-shot": GAIN}, WIN, "zero-shot"),
        ({"zero-shot": (20, 30, 40), "few-shot": GAIN}, WIN, "few-shot"),
        ({"zero-shot": GAIN, "few-shot": OPEN}, CANNOT_TELL, "few-shot"),
        ({"zero-shot": GAIN, "few-shot": LOSS}, WORSE, "few-shot"),
        ({"zero-shot": GAIN, "few-shot": SAME}, EQUIVALENT, "few-shot"),
        ({"zero-shot": SAME, "few-shot": OPEN}, CANNOT_TELL, "few-shot"),
        ({"zero-shot": LOSS, "few-shot": (-45, -35, -25)}, WORSE, "few-shot"),
    ],
)
def test_against_several_the_hardest_to_beat_decides(
    against: dict[str, tuple[float, float, float]], verdict: Verdict, decisive: str
) -> None:
    decision = decide(
        {name: found(*numbers) for name, numbers in against.items()}, Plan("exact_match", 1.0, ("tuned", *against))
    )
    assert (decision.verdict, decision.decisive) == (verdict, decisive)
    assert (decision.needed is None) == (verdict != CANNOT_TELL)


def test_what_cannot_be_told_says_how_many_examples_would() -> None:
    against = {"zero-shot": found(*GAIN), "few-shot": found(-3, 4, 11)}
    needed = decide(against, Plan("exact_match", 1.0, ("tuned", *against))).needed
    # (2.8 standard errors of one example / 4 points)²; the interval is 1.96 of them either side at 300.
    assert needed == pytest.approx((2.8 * 7 / 1.96 * 300**0.5 / 4) ** 2, rel=0.01)


def test_the_margin_is_a_share_of_the_full_score() -> None:
    before, after = [50.0] * 200, [50.5] * 100 + [49.5] * 100
    difference = compare(before, after, full=100.0)
    assert decide({"base": difference}, Plan("chrf", 100.0, ("tuned", "base"), 2.0)).verdict == EQUIVALENT
    assert decide({"base": difference}, Plan("chrf", 100.0, ("tuned", "base"), 0.01)).verdict == CANNOT_TELL


def test_an_arm_that_was_planned_has_to_be_compared() -> None:
    with pytest.raises(ValueError, match="few-shot"):
        decide({"zero-shot": found(*GAIN)}, Plan("exact_match", 1.0, ("tuned", "zero-shot", "few-shot")))


@pytest.mark.parametrize(
    ("seeds", "subject"), [(1, "this adapter"), (2, "the mean of these 2 adapters"), (3, "fine-tuning (3 seeds)")]
)
def test_one_seed_speaks_of_one_adapter(seeds: int, subject: str) -> None:
    assert Plan("exact_match", 1.0, ("tuned", "zero-shot"), seeds=seeds).subject == subject


@pytest.mark.parametrize(("arms", "margin"), [(("tuned",), 2.0), (("tuned", "zero-shot"), 0.0)])
def test_a_plan_that_decides_nothing_is_refused(arms: tuple[str, ...], margin: float) -> None:
    with pytest.raises(ValueError):
        Plan("exact_match", 1.0, arms, margin)


def test_the_plan_is_in_the_manifest_once_and_a_changed_one_beside_it(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    first = Plan("exact_match", 1.0, ("tuned", "zero-shot"))
    declare(run, first)
    declare(run, first)
    assert len(run.manifest()["plans"]) == 1
    declare(run, Plan("exact_match", 1.0, ("tuned", "zero-shot"), margin=1.0))
    plans = json.loads((tmp_path / "run/run.json").read_bytes())["plans"]
    assert [plan["margin"] for plan in plans] == [2.0, 1.0]
    assert plans[0]["arms"] == ["tuned", "zero-shot"]


def test_a_plan_waits_for_a_step_that_writes_the_manifest(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    writer = Thread(target=declare, args=(run, Plan("exact_match", 1.0, ("tuned", "zero-shot"))))
    with run.alone():
        manifest = run.manifest()
        writer.start()
        writer.join(0.2)
        manifest["steps"]["split"] = {"said": "made meanwhile"}
        run.save(manifest)
    writer.join()
    assert list(run.manifest()["steps"]) == ["split"] and len(run.manifest()["plans"]) == 1


def test_plans_of_one_adapter_and_of_fine_tuning_stand_beside_each_other(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    one, three = (Plan("exact_match", 1.0, ("tuned", "zero-shot"), seeds=seeds) for seeds in (1, 3))
    for plan in (one, three, one, three, Plan("exact_match", 1.0, ("tuned", "zero-shot"), seeds=5)):
        declare(run, plan)
    assert [plan["seeds"] for plan in run.manifest()["plans"]] == [1, 3, 5]
