"""The answers that are kept: read again after a kill, and never another model's."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from curate_evaluate.answering.answers import Answer, Answers, key_of

if TYPE_CHECKING:
    from pathlib import Path

ONE = Answer("Ja.\n\u2028 👍", "stop", 3, 20, "ab", 0.25)
TWO = Answer("", "length", 38, 21, "cd", 0.5)
IDENTITY: dict[str, Any] = {
    "model": {"sha256": {"config.json": "a"}, "weights": {"model.safetensors": 10}},
    "adapter": "b",
    "precision": "nf4",
    "template": "c",
    "arguments": {"enable_thinking": False},
}
DECODING: dict[str, Any] = {"method": "greedy", "batch_size": 8, "max_new_tokens": 40}


def test_what_was_added_is_there_after_opening_the_file_again(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.jsonl")
    answers.add({"1": ONE})
    answers.add({"1": TWO, "2": TWO})  # the first answer stays
    again = Answers(tmp_path / "answers.jsonl")
    assert (again.get("1"), again.get("2"), again.get("3")) == (ONE, TWO, None)
    assert len(again) == 2
    assert (tmp_path / "answers.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_cut_anywhere_gives_whole_answers_only_and_can_be_added_to(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    Answers(file).add({"1": ONE, "2": TWO})
    whole = file.read_bytes()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        answers = Answers(file)
        assert answers.get("1") in (ONE, None) and answers.get("2") in (TWO, None)
        answers.add({"1": ONE, "2": TWO, "3": TWO})
        again = Answers(file)
        assert (again.get("1"), again.get("2"), again.get("3")) == (ONE, TWO, TWO)


def test_lines_that_are_no_answers_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('[]\n{}\n"x"\n{"key": "1", "text": "of another version"}\n\n')
    assert len(Answers(file)) == 0


def test_each_part_of_the_identity_and_of_the_decoding_makes_another_key() -> None:
    keys = {key_of(IDENTITY, DECODING, "Hi")}
    for name in IDENTITY:
        keys.add(key_of({**IDENTITY, name: "other"}, DECODING, "Hi"))
        keys.add(key_of({**IDENTITY, name: None}, DECODING, "Hi"))
    for name in DECODING:
        keys.add(key_of(IDENTITY, {**DECODING, name: "other"}, "Hi"))
    keys.add(key_of(IDENTITY, DECODING, "Hi "))
    assert len(keys) == 1 + 2 * len(IDENTITY) + len(DECODING) + 1


@pytest.mark.parametrize("order", list(itertools.permutations(IDENTITY))[::30])
def test_the_order_in_which_settings_are_given_makes_no_other_key(order: tuple[str, ...]) -> None:
    assert key_of({name: IDENTITY[name] for name in order}, DECODING, "Hi") == key_of(IDENTITY, DECODING, "Hi")
