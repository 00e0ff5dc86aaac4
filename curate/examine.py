"""What happens to one batch of rows: bytes → values → samples → findings and measures. Runs in any process."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.finding import Fault, Finding, InternalError, Place, Where
from curate.formats import Layout, Unreadable, read_value
from curate.io import RawRow, parse_row

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from curate.dedup.corpus import Pack
    from curate.model import Model
    from curate.plan import Plan
    from curate.rules import Rule
    from curate.rules.rule import Measure
    from curate.sample import Sample
    from curate.template.note import Note


CRASHES = (Exception, SystemExit)
"""What a rule may raise: one that ends the program would let a check end well that found nothing."""


@dataclass(slots=True)
class Examined:
    """What a batch gave. `measured` holds, by the code of a data-set rule, (place, value) in input order; `tokens` the
    length of each sample that the model's template renders, and `trained` how many of these tokens are proven to be
    trained."""

    rows: int = 0
    rejected: int = 0
    samples: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, list[tuple[Place, Any]]] = field(default_factory=dict)
    internal_errors: list[InternalError] = field(default_factory=list)
    tokens: array[int] = field(default_factory=lambda: array("q"))
    trained: array[int] = field(default_factory=lambda: array("q"))
    pack: Pack | None = None


def examine(rows: Sequence[RawRow], path: str, layout: Layout, plan: Plan, model: Model | None = None) -> Examined:
    """Read a batch of rows, run every sample rule and measure of the plan over its samples, and pack them."""
    out = Examined()
    read: list[Sample] = []
    by_name = plan.by_name()
    checks = [(rule.check, rule) for rule in plan.sample_rules if rule.check]
    measures = plan.measures
    for row in rows:
        faults: list[Fault] = []
        samples = read_samples(row, path, layout, faults)
        out.rows += row.rows
        out.samples += len(samples)
        if not samples:
            out.rejected += row.rows
        if faults:
            place = samples[0].place if samples else Place(path, row.line, 0, raw_id(row.data))
            out.findings += promoted(faults, place, by_name)
        read += samples
    if model and read:
        render(read, model, plan, out)
    for sample in read:
        place = sample.place
        out.formats[sample.format] += 1
        if sample.faults:
            out.findings += promoted(sample.faults, place, by_name)
        for check, rule in checks:
            try:
                for fault in check(sample):
                    out.findings.append(found(rule, fault, place))
            except CRASHES as error:
                out.internal_errors.append(InternalError(rule.code, place, described(error)))
        for measure, codes in measures.items():
            _take(measure, codes, sample, place, out)
    if model:
        out.findings = without_echoes(out.findings)
    if plan.corpus_rules and read:
        from curate.dedup.corpus import pack

        out.pack = pack(read)
    return out


def render(samples: Sequence[Sample], model: Model, plan: Plan, out: Examined) -> None:
    """Give each sample its rendering by the model's template, and note what there is to say about it."""
    from curate.template.note import UNVERIFIED

    try:
        renderings = [of_one for (of_one,) in model.read(samples)]
    except CurateError:
        raise
    except CRASHES as error:
        if len(samples) > 1:
            for sample in samples:
                render([sample], model, plan, out)
        else:
            out.internal_errors.append(InternalError(UNVERIFIED, samples[0].place, described(error)))
        return
    noted = {rule.code: rule for rule in plan.rules.values() if rule.stage == "reading" and rule.needs == "model"}
    for sample, rendering in zip(samples, renderings, strict=True):
        sample.rendering = rendering
        if rendering.text:
            out.tokens.append(len(rendering.ids))
            out.trained.append(rendering.trained if rendering.verified else 0)
        if rendering.notes:
            out.findings += (found(noted[code], fault, sample.place) for code, fault in faults_of(sample, noted))


# A row without an answer has no trained token: one fault, which is told without a model too.
_WITHOUT_ANSWER = frozenset({"FMT102", "FMT104", "FMT111"})
_ECHO = "TPL009"


def without_echoes(findings: list[Finding]) -> list[Finding]:
    """The findings less those that only repeat for the tokens what another one says of the row."""
    told = {finding.place for finding in findings if finding.code in _WITHOUT_ANSWER}
    return [finding for finding in findings if finding.code != _ECHO or finding.place not in told]


def faults_of(sample: Sample, codes: Container[str]) -> Iterator[tuple[str, Fault]]:
    """What the notes of a sample's rendering say, one fault for each code: the first of them, and how many more."""
    from curate.template.note import ADVICE, NOTHING_TRAINED, UNVERIFIED

    assert sample.rendering is not None
    by_code: dict[str, list[Note]] = {}
    for note in sample.rendering.notes:
        by_code.setdefault(note.code, []).append(note)
    if by_code.keys() - ADVICE - {UNVERIFIED}:
        by_code.pop(UNVERIFIED, None)  # the reason is said already
    if sample.format == "prompts":
        by_code.pop(NOTHING_TRAINED, None)
    for code, notes in by_code.items():
        if code in codes:
            first = notes[0]
            where = Where(**first.where) if first.where else None
            more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
            yield code, Fault(f"{first.message}{more}", where, first.evidence)


def read_samples(row: RawRow, path: str, layout: Layout, faults: list[Fault]) -> list[Sample]:
    """The samples of one row, with their places; what went wrong on the way is added to `faults`."""
    faults += row.faults
    parsed = parse_row(row.data) if row.data else None
    if parsed is None:
        return []
    faults += parsed.faults
    samples: list[Sample] = []
    for value in parsed.values:
        try:
            read = read_value(value, layout)
        except Unreadable as unreadable:
            faults += unreadable.faults
            continue
        for sample in read:
            sample.path, sample.line, sample.part = path, row.line, len(samples)
            samples.append(sample)
    return samples


def raw_id(data: bytes) -> str:
    """The id of a row that gives no sample."""
    return "raw-" + hashlib.blake2b(data, digest_size=16).hexdigest()


def promoted(faults: Iterable[Fault], place: Place, by_name: dict[str, Rule]) -> Iterator[Finding]:
    """Findings of what the readers noticed, less those whose rule was not selected."""
    return (found(by_name[fault.rule], fault, place) for fault in faults if fault.rule in by_name)


def found(rule: Rule, fault: Fault, place: Place) -> Finding:
    if not isinstance(fault, Fault):
        raise TypeError(f"{rule.code} must yield curate.Fault, not {type(fault).__name__}")
    return Finding(
        rule.code,
        rule.name,
        rule.severity,
        place,
        fault.message,
        fault.where,
        evidence=fault.evidence or {},
        fix=rule.fix,
    )


def _take(measure: Measure, codes: Sequence[str], sample: Sample, place: Place, out: Examined) -> None:
    try:
        value = measure(sample)
    except CRASHES as error:
        out.internal_errors += (InternalError(code, place, described(error)) for code in codes)
        return
    if value is not None:
        for code in codes:
            out.measured.setdefault(code, []).append((place, value))


def described(error: BaseException) -> str:
    """The error with the place in the code where it happened, in one line."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}: {error}{where}"
