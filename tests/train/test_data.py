"""What the trainer reads is what was made, and rows that would train on something else are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from curate.errors import CurateError
from curate_train.data import ids_sha256, read_tokens
from tests.train import fabricate
from tests.train.conftest import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from curate_train.data import Row

LIMITS = {"vocabulary": 264, "longest": 2048}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fabricate.rows("train", fabricate.samples(12), fabricate.as_bytes)


def test_rows_read_back_as_they_were_made(tmp_path: Path, rows: list[Row]) -> None:
    fabricate.write_split(tmp_path, "train", rows)
    read = read_tokens(tmp_path, "train", **LIMITS)
    assert [(row.sample_id, row.line, row.split) for row in read] == [(r.sample_id, r.line, r.split) for r in rows]
    assert all((row.ids == made.ids).all() for row, made in zip(read, rows, strict=True))
    assert all((row.labels == made.labels).all() for row, made in zip(read, rows, strict=True))


def test_an_empty_split_reads_as_no_rows(tmp_path: Path) -> None:
    fabricate.write_split(tmp_path, "val", [])
    assert read_tokens(tmp_path, "val", **LIMITS) == []


def swapped(row: Row) -> Row:
    labels = row.labels.copy()
    labels[-1] = labels[-2]
    return row._replace(labels=labels)


def outside(row: Row, token: int) -> Row:
    ids = row.ids.copy()
    ids[0] = token
    return row._replace(ids=ids)


FAULTY: dict[str, Callable[[Row], Row]] = {
    "as many labels as ids": lambda row: row._replace(labels=row.labels[:-1]),
    "neither its own id nor -100": swapped,
    "no token is trained": lambda row: row._replace(labels=np.full_like(row.labels, -100)),
    "no token is trained ": lambda row: row._replace(labels=np.where(np.arange(len(row.ids)) == 0, row.ids, -100)),
    "outside the model's vocabulary of 264": lambda row: outside(row, 264),
    "outside the model's vocabulary": lambda row: outside(row, -1),
    "longer than the 2,048 tokens": lambda row: row._replace(
        ids=np.resize(row.ids, 2049), labels=np.resize(row.ids, 2049)
    ),
}


@pytest.mark.parametrize("reason", FAULTY)
def test_each_faulty_row_is_refused_by_name(tmp_path: Path, rows: list[Row], reason: str) -> None:
    made = list(rows)
    for i in (3, 7):
        made[i] = FAULTY[reason](made[i])
    fabricate.write_split(tmp_path, "train", made)
    with pytest.raises(CurateError, match=reason.strip()) as refused:
        read_tokens(tmp_path, "train", **LIMITS)
    said = str(refused.value)
    assert said.startswith("2 of 12 rows")
    assert f"split/train.jsonl:4 ({rows[3].sample_id}), split/train.jsonl:8 ({rows[7].sample_id})" in said


@pytest.mark.parametrize("change", ["an id and its label", "a label", "the order", "one row less", "another sample"])
def test_rows_other_than_those_that_were_made_are_refused(tmp_path: Path, rows: list[Row], change: str) -> None:
    fabricate.write_split(tmp_path, "train", rows)
    kept = (tmp_path / "tokens.json").read_bytes()
    made = list(rows)
    ids, labels = made[0].ids.copy(), made[0].labels.copy()
    if change == "an id and its label":
        ids[-2] = labels[-2] = 7
        made[0] = made[0]._replace(ids=ids, labels=labels)
    elif change == "a label":
        labels[-1] = -100
        made[0] = made[0]._replace(labels=labels)
    elif change == "the order":
        made.reverse()
    elif change == "one row less":
        made.pop()
    else:
        made[0] = made[0]._replace(sample_id="v1:other")
    fabricate.write_split(tmp_path, "train", made)
    (tmp_path / "tokens.json").write_bytes(kept)
    with pytest.raises(CurateError, match=r"ids are not those that were made .*curate tokens RUN --force"):
        read_tokens(tmp_path, "train", **LIMITS)


def test_the_hash_tells_where_a_row_ends(rows: list[Row]) -> None:
    one = rows[0]._replace(sample_id="a", ids=np.array([1, 2], np.int32), labels=np.array([3, 4], np.int32))
    other = one._replace(ids=np.array([1], np.int32), labels=np.array([2, 3, 4], np.int32))
    assert ids_sha256([one]) != ids_sha256([other])


@pytest.mark.parametrize("damage", ["missing", "not Arrow", "no tokens.json", "no hash"])
def test_damaged_files_are_one_line(tmp_path: Path, rows: list[Row], damage: str) -> None:
    fabricate.write_split(tmp_path, "train", rows)
    if damage == "missing":
        (tmp_path / "train.arrow").unlink()
    elif damage == "not Arrow":
        (tmp_path / "train.arrow").write_bytes(b"not an Arrow file")
    elif damage == "no tokens.json":
        (tmp_path / "tokens.json").unlink()
    else:
        (tmp_path / "tokens.json").write_text("{}")
    with pytest.raises(CurateError, match="curate tokens RUN") as refused:
        read_tokens(tmp_path, "train", **LIMITS)
    assert "\n" not in str(refused.value)


def test_a_batch_pads_on_the_right_and_without_loss(rows: list[Row]) -> None:
    need("torch")
    from curate_train.batches import collate

    batch = collate(rows[:4])
    longest = max(len(row.ids) for row in rows[:4])
    for i, row in enumerate(rows[:4]):
        length = len(row.ids)
        assert batch["input_ids"][i, :length].tolist() == row.ids.tolist()
        assert batch["labels"][i].tolist() == [*row.labels.tolist(), *[-100] * (longest - length)]
        assert batch["attention_mask"][i].tolist() == [1] * length + [0] * (longest - length)
