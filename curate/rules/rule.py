"""The shape of a rule and the one register of them all.

A rule is a function with a code, a severity and a docstring that IS its documentation. The kebab-case name of the rule
is the function's name; the keyword-only arguments of the function are its thresholds, set under `[thresholds.CODE]`.

    @rule("TXT901", severity="warning")
    def shouting(sample: Sample, *, min_letters: int = 20) -> Iterator[Fault]:
        '''An answer is all capitals. ...'''
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from curate.errors import CurateError
from curate.finding import NO_FIX, SEVERITIES, Fault, Fix, Flag, Place, Severity
from curate.sample import Sample

Needs = Literal["theirs", "against", "semantic", "nli", "model", "max_length"]
SampleCheck = Callable[..., Iterable[Fault]]
Measure = Callable[[Sample], Any]
Measured = list[tuple[Place, Any]]
DatasetCheck = Callable[..., Iterable[Flag]]
CorpusCheck = Callable[..., Iterable[Flag]]
ModelCheck = Callable[..., Iterable[Flag]]

SETTINGS = frozenset({"max_length"})
"""Keyword-only arguments of a check that are no thresholds: it gets the setting of that name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as `curate rules`, the documentation, the driver and the app's legend read it.

    `stage` says who runs the check: "reading" rules are noticed by the readers and have no check, "sample" rules see
    one sample, "dataset" rules see what `measure` took from every sample (None is left out), "corpus" rules compare the
    samples with each other, "model" rules look at the model alone. `needs` is the setting without which a rule has
    nothing to do; "theirs" is either `against` or input whose names say that it is split. Where a model is given, rules
    find in `sample.rendering` what it sees of the sample.
    `scope` of a data-set rule: judged for each file alone, or for all the input together.
    `repair` mends a text (text to text, idempotent) where `fix.action` is "edit".
    """

    code: str
    name: str
    severity: Severity
    doc: str
    stage: Literal["reading", "sample", "dataset", "corpus", "model"]
    check: Callable[..., Any] | None = None
    measure: Measure | None = None
    scope: Literal["file", "all"] = "file"
    fix: Fix = NO_FIX
    repair: Callable[[str], str] | None = None
    on_by_default: bool = True
    needs: Needs | None = None

    @property
    def family(self) -> str:
        return self.code.rstrip("0123456789")

    @property
    def summary(self) -> str:
        """The first line of the documentation, which names the fault."""
        return self.doc.split("\n", 1)[0]

    @property
    def thresholds(self) -> dict[str, Any]:
        """The names and defaults of the values that a configuration may set."""
        if self.check is None:
            return {}
        check = self.check
        bound = check.keywords if isinstance(check, partial) else {}
        parameters = inspect.signature(check.func if isinstance(check, partial) else check).parameters.values()
        own = (p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in SETTINGS)
        return {p.name: bound.get(p.name, p.default) for p in own}

    def with_settings(self, values: Mapping[str, Any]) -> Rule:
        """The same rule with the settings that its check asks for."""
        if self.check is None:
            return self
        wanted = {name: values[name] for name in SETTINGS & inspect.signature(self.check).parameters.keys()}
        return replace(self, check=partial(self.check, **wanted)) if wanted else self

    def with_thresholds(self, values: dict[str, Any]) -> Rule:
        """The same rule with other thresholds.

        Raises:
            CurateError: the rule has no such threshold, or the value is of another type.
        """
        known = self.thresholds
        for name, value in values.items():
            if name not in known:
                names = ", ".join(known) or "none"
                raise CurateError(f"[thresholds.{self.code}] {name}: no such threshold; {self.code} has: {names}")
            wanted = float if isinstance(known[name], float) else type(known[name])
            if isinstance(value, bool) != (wanted is bool) or not isinstance(
                value, (wanted, int) if wanted is float else wanted
            ):
                raise CurateError(
                    f"[thresholds.{self.code}] {name} = {value!r}: expected {wanted.__name__}, "
                    f"as in the default {known[name]!r}"
                )
        return replace(self, check=partial(self.check, **values)) if self.check else self


RULES: dict[str, Rule] = {}


def _register(function: Callable[..., Any], code: str, **fields: Any) -> None:
    name = function.__name__.replace("_", "-")
    if code in RULES:
        raise CurateError(f"rule {name}: the code {code} is already taken by {RULES[code].name}")
    if any(other.name == name for other in RULES.values()):
        raise CurateError(f"rule {code}: the name {name} is already taken")
    if fields["severity"] not in SEVERITIES:
        raise CurateError(f"rule {code} ({name}): severity {fields['severity']!r}; use one of {', '.join(SEVERITIES)}")
    if not function.__doc__:
        raise CurateError(f"rule {code} ({name}) has no docstring: it is the documentation that users read")
    RULES[code] = Rule(code=code, name=name, doc=inspect.cleandoc(function.__doc__), **fields)


def reading_rule(
    code: str, *, severity: Severity, fix: Fix = NO_FIX, needs: Needs | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a rule that the readers notice: they yield a Fault with this rule's name, so it has no check.

    With `needs="model"` it is noticed when a sample is read as the model sees it: a note of its rendering has its code.
    """

    def register(function: Callable[[], None]) -> Callable[[], None]:
        _register(function, code, stage="reading", severity=severity, fix=fix, needs=needs)
        return function

    return register


def rule(
    code: str,
    *,
    severity: Severity,
    fix: Fix = NO_FIX,
    repair: Callable[[str], str] | None = None,
    on_by_default: bool = True,
    needs: Needs | None = None,
) -> Callable[[SampleCheck], SampleCheck]:
    """Register a rule about one sample: `check(sample, *, thresholds...)` yields its faults."""

    def register(check: SampleCheck) -> SampleCheck:
        _register(
            check,
            code,
            stage="sample",
            severity=severity,
            check=check,
            fix=fix,
            repair=repair,
            on_by_default=on_by_default,
            needs=needs,
        )
        return check

    return register


def dataset_rule(
    code: str,
    *,
    severity: Severity,
    measure: Measure,
    scope: Literal["file", "all"] = "file",
    fix: Fix = NO_FIX,
    repair: Callable[[str], str] | None = None,
    on_by_default: bool = True,
    needs: Needs | None = None,
) -> Callable[[DatasetCheck], DatasetCheck]:
    """Register a rule about the data set.

    `measure(sample)` runs beside the sample rules, in any process, and returns a small picklable value or None; then
    `check(measured, *, thresholds...)` sees the list of (place, value) in input order and yields flags.
    """

    def register(check: DatasetCheck) -> DatasetCheck:
        _register(
            check,
            code,
            stage="dataset",
            severity=severity,
            check=check,
            measure=measure,
            scope=scope,
            fix=fix,
            repair=repair,
            on_by_default=on_by_default,
            needs=needs,
        )
        return check

    return register


def corpus_rule(
    code: str, *, severity: Severity, fix: Fix = NO_FIX, needs: Needs | None = None
) -> Callable[[CorpusCheck], CorpusCheck]:
    """Register a rule that compares samples: `check(corpus, *, thresholds...)` sees them all and yields flags."""

    def register(check: CorpusCheck) -> CorpusCheck:
        _register(check, code, stage="corpus", severity=severity, check=check, fix=fix, needs=needs)
        return check

    return register


def model_rule(code: str, *, severity: Severity, fix: Fix = NO_FIX) -> Callable[[ModelCheck], ModelCheck]:
    """Register a rule about the model itself: `check(model, *, thresholds...)` yields flags about all of the data.

    A check that cannot look at what it is about raises a CurateError that says why; the rule then counts as skipped.
    """

    def register(check: ModelCheck) -> ModelCheck:
        _register(check, code, stage="model", severity=severity, check=check, fix=fix, needs="model")
        return check

    return register
