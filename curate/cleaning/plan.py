"""What becomes of each row: planned for all of them before anything is written, and again until nothing changes.

A round takes the findings of a check. Once rows go or change, a check of those that stay may find something else (the
row that a near copy was compared with is gone; an edited row now says what another one says), so that what is left is
checked again by the rules that fix, as a person would who cleans the output once more.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from curate.cleaning.mend import Mended, mended, only_sample
from curate.cleaning.rows import Change, Reason
from curate.errors import CurateError
from curate.finding import SEVERITIES, Fix, spoken
from curate.formats.tools import dump_json
from curate.io import parse_row
from curate.pipeline import run_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from curate.cleaning.rows import Rows
    from curate.config import Config
    from curate.finding import Finding, Place, Where
    from curate.formats import Layout
    from curate.review.decisions import Decision
    from curate.rules import Rule
    from curate.sample import Sample

FixMode = Literal["safe", "all", "none"]
Findings = dict["Place", list["Finding"]]

EXACT = "DUP001"
SAFE_DROP = Fix("drop", safe=True)
BY_A_FIX = "curate clean --fix"
MOST_ROUNDS = 50


class Copy(NamedTuple):
    """A part that may go as a near copy of the sample `like`."""

    number: int
    finding: Finding
    like: str


class Plan:
    """What is to become of some rows, by the findings about them, the decisions of people, and `--fix`.

    `layouts` says by path how a file's rows are read, `rules` has by code what was checked. After `make`, the rows know
    their fate; `unmended` has the parts whose fix for a text could not be applied, with the reason.
    """

    def __init__(
        self,
        rows: Rows,
        layouts: Mapping[str, Layout],
        decisions: Mapping[str, Decision],
        fix: FixMode,
        rules: Mapping[str, Rule],
    ) -> None:
        self.rows = rows
        self.layouts = layouts
        self.fix = fix
        self.rules = rules
        self.decisions = {id_: one for id_, one in decisions.items() if one.action in ("keep", "drop", "edit")}
        self._without_row = set(self.decisions)  # the ids that no row was seen to have yet
        self.unmended: dict[int, str] = {}
        self._protected = {**self._edited(), **self.decisions}
        self._fresh: set[int] = set()  # parts changed in this round: the findings are about what they were
        self._is_settled = False
        self._been: defaultdict[int, set[str]] = defaultdict(set)  # the ids of what a part was before it was mended

    def make(self, findings: Findings, config: Config) -> None:
        """Plan by the findings of a check with this config, then by those of checks of what stays, until none is left
        that can be fixed.

        Raises:
            CurateError: the findings are about other rows, an edit gives no row, or two fixes undo each other.
        """
        self.round(findings, is_first=True)
        codes = [code for code, rule in self.rules.items() if self._repeats(rule)]
        again = config.model_copy(update={"select": codes, "ignore": [], "against": [], "baseline": None})
        kept = frozenset(id_ for id_, decision in self.decisions.items() if decision.action == "keep")
        for _ in range(MOST_ROUNDS):
            if self._is_settled or not codes:
                return
            report = run_check(self.rows.inputs(), again, reviewed=kept, layouts=self.layouts)
            if report.internal_errors:
                raise CurateError(f"{report.internal_errors[0].code} failed: {report.internal_errors[0].error}")
            self.round(by_place(report.findings, self.fix))
        raise CurateError("the fixes of some rules undo each other; leave one out: curate check --ignore CODE")

    @property
    def without_row(self) -> int:
        """How many decisions are about a sample that no row of the data has."""
        return len(self._without_row)

    def round(self, findings: Findings, *, is_first: bool = False) -> None:
        """Decide what these findings are reason enough for."""
        self._fresh.clear()
        self._is_settled = True
        near: list[Copy] = []
        copies: defaultdict[str, dict[int, Finding]] = defaultdict(dict)
        for number, place in self.rows.staying():
            found = findings.pop(place, [])
            decision = self.decisions.get(str(place.sample_id))
            if known := self._protected.get(str(place.sample_id)):
                self._without_row.discard(known.sample_id)
            if decision and decision.action == "drop":
                self._reject(number, _reason_of(decision))
                continue
            if decision and decision.action == "edit" and is_first and self._edit(number, decision):
                continue
            if found:
                self._judge(number, place, found, near, copies)
        if findings:
            place = next(iter(findings))
            raise CurateError(f"{place.path}:{place.line}: not the row that was checked; check the data again")
        self._drop_copies(near, copies)

    def _judge(
        self,
        number: int,
        place: Place,
        found: list[Finding],
        near: list[Copy],
        copies: Mapping[str, dict[int, Finding]],
    ) -> None:
        """What the findings about one part ask for; copies are only noted, for their fate depends on other parts."""
        decision = self._protected.get(str(place.sample_id))
        dismissed = decision.codes if decision else ()
        found = [finding for finding in found if finding.code not in dismissed]
        left = []
        for finding in found:
            if finding.code == EXACT:
                copies[str(place.sample_id)][number] = finding
            elif self._is_copy(finding):
                if decision is None or (decision.action == "edit" and finding.fix.safe):
                    near.append(Copy(number, finding, str(finding.related[0].sample_id)))
            else:
                left.append(finding)
        if decision:
            return
        left = self._mend(number, place, left)
        for finding in left:
            is_safe = finding.fix == SAFE_DROP and self.rules[finding.code].stage != "reading"
            if is_safe or (self.fix == "all" and finding.severity != "info"):
                self._reject(number, Reason(finding.code, finding.message, f"{BY_A_FIX} {self.fix}"))
                return

    def _is_copy(self, finding: Finding) -> bool:
        """Whether a part is to go because another one says the same, and only for that: one of them has to stay."""
        return finding.fix.action == "drop" and bool(finding.related) and self.rules[finding.code].family == "DUP"

    def _mend(self, number: int, place: Place, found: list[Finding]) -> list[Finding]:
        """Mend the texts of a part, each that a finding is about once; returns the findings that are left."""
        faults: defaultdict[Rule, list[Where | None]] = defaultdict(list)
        for one in found:
            if one.fix.action == "edit" and (one.fix.safe or self.fix == "all"):
                faults[self.rules[one.code]].append(one.where)
        if not faults:
            return found
        result = mended(self.rows.now(number), self.layouts[place.path], faults)
        self._been[number].add(str(place.sample_id))
        if not isinstance(result, Mended):
            self.unmended[number] = result
            return found
        if result.sample.id in self._been[number]:
            codes = " and ".join(dict.fromkeys((*self.rows.changed[number].codes, *result.codes)))
            line = self.rows.places[number].line
            raise CurateError(
                f"{place.path}:{line}: the fixes of {codes} undo each other; leave one out: curate check --ignore CODE"
            )
        messages = [one.message for one in found if one.code in result.codes]
        self._change(number, result.data, result.sample, result.codes, "; ".join(messages), f"{BY_A_FIX} {self.fix}")
        return [one for one in found if one.code not in result.codes]

    def _drop_copies(self, near: list[Copy], copies: Mapping[str, dict[int, Finding]]) -> None:
        """Drop near copies of samples that stay, and all copies of a sample but the first that stays.

        Where the sample that a near copy was compared with is gone or changed, the copy stays for now: the next round
        compares it with the others.
        """
        wanted = {one.like for one in near}
        there = {id_ for number, id_ in self._staying_ids() if id_ in wanted and number not in self._fresh}
        gone = set()
        for number, said, like in near:
            if like in there and number not in self.rows.rejected and number not in self._fresh:
                gone.add(self.rows.sample_id(number))
                self._reject(number, Reason(said.code, said.message, f"{BY_A_FIX} {self.fix}"))
        first: dict[str, Place] = {}
        for number, id_ in self._staying_ids() if copies else ():
            place, finding = self.rows.places[number], copies[id_].get(number) if id_ in copies else None
            if finding and number not in self._fresh and (id_ in first or id_ in gone):
                message = f"the same as {spoken(first[id_], seen_from=place)}" if id_ in first else finding.message
                self.rows.rejected[number] = Reason(EXACT, message, f"{BY_A_FIX} {self.fix}")
            else:
                first.setdefault(id_, place)

    def _staying_ids(self) -> Iterable[tuple[int, str]]:
        return ((number, str(place.sample_id)) for number, place in self.rows.staying())

    def _edit(self, number: int, decision: Decision) -> bool:
        """Put the edited row in the place of a part; false where it stands there already."""
        place = self.rows.places[number]
        if parse_row(self.rows.before(number)).values == [decision.after]:
            return False
        data = dump_json(decision.after).encode("utf-8", "surrogatepass")
        sample = only_sample(data, self.layouts[place.path])
        if sample is None:
            raise CurateError(
                f"{place.path}:{place.line}: the edit by {decision.by} is no row that can be read; undo it"
            )
        self._change(number, data, sample, decision.codes, decision.reason or "edited in review", decision.by)
        return True

    def _edited(self) -> dict[str, Decision]:
        """By the id of what an edit made: the decision, which also holds for rows that were written by it before."""
        found = {}
        for decision in self.decisions.values():
            if decision.action == "edit":
                data = dump_json(decision.after).encode("utf-8", "surrogatepass")
                for layout in self.layouts.values():
                    if sample := only_sample(data, layout):
                        found[sample.id] = decision
        return found

    def _change(self, number: int, data: bytes, sample: Sample, codes: tuple[str, ...], reason: str, by: str) -> None:
        earlier = self.rows.changed.get(number)
        if earlier:
            codes = tuple(dict.fromkeys((*earlier.codes, *codes)))
            reason = f"{earlier.reason}; {reason}"
            by = earlier.by if earlier.by == by else f"{earlier.by}, {by}"
        self.rows.changed[number] = Change(data, sample.id, codes, reason, by)
        self._fresh.add(number)
        self._is_settled = False

    def _reject(self, number: int, reason: Reason) -> None:
        self.rows.rejected[number] = reason
        self._is_settled = False

    def _repeats(self, rule: Rule) -> bool:
        """Whether a rule may ask for something once rows have gone or changed."""
        if rule.stage == "reading" or rule.needs in ("theirs", "against"):
            return False
        return self.fix != "none" and matters(rule, self.fix)


def matters(said: Rule | Finding, fix: FixMode) -> bool:
    """Whether `--fix` may act on a rule or on a finding of it."""
    if fix == "all":
        return said.fix.safe or said.fix.action == "edit" or said.severity != "info"
    return fix == "safe" and said.fix.safe


def by_place(findings: Iterable[Finding], fix: FixMode) -> Findings:
    """The findings about rows that can be read and that `--fix` may act on, the worst first."""
    found: defaultdict[Place, list[Finding]] = defaultdict(list)
    for finding in findings:
        if (finding.place.sample_id or "").startswith("v1:") and matters(finding, fix):
            found[finding.place].append(finding)
    for of_part in found.values():
        of_part.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return dict(found)


def _reason_of(decision: Decision) -> Reason:
    code = decision.codes[0] if decision.codes else None
    return Reason(code, decision.reason or "dropped in review", decision.by)
