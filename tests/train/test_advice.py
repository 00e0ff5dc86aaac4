"""What is said of a curve, and of one with nothing to say of."""

from __future__ import annotations

import pytest

from curate_train import advice


@pytest.mark.parametrize(
    ("validation", "losses", "best", "said"),
    [
        (
            [(0, 2.0), (10, 1.5), (20, 1.4), (30, 1.6)],
            [2.0, 0.2],
            20,
            "overfitting: the validation loss was lowest at step 20",
        ),
        ([(0, 2.0), (10, 1.999), (20, 1.995)], [2.0, 2.0], 20, "the loss does not move"),
        ([(0, 2.0), (10, 2.2), (20, 2.1)], [2.0, 1.0], 20, "never fell below that of the base"),
        ([(0, 2.0), (10, 1.5), (20, 1.2)], [2.0, 1.0], 20, "still falling at the end"),
        ([], [2.0] * 20, 20, "the loss does not move"),
    ],
)
def test_a_curve_in_words(validation: list[tuple[int, float]], losses: list[float], best: int, said: str) -> None:
    assert any(said in line for line in advice.after(validation, losses, best))


@pytest.mark.parametrize("validation", [[(0, 1.398), (1, 1.398), (2, 15.84), (3, 38.27)], [(0, 2.0), (9, 2.1)]])
def test_a_loss_that_rises_is_not_told_to_learn_faster(validation: list[tuple[int, float]]) -> None:
    (said,) = advice.after(validation, [2.0, 9.0], 1)
    assert f"{validation[-1][1]:.3f} at the end" in said and "lower --learning-rate" in said


def test_a_loss_that_stays_gets_one_advice() -> None:
    (said,) = advice.after([(0, 2.0), (10, 2.001), (20, 2.002)], [2.0, 2.0], 10)
    assert "does not move (2.000 at first, 2.002 at the end): try a higher --learning-rate" in said


def test_a_good_curve_has_no_advice() -> None:
    assert advice.after([(0, 2.0), (10, 1.51), (20, 1.5)], [2.0, 1.0], 20) == []
    assert advice.before(60, 1_000, None) == []
    (said,) = advice.before(59, 100, None)
    assert "only 59 optimiser steps from 100 rows" in said and "try --epochs 5" in said
    (said,) = advice.before(4, 100, 4)
    assert "try leave out" not in said and "without --max-steps 4" in said
