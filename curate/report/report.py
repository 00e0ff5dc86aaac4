"""The result of a check: what the command line prints, the app shows, `curate.check()` returns and check.json keeps."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from curate import __version__
from curate.errors import CurateError
from curate.finding import SEVERITIES, Finding, Fix, InternalError, Place, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas

SCHEMA = "curate.check/1"

FailOn = Literal["error", "warning", "info", "never"]


@dataclass(slots=True)
class InputInfo:
    """One file that was read: `rows` = rows that gave samples + `rejected`.

    `format` is the format most rows have ("" where no row could be read), `formats` counts the rows of each, and
    `evidence` says in words why the format was chosen. `tokens` is None without a model, else the number of its tokens,
    of which `trained` are proven to be trained.
    """

    path: str
    sha256: str
    bytes: int
    rows: int
    samples: int
    format: str
    evidence: str = ""
    formats: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    tokens: int | None = None
    trained: int | None = None


@dataclass(slots=True)
class Report:
    """What a check found; `findings` in the order of input, line, part and code.

    A finding whose `place.sample_id` is None is about the whole file. `config` holds what can change findings,
    `skipped` the rules that did not run: `code`, `reason`, and the flag that would `unlock` them. `info_is_flagged`:
    the rules were chosen by `--select`, so that a row with nothing but info findings counts as flagged. `overlap`: what
    of each file is in which other one, where files were compared (`curate.dedup.overlap.table`). `model` says what made
    the tokens that `tokens` counts (`token_facts`); both are None without a model. `other_trainers`: what they would do
    with some of the rows (`curate.tokens.others.of_some_rows`), where that was asked for.
    """

    inputs: list[InputInfo]
    findings: list[Finding]
    config: dict[str, Any] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)
    overlap: list[dict[str, Any]] = field(default_factory=list)
    model: dict[str, Any] | None = None
    tokens: dict[str, int] | None = None
    other_trainers: list[dict[str, Any]] = field(default_factory=list)
    internal_errors: list[InternalError] = field(default_factory=list)
    info_is_flagged: bool = False
    seconds: float = 0.0
    curate_version: str = __version__

    @property
    def rows(self) -> int:
        return sum(info.rows for info in self.inputs)

    @property
    def samples(self) -> int:
        return sum(info.samples for info in self.inputs)

    @property
    def rows_rejected(self) -> int:
        return sum(info.rejected for info in self.inputs)

    def speaks(self, finding: Finding) -> bool:
        """Whether the finding is news about a row: counted, and an error, a warning, or info that was asked for."""
        return finding.counts and (finding.severity != "info" or self.info_is_flagged)

    def by_rule(self) -> list[list[Finding]]:
        """The findings that count, by rule: the worst severity first, then the most frequent rule."""
        groups: defaultdict[str, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            if finding.counts:
                groups[finding.code].append(finding)
        return sorted(groups.values(), key=lambda g: (SEVERITIES.index(g[0].severity), -len(g), g[0].code))

    @property
    def rows_flagged(self) -> int:
        """Rows with at least one finding that speaks; findings about a whole file flag no row."""
        flagged = {f.place[:2] for f in self.findings if f.place.sample_id is not None and self.speaks(f)}
        return len(flagged)

    @property
    def by_severity(self) -> dict[str, int]:
        """Findings of each severity, without the known and the accepted."""
        counted = Counter(f.severity for f in self.findings if f.counts)
        return {severity: counted[severity] for severity in SEVERITIES}

    @property
    def by_code(self) -> dict[str, int]:
        """Findings of each rule that found something, by code, without the known and the accepted."""
        return dict(sorted(Counter(f.code for f in self.findings if f.counts).items()))

    def summary(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "samples": self.samples,
            "rows_rejected": self.rows_rejected,
            "rows_flagged": self.rows_flagged,
            "by_severity": self.by_severity,
            "by_code": self.by_code,
            "known": sum(f.known for f in self.findings),
            "accepted": sum(f.accepted for f in self.findings),
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
        }

    def exit_code(self, fail_on: FailOn = "error") -> int:
        """0: nothing at or above `fail_on`; 1: findings at or above it; 2: a rule crashed: the check is not whole."""
        if self.internal_errors:
            return 2
        if fail_on == "never":
            return 0
        failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        return int(any(f.counts and f.severity in failing for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, schema `curate.check/1`."""
        return {
            "schema": SCHEMA,
            "curate_version": self.curate_version,
            "inputs": [asdict(info) for info in self.inputs],
            "config": self.config,
            **({"model": self.model} if self.model else {}),
            "skipped": list(self.skipped),
            "internal_errors": [error.as_json() for error in self.internal_errors],
            "summary": self.summary(),
            **({"overlap": self.overlap} if self.overlap else {}),
            **({"other_trainers": self.other_trainers} if self.other_trainers else {}),
            "findings": [finding.as_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, document: Any) -> Report:
        """The report that `to_json` wrote.

        Raises:
            CurateError: the document is not a `curate.check/1` report.
        """
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema != SCHEMA:
            raise CurateError(f"not a report of `curate check --output-format json`: its schema is {schema!r}")
        try:
            return cls(
                inputs=[InputInfo(**info) for info in document["inputs"]],
                findings=[finding_from(entry) for entry in document["findings"]],
                config=document["config"],
                skipped=document["skipped"],
                internal_errors=[
                    InternalError(entry["code"], _place(entry), entry["error"]) for entry in document["internal_errors"]
                ],
                overlap=document.get("overlap", []),
                model=document.get("model"),
                tokens=document["summary"].get("tokens"),
                other_trainers=document.get("other_trainers", []),
                info_is_flagged="select" in document["config"],
                seconds=document["summary"]["seconds"],
                curate_version=document["curate_version"],
            )
        except (KeyError, TypeError) as error:
            raise CurateError(
                f"the report is damaged: {type(error).__name__} {error}; write it again with `curate check`"
            ) from None

    def to_pandas(self) -> pandas.DataFrame:
        """One row a finding: the keys of the JSON findings, with `where` and `fix` spread over columns.

        Raises:
            CurateError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise CurateError("to_pandas() needs pandas: pip install pandas") from None
        nothing = dict.fromkeys(Where._fields)
        records = []
        for finding in self.findings:
            record = {"accepted": False, "known": False} | finding.as_json()
            where = nothing | (record.pop("where") or {})
            record |= {f"where_{key}": value for key, value in where.items()}
            record |= {f"fix_{key}": value for key, value in record.pop("fix").items()}
            records.append(record)
        return pandas.DataFrame(records)


def token_facts(tokens: Sequence[int], trained: Sequence[int], max_length: int | None) -> dict[str, int]:
    """What there is to say about the lengths of the samples in tokens; percentiles are lengths that samples have."""
    lengths = sorted(tokens)

    def percentile(percent: int) -> int:
        return lengths[max(ceil(len(lengths) * percent / 100) - 1, 0)] if lengths else 0

    return {
        "total": sum(lengths),
        "trained": sum(trained),
        "samples": len(lengths),
        "verified": sum(count > 0 for count in trained),
        "min": percentile(0),
        "p50": percentile(50),
        "p95": percentile(95),
        "p99": percentile(99),
        "max": percentile(100),
        "over_max_length": len(lengths) - bisect_right(lengths, max_length) if max_length else 0,
    }


def _place(entry: Mapping[str, Any]) -> Place:
    return Place(entry["path"], entry["line"], entry["part"], entry["sample_id"])


def finding_from(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        code=entry["code"],
        rule=entry["rule"],
        severity=entry["severity"],
        place=_place(entry),
        message=entry["message"],
        where=Where(**entry["where"]) if entry["where"] is not None else None,
        group=entry["group"],
        related=[_place(place) for place in entry["related"]],
        evidence=entry["evidence"],
        fix=Fix(**entry["fix"]),
        accepted=entry.get("accepted", False),
        known=entry.get("known", False),
    )
