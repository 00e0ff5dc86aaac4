"""The `github` output: annotations on the lines of the file, as workflow commands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curate.finding import SEVERITIES, Finding, Severity
from curate.report.phrases import count, spot
from curate.report.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.report.report import Report

# GitHub shows 10 annotations of each level a step; one notice is kept for what is left out.
SHOWN: dict[Severity, int] = {"error": 10, "warning": 10, "info": 9}
COMMAND = {"error": "error", "warning": "warning", "info": "notice"}


def to_github(report: Report) -> Iterator[str]:
    """Findings of each severity, the first of every rule before the second of any.

    Every line begins with our own command, never with data.
    """
    spoken = [finding for finding in report.findings if report.speaks(finding)]
    seen: Counter[str] = Counter()
    turns: list[tuple[int, Finding]] = []
    for finding in spoken:
        seen[finding.code] += 1
        turns.append((seen[finding.code], finding))
    turns.sort(key=lambda turn: turn[0])
    shown = 0
    for severity in SEVERITIES:
        for finding in [f for _, f in turns if f.severity == severity][: SHOWN[severity]]:
            shown += 1
            column = finding.where.column if finding.where else None
            properties = {
                "file": finding.place.path,
                "line": None if finding.place.sample_id is None else finding.place.line,
                "col": column,
                "title": f"{finding.code} {finding.rule}",
            }
            told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None)
            yield f"::{COMMAND[severity]} {told}::{_data(f'{spot(finding)}: {finding.code} {finding.message}')}\n"
    for error in report.internal_errors[:1]:
        yield f"::error title=curate::{_data(f'internal error of {error.code}: {error.error}')}\n"
    if rest := len(spoken) - shown:
        flagged = f"{report.rows_flagged:,} of {count(report.rows, 'row')} flagged"
        yield f"::notice title=curate::{rest:,} more findings are not shown as annotations; {flagged}\n"


def _data(text: str) -> str:
    return safe(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
