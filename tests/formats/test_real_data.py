"""Real data sets are read in full, in the right format, without a single fault."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from curate.convert import convert
from curate.formats import FORMATS, Unreadable, read_value, survey

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "alpaca_en_demo.json": ("alpaca", 999, {"user": 999, "assistant": 999}),
    "dpo_en_demo.json": ("preference", 300, {"user": 563, "assistant": 263 + 300, "system": 80}),
    "glaive_toolcall_en_demo.json": ("sharegpt", 300, {"user": 746, "assistant": 746 + 211, "tool": 211}),
    "gsm8k_answers_mixed.jsonl": ("messages", 3000, {"user": 3000, "assistant": 3000}),
    "gsm8k_test.jsonl": ("prompt-completion", 1319, {"user": 1319, "assistant": 1319}),
    "gsm8k_train.jsonl": ("prompt-completion", 7473, {"user": 7473, "assistant": 7473}),
    "kto_en_demo.json": ("kto", 300, {"user": 487, "assistant": 487}),
    "t0_prompt_completion.jsonl": ("prompt-completion", 27455, {"user": 27455, "assistant": 27455}),
    "v1_sft_demo.jsonl": ("messages", 500, {"user": 500, "assistant": 500}),
}


def load(file: Path) -> list[Any]:
    if file.suffix == ".json":
        return list(json.loads(file.read_text(encoding="utf-8")))
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_read_in_full(name: str, shared_data: Path) -> None:
    expected, rows, turns = FILES[name]
    values = load(shared_data / name)
    layout = survey(values)
    assert (layout.format, layout.counts) == (expected, {expected: rows})
    assert layout.evidence.endswith(f"in {rows:,} of {rows:,} rows")
    samples = [sample for value in values for sample in read_value(value, layout)]
    assert len(samples) == rows
    assert Counter(message.role for sample in samples for message in sample.messages) == turns
    assert [sample.faults for sample in samples if sample.faults] == []
    assert all(sample.metadata == {} for sample in samples)
    if expected == "preference":
        assert all(sample.rejected and sample.rejected[0].role == "assistant" for sample in samples)
    if expected == "kto":
        assert all(isinstance(sample.label, bool) for sample in samples)


def test_rows_of_no_format_are_rejected_with_a_reason(shared_data: Path) -> None:
    values = load(shared_data / "gsm8k_answers_mixed.labels.jsonl")
    layout = survey(values)
    assert layout.format == "unknown"
    with pytest.raises(Unreadable) as caught:
        read_value(values[0], layout)
    assert [fault.rule for fault in caught.value.faults] == ["unknown-format"]


def test_every_tool_definition_and_call_of_a_real_file_is_read(shared_data: Path) -> None:
    values = load(shared_data / "glaive_toolcall_en_demo.json")
    layout = survey(values)
    for value in values:
        (sample,) = read_value(value, layout)
        assert (sample.tools or []) == json.loads(value["tools"])
        calls = [call for message in sample.messages for call in message.tool_calls]
        assert len(calls) >= sum(turn["from"] == "function_call" for turn in value["conversations"])
        assert all(isinstance(call.parsed_arguments(), dict) for call in calls)


@pytest.mark.parametrize("name", ["alpaca_en_demo.json", "glaive_toolcall_en_demo.json", "v1_sft_demo.jsonl"])
@pytest.mark.parametrize("to", ["messages", "sharegpt"])
def test_a_real_file_survives_a_conversion(name: str, to: str, shared_data: Path, tmp_path: Path) -> None:
    values = load(shared_data / name)
    layout = survey(values)
    result = convert([str(shared_data / name)], to, tmp_path / "out.jsonl")
    assert (result.rows, result.written, result.lost, result.unread) == (len(values), len(values), [], [])
    written = load(tmp_path / "out.jsonl")
    converted = survey(written)
    assert converted.counts == {to: len(values)}
    for before, after in zip(values, written, strict=True):
        assert read_value(after, converted)[0].id == read_value(before, layout)[0].id


def test_each_detected_format_is_a_format() -> None:
    assert {expected for expected, _, _ in FILES.values()} <= FORMATS.keys()
