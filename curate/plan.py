"""Which rules a check runs, with which thresholds and severities."""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from curate.dedup.splits import splits_of
from curate.errors import CurateError
from curate.rules import RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from curate.config import Config
    from curate.rules.rule import Measure

# What each need of a rule is short of, and what gives it.
LOCKS = {
    "theirs": ("nothing to compare with", "--against FILE"),
    "against": ("no --against", "--against FILE"),
    "semantic": ("no --semantic", "--semantic DIR"),
    "nli": ("no --nli", "--nli DIR"),
    "model": ("no --model", "--model M"),
    "max_length": ("no --max-length", "--model M --max-length N"),
}
OWN_CODE = re.compile(r"[A-Z]{2,8}[0-9]{3}")


@dataclass(frozen=True)
class Plan:
    """The rules of one check. Where the user chose them (`is_default` false), info findings count as flagged."""

    rules: dict[str, Rule]
    skipped: list[dict[str, str]]
    is_default: bool

    @property
    def sample_rules(self) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.stage == "sample"]

    @property
    def dataset_rules(self) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.stage == "dataset"]

    @property
    def corpus_rules(self) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.stage == "corpus"]

    @property
    def model_rules(self) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.stage == "model"]

    @property
    def measures(self) -> dict[Measure, list[str]]:
        """What to take from every sample, and the codes of the data-set rules that want it."""
        wanted: dict[Measure, list[str]] = {}
        for rule in self.dataset_rules:
            assert rule.measure is not None
            wanted.setdefault(rule.measure, []).append(rule.code)
        return wanted

    def by_name(self) -> dict[str, Rule]:
        return {rule.name: rule for rule in self.rules.values()}


def make_plan(config: Config, paths: Sequence[str] = ()) -> Plan:
    """Choose the rules that `config` selects, own rules included, for input with these names.

    Raises:
        CurateError: a selector that names no rule, an own rule file that does not load, an unknown threshold.
    """
    known = dict(RULES)
    for file in config.rules:
        known |= load_own_rules(Path(file), known)
    selected, ignored = _named(config.select, known), _named(config.ignore, known)
    chosen = {
        code: rule
        for code, rule in known.items()
        if code in selected - ignored and (rule.on_by_default or {code, rule.name} & set(config.select))
    }
    given = {need for need in LOCKS if need != "theirs" and getattr(config, need)}
    if config.against or splits_of(paths):
        given.add("theirs")
    locked = [code for code, rule in chosen.items() if rule.needs and rule.needs not in given]
    for code in locked:
        del chosen[code]
    chosen = {code: rule.with_settings({"max_length": config.max_length}) for code, rule in chosen.items()}
    for word, values in config.thresholds.items():
        if (code := _one_rule("thresholds", word, known)) in chosen:
            chosen[code] = chosen[code].with_thresholds(values)
    for word, severity in config.severity.items():
        if (code := _one_rule("severity", word, known)) in chosen:
            chosen[code] = replace(chosen[code], severity=severity)
    skipped = [
        {"code": rule.code, "reason": "off by default", "unlock": f"--select ALL,{rule.code}"}
        for rule in known.values()
        if not rule.on_by_default and rule.code not in chosen
    ] + [
        dict(zip(("code", "reason", "unlock"), (code, *LOCKS[str(known[code].needs)]), strict=True)) for code in locked
    ]
    return Plan(chosen, skipped, is_default=config.select == ["ALL"])


def _named(selectors: Iterable[str], known: dict[str, Rule]) -> set[str]:
    """The codes of the rules that any of some words name."""
    return {rule.code for word in selectors for rule in matching(word, known)}


def matching(selector: str, known: dict[str, Rule]) -> Iterator[Rule]:
    """The rules that a `--select` word names: a code, a prefix of codes, a rule's name, or ALL.

    Raises:
        CurateError: it names none.
    """
    word = selector.strip()
    found = [
        rule
        for rule in known.values()
        if word.upper() == "ALL" or (word and rule.code.startswith(word.upper())) or rule.name == word
    ]
    if not found:
        raise CurateError(_no_such_rule(word, known))
    return iter(found)


def _one_rule(setting: str, word: str, known: dict[str, Rule]) -> str:
    code = next((rule.code for rule in known.values() if word in (rule.code, rule.name)), None)
    if code is None:
        raise CurateError(f"[{setting}] {_no_such_rule(word, known)}; give the code or the name of one rule")
    return code


def _no_such_rule(word: str, known: dict[str, Rule]) -> str:
    families = {rule.family for rule in known.values()}
    near = difflib.get_close_matches(word, [*families, *known, *(rule.name for rule in known.values())], n=1)
    hint = f"did you mean {near[0]}?" if near else "`curate rules` lists them"
    return f"no rule is called {word!r}; {hint}"


def load_own_rules(file: Path, known: dict[str, Rule]) -> dict[str, Rule]:
    """Run a person's rule file and return the rules that it registers, leaving the register as it was.

    Raises:
        CurateError: the file is missing, fails, registers nothing, or takes a code or a name that exists.
    """
    spec = importlib.util.spec_from_file_location(f"curate_own_rules.{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise CurateError(f"rules = [{str(file)!r}]: no such Python file")
    before = dict(RULES)
    RULES.update(known)
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        own = {code: rule for code, rule in RULES.items() if code not in known}
    except CurateError as error:
        raise CurateError(f"{file}: {error}") from error
    except (Exception, SystemExit) as error:
        raise CurateError(f"{file} does not load: {type(error).__name__}: {error}") from error
    finally:
        RULES.clear()
        RULES.update(before)
    for code in own:
        if not OWN_CODE.fullmatch(code):
            raise CurateError(f"{file}: {code!r} is no rule code; use capital letters and three digits, such as OWN001")
    if not own:
        raise CurateError(f"{file} registers no rule; decorate a function with @curate.rule(CODE, severity=...)")
    return own
