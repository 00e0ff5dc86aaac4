"""Every rule finds the rows it must, at the right place, and leaves the others alone. The cases are data."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import curate
from curate.rules import RULES
from tests.dedup.models import sentence_model
from tests.rules.models import model_folder

if TYPE_CHECKING:
    from curate.finding import Finding

CASES = Path(__file__).parent / "cases"
SHOWN_BY_NO_FILE = {"FMT021"}  # changed-while-reading: tests/io/test_sources.py changes files under the reader


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}-{i}-{case.get('why', '')[:60]}")
        for file in sorted(CASES.glob("*.yaml"))
        for i, case in enumerate(yaml.safe_load(file.read_text(encoding="utf-8")).get(kind) or [])
    ]


def as_lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def written(case: dict[str, Any], folder: Path) -> Path:
    if "raw_base64" in case:
        data = base64.b64decode(case["raw_base64"])
    elif "raw" in case:
        data = case["raw"].encode()
    else:
        data = as_lines(case["rows"] if "rows" in case else [case["row"]])
    file = folder / case.get("name", "case.jsonl")
    file.write_bytes(data)
    return file


def checked(code: str, case: dict[str, Any], folder: Path) -> list[Finding]:
    thresholds = {code: case["thresholds"]} if case.get("thresholds") else {}
    options = {key: case[key] for key in ("format", "columns", "max_length", "template_args") if key in case}
    if RULES[code].needs in ("model", "max_length") or "model" in case:
        options["model"] = str(model_folder(case.get("model", "chatml"), folder / "model"))
    if "against" in case:
        options["against"] = folder / "against.jsonl"
        options["against"].write_bytes(as_lines(case["against"]))
    if RULES[code].needs == "semantic":
        options["semantic"] = str(sentence_model())
    report = curate.check(written(case, folder), select=[code], thresholds=thresholds, **options)
    assert not report.internal_errors
    return [finding for finding in report.findings if finding.code == code]


@pytest.mark.parametrize(("code", "case"), cases("must_find"))
def test_finds_what_it_must(code: str, case: dict[str, Any], tmp_path: Path) -> None:
    findings = checked(code, case, tmp_path)
    assert findings, case.get("why")
    if "where" in case:
        places = [finding.where.as_json() if finding.where else {} for finding in findings]
        assert any(case["where"].items() <= place.items() for place in places), places
    if "flagged" in case:
        assert sorted({finding.place.line for finding in findings}) == case["flagged"]


@pytest.mark.parametrize(("code", "case"), cases("must_not_find"))
def test_leaves_alone_what_it_must_not_find(code: str, case: dict[str, Any], tmp_path: Path) -> None:
    assert checked(code, case, tmp_path) == []


@pytest.mark.parametrize(("code", "case"), cases("repairs"))
def test_repairs_once_and_for_all(code: str, case: dict[str, Any]) -> None:
    repair = RULES[code].repair
    assert repair is not None
    assert repair(case["before"]) == case["after"]
    assert repair(case["after"]) == case["after"]


@pytest.mark.parametrize("code", sorted(RULES.keys() - SHOWN_BY_NO_FILE))
def test_every_rule_has_cases_of_both_kinds(code: str) -> None:
    document = yaml.safe_load((CASES / f"{code}.yaml").read_text(encoding="utf-8"))
    assert len(document["must_find"]) >= 3, "at least three rows that it must find"
    assert len(document["must_not_find"]) >= 3, "at least three rows that it must not find"
    if RULES[code].repair:
        assert document.get("repairs"), "a repair needs cases too"


def test_every_case_file_belongs_to_a_rule() -> None:
    assert {file.stem for file in CASES.glob("*.yaml")} <= RULES.keys()


@pytest.mark.parametrize("code", list(RULES))
def test_every_rule_is_documented_under_the_fixed_headings(code: str) -> None:
    doc = RULES[code].doc
    positions = [doc.find(heading) for heading in ("Why it matters:", "Example:", "How to fix it:")]
    assert -1 not in positions, f"{code} lacks a heading"
    assert positions == sorted(positions)
