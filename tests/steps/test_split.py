"""A split keeps together what gives each other away, and what was split once stays where it is."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import curate
from curate.dedup.together import Kinship
from curate.errors import CurateError
from curate.run import Run, make
from curate.steps import check, clean, split
from tests.steps.test_clean import ASKED, checked, line, sample_id

SPLITS = ("train", "val", "test")


def made(folder: Path, data: bytes, **config: Any) -> Run:
    return split_again(checked(folder, data), **config)


def split_again(run: Run, **config: Any) -> Run:
    make(run, clean.STEP, {"fix": "none"})
    make(run, split.STEP, split.default_config() | config)
    return run


def extended(run: Run, folder: Path, data: bytes, **config: Any) -> Run:
    """The same run after its data was replaced."""
    (folder / "data.jsonl").write_bytes(data)
    make(run, check.STEP, run.config("check"))
    return split_again(run, **config)


def members(run: Run) -> dict[str, list[bytes]]:
    return {name: (run / "split" / f"{name}.jsonl").read_bytes().splitlines() for name in SPLITS}


def place_of(run: Run) -> dict[bytes, str]:
    return {row: name for name, rows in members(run).items() for row in rows}


def document(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "split" / "split.json").read_bytes())
    return found


def said(run: Run) -> str:
    return str((run.record("split") or {})["said"])


def unlike(n: int) -> bytes:
    """A row that shares no run of words with the others."""
    things = random.Random(n).sample(THINGS, 8)
    return line(f"Who wrote {n} notes on {', '.join(things[:4])}?", f"{n} poets of {' and '.join(things[4:])}.")


TOPICS = ["kettle", "lantern", "saddle", "harbour", "violin", "quarry", "orchard", "glacier", "pepper", "anvil"]
WORDS = ["brass", "copper", "silver", "walnut", "linen", "marble", "velvet", "cedar", "amber", "granite"]
THINGS = [f"{one} {other}s" for one in WORDS for other in TOPICS]
ROWS = [unlike(n) for n in range(300)]


def test_every_kept_row_is_in_one_split_with_its_bytes(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join(ROWS))
    parts = members(run)
    assert sorted(row for rows in parts.values() for row in rows) == sorted(ROWS)
    assert len(parts["test"]) == 60 and 15 < len(parts["val"]) < 50
    found = document(run)
    assert found["counts"] == {name: len(rows) for name, rows in parts.items()}
    assert (found["seed"], found["val"], found["test"]) == (0, 0.1, None)
    for entry in found["rows"]:
        assert sample_id(parts[entry["split"]][entry["line"] - 1]) == entry["sample_id"]
    assert said(run).endswith("60 test rows; fewer than 100 test rows")


def test_new_rows_and_another_order_move_no_row_of_the_run(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join(ROWS[:150]))
    few = place_of(run)
    extended(run, tmp_path, b"\n".join(reversed(ROWS)))
    everything = place_of(run)
    assert everything.items() >= few.items() and len(everything) == 300
    extended(run, tmp_path, b"\n".join(ROWS), test=0.5, val=0.0)
    assert place_of(run) == everything, "shares are for rows that were not split before"
    assert said(run).endswith("rows split before stay, --val and --test only for new ones: another --seed splits anew")
    extended(run, tmp_path, b"\n".join(ROWS), seed=1)
    assert place_of(run) != everything


def test_a_fresh_run_of_more_rows_moves_few(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    few = place_of(made(tmp_path / "a", b"\n".join(ROWS[:150]), test=0.1))
    assert place_of(made(tmp_path / "b", b"\n".join(reversed(ROWS)), test=0.1)).items() >= few.items()


def test_equal_rows_land_in_one_split(tmp_path: Path) -> None:
    spelled = [json.dumps(json.loads(row), indent=None, separators=(",", ":")).encode() for row in ROWS[:60]]
    found = place_of(made(tmp_path, b"\n".join([*ROWS[:60], *spelled])))
    for one, other in zip(ROWS[:60], spelled, strict=True):
        assert found[one] == found[other]


def families(count: int) -> list[list[bytes]]:
    """Rows that belong together: of one request, near copies, and of one request but for the system prompt."""
    found = []
    for n in range(count):
        one, other = WORDS[n % 10], TOPICS[n // 10 % 10]
        asks = (
            f"Which {one} {other} of the year {1900 + n} should I bring to the long autumn market beside the old mill?"
        )
        near = asks.replace("should I bring", "ought I to bring")
        answer = f"Bring the {one} {other} that you bought in {1900 + n}, it has kept its shape through every winter."
        systems = [{"role": "system", "content": "Be brief."}]
        turns = [{"role": "user", "content": asks.upper()}, {"role": "assistant", "content": "None of them."}]
        found.append(
            [
                line(asks, answer),
                line(asks, f"Any {other} will do."),
                line(near, answer),
                json.dumps({"messages": systems + turns}).encode(),
            ]
        )
    return found


def test_what_gives_each_other_away_is_never_separated(tmp_path: Path) -> None:
    groups = families(25)
    for seed in range(2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = made(folder, b"\n".join(row for rank in range(4) for row in (group[rank] for group in groups)), seed=seed)
        found = place_of(run)
        assert all(len({found[row] for row in group}) == 1 for group in groups)
        assert len(set(found.values())) == 3
        paths = [str(run / "split" / f"{name}.jsonl") for name in SPLITS]
        assert curate.check(paths, select="LEAK").findings == []
        for name in ("val", "test"):
            against = curate.check(paths[0], against=run / "split" / f"{name}.jsonl", select="LEAK", ignore="LEAK006")
            assert against.findings == []


def test_a_new_row_that_ties_two_splits_together_is_left_out_and_said(tmp_path: Path) -> None:
    filed = [json.dumps({**json.loads(row), "doc": n}).encode() for n, row in enumerate(ROWS[:100])]
    run = made(tmp_path, b"\n".join(filed), group_by="doc")
    found = place_of(run)
    trained, tested = (next(row for row in filed if found[row] == name) for name in ("train", "test"))
    question, doc = json.loads(trained)["messages"][0]["content"], json.loads(tested)["doc"]
    bridge = line(question, "Nobody knows.", doc=doc)
    copy = line(question, "I will look it up.")
    extended(run, tmp_path, b"\n".join([*filed, bridge, copy]), group_by="doc")
    now = place_of(run)
    assert now == found | {copy: "train"}
    (entry,) = [json.loads(text) for text in (run / "split" / "excluded.jsonl").read_bytes().splitlines()]
    assert entry == {
        "line": 101,
        "sample_id": sample_id(bridge),
        "splits": ["test", "train"],
        "reason": "it resembles rows of test and train, which were split before",
        "row": json.loads(bridge),
    }
    assert document(run)["excluded"] == 1
    assert "1 new row that resembles rows of two splits left out: split/excluded.jsonl" in said(run)


def test_documents_stay_together(tmp_path: Path) -> None:
    rows = [json.dumps({**json.loads(row), "doc": n // 7 if n % 11 else None}).encode() for n, row in enumerate(ROWS)]
    found = place_of(made(tmp_path, b"\n".join(rows), group_by="doc"))
    places: dict[Any, set[str]] = {}
    for row, name in found.items():
        places.setdefault(json.loads(row)["doc"], set()).add(name)
    assert len(places.pop(None)) == 3, "rows without a document stand alone"
    assert all(len(names) == 1 for names in places.values())


def test_strata_have_their_shares(tmp_path: Path) -> None:
    rows = [
        json.dumps({**json.loads(row), "label": "rare" if n % 10 == 0 else "usual"}).encode()
        for n, row in enumerate(ROWS)
    ]
    run = made(tmp_path, b"\n".join(rows), stratify="label", test=0.1)
    counts = Counter((json.loads(row)["label"], name) for row, name in place_of(run).items())
    assert counts == {
        ("usual", "train"): 216, ("usual", "val"): 27, ("usual", "test"): 27,
        ("rare", "train"): 24, ("rare", "val"): 3, ("rare", "test"): 3,
    }  # fmt: skip
    assert "what is given up: a row's place depends on the other rows" in said(run)
    extended(run, tmp_path, b"\n".join(rows[::-1]), stratify="label", test=0.1)
    assert "rows split before stay, so that the shares of each label are not exact" in said(run)


def test_folds_are_said_of_every_row(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join([*ROWS[:100], *ASKED]), folds=5)
    rows = document(run)["rows"]
    assert {row["fold"] for row in rows} == set(range(5)) and len(rows) == 103
    fold = {row["sample_id"]: row["fold"] for row in rows}
    assert len({fold[sample_id(row)] for row in ASKED}) == 1
    extended(run, tmp_path, b"\n".join([*ROWS[:200], *ASKED]), folds=5)
    assert {row["sample_id"]: row["fold"] for row in document(run)["rows"]}.items() >= fold.items()


def test_nothing_of_a_fold_is_in_what_is_trained_on_for_it(tmp_path: Path) -> None:
    rows = [row for group in families(12) for row in group] + ROWS[:30]
    run = made(tmp_path, b"\n".join(rows), folds=3)
    fold_of = {row["sample_id"]: row["fold"] + 1 for row in document(run)["rows"]}
    tested = []
    for fold in (1, 2, 3):
        one = Run(Path(shutil.copytree(run.folder, tmp_path / f"fold-{fold}")))
        make(one, split.STEP, run.config("split") | {"fold": fold})
        placed = document(one)["rows"]
        mine = [row["sample_id"] for row in placed if row["split"] == "test"]
        assert {row["sample_id"]: row["fold"] + 1 for row in placed} == fold_of
        assert {fold_of[id_] for id_ in mine} == {fold}
        assert f"fold {fold} of 3" in said(one) and (one.record("split") or {})["command"].endswith(f"--fold {fold}")
        tested += mine
        parts = [str(one / "split" / f"{name}.jsonl") for name in ("test", "train", "val")]
        for mine_, theirs in (parts[:2], parts[::2], parts[1:]):
            assert curate.check(mine_, against=theirs, select="LEAK", ignore="LEAK006").findings == []
    assert sorted(tested) == sorted(fold_of)


def test_pairs_that_only_a_check_of_folds_finds_are_tied_and_their_groups_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Kinship.__init__

    def bare(self: Kinship, corpus: Any) -> None:
        real(self, corpus)
        self.cliques, self.pairs = [], []

    monkeypatch.setattr(Kinship, "__init__", bare)
    groups = families(8)
    run = made(tmp_path, b"\n".join([*(row for group in groups for row in group), *ROWS[:20]]), folds=4)
    fold = {row["sample_id"]: row["fold"] for row in document(run)["rows"]}
    lines: dict[int, list[bytes]] = {}
    for row in (run / "clean/kept.jsonl").read_bytes().splitlines():
        lines.setdefault(fold[sample_id(row)], []).append(row)
    for number, rows in lines.items():
        (tmp_path / f"{number}.jsonl").write_bytes(b"\n".join(rows) + b"\n")
    for number in lines:
        others = [str(tmp_path / f"{other}.jsonl") for other in lines if other != number]
        found = curate.check(tmp_path / f"{number}.jsonl", against=others, select="LEAK", ignore="LEAK006")
        assert found.findings == []


@pytest.mark.parametrize("config", [{"fold": 1}, {"fold": 4, "folds": 3}])
def test_a_fold_that_there_is_not_is_refused(tmp_path: Path, config: dict[str, int]) -> None:
    with pytest.raises(CurateError, match=r"--fold \d: --folds says how many there are"):
        made(tmp_path, b"\n".join(ROWS[:20]), **config)


def test_a_column_that_no_row_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no row has a column 'mesages'; did you mean messages"):
        made(tmp_path, b"\n".join(ROWS[:9]), group_by="mesages")


def test_an_edited_split_is_no_earlier_assignment(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join(ROWS))
    before = place_of(run)
    file = run / "split" / "split.json"
    file.write_bytes(file.read_bytes().replace(b'"split":"train"', b'"split":"val"'))
    with pytest.raises(CurateError, match=r"split.json: was edited since"):
        make(run, split.STEP, split.default_config())
    make(run, split.STEP, split.default_config(), force=True)
    assert place_of(run) == before


def test_without_rows_to_train_on_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match=r"of 1 rows none is left to train on .* lower --val and --test"):
        made(tmp_path, ROWS[0], val=0.0, test=0.999999)


def test_without_any_rows_it_says_where_they_went(tmp_path: Path) -> None:
    run = checked(tmp_path, b"{")
    make(run, clean.STEP, {"fix": "none"})
    with pytest.raises(CurateError, match=r"of 0 rows none .* see why in clean/rejected.jsonl"):
        make(run, split.STEP, split.default_config())


def test_empty_splits_are_said(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join(ROWS[:5]), val=0.0, test=0.0)
    assert said(run) == "split: 5 train, 0 val, 0 test rows; val and test empty"
    assert (run / "split" / "test.jsonl").read_bytes() == b""
