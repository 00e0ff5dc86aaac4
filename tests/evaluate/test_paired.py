import random

import pytest

from curate_evaluate.paired import bootstrap_interval, compare, mcnemar_exact


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    # Two-sided binomial tails: 2 / 2**5; 2 * (1 + 10) / 2**10; the middle counts once.
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (9, 1, 22 / 1024), (3, 3, 1.0), (18, 2, 422 / 2**20)],
)
def test_the_exact_mcnemar_test(won: int, lost: int, p: float) -> None:
    assert mcnemar_exact(won, lost) == pytest.approx(p)


def test_the_interval_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    draw = random.Random(1)
    differences = [draw.gauss(0.3, 1) for _ in range(50)]
    assert bootstrap_interval(differences, seed=7) == bootstrap_interval(differences, seed=7)
    assert bootstrap_interval(differences, seed=7) != bootstrap_interval(differences, seed=8)


def test_the_interval_is_near_the_one_of_the_normal_distribution_where_that_holds() -> None:
    draw = random.Random(2)
    differences = [draw.gauss(0, 1) for _ in range(400)]
    low, high = bootstrap_interval(differences, seed=0)
    mean = sum(differences) / 400
    error = (sum((value - mean) ** 2 for value in differences) / 400 / 400) ** 0.5
    assert low == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.15 * error)


def test_pairs_see_a_difference_that_two_separate_intervals_would_miss() -> None:
    draw = random.Random(3)
    base = [draw.uniform(0, 100) for _ in range(60)]  # hard and easy examples
    adapter = [value + draw.gauss(3, 4) for value in base]
    difference = compare(base, adapter, seed=0)
    assert 0 < difference.low < difference.value < difference.high
    assert difference.p is None


def test_scores_of_zero_and_one_are_counted_and_tested_exactly() -> None:
    difference = compare([0.0, 0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.0], seed=0)
    assert (difference.won, difference.lost, difference.n) == (2, 1, 5)
    assert difference.value == pytest.approx(0.2)
    assert difference.p == 1.0


@pytest.mark.parametrize(("base", "adapter"), [([], []), ([1.0], []), ([1.0, 0.0], [1.0])])
def test_arms_that_do_not_pair_are_refused(base: list[float], adapter: list[float]) -> None:
    with pytest.raises(ValueError):
        compare(base, adapter, seed=0)


def test_equal_arms_are_seldom_told_apart() -> None:
    draw = random.Random(4)
    claims = 0
    for seed in range(60):
        low, high = bootstrap_interval([draw.gauss(0, 1) for _ in range(40)], seed=seed)
        claims += low > 0 or high < 0
    assert claims <= 9
