"""A split depends on content and seed alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import curate
from curate.errors import CurateError
from curate.run import Run, make
from curate.steps import clean, split
from curate.steps.split import split_of
from tests.steps.test_clean import checked, line

if TYPE_CHECKING:
    from pathlib import Path


def made(folder: Path, data: bytes, **config: float) -> Run:
    run = checked(folder, data)
    make(run, clean.STEP, {"fix": "none"})
    make(run, split.STEP, split.default_config() | config)
    return run


def members(run: Run) -> dict[str, list[bytes]]:
    return {name: (run / "split" / f"{name}.jsonl").read_bytes().splitlines() for name in ("train", "val", "test")}


ROWS = [line(f"What is {n} times 7?", f"{n} times 7 is {7 * n}.") for n in range(300)]


def test_every_kept_row_is_in_one_split_with_its_bytes(tmp_path: Path) -> None:
    run = made(tmp_path, b"\n".join(ROWS))
    parts = members(run)
    assert sorted(row for rows in parts.values() for row in rows) == sorted(ROWS)
    assert all(15 < len(parts[name]) < 50 for name in ("val", "test"))
    document = json.loads((run / "split" / "split.json").read_bytes())
    assert document["counts"] == {name: len(rows) for name, rows in parts.items()}
    assert (document["seed"], document["val"], document["test"]) == (0, 0.1, 0.1)
    for entry in document["rows"]:
        (sample,) = curate.read([json.loads(parts[entry["split"]][entry["line"] - 1])])
        assert sample.id == entry["sample_id"]


def test_new_rows_and_another_order_move_no_row(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    few = members(made(tmp_path / "a", b"\n".join(ROWS[:150])))
    all_of_them = members(made(tmp_path / "b", b"\n".join(reversed(ROWS))))
    for name, rows in few.items():
        assert set(rows) <= set(all_of_them[name])


def test_equal_rows_land_in_one_split(tmp_path: Path) -> None:
    spelled = [json.dumps(json.loads(row), indent=None, separators=(",", ":")).encode() for row in ROWS[:60]]
    parts = members(made(tmp_path, b"\n".join([*ROWS[:60], *spelled])))
    for one, other in zip(ROWS[:60], spelled, strict=True):
        assert [name for name, rows in parts.items() if one in rows] == [
            name for name, rows in parts.items() if other in rows
        ]


def test_another_seed_is_another_split() -> None:
    ids = [f"v1:{n:032x}" for n in range(1000)]
    one, other = ([split_of(id_, seed, 0.1, 0.1) for id_ in ids] for seed in (0, 1))
    assert one != other
    assert 60 < one.count("test") < 140 and 60 < one.count("val") < 140
    # Frozen: a split that was made stays what it is.
    assert (
        "".join({"train": "."}.get(name, name[0]) for name in one[:60])
        == "vt..t.t...t.tt................t.....v...............t......v"
    )


def test_a_larger_test_share_only_takes_rows(tmp_path: Path) -> None:
    ids = [f"v1:{n:032x}" for n in range(1000)]
    small = {id_ for id_ in ids if split_of(id_, 0, 0.1, 0.1) == "test"}
    large = {id_ for id_ in ids if split_of(id_, 0, 0.1, 0.3) == "test"}
    assert small < large


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
    record = run.record("split")
    assert record and record["said"] == "split: 5 train, 0 val, 0 test rows; val and test empty"
    assert (run / "split" / "test.jsonl").read_bytes() == b""
