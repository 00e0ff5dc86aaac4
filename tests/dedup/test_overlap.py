"""What of the user's rows is in theirs: which files are compared, what is proposed, and the table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import curate
from curate.config import Config
from curate.dedup.folded import Folded
from curate.dedup.lsh import candidate_pairs, sketches
from curate.dedup.minhash import signatures
from curate.dedup.overlap import cross_pairs
from curate.dedup.splits import TEST, TRAINING, VALIDATION, splits_of
from curate.errors import CurateError
from curate.review.decisions import Decisions
from curate.run import make
from curate.run.data import open_run
from curate.steps import check as check_step

if TYPE_CHECKING:
    from pathlib import Path

    from curate.report.report import Report

SHIP = {"prompt": "Who pays for the return of a parcel that was damaged on its way to me?", "completion": "We do."}
TOWER = {"prompt": "How tall is the tower beside the old harbour of the town?", "completion": "It has 41 metres."}
LIBRARY = {"prompt": "When does the library open on the days before a holiday?", "completion": "At ten o'clock."}


def written(file: Path, *rows: Any) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def said(report: Report) -> list[tuple[str, str, int]]:
    assert not report.internal_errors
    return [(f.code, f.place.path.rpartition("/")[2], f.place.line) for f in report.findings]


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (["train.jsonl", "test.jsonl"], [TRAINING, TEST]),
        (["gsm8k_train.jsonl.gz", "gsm8k-val.jsonl", "Test.csv"], [TRAINING, VALIDATION, TEST]),
        (["d/train-00001-of-00002.parquet", "d/train-00002-of-00002.parquet", "d/validation-00000.parquet"], [0, 0, 1]),
        (["data/train/a.jsonl", "data/held_out/a.jsonl"], [TRAINING, TEST]),
        (["training.jsonl", "more.jsonl", "dev.jsonl"], [TRAINING, TRAINING, VALIDATION]),
        (["train.jsonl", "more.jsonl"], None),
        (["a.jsonl", "test.jsonl"], None),
        (["/home/test/train.jsonl", "/home/test/more.jsonl"], None),
        (["retrained.jsonl", "latest.jsonl"], None),
        (["train_test.jsonl", "train.jsonl"], None),
        ([], None),
    ],
)
def test_names_say_which_split_a_file_is(paths: list[str], splits: list[int] | None) -> None:
    assert splits_of(paths) == (dict(zip(paths, splits, strict=True)) if splits else {})


def test_each_split_is_compared_with_those_behind_it(tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", SHIP, TOWER)
    val = written(tmp_path / "val.jsonl", LIBRARY, SHIP)
    test = written(tmp_path / "test.jsonl", TOWER, LIBRARY)
    for order in ([train, val, test], [test, val, train]):
        report = curate.check(order, select="LEAK,DUP")
        found = sorted(said(report))
        assert found == [("LEAK001", "train.jsonl", 1), ("LEAK001", "train.jsonl", 2), ("LEAK001", "val.jsonl", 1)]
        assert {(entry["path"].rpartition("/")[2], entry["exact"]) for entry in report.overlap} == {
            ("train.jsonl", 1),
            ("val.jsonl", 1),
        }
        assert len(report.overlap) == 3


def test_duplicates_are_those_of_one_split(tmp_path: Path) -> None:
    near = {**TOWER, "prompt": TOWER["prompt"].replace("old harbour", "harbour")}
    train = written(tmp_path / "train.jsonl", SHIP, TOWER)
    test = written(tmp_path / "test.jsonl", SHIP, SHIP, near)
    assert said(curate.check([train, test], select="LEAK,DUP")) == [
        ("LEAK001", "train.jsonl", 1),
        ("LEAK003", "train.jsonl", 2),
        ("DUP001", "test.jsonl", 2),
    ]
    other = test.rename(tmp_path / "other.jsonl")
    assert {code for code, _, _ in said(curate.check([train, other], select="LEAK,DUP"))} == {"DUP001", "DUP002"}


def test_without_anything_to_compare_with_the_rules_say_what_unlocks_them(tmp_path: Path) -> None:
    report = curate.check(written(tmp_path / "a.jsonl", SHIP), select="LEAK")
    assert {entry["unlock"] for entry in report.skipped if entry["code"].startswith("LEAK")} == {"--against FILE"}
    assert "overlap" not in report.to_json()


def test_the_table_counts_each_row_once_and_both_directions(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.jsonl", SHIP, SHIP, {**TOWER, "completion": "It has 52 metres."}, {"prompt": "Hi"})
    theirs = written(tmp_path / "theirs.jsonl", TOWER, SHIP, LIBRARY, {"unknown": "a row of no format"})
    (entry,) = curate.check(mine, against=theirs, select="LEAK").overlap
    assert entry == {
        "path": str(mine),
        "against": str(theirs),
        "samples": 4,
        "against_samples": 4,
        "exact": 2,
        "normalised": 0,
        "near": 0,
        "conflicting": 1,
        "prompt": 0,
        "ngram": 0,
        "overlapping": 3,
        "against_overlapping": 2,
        "against_unread": 1,
    }


def test_a_finding_shows_the_pair(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.jsonl", LIBRARY, SHIP)
    theirs = written(tmp_path / "theirs.jsonl", TOWER, TOWER, SHIP)
    (finding,) = curate.check(mine, against=[str(theirs)], select="LEAK").findings
    assert finding.message == f"the same as {theirs}:3"
    assert [(place.path, place.line) for place in finding.related] == [(str(theirs), 3)]


def test_a_folder_that_holds_the_data_too_is_compared_without_it(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.jsonl", SHIP)
    written(tmp_path / "theirs.jsonl", TOWER)
    assert curate.check(mine, against=tmp_path, select="LEAK").findings == []
    with pytest.raises(CurateError, match="the data itself"):
        curate.check(mine, against=mine)


def test_rows_that_fill_a_template_are_no_overlap(tmp_path: Path) -> None:
    items = ["a teapot", "an umbrella", "a bicycle", "a lantern", "a violin", "a hammock", "a compass", "a kettle"]

    def row(item: str) -> dict[str, str]:
        prompt = f"Describe {item} for the catalogue of the shop in one short and friendly sentence."
        return {"prompt": prompt, "completion": "It will serve you well for many years and looks good."}

    mine = written(tmp_path / "mine.jsonl", *map(row, items[:4]))
    theirs = written(tmp_path / "theirs.jsonl", *map(row, items[4:]))
    assert curate.check(mine, against=theirs, select="LEAK").findings == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_same_report_whatever_the_number_of_processes(tmp_path: Path, jobs: int) -> None:
    rows = [{"prompt": f"What is {n} times {n + 3}?", "completion": str(n * (n + 3))} for n in range(1200)]
    train, test = written(tmp_path / "train.jsonl", *rows), written(tmp_path / "test.jsonl", *rows[::100])
    report = curate.check([train, test], select="LEAK", jobs=jobs)
    assert [f.place.line for f in report.findings] == list(range(1, 1200, 100))


def test_cross_pairs_are_those_of_all_pairs_with_one_on_each_side() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(300)])
    texts = [" ".join(rng.choice(words, 40)) for _ in range(60)]
    for text in texts[:60]:
        edited = text.split()
        edited[int(rng.integers(40))] = "another"
        texts.append(" ".join(edited))
    sketch = sketches(signatures(Folded(texts)))
    side = rng.integers(0, 2, len(texts)).astype(bool)
    found = {
        (a, b)
        for left, right in cross_pairs(sketch, np.flatnonzero(~side), np.flatnonzero(side))
        for a, b in zip(left, right, strict=True)
    }
    everything = {(a, b) for left, right in candidate_pairs(sketch) for a, b in zip(left, right, strict=True)}
    assert found == {
        (min(a, b, key=lambda n: side[n]), max(a, b, key=lambda n: side[n]))
        for a, b in everything
        if side[a] != side[b]
    }
    assert len(found) > 20


def test_the_reviewed_row_of_a_group_is_kept_and_only_a_run_knows_it(tmp_path: Path) -> None:
    near = {**TOWER, "prompt": TOWER["prompt"].replace("old harbour", "harbour")}
    data = written(tmp_path / "data.jsonl", TOWER, near)
    with pytest.raises(CurateError, match="--run"):
        curate.check(data, keep="reviewed")
    run = open_run([str(data)], str(tmp_path / "run"))
    config = check_step.config(run, [str(data)], Config(select=["DUP"], keep="reviewed"))

    def flagged() -> list[int]:
        make(run, check_step.STEP, config)
        return [finding["line"] for finding in json.loads((run / "check.json").read_bytes())["findings"]]

    assert flagged() == [2]
    (sample,) = [sample.id for sample in curate.read(data) if sample.line == 2]
    Decisions(run).record(sample, "keep")
    assert flagged() == [1]


def test_a_run_names_what_it_was_compared_with_and_goes_stale_with_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "data.jsonl", SHIP)
    theirs = written(tmp_path / "theirs.jsonl", SHIP)
    run = open_run(["data.jsonl"], "run")
    config = check_step.config(run, ["data.jsonl"], Config(select=["LEAK"], against=["theirs.jsonl"]))
    make(run, check_step.STEP, config)
    document = json.loads((run / "check.json").read_bytes())
    assert document["config"]["against"] == ["theirs.jsonl"]
    assert document["findings"][0]["message"] == "the same as theirs.jsonl:1"
    assert theirs in [path.resolve() for path in check_step.reads(run, config)]
    with pytest.raises(CurateError, match="save it to a file"):
        check_step.config(run, ["data.jsonl"], Config(against=["-"]))
