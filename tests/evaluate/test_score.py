"""The score interval against published values."""

import pytest

from curate_evaluate.stats.score import score, score_interval


@pytest.mark.parametrize(
    ("won", "lost", "n", "level", "low", "high"),
    [
        # Tango 1998, tables of examples, as R's ratesci::pairbinci gives them.
        (9, 3, 32, 0.95, -0.027, 0.390),
        (0, 1, 44, 0.90, -0.096, 0.037),
        # Agresti and Min 2005.
        (16, 8, 86, 0.95, -0.020, 0.207),
        # Bentur et al. 2009 in Fagerland, Lydersen and Laake, Statistics in Medicine 33, 2014.
        (1, 7, 21, 0.95, -0.517, -0.026),
        # Cavo et al. 2012 in Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables, chapter 8.
        (6, 16, 161, 0.95, -0.1240, -0.0054),
        # R's PropCIs::scoreci.mp(25, 28, 618), which takes lost before won.
        (28, 25, 618, 0.90, -0.0148, 0.0247),
    ],
)
def test_the_interval_is_the_published_one(won: int, lost: int, n: int, level: float, low: float, high: float) -> None:
    digits = 0.00005 if abs(low) * 10_000 % 10 else 0.0005
    assert score_interval(won, lost, n, level=level) == pytest.approx((low, high), abs=digits)


@pytest.mark.parametrize(
    ("won", "lost", "n"), [(0, 0, 50), (50, 0, 50), (0, 50, 50), (1, 0, 1), (3, 2, 5), (0.4, 0.1, 7.5)]
)
def test_the_interval_holds_the_estimate_and_stays_within_the_limits(won: float, lost: float, n: float) -> None:
    low, high = score_interval(won, lost, n)
    assert -1 <= low <= (won - lost) / n <= high <= 1
    assert high > low


def test_at_each_limit_the_score_test_is_at_its_level() -> None:
    low, high = score_interval(12, 5, 80)
    assert score(12, 5, 80, low) == pytest.approx(1.959964, abs=1e-4)
    assert score(12, 5, 80, high) == pytest.approx(-1.959964, abs=1e-4)


def test_at_no_difference_the_score_is_the_statistic_of_mcnemar() -> None:
    assert score(12, 5, 80, 0.0) ** 2 == pytest.approx((12 - 5) ** 2 / (12 + 5))


def test_where_nothing_differs_the_interval_is_as_wide_as_so_many_examples_leave_open() -> None:
    # z² / (n + z²), as the score interval of a share of which none was seen (Wilson).
    assert score_interval(0, 0, 50) == pytest.approx((-0.071344, 0.071344), abs=1e-5)
