"""The samples hold the faults that their descriptions name, and no others."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import curate
from curate.rules import RULES

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
DEFECTS = json.loads((SAMPLES / "support.defects.json").read_text(encoding="utf-8"))
ASKED_IN_OTHER_WORDS = {"CON001": {126, 362}}  # found with --semantic only


def found_lines(file: Path, severities: set[str]) -> dict[str, list[int]]:
    lines: dict[str, set[int]] = defaultdict(set)
    for finding in curate.check(file).findings:
        if finding.severity in severities:
            lines[finding.code].add(finding.place.line)
    return {code: sorted(numbers) for code, numbers in lines.items()}


def test_every_planted_defect_of_the_support_desk_is_found_on_its_line() -> None:
    planted = {code: lines for code, lines in DEFECTS["lines"].items() if code in RULES}
    found = found_lines(SAMPLES / "support.jsonl", {"error", "warning", "info"})
    missed = {code: set(lines) - set(found.get(code, [])) for code, lines in planted.items()}
    assert {code: lines for code, lines in missed.items() if lines} == ASKED_IN_OTHER_WORDS


def test_the_rows_of_a_planted_group_are_found_together() -> None:
    """One row of each group of copies is what the others are copies of."""
    groups: dict[str, set[int]] = defaultdict(set)
    for finding in curate.check(SAMPLES / "support.jsonl", select=["DUP002", "CON001"]).findings:
        groups[str(finding.group)] |= {place.line for place in (finding.place, *finding.related)}
    planted = [set(lines) for name, lines in DEFECTS["groups"].items() if not name.startswith("same-")]
    found = list(groups.values())
    assert [lines for lines in planted if lines not in found] == list(ASKED_IN_OTHER_WORDS.values())


def test_nothing_but_the_planted_defects_is_an_error_or_a_warning() -> None:
    found = found_lines(SAMPLES / "support.jsonl", {"error", "warning"})
    unplanned = {code: sorted(set(lines) - set(DEFECTS["lines"].get(code, []))) for code, lines in found.items()}
    assert not {code: lines for code, lines in unplanned.items() if lines}


def test_the_support_desk_is_what_its_generator_writes() -> None:
    before = [(SAMPLES / name).read_bytes() for name in ("support.jsonl", "support.defects.json")]
    subprocess.run([sys.executable, SAMPLES / "source" / "make_samples.py"], check=True)
    assert [(SAMPLES / name).read_bytes() for name in ("support.jsonl", "support.defects.json")] == before


def test_the_prepared_decisions_are_about_rows_that_are_there_and_findings_that_they_have() -> None:
    codes: dict[str, set[str]] = defaultdict(set)
    for finding in curate.check(SAMPLES / "support.jsonl").findings:
        codes[str(finding.place.sample_id)].add(finding.code)
    decisions = [json.loads(line) for line in (SAMPLES / "support.decisions.jsonl").read_bytes().splitlines()]
    assert {decision["action"] for decision in decisions} == {"keep", "drop"}
    for decision in decisions:
        assert set(decision["codes"]) == codes[decision["sample_id"]]


def described() -> list[tuple[str, dict[str, list[int]]]]:
    """The table of samples/README.md: each small file with the codes and lines that it says are wrong."""
    rows = re.findall(r"^\| \[?`?([\w.]+)`?\]?(?:\([^)]*\))? \|[^|]*\|[^|]*\| (.*) \|$", readme(), re.MULTILINE)
    return [
        (
            name,
            {
                code: [int(n) for n in numbers.split(", ")]
                for code, numbers in re.findall(r"([A-Z]+\d+) at ([\d, ]*\d)", faults)
            },
        )
        for name, faults in rows
        if name not in {"file", "support.jsonl"}
    ]


def readme() -> str:
    return (SAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "faults"), described(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_small_sample_has_the_faults_that_the_readme_names(name: str, faults: dict[str, list[int]]) -> None:
    assert faults
    found = found_lines(SAMPLES / name, {"error", "warning"})
    assert found == {code: lines for code, lines in faults.items() if code in RULES}


def test_every_sample_has_its_line_in_the_readme() -> None:
    beside = {"README.md", "support.defects.json", "support.decisions.jsonl"}
    data = {file.name for file in SAMPLES.iterdir() if file.is_file()} - beside
    assert data == {name for name, _ in described()} | {"support.jsonl"}
