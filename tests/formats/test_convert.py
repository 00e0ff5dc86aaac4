"""Converting: what is written reads back the same, what cannot be held is said before anything is written."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from curate.convert import CannotHold, convert, targets
from curate.errors import CurateError

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "id": 7}
TOOLS = {
    "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather", "arguments": {}}}]},
        {"role": "tool", "content": "18 C"},
        {"role": "assistant", "content": "Mild"},
    ]
}
PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"}


def given(folder: Path, *rows: Any) -> str:
    file = folder / "in.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def written(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_targets_are_the_formats_that_hold_conversations_and_verdicts() -> None:
    assert set(targets()) == {
        "messages",
        "sharegpt",
        "alpaca",
        "prompt-completion",
        "preference",
        "openai-preference",
        "kto",
        "text",
    }


@pytest.mark.parametrize(
    ("to", "row"),
    [
        ("messages", CHAT),
        ("sharegpt", {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "id": 7}),
        ("alpaca", {"instruction": "Hi", "input": "", "output": "Hello", "id": 7}),
        ("prompt-completion", {"prompt": "Hi", "completion": "Hello", "id": 7}),
    ],
)
def test_a_conversation_in_each_format_carries_its_metadata(to: str, row: dict[str, Any], tmp_path: Path) -> None:
    result = convert([given(tmp_path, CHAT)], to, tmp_path / "out.jsonl")
    assert (result.rows, result.written) == (1, 1)
    assert written(tmp_path / "out.jsonl") == [row]


def test_nothing_is_written_when_something_would_be_lost(tmp_path: Path) -> None:
    source, out = given(tmp_path, CHAT, TOOLS, CHAT, TOOLS), tmp_path / "out.jsonl"
    with pytest.raises(CannotHold, match="alpaca cannot hold 2 rows") as caught:
        convert([source], "alpaca", out)
    assert [place.line for place, _ in caught.value.lost] == [2, 4]
    assert all(reasons for _, reasons in caught.value.lost)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.jsonl"]


def test_rows_that_cannot_be_held_can_be_left_out(tmp_path: Path) -> None:
    result = convert([given(tmp_path, CHAT, TOOLS, CHAT)], "alpaca", tmp_path / "out.jsonl", drop_unsupported=True)
    assert (result.rows, result.written, [place.line for place, _ in result.lost]) == (3, 2, [2])
    assert len(written(tmp_path / "out.jsonl")) == 2


def test_a_column_that_means_something_else_in_the_target_is_named(tmp_path: Path) -> None:
    source = given(tmp_path, {"instruction": "Hi", "output": "Hello", "prompt": "template 3"})
    with pytest.raises(CannotHold, match="'prompt', which means something else in prompt-completion rows"):
        convert([source], "prompt-completion", tmp_path / "out.jsonl")
    convert([source], "messages", tmp_path / "out.jsonl")
    assert written(tmp_path / "out.jsonl")[0]["prompt"] == "template 3"


def test_a_column_that_repeats_what_is_written_is_no_conflict(tmp_path: Path) -> None:
    convert([given(tmp_path, {**CHAT, "prompt": "Hi"})], "prompt-completion", tmp_path / "out.jsonl")
    assert written(tmp_path / "out.jsonl") == [{"prompt": "Hi", "completion": "Hello", "id": 7}]


def test_binarized_feedback_is_written_as_plain_pairs(tmp_path: Path) -> None:
    sides = [[*CHAT["messages"][:1], {"role": "assistant", "content": text}] for text in ("Hello", "Go away")]  # type: ignore[index]
    row = {"prompt": "Hi", "prompt_id": "x", "chosen": sides[0], "rejected": sides[1], "messages": sides[0], "score": 9}
    convert([given(tmp_path, row)], "preference", tmp_path / "out.jsonl")
    assert written(tmp_path / "out.jsonl") == [{**PAIR, "prompt_id": "x", "score": 9}]


def test_one_answer_of_a_pair_is_taken(tmp_path: Path) -> None:
    source = given(tmp_path, PAIR)
    with pytest.raises(CannotHold, match="--use"):
        convert([source], "messages", tmp_path / "out.jsonl")
    for use, answer in (("chosen", "Hello"), ("rejected", "Go away")):
        convert([source], "messages", tmp_path / "out.jsonl", use=use, force=True)  # type: ignore[arg-type]
        (row,) = written(tmp_path / "out.jsonl")
        assert [turn["content"] for turn in row["messages"]] == ["Hi", answer]


def test_of_labelled_rows_the_wanted_ones_are_taken(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi", "completion": text, "label": label} for text, label in (("Hello", True), ("No", False))]
    source, out = given(tmp_path, *rows), tmp_path / "out.jsonl"
    result = convert([source], "messages", out, use="chosen")
    assert (result.rows, result.written, result.unused) == (2, 1, 1)
    assert written(out)[0]["messages"][1]["content"] == "Hello"


def test_rows_that_cannot_be_read_are_counted_with_their_reasons(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"prompt": "a", "completion": "b"}\nnot json\n{"x": 1}\n[1]\n', encoding="utf-8")
    result = convert([str(source)], "messages", tmp_path / "out.jsonl")
    assert (result.rows, result.written) == (4, 1)
    assert [place.line for place, _ in result.unread] == [2, 3, 4]
    assert all(reasons for _, reasons in result.unread)


def test_flat_trees_become_one_row_a_tree(tmp_path: Path) -> None:
    rows = [
        {"message_id": "b", "parent_id": "a", "message_tree_id": "t", "text": "Worse", "role": "assistant", "rank": 1},
        {"message_id": "a", "parent_id": None, "message_tree_id": "t", "text": "Hi", "role": "prompter"},
        {"message_id": "x", "parent_id": None, "message_tree_id": "u", "text": "Bye", "role": "prompter"},
        {"message_id": "c", "parent_id": "a", "message_tree_id": "t", "text": "Better", "role": "assistant", "rank": 0},
        {
            "message_id": "y",
            "parent_id": "x",
            "message_tree_id": "u",
            "text": "See you",
            "role": "assistant",
            "rank": 0,
        },
    ]
    out = tmp_path / "out.jsonl"
    result = convert([given(tmp_path, *rows)], "messages", out)
    assert (result.rows, result.written) == (5, 2)
    assert [[turn["content"] for turn in row["messages"]] for row in written(out)] == [
        ["Hi", "Better"],
        ["Bye", "See you"],
    ]


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    source = given(tmp_path, CHAT)
    with pytest.raises(CurateError, match="inputs are never changed"):
        convert([source], "messages", Path(source), force=True)


def test_an_output_is_replaced_only_by_force(tmp_path: Path) -> None:
    source, out = given(tmp_path, CHAT), tmp_path / "out.jsonl"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(CurateError, match="--force"):
        convert([source], "messages", out)
    assert out.read_text(encoding="utf-8") == "mine"
    convert([source], "messages", out, force=True)
    assert written(out) == [CHAT]


@pytest.mark.parametrize("to", ["mesages", "glaive"])
def test_an_unknown_or_read_only_target_names_the_others(to: str, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match=r"choose one of .*messages"):
        convert([given(tmp_path, CHAT)], to, tmp_path / "out.jsonl")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "X.TSV", "x.csv.gz", "x.zip"])
def test_only_json_lines_are_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="only JSON lines are written"):
        convert([given(tmp_path, CHAT)], "messages", tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("ending", "decompress"),
    [("gz", gzip.decompress), ("bz2", bz2.decompress), ("xz", lzma.decompress), ("zst", zstd.decompress)],
)
def test_the_ending_compresses(ending: str, decompress: Any, tmp_path: Path) -> None:
    out = tmp_path / f"out.jsonl.{ending}"
    convert([given(tmp_path, CHAT, CHAT)], "messages", out)
    assert [json.loads(line) for line in decompress(out.read_bytes()).splitlines()] == [CHAT, CHAT]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "curate", "convert", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_gets_the_rows_and_nothing_else(name: str, tmp_path: Path) -> None:
    done = command(given(tmp_path, CHAT), "-o", name, "--to", "messages")
    assert (done.returncode, [json.loads(line) for line in done.stdout.splitlines()]) == (0, [CHAT])
    assert done.stderr == "standard output: 1 samples as messages; 1 rows read, 0 left out\n"
    refused = command(given(tmp_path, CHAT, TOOLS), "-o", name, "--to", "alpaca")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "alpaca cannot hold 1 row" in refused.stderr


def test_a_pipe_or_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(CurateError, match="not a regular file"):
            convert([given(tmp_path, CHAT)], "messages", tmp_path / name, force=True)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "folder").is_dir()
