from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings

from curate.errors import CurateError
from curate.finding import InternalError, Place
from curate.report import OUTPUTS, Report
from tests.report.findings import a_finding, a_report, a_warning, about_the_file, an_info, reports


def test_the_summary_counts_rows_once_and_findings_all():
    report = a_report([a_finding(line=1), a_warning(line=1), a_warning(line=2), an_info(line=3), about_the_file()])
    summary = report.summary()
    assert summary["rows_flagged"] == 2
    assert summary["by_severity"] == {"error": 1, "warning": 2, "info": 2}
    assert summary["by_code"] == {"DUP001": 2, "FMT104": 1, "LEN003": 1, "SET001": 1}
    assert summary["tokens"] is None


def test_two_samples_of_one_line_are_one_row():
    second = a_finding(line=1)
    second.place = second.place._replace(part=1, sample_id="v1:other")
    assert a_report([a_finding(line=1), second]).rows_flagged == 1


def test_info_flags_a_row_only_where_rules_were_selected():
    assert a_report([an_info()]).rows_flagged == 0
    assert a_report([an_info()], info_is_flagged=True).rows_flagged == 1


def test_known_and_accepted_findings_do_not_count():
    report = a_report([a_finding(known=True), a_warning(accepted=True), an_info(line=1)])
    assert report.exit_code("warning") == 0
    assert report.exit_code("info") == 1
    assert report.summary()["by_severity"] == {"error": 0, "warning": 0, "info": 1}
    assert (report.summary()["known"], report.summary()["accepted"]) == (1, 1)
    assert report.rows_flagged == 0


@pytest.mark.parametrize(
    ("severities", "codes"),
    [
        ("", {"error": 0, "warning": 0, "info": 0, "never": 0}),
        ("i", {"error": 0, "warning": 0, "info": 1, "never": 0}),
        ("wi", {"error": 0, "warning": 1, "info": 1, "never": 0}),
        ("ewi", {"error": 1, "warning": 1, "info": 1, "never": 0}),
    ],
)
def test_exit_codes(severities: str, codes: dict[str, int]):
    make = {"e": a_finding, "w": a_warning, "i": an_info}
    report = a_report([make[letter]() for letter in severities])
    assert {fail_on: report.exit_code(fail_on) for fail_on in codes} == codes


@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_a_crashed_rule_never_looks_like_findings_or_like_success(fail_on: str):
    crash = InternalError("TXT004", Place("data.jsonl", 3), "ValueError: x")
    assert a_report([a_finding()], internal_errors=[crash]).exit_code(fail_on) == 2


@settings(deadline=None)
@given(reports)
def test_a_report_reads_back_as_it_was_written(report: Report):
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


@settings(deadline=None)
@given(reports)
def test_a_written_report_reads_back_up_to_lone_surrogates(report: Report):
    text = "".join(OUTPUTS["json"](report))
    again = Report.from_json(json.loads(text))
    assert "".join(OUTPUTS["json"](again)) == text


def test_equal_reports_are_written_equal_apart_from_the_seconds():
    findings = [a_finding(), a_warning()]
    one, other = (json.loads("".join(OUTPUTS["json"](a_report(findings, seconds=s)))) for s in (1.0, 2.0))
    one["summary"].pop("seconds"), other["summary"].pop("seconds")
    assert json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("document", [[], {}, None, {"schema": "curate.check/2"}, {"schema": "curate.check/1"}])
def test_what_is_no_report_is_refused_in_one_line(document: object):
    with pytest.raises(CurateError) as error:
        Report.from_json(document)
    assert "\n" not in str(error.value)


def test_without_pandas_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CurateError, match="pip install pandas"):
        a_report([a_finding()]).to_pandas()


def test_a_data_frame_has_one_row_a_finding():
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = a_report([a_finding(), a_warning(known=True)]).to_pandas()
    assert list(frame["code"]) == ["FMT104", "DUP001"]
    assert list(frame["known"]) == [False, True]
    assert {"where_column", "fix_action", "evidence", "line"} <= set(frame.columns)
