"""Which rows are drawn depends on their content and the seed: a source that grows changes little."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from curate.mixing.draw import Drawn, draw

IDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=40)


def chosen(ids: list[str], quota: int, seed: int = 0) -> set[int]:
    return {one.number for _, one in draw(ids, quota, seed)}


@given(IDS, st.data(), st.integers(0, 5))
def test_as_many_as_wanted_and_none_twice_while_there_are_others(
    ids: list[str], data: st.DataObject, seed: int
) -> None:
    quota = data.draw(st.integers(0, 3 * len(ids)))
    drawn = [one for _, one in draw(ids, quota, seed)]
    assert len(drawn) == len(set(drawn)) == quota
    times = Counter(one.number for one in drawn)
    assert max(times.values(), default=0) - min((times[number] for number in range(len(ids))), default=0) <= 1
    assert draw(ids, quota, seed) == draw(ids, quota, seed)


@given(IDS, st.data())
def test_a_larger_quota_draws_the_same_rows_and_more(ids: list[str], data: st.DataObject) -> None:
    quota = data.draw(st.integers(0, len(ids) - 1))
    few = {one: place for place, one in draw(ids, quota, 0)}
    more = {one: place for place, one in draw(ids, quota + 1, 0)}
    assert few.items() <= more.items()


@given(IDS, st.text("xyz", min_size=4, max_size=6), st.data())
def test_a_new_row_takes_the_place_of_one_other_at_most(ids: list[str], new: str, data: st.DataObject) -> None:
    quota = data.draw(st.integers(1, len(ids)))
    before = chosen(ids, quota)
    after = chosen([*ids, new], quota)
    assert len(before - after) <= 1
    assert after - before <= {len(ids)}


def test_another_seed_draws_other_rows_in_another_order() -> None:
    ids = [f"v1:{number}" for number in range(200)]
    assert chosen(ids, 50, 0) != chosen(ids, 50, 1)
    orders = {tuple(one.number for _, one in sorted(draw(ids, 200, seed))) for seed in range(3)}
    assert len(orders) == 3


def test_the_order_of_a_mix_is_not_that_of_the_draw() -> None:
    """Otherwise the rows of a small share would all stand at the start of the mix."""
    places = [place for place, _ in draw([f"v1:{number}" for number in range(1000)], 100, 0)]
    assert sum(place > 0.5 for place in places) > 30


def test_every_row_comes_as_often_as_any_other_but_for_the_rest() -> None:
    drawn = [one for _, one in draw(["a", "b"], 5, 0)]
    assert {one for one in drawn if one.copy < 2} == {Drawn(0, 0), Drawn(0, 1), Drawn(1, 0), Drawn(1, 1)}
    assert len([one for one in drawn if one.copy == 2]) == 1
