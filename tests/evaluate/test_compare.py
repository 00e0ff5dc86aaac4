"""One comparison: interval and p together."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate_evaluate.stats import Difference, compare
from curate_evaluate.stats.compare import _score_p
from curate_evaluate.stats.flips import drawn_p, exact_p


def of_counts(won: int, lost: int, n: int) -> Difference:
    same = n - won - lost
    return compare([0.0] * won + [1.0] * lost + [1.0] * same, [1.0] * won + [0.0] * lost + [1.0] * same)


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [
        # Two-sided binomial tails: 2 / 2**5; 2 * (1 + 10) / 2**10; the middle counts once.
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 0.0625),
        (0, 5, 0.0625),
        (9, 1, 22 / 1024),
        (3, 3, 1.0),
        (18, 2, 422 / 2**20),
        # Cavo et al. 2012 and Bentur et al. 2009, as in Fagerland, Lydersen and Laake.
        (6, 16, 0.052479),
        (1, 7, 0.070312),
    ],
)
def test_p_is_that_of_the_exact_mcnemar_test(won: int, lost: int, p: float) -> None:
    difference = of_counts(won, lost, 200)
    assert difference.p == pytest.approx(p, abs=1e-6)
    assert difference.test == "exact McNemar"


def test_the_asymptotic_test_never_refuses_what_the_exact_one_calls() -> None:
    """So that p stays that of the exact test, though the interval is asymptotic."""
    for won, lost in itertools.product(range(140), range(140)):
        exact = exact_p(np.array([1] * won + [-1] * lost))
        assert not (exact <= 0.05 < _score_p(won, lost))


def test_four_wins_to_none_among_sixty_are_no_claim() -> None:
    difference = of_counts(4, 0, 60)
    assert difference.p == 0.125
    assert difference.low == 0.0 < difference.high


@pytest.mark.parametrize(("won", "lost"), [(5, 0), (6, 16), (1, 7)])
def test_where_the_exact_test_is_stricter_the_interval_follows_it(won: int, lost: int) -> None:
    difference = of_counts(won, lost, 161)
    assert difference.p > 0.05
    assert difference.low <= 0 <= difference.high


scores = st.one_of(
    st.lists(st.tuples(*[st.sampled_from([0.0, 1.0])] * 2, st.integers(0, 9)), min_size=1, max_size=120),
    st.lists(st.tuples(*[st.floats(0, 1, width=16)] * 2, st.integers(0, 9)), min_size=1, max_size=60),
)


@settings(max_examples=400, deadline=None)
@given(scores, st.booleans())
def test_interval_and_p_never_disagree_about_0(rows: list[tuple[float, float, int]], clustered: bool) -> None:
    before, after, clusters = map(list, zip(*rows, strict=True))
    difference = compare(before, after, clusters=clusters if clustered else None)
    assert (difference.low > 0 or difference.high < 0) == (difference.p <= 0.05)
    assert difference.low - 1e-9 <= difference.value <= difference.high + 1e-9
    assert -1 <= difference.low <= difference.high <= 1


@settings(max_examples=100, deadline=None)
@given(scores)
def test_exchanging_the_arms_mirrors_the_comparison(rows: list[tuple[float, float, int]]) -> None:
    before, after, clusters = map(list, zip(*rows, strict=True))
    one, other = compare(before, after, clusters=clusters), compare(after, before, clusters=clusters)
    assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p), abs=1e-9)
    assert (one.won, one.lost) == (other.lost, other.won)


@settings(max_examples=300, deadline=None)
@given(scores)
def test_that_examples_belong_together_never_makes_them_say_more(rows: list[tuple[float, float, int]]) -> None:
    before, after, clusters = map(list, zip(*rows, strict=True))
    together, alone = compare(before, after, clusters=clusters), compare(before, after)
    assert together.p >= alone.p
    assert together.low <= alone.low + 1e-9 and alone.high <= together.high + 1e-9
    assert together.effective <= alone.effective


def test_examples_copied_within_their_clusters_say_no_more() -> None:
    draw = random.Random(1)
    before = [float(draw.random() < 0.5) for _ in range(80)]
    after = [float(draw.random() < 0.6) for _ in range(80)]
    alone = compare(before, after)
    copied = compare(before * 5, after * 5, clusters=[*range(80)] * 5)
    assert copied.effective == pytest.approx(80, rel=0.06)
    assert copied.p >= alone.p - 1e-9
    assert copied.high - copied.low >= alone.high - alone.low
    as_if_independent = compare(before * 5, after * 5)
    assert as_if_independent.high - as_if_independent.low < 0.6 * (copied.high - copied.low)


def test_one_cluster_alone_shows_nothing() -> None:
    difference = compare([0.0] * 40, [1.0] * 40, clusters=["the only document"] * 40)
    assert difference.low <= 0
    assert difference.p == 1.0


def test_the_interval_is_near_that_of_the_t_distribution_where_that_holds() -> None:
    draw = np.random.default_rng(2)
    before = draw.uniform(0.3, 0.5, 400)
    after = before + draw.normal(0.05, 0.1, 400)
    difference = compare(before.tolist(), after.tolist())
    error = float(np.std(after - before, ddof=1)) / 20
    assert difference.low == pytest.approx(difference.value - 1.966 * error, abs=0.08 * error)
    assert difference.high == pytest.approx(difference.value + 1.966 * error, abs=0.08 * error)


def test_pairs_see_a_difference_that_two_separate_intervals_would_miss() -> None:
    draw = random.Random(3)
    base = [draw.uniform(0, 95) for _ in range(60)]  # hard and easy examples
    tuned = [min(100.0, max(0.0, value + draw.gauss(3, 4))) for value in base]
    difference = compare(base, tuned, full=100.0)
    assert 0 < difference.low < difference.value < difference.high


def test_the_units_are_those_of_the_scores() -> None:
    draw = random.Random(4)
    before, after = ([draw.random() for _ in range(50)] for _ in range(2))
    share = compare(before, after)
    percent = compare([100 * x for x in before], [100 * x for x in after], full=100.0)
    assert (percent.low, percent.high, percent.value) == pytest.approx(
        (100 * share.low, 100 * share.high, 100 * share.value)
    )
    assert percent.p == pytest.approx(share.p)


def test_a_loss_has_no_limits() -> None:
    draw = random.Random(5)
    before = [draw.uniform(1, 6) for _ in range(100)]
    after = [value - draw.uniform(0.1, 0.5) for value in before]
    difference = compare(before, after, full=None)
    assert -0.5 < difference.low < difference.value < difference.high < -0.1


@pytest.mark.parametrize(
    ("before", "after"), [([], []), ([1.0], []), ([1.0, 0.0], [1.0]), ([0.0], [2.0]), ([0.0], [math.nan])]
)
def test_scores_that_do_not_pair_or_are_none_are_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError):
        compare(before, after)


def test_the_exact_flip_test_counts_every_flip() -> None:
    sums = np.array([3, -1, 2, 2, 0, -4, 1])
    totals = [
        sum(sign * x for sign, x in zip(signs, sums, strict=True)) for signs in itertools.product((1, -1), repeat=7)
    ]
    expected = sum(abs(total) >= abs(int(sums.sum())) for total in totals) / len(totals)
    assert exact_p(sums) == pytest.approx(expected)
    assert drawn_p(sums.astype(float), seed=0) == pytest.approx(expected, abs=0.02)


def test_the_same_seed_gives_the_same_p() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    assert drawn_p(values, seed=7) == drawn_p(values, seed=7) != drawn_p(values, seed=8)
    assert drawn_p(np.full(60, 0.25), seed=0) == 1 / 10_000


@pytest.mark.parametrize(("binary", "clustered", "n"), [(True, False, 40), (True, True, 120), (False, True, 120)])
def test_without_a_gain_the_interval_is_above_0_in_about_one_of_forty_studies(
    binary: bool, clustered: bool, n: int
) -> None:
    """A short form of benchmarks/calibration.py: 300 studies in which each cluster wins or loses as a whole."""
    random_ = np.random.default_rng(6)
    above = covered = 0
    for _ in range(300):
        clusters = np.arange(n) // (4 if clustered else 1)
        signs = random_.choice([-1.0, 0.0, 1.0], clusters[-1] + 1, p=[0.15, 0.7, 0.15])[clusters]
        won = signs * (1.0 if binary else random_.beta(0.8, 1.6, n))
        difference = compare(np.maximum(-won, 0).tolist(), np.maximum(won, 0).tolist(), clusters=clusters.tolist())
        above += difference.low > 0
        covered += difference.low <= 0 <= difference.high
    assert above <= 15  # of 7.5; more has a chance of 1 in 200
    assert covered >= 276
