"""The findings in sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from curate_evaluate.answering.answers import Answer
from curate_evaluate.arms import Arm
from curate_evaluate.metrics import Fit
from curate_evaluate.report.words import (
    against,
    contamination,
    could_find,
    forgetting,
    form_and_task,
    headline,
    notes,
    of_task,
    overfitting,
    rounded,
    shown,
    signed,
)
from curate_evaluate.scoring import arm_facts, can_be_found, differences, score_arm, training_facts, verdict_facts
from curate_evaluate.verdict import Plan

SHORT = Fit("short", "exact_match", ("exact_match", "exact_match_strict"), (), "60 of 60 answers have at most 5 words")
FREE = Fit("free", "chrf", ("chrf",), (), "the answers are free text")


def loss(before: float, after: float, *, low: float, high: float) -> dict[str, Any]:
    difference = {"value": after - before, "low": low, "high": high}
    return {"rows": 40, "tokens": 3000, "before": before, "after": after, "difference": difference}


def scores(won: int, lost: int, both: int, neither: int, fit: Fit = SHORT, **texts: str) -> dict[str, Any]:
    """Of so many rows as the fine-tuned arm and the few-shot arm got right; zero-shot got none."""
    right, wrong = texts.get("right", "yes"), "no"
    n = won + lost + both + neither
    of_arm = {
        Arm("fine-tuned", tuned=True): [right] * won + [wrong] * lost + [right] * both + [wrong] * neither,
        Arm("zero-shot", form=True): [wrong] * n,
        Arm("few-shot", shots=5, form=True): [wrong] * won
        + [texts.get("other", right)] * lost
        + [texts.get("other", right)] * both
        + [wrong] * neither,
    }
    scored = [
        score_arm(arm, [Answer(text, "stop", 2, 50 + 40 * arm.shots, "", 0.5) for text in of], ["yes"] * n, fit)
        for arm, of in of_arm.items()
    ]
    plan = Plan(fit.primary, 100.0 if fit is FREE else 1.0, ("fine-tuned", "zero-shot", "few-shot"))
    found = differences(scored[0], scored[1:], list(range(n)), seed=0)
    return {
        "n": n,
        "fit": asdict(fit),
        "plan": asdict(plan),
        "verdict": verdict_facts(found[fit.primary], plan),
        "arms": {of.arm.name: arm_facts(of, ["yes"] * n, fit) for of in scored},
        "differences": {
            metric: {name: asdict(one) for name, one in by_name.items()} for metric, by_name in found.items()
        },
        "detectable": can_be_found(n),
        "contamination": {"rows": 0, "found": []},
        "training": {"rows": 24, "score": 0.9, "p": 0.3},
        "not_tested": ["Retrieval over documents: not tested (--docs DIR)."],
        "losses": {"answers": None, "generic": loss(3.2, 3.21, low=-0.01, high=0.03)},
        "tasks": [],
    }


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            (18, 2, 31, 10),
            "This adapter is worth it: exact match 0.80, best baseline 0.54 (few-shot, 5 examples): +26.2 points, "
            "95% CI +13.4 to +39.5, n = 61 (18 won, 2 lost; exact McNemar p = 0.0004).",
        ),
        (
            (2, 18, 31, 10),
            "This adapter is worse than few-shot, 5 examples: exact match 0.54, best baseline 0.80 (few-shot, 5 "
            "examples): -26.2 points, 95% CI -39.5 to -13.4, n = 61 (2 won, 18 lost; exact McNemar p = 0.0004).",
        ),
        (
            (0, 0, 200, 100),
            "This adapter is as good as few-shot, 5 examples, within 2 points, and no better: exact match 0.67, best "
            "baseline 0.67 (few-shot, 5 examples): no score differs, 95% CI -1.3 to +1.3 points, n = 300.",
        ),
        (
            (9, 5, 31, 16),
            "Cannot tell whether this adapter is worth it: exact match 0.66, best baseline 0.59 (few-shot, 5 examples)"
            ": +6.6 points, 95% CI -5.9 to +19.3, n = 61 (9 won, 5 lost; exact McNemar p = 0.42). About 470 held-out "
            "rows would settle it; there are 61.",
        ),
    ],
)
def test_the_headline_says_the_verdict_both_values_the_interval_the_pairs_and_p(
    counts: tuple[int, int, int, int], said: str
) -> None:
    assert headline(scores(*counts)) == said


def test_the_best_baseline_is_the_one_with_the_best_score_and_not_the_one_that_leaves_it_open() -> None:
    found = scores(9, 5, 31, 16)
    found["differences"]["exact_match"]["zero-shot"]["value"] = 0.0  # equal, and told with certainty to be
    assert found["verdict"]["decisive"] == "few-shot"
    assert ", baseline 0.59 (few-shot, 5 examples)" in headline(found)
    assert ", best baseline " in against(found, "zero-shot")


def test_free_text_is_never_decided_by_overlap() -> None:
    found = headline(scores(50, 0, 10, 0, FREE), run="runs/x")
    assert found.startswith(
        "Cannot tell from automatic metrics: judge 60 pairs, about 15 minutes: curate judge runs/x. The answers are "
        "free text. chrF "
    )
    assert "worth" not in found
    assert "judge 5 pairs, about 1 minute:" in headline(scores(3, 0, 2, 0, FREE))


def test_what_was_learned_of_the_form_is_told_apart_from_the_task() -> None:
    """Few-shot says "Yes." where "yes" is asked for: right, and not to the letter."""
    found = form_and_task(scores(0, 0, 50, 10, other="Yes."))
    assert found == [
        "Against few-shot, 5 examples it learned the form and, as far as can be told, no more: exact match to the "
        "letter +83.3 points, exact match 0."
    ]
    assert form_and_task(scores(20, 0, 30, 10)) == []


def test_the_notes_name_the_other_baselines_the_costs_and_what_was_not_tested() -> None:
    found = notes(scores(18, 2, 31, 10))
    assert found[0].startswith("exact match 0.80, baseline 0.00 (zero-shot): +80.3 points")
    assert "Few-shot, 5 examples sends 5.0 times the prompt tokens." in found
    assert "Retrieval over documents: not tested (--docs DIR)." in found
    assert not any("cheaper" in note for note in found)


def test_a_better_score_on_training_rows_is_overfitting_only_where_it_is_no_chance() -> None:
    found = scores(18, 2, 31, 10)
    assert overfitting(found) == [
        "On 24 training rows its exact match is 0.90, on the held-out ones 0.80: no overfitting seen."
    ]
    found["training"]["p"] = 0.001
    assert overfitting(found)[0].endswith("(permutation test p = 0.001): it knows its own rows better than new ones.")
    assert overfitting({**found, "training": None}) == []


@pytest.mark.parametrize(
    ("right_of_24", "right_of_60", "is_clear"), [(24, 30, True), (12, 30, False), (6, 30, False), (14, 30, False)]
)
def test_the_advantage_on_training_rows_is_tested(right_of_24: int, right_of_60: int, is_clear: bool) -> None:
    def scored(right: int, of: int) -> Any:
        texts = ["yes"] * right + ["no"] * (of - right)
        return score_arm(
            Arm("fine-tuned"), [Answer(text, "stop", 1, 1, "", 0.0) for text in texts], ["yes"] * of, SHORT
        )

    found = training_facts(scored(right_of_24, 24), scored(right_of_60, 60), "exact_match", seed=0)
    assert (found["rows"], found["score"]) == (24, right_of_24 / 24)
    assert (found["p"] <= 0.05) == is_clear


def test_rows_that_resemble_training_rows_are_said_with_what_is_left_without_them() -> None:
    found = scores(18, 2, 31, 10)
    assert contamination(found) == "No held-out row resembles a training row (LEAK rules)."
    found["contamination"] = {"rows": 61, "found": []}
    assert "may be one of memory" in contamination(found)
    without = {"verdict": "win", "differences": found["differences"]["exact_match"]}
    found["contamination"] = {"rows": 2, "found": [], "without": without}
    assert contamination(found) == (
        "2 of 61 held-out rows resemble training rows (LEAK rules); without them the difference is +26.2 points "
        "(+13.4 to +39.5) and the verdict win."
    )


def test_what_can_be_found_is_said_before_it_is_looked_for() -> None:
    assert could_find({"n": 200, "detectable": can_be_found(200)}) == (
        "200 rows can show, with a chance of 80%, a true gain of 6 points if 10% of them differ, 9 points if 20% of "
        "them differ, 11 points if 30% of them differ."
    )
    assert could_find({"n": 10, "detectable": can_be_found(10)}) == (
        "10 rows are too few to show any gain where no more than 30% of them differ."
    )


def test_numbers_are_written_as_people_write_them() -> None:
    assert (shown("exact_match", 0.814), shown("chrf", 45.21)) == ("0.81", "45.2")
    assert [signed("chrf", value) for value in (0.004, -0.04, 0.0, 12.34)] == ["+0.004", "-0.04", "0", "+12.3"]
    assert [rounded(count) for count in (7, 61, 445, 12_345)] == [7, 61, 450, 13_000]


def test_forgetting_is_said_with_its_interval_and_a_rise_too_small_to_act_on_is_none() -> None:
    found = scores(18, 2, 31, 10)
    assert forgetting(found) == (
        "Forgetting: none seen (loss on 40 passages of general text 3.20 -> 3.21, +0.01 nats a token, "
        "95% CI -0.01 to +0.03)."
    )
    found["losses"]["generic"] = loss(3.2, 3.205, low=0.004, high=0.006)
    assert forgetting(found).startswith("Forgetting: none seen")
    found["losses"]["generic"] = loss(3.2, 3.4, low=0.1, high=0.3)
    assert forgetting(found).startswith("It forgot: loss on 40 passages of general text 3.20 -> 3.40, +0.20 nats")


@pytest.mark.parametrize(
    ("low", "high", "up", "seen"),
    [(-0.05, 0.01, True, "no loss seen"), (-0.05, -0.01, True, "a loss"), (-0.05, -0.01, False, "a gain")],
)
def test_a_task_is_said_with_what_came_of_it(low: float, high: float, up: bool, seen: str) -> None:
    found = {
        "task": "gsm8k", "metric": "exact_match", "full": 1.0, "higher_is_better": up, "n": 100, "before": 0.31,
        "after": 0.29, "difference": {"value": -0.02, "low": low, "high": high},
    }  # fmt: skip
    points = f"95% CI {100 * low:+.2g} to {100 * high:+.2g}, n = 100: {seen}."
    assert of_task(found) == f"gsm8k, exact_match: 0.31 -> 0.29, -2 points, {points}"
    assert of_task(found) in notes(scores(18, 2, 31, 10) | {"tasks": [found]})
