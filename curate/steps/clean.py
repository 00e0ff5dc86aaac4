"""The step clean: the data, its findings and its decisions in, kept rows and rejected rows out."""

from __future__ import annotations

import base64
import json
import shlex
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from curate.api import read
from curate.errors import CurateError
from curate.finding import SEVERITIES, Finding, Fix, Place
from curate.io.write import atomic_write
from curate.report.report import Report
from curate.review.decisions import Decision, decisions_file, read_decisions
from curate.rules import RULES
from curate.run import Run, Step
from curate.run.data import Part, run_inputs, run_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from curate.finding import Fault

Config = dict[str, Any]
FixMode = Literal["safe", "all", "none"]

SAFE_DROP = Fix("drop", safe=True)
BY_A_FIX = "curate clean --fix"


class Reason(NamedTuple):
    """Why a row was left out: the rule (None: no rule, a person said so), in words, and who or what left it out."""

    code: str | None
    reason: str
    by: str

    @property
    def is_copy(self) -> bool:
        """Whether the row went because another stays that says the same."""
        return self.code in RULES and RULES[self.code].fix == SAFE_DROP and self.by.startswith(BY_A_FIX)


def default_config() -> Config:
    return {"fix": "safe"}


def reads(run: Run, config: Config) -> Sequence[Path]:
    data = [run.source(source.path) for source in run_inputs(run, run.config("check"))]
    return [*data, run / "check.json", decisions_file(run)]


def make(run: Run, config: Config, out: Path) -> str:
    """Write clean/kept.jsonl and clean/rejected.jsonl: every row of the data is in one of them.

    Raises:
        CurateError: the data is not what was checked, or rows would be read as other samples once others are gone.
    """
    findings = findings_by_place(Report.from_json(json.loads((run / "check.json").read_bytes())).findings)
    decisions = read_decisions(run)
    fix: FixMode = config["fix"]
    folder = out / "clean"
    folder.mkdir()
    rows = {"read": 0, "kept": 0, "rejected": 0}
    parts_read = 0
    reasons: Counter[str] = Counter()
    kept_places: list[Place] = []
    staying_ids: set[str] = set()  # in the output, or left out as a copy of a row that is
    gone_ids = {sample_id for sample_id, decision in decisions.items() if decision.action == "drop"}
    with (
        atomic_write(folder / "kept.jsonl") as kept,
        atomic_write(folder / "rejected.jsonl", mode=0o600) as rejected,
    ):
        for row in run_rows(run):
            is_kept = False
            for part in row.parts:
                parts_read += 1
                found = findings.pop(part.place, ())
                decision = decisions.get(str(part.place.sample_id))
                reason = why_not(part, found, decision, fix, staying_ids, gone_ids)
                if reason:
                    (staying_ids if reason.is_copy else gone_ids).add(str(part.place.sample_id))
                    rejected.write(rejected_line(part, reason))
                    reasons[group_of(part, reason)] += 1
                    continue
                is_kept = True
                kept.write(part.data + b"\n")
                kept_places.append(part.place)
                staying_ids.add(str(part.place.sample_id))
            rows["read"] += row.rows
            rows["kept" if is_kept else "rejected"] += row.rows
    if findings:
        place = next(iter(findings))
        raise CurateError(
            f"{place.path}:{place.line}: not the row that was checked; check the data again: curate check {run.folder}"
        )
    assert rows["kept"] + rows["rejected"] == rows["read"]
    assert len(kept_places) + reasons.total() == parts_read
    refuse_other_samples(run, folder / "kept.jsonl", kept_places)
    return said(rows, reasons)


def findings_by_place(findings: Iterable[Finding]) -> dict[Place, list[Finding]]:
    """The findings about a row of its own, the worst first; those about a whole file concern no row."""
    by_place: defaultdict[Place, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.place.sample_id is not None:
            by_place[finding.place].append(finding)
    for of_row in by_place.values():
        of_row.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return dict(by_place)


def why_not(
    part: Part,
    findings: Sequence[Finding],
    decision: Decision | None,
    fix: FixMode,
    staying_ids: set[str],
    gone_ids: set[str],
) -> Reason | None:
    """Why a part is left out; None if it is kept.

    What cannot be read is always left out: it would be no row of the output either. A decision wins over every fix.
    Which copy of equal rows stays is no decision but the first that is kept, unless a keep dismissed that very finding.
    A near copy goes if the row that it was compared with stays (`related` names it first), or another of its group.
    """
    if part.sample is None:
        return unreadable(part.faults)
    if decision and decision.action == "drop":
        code = decision.codes[0] if decision.codes else None
        return Reason(code, decision.reason or "dropped in review", decision.by)
    dismissed = decision.codes if decision else ()
    for finding in findings:
        if finding.code in dismissed or fix == "none":
            continue
        if finding.fix == SAFE_DROP:
            # A finding of the row's neighbour on the same line has this fix too: only a copy of a row that stays goes.
            if part.sample.id in staying_ids or _stays(finding.related, staying_ids, gone_ids):
                return Reason(finding.code, finding.message, f"{BY_A_FIX} {fix}")
        elif fix == "all" and decision is None and finding.severity != "info":
            return Reason(finding.code, finding.message, f"{BY_A_FIX} all")
    return None


def _stays(group: Sequence[Place], staying_ids: set[str], gone_ids: set[str]) -> bool:
    """Whether a row of the group, the kept one first, is in the output or is not yet known to be left out."""
    ids = [str(place.sample_id) for place in group]
    return bool(ids) and (ids[0] not in gone_ids or not staying_ids.isdisjoint(ids))


def unreadable(faults: Sequence[Fault]) -> Reason:
    by_name = {rule.name: rule for rule in RULES.values()}
    known = [(by_name[fault.rule], fault) for fault in faults if fault.rule in by_name]
    for rule, fault in sorted(known, key=lambda pair: pair[0].fix != SAFE_DROP):
        return Reason(rule.code, fault.message, "curate clean")
    return Reason(None, "it gives no sample", "curate clean")


def rejected_line(part: Part, reason: Reason) -> bytes:
    place = part.place
    entry: dict[str, Any] = {"path": place.path, "line": place.line, "part": place.part, **reason._asdict()}
    try:
        orjson.loads(part.data)
    except orjson.JSONDecodeError:
        entry["raw_base64"] = base64.b64encode(part.data).decode()
    else:
        from curate.run.data import one_line

        entry["row"] = orjson.Fragment(one_line(part.data))
    try:
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair in the message, or in the name of a file
        entry |= {key: str(entry[key]).encode("utf-8", "replace").decode() for key in ("path", "reason")}
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def refuse_other_samples(run: Run, kept: Path, places: Sequence[Place]) -> None:
    """Make sure that the next steps see in kept.jsonl the very samples that were checked.

    A row with columns of two formats is read by the format that most rows have, which may change when rows go.
    """
    if not places:
        return
    checked = run.config("check")
    again = read(kept, format=checked["format"], columns=checked["columns"])
    ids = (sample.id for sample in again)
    for place in places:
        if next(ids, None) != place.sample_id:
            raise CurateError(
                f"{place.path}:{place.line}: reads as another sample once the left out rows are gone; say how to read "
                f"the data: curate check {run.folder} --format FORMAT"
            )


def group_of(part: Part, reason: Reason) -> str:
    if part.sample is None:
        return "cannot be read"
    return str(reason.code) if reason.by.startswith("curate clean") else "dropped in review"


def said(rows: Mapping[str, int], reasons: Counter[str]) -> str:
    detail = ", ".join(f"{count:,} {group}" for group, count in reasons.most_common())
    return (
        f"clean: {rows['kept']:,} of {rows['read']:,} rows kept, {rows['rejected']:,} rejected"
        f"{f' ({detail})' if detail else ''}"
    )


def command(run: Run, config: Config) -> str:
    flags = [] if config == default_config() else ["--fix", config["fix"]]
    return shlex.join(["curate", "clean", str(run.folder), *flags])


STEP = Step("clean", reads, ("clean",), make, command, after="check")
