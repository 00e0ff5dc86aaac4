"""Reports made by hand and by chance, for the tests of the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from curate.finding import Finding, Fix, InternalError, Place, Severity, Where
from curate.report import InputInfo, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\link",
    "\x9b31m",
    "[bold]x[/nonsense] [link=http://evil.example]y[/link]",
    "<script>alert(1)</script></script><img src=http://evil.example/a onerror=alert(1)>",
    "]]><!-- {{ 7*7 }} {% raw %}",
    "\n::add-mask::secret\r\n::error file=x::y",
    "##[add-mask]secret ##vso[task.setvariable variable=a]b",
    "| a | **b** | `c` [d](http://evil.example) @someone https://evil.example www.evil.example #12 <b>",
    "\u202egnp.exe \u2066x\u2069 \u2028y\u2029 \u200b\ufeff \U000e0041",
    "\ud800 \udfff \ufffe \uffff \x00 \x7f \x85",
    "100% of, these: %0A%25",
    "=1+1",
)


def a_finding(
    message: str = "message 2 (assistant) has no text",
    line: int = 41,
    *,
    code: str = "FMT104",
    rule: str = "empty-answer",
    severity: Severity = "error",
    path: str = "data.jsonl",
    sample_id: str | None = "",
    **fields: Any,
) -> Finding:
    sample_id = f"v1:{line:032x}" if sample_id == "" else sample_id
    return Finding(code, rule, severity, Place(path, line, 0, sample_id), message, **fields)


def a_warning(message: str = "the same as line 3", line: int = 7, **fields: Any) -> Finding:
    return a_finding(message, line, code="DUP001", rule="duplicate", severity="warning", **fields)


def an_info(message: str = "the answer has 9,120 characters", line: int = 9, **fields: Any) -> Finding:
    return a_finding(message, line, code="LEN003", rule="length-outlier", severity="info", **fields)


def about_the_file(message: str = "612 rows: 1,000 to 5,000 are the common advice", **fields: Any) -> Finding:
    return a_finding(message, 1, code="SET001", rule="too-small", severity="info", sample_id=None, **fields)


def a_report(findings: Sequence[Finding] = (), rows: int = 612, **fields: Any) -> Report:
    paths = list(dict.fromkeys(["data.jsonl", *(finding.place.path for finding in findings)]))
    inputs = [InputInfo(path, "ab" * 32, 10_000, rows, rows, "messages", "", {"messages": rows}) for path in paths]
    return Report(inputs, list(findings), **fields)


def an_overlap(
    path: str = "data.jsonl", against: str = "test.jsonl", found: int = 2, unread: int = 0
) -> dict[str, Any]:
    kinds = {"exact": found, "normalised": 0, "near": 0, "conflicting": 0, "prompt": 0, "ngram": 0}
    return {
        "path": path,
        "against": against,
        "samples": 612,
        "against_samples": 40,
        **kinds,
        "overlapping": found,
        "against_overlapping": found,
        "against_unread": unread,
    }


def hostile_report() -> Report:
    """Every place of a report that can hold data, or a file's name, holds each hostile text."""
    findings = []
    for i, text in enumerate(HOSTILE):
        evidence = {"found": text, "deep": [{"key": text}]}
        findings.append(a_finding(text, i + 1, evidence=evidence, where=Where(column=3), fix=Fix("drop", True)))
        findings.append(a_warning(f"the same as {text}", i + 1, related=[Place("data.jsonl", i + 2, 0, "v1:00")]))
        findings.append(an_info(text, i + 1))
    findings += [about_the_file(HOSTILE[0]), a_finding("x", path="::error::\x1b[1m|<b>.jsonl")]
    errors = [InternalError("TXT004", Place("data.jsonl", 3, 0, "v1:00"), text) for text in HOSTILE]
    skipped = [{"code": "LEAK001", "reason": "no --against", "unlock": "--against FILE"}]
    overlap = [an_overlap(text, text, unread=1) for text in HOSTILE]
    return a_report(findings, internal_errors=errors, skipped=skipped, overlap=overlap)


_any_text = st.text(st.characters(), max_size=30)
_file_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_any_text, inner, max_size=3),
    max_leaves=6,
)
_places = st.builds(Place, _file_names, st.integers(1, 10**6), st.integers(0, 3), st.none() | _any_text)
_numbers = st.none() | st.integers(1, 10**6)
_wheres = st.none() | st.builds(Where, _numbers, st.none() | _any_text, _numbers, _numbers, _numbers)
_findings = st.builds(
    Finding,
    st.sampled_from(["FMT104", "DUP001", "OWN001"]),
    _any_text,
    st.sampled_from(["error", "warning", "info"]),
    _places,
    _any_text,
    _wheres,
    st.none() | _any_text,
    st.lists(_places, max_size=2),
    st.dictionaries(_any_text, _json, max_size=2),
    st.builds(Fix, st.sampled_from(["drop", "edit", "none"]), st.booleans()),
    st.booleans(),
    st.booleans(),
)
_inputs = st.builds(
    InputInfo,
    _file_names,
    _any_text,
    st.integers(0),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    _any_text,
    _any_text,
    st.dictionaries(_any_text, st.integers(0, 99), max_size=2),
    st.integers(0, 99),
)
reports = st.builds(
    Report,
    st.lists(_inputs, max_size=3),
    st.lists(_findings, max_size=6),
    overlap=st.lists(st.builds(an_overlap, _file_names, _file_names, st.integers(0, 40)), max_size=2),
    internal_errors=st.lists(st.builds(InternalError, st.just("OWN001"), _places, _any_text), max_size=2),
)
