"""The `sarif` output: SARIF 2.1.0 (OASIS standard), as code scanning and editors read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from curate.report.as_json import dumps
from curate.report.safe import safe
from curate.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.finding import Finding, Place
    from curate.report.report import InputInfo, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVEL = {"error": "error", "warning": "warning", "info": "note"}
FINGERPRINT = "rowHash/v1"
"""Names a row by its content, so that code scanning follows it when lines above it come and go."""


def to_sarif(report: Report) -> Iterator[str]:
    """One run with every finding; known ones are `unchanged`, accepted ones suppressed."""
    codes = {finding.code: finding for finding in report.findings}
    index = {code: i for i, code in enumerate(sorted(codes))}
    has_baseline = any(finding.known for finding in report.findings)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "curate",
                "version": report.curate_version,
                "rules": [_rule(codes[code]) for code in index],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": list({info.path: _artifact(info) for info in report.inputs}.values()),
        "invocations": [
            {
                "executionSuccessful": not report.internal_errors,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": f"{error.code} crashed: {safe(error.error)}"},
                        "locations": [_location(error.place)],
                    }
                    for error in report.internal_errors
                ],
            }
        ],
        "results": [_result(finding, index, has_baseline) for finding in report.findings],
    }
    yield dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _artifact(info: InputInfo) -> dict[str, Any]:
    return {"location": {"uri": _uri(info.path)}, "length": info.bytes, "hashes": {"sha-256": info.sha256}}


def _rule(finding: Finding) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": finding.code,
        "name": finding.rule,
        "defaultConfiguration": {"level": LEVEL[finding.severity]},
    }
    if rule := RULES.get(finding.code):  # a person's own rules are not in the register
        out["shortDescription"] = {"text": rule.summary}
        out["fullDescription"] = {"text": rule.doc}
        out["help"] = {"text": rule.doc, "markdown": rule.doc}
        out["defaultConfiguration"]["level"] = LEVEL[rule.severity]
    return out


def _result(finding: Finding, index: dict[str, int], has_baseline: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": LEVEL[finding.severity],
        "message": {"text": safe(finding.message)},
        "locations": [_location(finding.place, finding.where.column if finding.where else None)],
    }
    if finding.related:
        out["relatedLocations"] = [_location(place) for place in dict.fromkeys(finding.related)]
    if finding.place.sample_id is not None:
        out["partialFingerprints"] = {FINGERPRINT: finding.place.sample_id}
    if has_baseline:
        out["baselineState"] = "unchanged" if finding.known else "new"
    if finding.accepted:
        out["suppressions"] = [{"kind": "external", "status": "accepted", "justification": "kept in review"}]
    properties = {
        "where": finding.where.as_json() if finding.where else None,
        "group": finding.group,
        "evidence": finding.evidence,
    }
    if kept := {key: value for key, value in properties.items() if value}:
        out["properties"] = kept
    return out


def _location(place: Place, column: int | None = None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.path)}}
    if place.sample_id is not None and place.line >= 1:
        physical["region"] = {"startLine": place.line}
        if column:
            physical["region"]["startColumn"] = column
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    """A percent-encoded URI reference: relative where the path is."""
    if "://" in path:
        return quote(path, safe=":/", errors="surrogateescape")
    if Path(path).is_absolute():
        return "file://" + quote(Path(path).as_posix(), errors="surrogateescape")
    return quote(Path(path).as_posix(), errors="surrogateescape")
