"""One comparison over several training seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curate_evaluate.stats import compare, compare_seeds


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[float], list[list[float]], list[int]]:
    """The scores before, those of each training, and the cluster of each example."""
    value = draw(st.sampled_from([st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=16)]))
    n, seeds = draw(st.integers(1, 60)), draw(st.integers(2, 6))
    column = st.lists(value, min_size=n, max_size=n)
    clusters = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    return draw(column), [draw(column) for _ in range(seeds)], clusters


@settings(max_examples=300, deadline=None)
@given(studies())
def test_the_interval_agrees_with_p_and_is_never_narrower_than_without_the_seeds(
    study: tuple[list[float], list[list[float]], list[int]],
) -> None:
    before, after, clusters = study
    found = compare_seeds(before, after, clusters=clusters)
    rows = compare(before, np.mean(after, axis=0).tolist(), clusters=clusters)
    assert (found.low > 0 or found.high < 0) == (found.p <= 0.05)
    assert -1 <= found.low <= rows.low + 1e-9 and rows.high - 1e-9 <= found.high <= 1
    assert found.p >= rows.p
    assert found.value == rows.value and found.seeds == len(after)


@settings(max_examples=100, deadline=None)
@given(studies())
def test_exchanging_the_arms_mirrors_it(study: tuple[list[float], list[list[float]], list[int]]) -> None:
    before, after, clusters = study
    one = compare_seeds(before, after, clusters=clusters)
    other = compare_seeds([1 - x for x in before], (1 - np.array(after)).tolist(), clusters=clusters)
    assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p), abs=1e-6)


def test_seeds_that_answer_alike_change_nothing() -> None:
    before, after = [0.0] * 40 + [1.0] * 60, [1.0] * 12 + [0.0] * 28 + [1.0] * 57 + [0.0] * 3
    found, one = compare_seeds(before, [after] * 3), compare(before, after)
    assert (found.low, found.high, found.p) == pytest.approx((one.low, one.high, one.p), abs=1e-9)
    assert found.seed_half == 0


def test_equal_scores_are_no_difference_whatever_their_mean_rounds_to() -> None:
    before = [0.1, 0.2, 0.3, 0.7] * 25
    assert np.mean([0.1] * 3) != 0.1
    found = compare_seeds(before, [before] * 3)
    assert (found.won, found.lost, found.p) == (0, 0, 1.0)
    none = compare(before, before)
    assert (found.low, found.high) == pytest.approx((none.low, none.high))


def test_where_only_the_seeds_vary_it_is_their_t_interval() -> None:
    """Every example of a training scores alike, so that many of them say no more than one."""
    of_seeds = [0.02, 0.06, 0.13]
    found = compare_seeds([0.5] * 500, [[0.5 + gain] * 500 for gain in of_seeds])
    expected = stats.t.interval(0.95, 2, np.mean(of_seeds), stats.sem(of_seeds))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.004)
    assert found.p == pytest.approx(stats.ttest_1samp(of_seeds, 0).pvalue, abs=0.01)


def test_a_gain_that_one_of_three_seeds_has_is_no_gain_of_fine_tuning() -> None:
    before = [0.0, 1.0] * 100
    lucky, plain = [1.0, 1.0] * 40 + [0.0, 1.0] * 60, before
    assert compare(before, np.mean([lucky, plain, plain], axis=0).tolist()).low > 0
    found = compare_seeds(before, [lucky, plain, plain])
    assert found.low < 0 < found.value and found.p > 0.3


def test_without_limits_the_units_are_those_of_the_scores() -> None:
    random = np.random.default_rng(0)
    before = random.uniform(1, 6, 100)
    after = before - random.uniform(0.1, 0.5, (3, 100))
    found = compare_seeds(before.tolist(), after.tolist(), full=None)
    tenfold = compare_seeds((10 * before).tolist(), (10 * after).tolist(), full=None)
    assert found.low < found.value < found.high < 0
    assert (tenfold.low, tenfold.high, tenfold.p) == pytest.approx((10 * found.low, 10 * found.high, found.p))


@pytest.mark.parametrize("after", [[], [[1.0, 0.0]]])
def test_one_training_has_no_variance(after: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two or more"):
        compare_seeds([0.0, 1.0], after)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_without_a_gain_it_is_above_0_in_at_most_one_of_forty_studies(spread: float) -> None:
    """A short form of benchmarks/calibration.py: 300 studies of 3 seeds whose worth varies, or does not."""
    random = np.random.default_rng(7)
    above = covered = alone = 0
    for _ in range(300):
        ease, worth = random.uniform(0, 1, 100), random.uniform(-spread, spread, (3, 1))
        before = (ease > 0.5).astype(float)
        after = (ease + random.normal(0, 0.15, (3, 100)) + worth > 0.5).astype(float)
        found = compare_seeds(before.tolist(), after.tolist())
        above += found.low > 0
        covered += found.low <= 0 <= found.high
        alone += compare(before.tolist(), after[0].tolist()).low > 0
    assert above <= 15
    assert covered >= 285
    assert not spread or alone > 30, "one seed alone is taken for all too often, or this test tests nothing"
