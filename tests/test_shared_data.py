"""The real files: each is read in full, in the right format, and the numbers agree with an independent count."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import curate

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {
    "alpaca_en_demo.json": "alpaca",
    "dpo_en_demo.json": "preference",
    "glaive_toolcall_en_demo.json": "sharegpt",
    "gsm8k_answers_mixed.jsonl": "messages",
    "gsm8k_test.jsonl": "prompt-completion",
    "gsm8k_train.jsonl": "prompt-completion",
    "kto_en_demo.json": "kto",
    "t0_prompt_completion.jsonl": "prompt-completion",
    "v1_sft_demo.jsonl": "messages",
}


def rows_of(file: Path) -> list[object]:
    text = file.read_text(encoding="utf-8")
    return json.loads(text) if file.suffix == ".json" else [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_is_kept_in_the_right_format(shared_data: Path, name: str) -> None:
    rows = rows_of(shared_data / name)
    report = curate.check(shared_data / name, jobs=2)
    (info,) = report.inputs
    assert (info.rows, info.samples, info.rejected) == (len(rows), len(rows), 0)
    assert (info.format, info.formats) == (FORMATS[name], {FORMATS[name]: len(rows)})
    assert info.bytes == (shared_data / name).stat().st_size
    assert report.internal_errors == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_summary_agrees_with_an_independent_count(shared_data: Path, name: str) -> None:
    report = curate.check(shared_data / name, jobs=2)
    summary = report.summary()
    findings = json.loads(json.dumps(report.to_json()))["findings"]
    assert summary["by_code"] == dict(sorted(Counter(finding["code"] for finding in findings).items()))
    assert sum(summary["by_severity"].values()) == len(findings)
    spoken = {f["line"] for f in findings if f["severity"] != "info" and f["sample_id"]}
    assert summary["rows_flagged"] == len(spoken)


@pytest.mark.parametrize("name", FORMATS)
def test_exact_duplicates_are_those_of_an_independent_count(shared_data: Path, name: str) -> None:
    rows = Counter(json.dumps(row, sort_keys=True) for row in rows_of(shared_data / name))
    report = curate.check(shared_data / name, select=["DUP001"], jobs=2)
    assert len(report.findings) == sum(count - 1 for count in rows.values())


def test_the_empty_answers_of_t0_are_found(shared_data: Path) -> None:
    file = shared_data / "t0_prompt_completion.jsonl"
    empty = [i for i, row in enumerate(rows_of(file), 1) if row["completion"].strip() == "<|endoftext|>"]
    report = curate.check(file, select=["FMT104"], jobs=2)
    assert [finding.place.line for finding in report.findings] == empty
    assert len(empty) == 600
