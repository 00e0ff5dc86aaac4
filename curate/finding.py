"""What a check says: a fault where it is noticed, a finding once the driver knows rule, severity and place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Where(NamedTuple):
    """A span inside a row.

    `message` is the 0-based index into the sample's messages (into `rejected` where `field` is "rejected"). `start` and
    `end` count Unicode code points of that field's text, end excluded; the text of content parts is their join.
    `column` is the 1-based byte of the physical line, for bytes that do not parse.
    """

    message: int | None = None
    field: str | None = None
    start: int | None = None
    end: int | None = None
    column: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in self._asdict().items() if value is not None}


class Place(NamedTuple):
    """One sample (or one rejected row) of the input: its file, physical line, part of the line, and content id."""

    path: str
    line: int
    part: int = 0
    sample_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


class Fault(NamedTuple):
    """One thing wrong with one row, said by a rule's check.

    `rule` is set only by the readers, which notice faults of several rules: the kebab-case name of a reading rule.
    """

    message: str
    where: Where | None = None
    evidence: Mapping[str, Any] | None = None
    rule: str = ""


class Flag(NamedTuple):
    """One thing wrong with the data set, said by a data-set rule: at one place, or (place None) with all of it."""

    place: Place | None
    message: str
    where: Where | None = None
    evidence: Mapping[str, Any] | None = None
    related: Sequence[Place] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What cleaning may do about a finding: drop the row, edit its text, or nothing without a person."""

    action: Literal["drop", "edit", "none"] = "none"
    safe: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"action": self.action, "safe": self.safe}


NO_FIX = Fix()


@dataclass(slots=True)
class Finding:
    """One line of the report: a rule, a place, the reason and its evidence (schema `curate.check/1`)."""

    code: str
    rule: str
    severity: Severity
    place: Place
    message: str
    where: Where | None = None
    group: str | None = None
    related: Sequence[Place] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fix: Fix = NO_FIX
    accepted: bool = False
    known: bool = False

    @property
    def counts(self) -> bool:
        """Whether the finding can fail a check: neither kept by a person nor in the baseline."""
        return not (self.accepted or self.known)

    def as_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "code": self.code,
            "rule": self.rule,
            "severity": self.severity,
            **self.place.as_json(),
            "message": self.message,
            "where": self.where.as_json() if self.where else None,
            "group": self.group,
            "related": [place.as_json() for place in self.related],
            "evidence": dict(self.evidence),
            "fix": self.fix.as_json(),
        }
        if self.accepted:
            out["accepted"] = True
        if self.known:
            out["known"] = True
        return out


@dataclass(frozen=True, slots=True)
class InternalError:
    """A bug, not a finding: the rule `code` crashed at `place`. The exit code is 2; all other checks were done."""

    code: str
    place: Place
    error: str

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, **self.place.as_json(), "error": self.error}


def group_id(family: str, members: Iterable[Place]) -> str:
    """Name a group by its members: the family and 8 hex digits of a hash of the sorted member ids."""
    ids = "\n".join(sorted(member.sample_id or "" for member in members))
    return f"{family}-{hashlib.blake2b(ids.encode(), digest_size=4).hexdigest()}"


def spoken(place: Place, seen_from: Place) -> str:
    """How a message names another row: by its line, and by its file where that is another one."""
    part = f", part {place.part}" if place.part else ""
    return f"line {place.line}{part}" if place.path == seen_from.path else f"{place.path}:{place.line}{part}"
