"""Data sets of the hub, read from a cache folder laid out as huggingface_hub lays it out; nothing is fetched."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.io import find_inputs, parse_row
from curate.io.hub import of_split

has_hub = importlib.util.find_spec("huggingface_hub") is not None


@pytest.mark.skipif(has_hub, reason="huggingface_hub is installed")
def test_the_missing_extra_is_named_with_its_command() -> None:
    with pytest.raises(CurateError, match=r'pip install "curate\[hub\]"'):
        find_inputs(["hf://owner/name"])


@pytest.mark.parametrize("name", ["hf://", "hf://a/b/c/d", "hf://owner/name:", "hf://owner name"])
def test_another_shape_is_refused(name: str) -> None:
    with pytest.raises(CurateError, match="not a data set"):
        find_inputs([name])


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_a_split_is_a_word_of_the_path() -> None:
    files = paths(
        "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"
    )
    assert of_split(files, "train") == files[:2]
    assert of_split(files, "test") == files[2:]
    assert of_split(files, "validation") == []
    assert of_split(paths("training_notes.jsonl", "train/0.jsonl"), "train") == paths("train/0.jsonl")
    assert of_split(paths("data.jsonl", "more.jsonl"), "train") == paths("data.jsonl", "more.jsonl")
    assert of_split(paths("data.jsonl", "test.jsonl"), "train") == []


@pytest.mark.skipif(not has_hub, reason="needs huggingface_hub (the extra `hub`)")
def test_a_cached_data_set_is_read_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    commit = "a" * 40
    repo = tmp_path / "datasets--owner--name"
    snapshot = repo / "snapshots" / commit
    for name, count in (("train.jsonl", 3), ("test.jsonl", 1), ("README.md", 0)):
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).write_text('{"prompt": "x", "completion": "2024-01-01"}\n' * count)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (train,) = find_inputs(["hf://owner/name:train"])
    assert train.path == "hf://owner/name/train.jsonl"
    assert [parse_row(row.data).values[0]["completion"] for row in train.rows()] == ["2024-01-01"] * 3
    assert len(find_inputs(["hf://owner/name"])) == 2
    with pytest.raises(CurateError, match="of split dev"):
        find_inputs(["hf://owner/name:dev"])
    with pytest.raises(CurateError, match="not in the local cache"):
        find_inputs(["hf://owner/other"])
