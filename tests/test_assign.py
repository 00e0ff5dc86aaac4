"""Rows stay where they were, groups stay whole, shares hold on average."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.assign import Shares, Ties, apportioned, assigned, folds, fraction, held_out, smallest_difference

IDS = [f"v1:{n:032x}" for n in range(1200)]


def split_of(ids: list[str], **options: Any) -> dict[str, str | None]:
    ties, shares = options.pop("ties", Ties()), options.pop("shares", Shares())
    return dict(zip(ids, assigned(ids, ties, shares, options.pop("seed", 0), **options).split, strict=True))


def test_another_seed_is_another_split_and_a_split_stays_what_it_is() -> None:
    one, other = split_of(IDS), split_of(IDS, seed=1)
    assert one != other
    assert 90 < Counter(one.values())["test"] < 150 and 90 < Counter(one.values())["val"] < 150
    # Frozen: a split that was made stays what it is.
    letters = {"train": ".", "val": "v", "test": "t", None: "!"}
    assert "".join(letters[one[id_]] for id_ in IDS[:60]) == (
        ".t..t.tv..tvttv..........v..v.tv..........v.........t..v...."
    )


def test_rows_added_move_no_row_with_or_without_the_earlier_split() -> None:
    few = split_of(IDS[:1100])
    assert split_of(list(reversed(IDS))).items() >= few.items()
    small = split_of(IDS[:300], shares=Shares(0.2))
    assert split_of(IDS, shares=Shares(0.01, 0.5), earlier=small).items() >= small.items()


def test_the_test_has_a_hundred_rows_where_they_are_a_fifth_at_most() -> None:
    sizes = {rows: Counter(split_of(IDS[:rows]).values())["test"] for rows in (50, 300, 499, 500, 700, 950, 1200)}
    assert sizes == {50: 10, 300: 60, 499: 99, 500: 100, 700: 100, 950: sizes[950], 1200: sizes[1200]}
    assert 100 <= sizes[950] <= 190 and 100 <= sizes[1200] <= 240
    assert Counter(split_of(IDS[:300], shares=Shares(0.1, 0.1)).values())["test"] < 45, "a share that was asked for"


def test_a_larger_test_share_only_takes_rows() -> None:
    small, large = (split_of(IDS, shares=Shares(0.1, share)) for share in (0.1, 0.3))
    tested = [{id_ for id_, name in split.items() if name == "test"} for split in (small, large)]
    assert tested[0] < tested[1]
    assert all(large[id_] == "val" for id_, name in small.items() if name == "val")


def test_groups_stay_whole_and_a_giant_one_is_trained_on() -> None:
    ties = Ties([list(range(600))], [(n, n + 1) for n in range(700, 900, 2)])
    for seed in range(20):
        found = assigned(IDS, ties, Shares(), seed)
        assert {found.split[n] for n in range(600)} == {"train"}
        assert all(found.split[a] == found.split[b] for a, b in ties.pairs)


NUMBERS = st.integers(0, 29)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] != pair[1]), max_size=25)


@given(
    PAIRS,
    st.lists(st.lists(NUMBERS, min_size=2, max_size=5, unique=True), max_size=4),
    st.dictionaries(NUMBERS, st.sampled_from(["train", "val", "test"]), max_size=15),
    st.one_of(st.none(), st.lists(st.sampled_from("ab"), min_size=30, max_size=30)),
    st.integers(0, 3),
)
def test_old_rows_never_move_and_no_new_row_is_tied_to_another_split(
    pairs: list[tuple[int, int]], cliques: list[list[int]], old: dict[int, str], strata: list[str] | None, seed: int
) -> None:
    ids = IDS[:30]
    ties = Ties(cliques, pairs)
    found = assigned(ids, ties, Shares(), seed, {ids[n]: name for n, name in old.items()}, strata)
    assert all(found.split[n] == name for n, name in old.items())
    assert {n for n, name in enumerate(found.split) if name is None} == set(found.bridges)
    edges = [*pairs, *((a, b) for clique in cliques for a in clique for b in clique if a != b)]
    torn = set()
    for a, b in edges:
        if a in old and b in old:
            torn |= {a, b} if old[a] != old[b] else set()
        elif found.split[a] and found.split[b]:
            assert found.split[a] == found.split[b]
    for row, names in found.bridges.items():
        assert row not in old and len(names) > 1
    if not old:
        assert not found.bridges
    assert found.torn <= len(torn)


def test_only_the_rows_that_tie_two_splits_together_are_left_out() -> None:
    ids = IDS[:8]
    earlier = {ids[0]: "train", ids[1]: "train", ids[2]: "test"}
    ties = Ties([[0, 3]], [(0, 4), (4, 2), (1, 5), (5, 6), (6, 4)])
    found = assigned(ids, ties, Shares(), 0, earlier)
    assert found.bridges == {4: ["test", "train"]}
    assert [found.split[n] for n in (3, 5, 6)] == ["train"] * 3, "6 hung on 5 alone once 4 is out"
    chain = assigned(ids, Ties([], [(0, 4), (4, 5), (5, 2)]), Shares(), 0, earlier)
    assert chain.bridges == {4: ["test", "train"], 5: ["test", "train"]}, "either of the two could be the bridge"


def test_strata_have_their_exact_shares_at_first() -> None:
    strata = ["a" if n % 10 else "b" for n in range(1200)]
    split = split_of(IDS, strata=strata)
    counts = Counter((label, split[id_]) for id_, label in zip(IDS, strata, strict=True))
    assert counts == {
        ("a", "train"): 864, ("a", "val"): 108, ("a", "test"): 108,
        ("b", "train"): 96, ("b", "val"): 12, ("b", "test"): 12,
    }  # fmt: skip


@given(st.integers(0, 50), st.dictionaries(st.sampled_from("abcde"), st.integers(0, 30)))
def test_what_is_shared_out_adds_up(total: int, sizes: dict[str, int]) -> None:
    parts = apportioned(total, sizes)
    whole = sum(sizes.values())
    assert sum(parts.values()) == (total if sizes and whole else min(total, len(sizes)))
    assert all(abs(parts[name] - total * size / whole) < 1 for name, size in sizes.items() if whole)


def test_folds_are_even_whole_and_kept() -> None:
    groups = [n // 3 for n in range(300)]
    found = folds(IDS[:300], groups, 5, 0, {})
    assert set(Counter(found).values()) == {60}
    assert all(len({found[n] for n in range(300) if groups[n] == group}) == 1 for group in set(groups))
    earlier = dict(zip(IDS[:150], found, strict=False))
    again = folds(IDS[:300], groups, 5, 0, earlier)
    assert again[:150] == found[:150] and max(Counter(again).values()) < 70


@given(st.lists(st.integers(0, 25), min_size=8, max_size=90), st.integers(2, 6), st.integers(0, 3))
def test_each_fold_is_tested_once_and_holds_whole_groups(groups: list[int], count: int, seed: int) -> None:
    rows = range(len(groups))
    fold = folds(IDS[: len(groups)], groups, count, seed, {})
    layouts = [held_out(IDS[: len(groups)], groups, fold, number, 0.2, seed) for number in range(count)]
    for row in rows:
        assert [number for number in range(count) if layouts[number][row] == "test"] == [fold[row]]
    for layout in layouts:
        assert all(len({layout[row] for row in rows if groups[row] == group}) == 1 for group in groups)
        assert layout.count("val") <= len(groups)
    # Rows that are added, in groups of their own, change the place of none.
    more = [*groups, *(group + 100 for group in groups)]
    ids = [*IDS[: len(groups)], *(f"v1:x{n}" for n in rows)]
    later = folds(ids, more, count, seed, dict(zip(ids, fold, strict=False)))
    small = [row for row in rows if groups.count(groups[row]) <= 2 * 0.2 * len(groups)]
    for number, layout in enumerate(layouts):
        after = held_out(ids, more, later, number, 0.2, seed)
        assert [after[row] for row in small] == [layout[row] for row in small]


def test_about_the_share_of_the_other_groups_validates_in_every_fold() -> None:
    groups = [n // 2 for n in range(1200)]
    fold = folds(IDS, groups, 5, 0, {})
    for number in range(5):
        counts = Counter(held_out(IDS, groups, fold, number, 0.1, 0))
        assert counts["test"] == 240 and 60 < counts["val"] < 135
    assert "val" not in held_out(IDS, groups, fold, 0, 0.0, 0)


def test_the_place_of_a_sample_is_the_same_for_ever() -> None:
    assert fraction(0, "v1:0") == pytest.approx(0.142557, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "discordance", "points"), [(50, 0.1, 12.5), (100, 0.2, 12.5), (200, 0.3, 10.9), (1000, 0.1, 2.8)]
)
def test_the_smallest_difference_is_that_of_the_tables(rows: int, discordance: float, points: float) -> None:
    assert 100 * smallest_difference(rows, discordance) == pytest.approx(points, abs=0.06)
