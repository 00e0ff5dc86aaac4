"""What there is to review: the flagged rows of a run, the worst first, with what stands in them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.finding import SEVERITIES, Finding, Place
from curate.report.report import Report
from curate.report.safe import safe
from curate.run.data import Part, run_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from curate.review.decisions import Decision
    from curate.run import Run
    from curate.sample import Message, Sample

LONGEST_SHOWN = 8000


@dataclass(frozen=True, slots=True)
class Flagged:
    """A row with findings of its own, the worst first."""

    place: Place
    findings: list[Finding]

    @property
    def sample_id(self) -> str:
        return str(self.place.sample_id)

    @property
    def can_be_read(self) -> bool:
        return self.sample_id.startswith("v1:")

    @property
    def codes(self) -> list[str]:
        return sorted({finding.code for finding in self.findings})

    def is_decided(self, decision: Decision | None) -> bool:
        """Whether nobody has to look at it: it was dropped, or kept in sight of all that is found now."""
        if decision is None:
            return not self.can_be_read
        return decision.action == "drop" or set(self.codes) <= set(decision.codes)


def load_report(run: Run) -> Report:
    return Report.from_json(json.loads((run / "check.json").read_bytes()))


def flagged_rows(report: Report) -> list[Flagged]:
    """The rows with a finding that speaks, those with the worst and the most findings first.

    What a person accepted before is part of it: a decision can be taken back here.
    """
    by_place: defaultdict[Place, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if finding.place.sample_id is not None and not finding.known:
            by_place[finding.place].append(finding)
    rows = [
        Flagged(place, sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
        for place, found in by_place.items()
        if report.info_is_flagged or any(finding.severity != "info" for finding in found)
    ]
    return sorted(rows, key=lambda row: [-sum(f.severity == severity for f in row.findings) for severity in SEVERITIES])


def read_parts(run: Run, places: Collection[Place]) -> dict[Place, Part]:
    """The parts at these places, held in memory; one whose row is not there any more is left out."""
    wanted = set(places)
    return {part.place: part for row in run_rows(run) for part in row.parts if part.place in wanted}


def shown(text: str) -> str:
    """Text from the data as a page can show it: invisible and reordering characters as escapes, long text cut."""
    lines = (safe(line).replace("\\t", "    ") for line in text[:LONGEST_SHOWN].split("\n"))
    more = len(text) - LONGEST_SHOWN
    return "\n".join(lines) + (f"\n… and {more:,} more characters" if more > 0 else "")


def turns(sample: Sample) -> list[tuple[str, str]]:
    """The conversation as (who speaks, what is said), the rejected answer of a preference pair last."""
    said = [(message.role, spoken(message)) for message in sample.messages]
    said += [(f"{message.role}, rejected", spoken(message)) for message in sample.rejected or ()]
    if sample.label is not None:
        said.append(("label", "good" if sample.label else "bad"))
    return [(shown(role), shown(text)) for role, text in said]


def spoken(message: Message) -> str:
    pieces = [f"(thinks) {message.reasoning}"] if message.reasoning else []
    pieces += [message.text] if message.text else []
    pieces += [f"{call.name}({_as_json(call.arguments)})" for call in message.tool_calls]
    if message.has_media:
        pieces.append("(and parts that are no text)")
    return "\n".join(pieces)


def _as_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def progress(rows: list[Flagged], decisions: Mapping[str, Decision]) -> tuple[int, int]:
    """How many of the rows that can be decided are decided, and how many there are."""
    open_to_decision = [row for row in rows if row.can_be_read]
    return sum(row.is_decided(decisions.get(row.sample_id)) for row in open_to_decision), len(open_to_decision)
