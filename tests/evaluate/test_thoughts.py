"""Models that think before they answer: what is scored, and how they sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from curate_evaluate.answering.answers import Answer
from curate_evaluate.answering.models import own_sampling
from curate_evaluate.arms import Arm
from curate_evaluate.metrics import Fit
from curate_evaluate.scoring import score_arm
from curate_evaluate.thoughts import thoughts, without_thoughts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes.", "Yes."),
        ("<think>\nHm.\n</think>\n\nYes.", "Yes."),
        ("Hm, as the prompt opened the thoughts.</think>Yes.", "Yes."),
        ("<think>\n\n</think>\n\nYes.", "Yes."),
        ("<think>\nHm, cut in the mid", ""),
        ("a < b and </b>", "a < b and </b>"),
    ],
)
def test_scores_are_of_what_is_said_after_the_thoughts(text: str, answer: str) -> None:
    assert without_thoughts(text) == answer
    fit = Fit("short", "exact_match_strict", ("exact_match_strict",), (), "")
    answers, references = [Answer(text, "stop", 1, 1, "", 0.0)], ["<think>\nNo.\n</think>\n\nYes."]
    scored = score_arm(Arm("zero-shot"), answers, references, fit)
    assert scored.scores["exact_match_strict"] == [float(answer == "Yes.")]


def test_thoughts_are_what_stands_before_their_end() -> None:
    assert thoughts("<think>\nHm.\n</think>\n\nYes.") == "Hm."
    assert thoughts("<think>\n\n</think>\n\nYes.") == thoughts("Yes.") == ""


@pytest.mark.parametrize(
    ("said", "sampling"),
    [
        (None, {}),
        ({"eos_token_id": 2, "do_sample": False, "repetition_penalty": 1.1}, {}),
        ({"do_sample": True}, {"temperature": 1.0}),
        ({"temperature": 0.6, "top_p": 0.95, "eos_token_id": 2}, {"temperature": 0.6, "top_p": 0.95}),
        ({"do_sample": True, "temperature": None, "top_k": 20}, {"temperature": 1.0, "top_k": 20}),
    ],
)
def test_sampling_is_what_the_model_says_of_itself(
    tmp_path: Path, said: dict[str, Any] | None, sampling: dict[str, Any]
) -> None:
    if said is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(said))
    assert own_sampling(tmp_path) == sampling
