"""From answers to the facts of an arm."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import permutation_test

from curate_evaluate import scoring
from curate_evaluate.answering.answers import Answer
from curate_evaluate.arms import Arm
from curate_evaluate.metrics import Fit
from curate_evaluate.scoring import Scored, arm_facts, score_arm, training_facts

LABELS = Fit("labels", "label", ("label",), ("positive", "negative"), "")


def answer(text: str) -> Answer:
    return Answer(text, "stop", 1, 1, "", 0.1)


def scored(values: list[float]) -> Scored:
    return Scored(Arm("fine-tuned"), [answer("")] * len(values), {"label": values})


def test_thoughts_in_the_references_count_for_no_score() -> None:
    references = [
        "<think>\nAnswer: negative\nNo, wait.\n</think>\n\npositive",
        "<think>\nBad.\n</think>\n\nnegative",
    ] * 5
    arm = score_arm(Arm("fine-tuned"), [answer("positive"), answer("negative")] * 5, references, LABELS)
    facts = arm_facts(arm, references, LABELS)
    assert (facts["scores"], facts["macro_f1"]) == ({"label": 1.0}, 1.0)


def test_permutations_in_parts_are_the_permutations_at_once() -> None:
    draw = np.random.default_rng(0)
    learned, held_out = (draw.integers(0, 2, size).astype(float).tolist() for size in (24, 300))
    at_once = permutation_test(
        (learned, held_out),
        lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
        vectorized=True,
        alternative="greater",
        rng=np.random.default_rng(7),
    )
    in_parts = training_facts(scored(learned), scored(held_out), "label", seed=7)["p"]
    assert 0 < in_parts < 1 and in_parts == at_once.pvalue


@pytest.mark.parametrize("rows", [500, 4000])
def test_the_memory_of_the_permutations_does_not_grow_with_the_rows(rows: int) -> None:
    tracemalloc.start()
    try:
        training_facts(scored([1.0] * 24), scored([0.0, 1.0] * (rows // 2)), "label", seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * scoring.PERMUTED
