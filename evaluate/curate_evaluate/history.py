"""What befell each held-out row before it was scored: its place in the data, findings, decision, change."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.review.decisions import read_decisions
from curate.run.data import run_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from curate.review.decisions import Decision
    from curate.run import Run

# What a row is flagged by; the rest are hints.
FLAGS = ("error", "warning")


@dataclass(frozen=True)
class History:
    """A row on its way from the data to the test.

    Attributes:
        data: path and line of each place in the data that it comes from; several for equal rows, none where the file is
            gone.
        findings: on it as it was in the data: code, severity and message.
        decision: what a person decided of it.
        change: what cleaning or a person changed of it: by, codes and reason.
    """

    data: tuple[tuple[str, int], ...] = ()
    findings: tuple[Mapping[str, str], ...] = ()
    decision: Decision | None = None
    change: Mapping[str, Any] | None = None

    @property
    def codes(self) -> list[str]:
        """Of the rules that flagged it."""
        return sorted({found["code"] for found in self.findings if found["severity"] in FLAGS})

    @property
    def flag(self) -> str:
        """What came of it in the check and the review, in words."""
        if self.decision and self.decision.action == "edit":
            return "edited by a person"
        if self.change:
            return "mended by a fix"
        if not self.codes:
            return "not flagged"
        is_kept = self.decision is not None and self.decision.action == "keep"
        return "flagged, kept by a person" if is_kept else "flagged, not decided"

    def as_json(self) -> dict[str, Any]:
        keys = ("action", "by", "at", "reason", "codes")
        return {
            "data": [{"path": path, "line": line} for path, line in self.data],
            "findings": [dict(found) for found in self.findings],
            "decision": self.decision and {key: self.decision.as_json()[key] for key in keys},
            "change": self.change and dict(self.change),
        }


def histories(run: Run, ids: Collection[str]) -> dict[str, History]:
    """The history of each row, by its sample id in the split.

    Args:
        run: a run with a split.
        ids: of the rows that are asked for.
    """
    changes = {(entry["path"], entry["line"], entry["part"]): entry for entry in _lines(run / "clean/changed.jsonl")}
    # Findings and decisions are about rows as they were before they were changed.
    before = {entry["parent"] for entry in changes.values() if entry["sample_id"] in ids} | set(ids)
    findings = defaultdict(list)
    for found in json.loads((run / "check.json").read_bytes())["findings"]:
        if found["sample_id"] in before:
            findings[found["sample_id"]].append({key: found[key] for key in ("code", "severity", "message")})
    decisions = read_decisions(run)
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with suppress(CurateError):  # a file that is gone has no lines
        for row in run_rows(run):
            for part in row.parts:
                change = changes.get(part.place[:3])
                sample_id = str(change["sample_id"] if change else part.place.sample_id)
                if sample_id in ids:
                    places[sample_id].append((part.place.path, part.place.line))
    by_id = {entry["sample_id"]: entry for entry in changes.values()}
    return {
        sample_id: History(
            data=tuple(places[sample_id]),
            findings=tuple(findings[parent]),
            decision=decisions.get(parent),
            change={key: change[key] for key in ("by", "codes", "reason")} if change else None,
        )
        for sample_id in ids
        for change in [by_id.get(sample_id)]
        for parent in [change["parent"] if change else sample_id]
    }


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        with file.open("rb") as lines:
            yield from (json.loads(line) for line in lines)
