"""What a number of examples can show."""

from __future__ import annotations

import numpy as np
import pytest

from curate_evaluate.stats import compare, compare_seeds, detectable, examples_to_show, power, seeds_to_show
from curate_evaluate.stats.power import NEVER


@pytest.mark.parametrize(
    ("n", "changed", "gain"), [(60, 0.2, 0.0), (60, 0.3, 0.18), (200, 0.2, 0.08), (500, 0.1, 0.04)]
)
def test_the_power_is_how_often_simulated_studies_are_called(n: int, changed: float, gain: float) -> None:
    random = np.random.default_rng(0)
    called = 0
    for _ in range(800):
        won, lost, same = random.multinomial(n, [(changed + gain) / 2, (changed - gain) / 2, 1 - changed])
        difference = compare([0.0] * won + [1.0] * (lost + same), [1.0] * won + [0.0] * lost + [1.0] * same)
        called += difference.low > 0
    assert called / 800 == pytest.approx(power(n, changed, gain), abs=0.05)


def test_without_a_gain_a_call_in_its_favour_is_rarer_than_one_in_forty() -> None:
    assert all(power(n, changed, 0.0) <= 0.025 for n in (10, 30, 100, 500, 5000) for changed in (0.05, 0.2, 0.4, 1.0))


@pytest.mark.parametrize(("n", "changed"), [(100, 0.2), (200, 0.1), (1000, 0.3), (20_000, 0.05)])
def test_the_detectable_gain_is_found_in_four_of_five_runs(n: int, changed: float) -> None:
    gain = detectable(n, changed)
    assert gain is not None
    assert power(n, changed, gain) == pytest.approx(0.8, abs=0.01)
    # The formula without exactness (Connor 1987) is somewhat more hopeful.
    assert gain == pytest.approx(2.8 * (changed / n) ** 0.5, rel=0.15)


@pytest.mark.parametrize(("n", "changed"), [(0, 0.2), (30, 0.1), (50, 0.05), (100, 0.0)])
def test_too_few_examples_can_show_no_gain_at_all(n: int, changed: float) -> None:
    assert detectable(n, changed) is None


def test_the_examples_that_would_settle_it_do_settle_it() -> None:
    won, lost, n = 9, 4, 60
    difference = compare([0.0] * won + [1.0] * (n - won), [1.0] * won + [0.0] * lost + [1.0] * (n - won - lost))
    needed = examples_to_show(difference, 0.02)
    assert n < needed < 1000
    assert power(needed, (won + lost) / n, difference.value) == pytest.approx(0.8, abs=0.06)


def test_where_nothing_differs_so_many_are_needed_as_make_the_interval_narrow_enough() -> None:
    nothing = compare([0.0] * 11, [0.0] * 11)
    needed = examples_to_show(nothing, 0.02)
    assert (
        compare([0.0] * needed, [0.0] * needed).high <= 0.02 < compare([0.0] * (needed - 2), [0.0] * (needed - 2)).high
    )


def test_a_difference_below_the_margin_needs_as_many_as_show_that_it_is_below() -> None:
    n = 400
    near = compare([0.0] * 20 + [1.0] * (n - 20), [1.0] * 20 + [0.0] * 19 + [1.0] * (n - 39))
    needed = examples_to_show(near, 0.02)
    scaled = needed / n
    wider = compare(
        [0.0] * round(20 * scaled) + [1.0] * (needed - round(20 * scaled)),
        [1.0] * round(20 * scaled)
        + [0.0] * round(19 * scaled)
        + [1.0] * (needed - round(20 * scaled) - round(19 * scaled)),
    )
    assert -0.02 < wider.low < wider.high < 0.02


def over_seeds(n: int, *right: float, base: float = 0.5) -> tuple[list[float], list[list[float]]]:
    """Of n examples the base model has the first half right, each training so great a part of them."""
    before = [1.0] * round(base * n) + [0.0] * round((1 - base) * n)
    return before, [[1.0] * round(share * n) + [0.0] * round((1 - share) * n) for share in right]


def test_where_the_seeds_differ_too_much_more_of_them_are_needed_and_not_more_examples() -> None:
    difference = compare_seeds(*over_seeds(1000, 0.48, 0.56, 0.64))
    assert difference.low < 0 < difference.high
    assert examples_to_show(difference, 0.02) == NEVER
    seeds = seeds_to_show(difference, 0.02)
    assert seeds is not None
    # So many, spread as these three are, do show it.
    spread = np.interp(np.linspace(0, 1, seeds), [0, 0.5, 1], [0.48, 0.56, 0.64])
    assert compare_seeds(*over_seeds(1000, *spread)).low > 0


def test_where_the_seeds_agree_more_examples_settle_it_and_no_number_of_seeds() -> None:
    difference = compare_seeds(*over_seeds(100, 0.53, 0.53, 0.53))
    assert difference.seed_half == 0
    assert seeds_to_show(difference, 0.02) is None
    plain = compare(*(over_seeds(100, 0.53)[0], over_seeds(100, 0.53)[1][0]))
    assert examples_to_show(difference, 0.02) == examples_to_show(plain, 0.02) < NEVER
