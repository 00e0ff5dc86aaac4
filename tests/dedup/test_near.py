"""Near-duplicates of a data set: groups around the row that stays, whatever the order and the number of processes."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from curate.dedup import near
from curate.dedup.corpus import Turn
from curate.dedup.near import Pair, components, groups, same_turns
from curate.dedup.same import IDENTICAL, Sameness

if TYPE_CHECKING:
    from pathlib import Path

EDGES = st.sets(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda edge: edge[0] < edge[1]), max_size=40)
WORDS = re.findall(
    r"\w+",
    """
    river castle market engine forest teacher bridge violin harbour kitchen desert lantern pillow rocket
    crosses follows repairs paints guards visits measures forgets borrows describes carries studies
    """,
)


@given(EDGES, st.permutations(range(15)), st.data())
@settings(max_examples=200)
def test_every_member_was_compared_with_the_one_that_stays(
    edges: set[tuple[int, int]], ranks: list[int], data: st.DataObject
) -> None:
    """`edges` are the true pairs, some of which the engine proposes."""
    proposed = sorted(edge for edge in edges if data.draw(st.booleans()))
    found = groups(
        [Pair(a, b, IDENTICAL) for a, b in proposed],
        lambda number: ranks[number],
        lambda a, b: IDENTICAL if (min(a, b), max(a, b)) in edges else None,
    )
    members = [number for group in found for number in (group.kept, *(other for other, _ in group.others))]
    assert len(members) == len(set(members))
    for group in found:
        assert group.others
        for other, _ in group.others:
            assert ranks[group.kept] < ranks[other]
            assert (min(group.kept, other), max(group.kept, other)) in edges


def test_a_chain_of_small_steps_does_not_tie_its_ends() -> None:
    edges = {(0, 1), (1, 2), (2, 3)}
    found = groups(
        [Pair(a, b, IDENTICAL) for a, b in sorted(edges)],
        lambda number: number,
        lambda a, b: IDENTICAL if (a, b) in edges else None,
    )
    assert [(group.kept, [other for other, _ in group.others]) for group in found] == [(0, [1]), (2, [3])]


@given(EDGES)
def test_components_are_what_is_connected(edges: set[tuple[int, int]]) -> None:
    found = components(sorted(edges))
    where = {node: i for i, members in enumerate(found) for node in members}
    assert sum(map(len, found)) == len(where) == len({node for edge in edges for node in edge})
    assert all(where[a] == where[b] for a, b in edges)


def turns(*texts: str) -> list[Turn]:
    return [Turn("user" if i % 2 == 0 else "assistant", text, i) for i, text in enumerate(texts)]


def test_turns_are_the_same_one_by_one() -> None:
    question = "How do I look after leather boots in a wet winter?"
    answer = "Brush off the mud and let them dry slowly before you put wax on them."
    assert same_turns(turns(question, answer), turns(question, answer), 0.8) == IDENTICAL
    assert same_turns(turns(question.upper(), answer), turns(question, answer), 0.8) == IDENTICAL
    same = same_turns(turns(question, answer), turns(question.replace("wet", "rainy"), answer), 0.8)
    assert isinstance(same, Sameness)
    assert 0.8 < same.similarity < 1
    assert same_turns(turns(question, answer), turns(question, "No idea."), 0.8) is None
    assert same_turns(turns(question, answer), turns(question), 0.8) is None
    assert same_turns(turns(question), [Turn("system", question, 0)], 0.8) is None


def families(seed: int, count: int) -> list[dict[str, str]]:
    """Rows in families of one to four, whose members are one edited word of twenty apart, in any order."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        prompt = [rng.choice(WORDS) for _ in range(24)]
        answer = " ".join(rng.choice(WORDS) for _ in range(20))
        rows.append({"prompt": " ".join(prompt), "completion": answer})
        for place in rng.sample(range(2, 22), rng.randrange(3)):
            rows.append({"prompt": " ".join([*prompt[:place], "quietly", *prompt[place:]]), "completion": answer})
    rng.shuffle(rows)
    return rows


def written(folder: Path, rows: list[dict[str, str]]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def flags(file: Path, **given: Any) -> list[Any]:
    report = curate.check(file, select=["DUP002"], **given)
    assert not report.internal_errors
    return report.findings


def by_content(file: Path, **given: Any) -> set[frozenset[str | None]]:
    return {
        frozenset(place.sample_id for place in (finding.place, *finding.related)) for finding in flags(file, **given)
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_rows_does_not_change_the_groups(tmp_path: Path, seed: int) -> None:
    rows = families(seed, 60)
    found = by_content(written(tmp_path, rows))
    assert found
    for again in range(3):
        random.Random(again).shuffle(rows)
        assert by_content(written(tmp_path, rows)) == found


def test_the_number_of_processes_does_not_change_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, families(2, 60))
    one = flags(file, jobs=1)
    monkeypatch.setattr(near, "WORTH_A_PROCESS", 1)
    assert flags(file, jobs=2) == one != []


def test_another_word_for_what_is_kept_keeps_another_row(tmp_path: Path) -> None:
    prompt = "Which tools do I need to hang a heavy mirror on a concrete wall"
    rows = [
        {"prompt": prompt + end, "completion": "A hammer drill, wall plugs and screws."}
        for end in ("", "?", " please, friend?")
    ]
    file = written(tmp_path, rows)
    assert [finding.place.line for finding in flags(file)] == [2, 3]
    assert [finding.place.line for finding in flags(file, keep="longest")] == [1, 2]
