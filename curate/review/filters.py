"""Which rows a person looks at: the filter, as the address of the page says it and as search.db is asked for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from curate.finding import SEVERITIES
from curate.review.index import LENGTHS, MOST_TURNS, ZONES, spaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class State(IntEnum):
    """What was decided of a row. A row that was kept is open again when a finding is new."""

    OPEN = 0
    SKIPPED = 1
    KEPT = 2
    DROPPED = 3
    EDITED = 4


DECIDED = (State.KEPT, State.DROPPED, State.EDITED)
SHOWN = {
    "open": "to decide",
    "skipped": "skipped",
    "kept": "kept",
    "dropped": "dropped",
    "edited": "edited",
    "flagged": "all flagged",
    "all": "all rows",
}
_STATES = {
    "open": State.OPEN,
    "skipped": State.SKIPPED,
    "kept": State.KEPT,
    "dropped": State.DROPPED,
    "edited": State.EDITED,
}
_CLASSES = {"length": LENGTHS, "turns": MOST_TURNS, "zone": ZONES - 1}
_TERM = re.compile(r'-?"[^"]*"?|\S+')


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows by what was decided (`show`), a rule, the worst severity, words, and classes of the histograms."""

    show: str = "open"
    rule: str | None = None
    severity: str | None = None
    text: str = ""
    length: int | None = None
    turns: int | None = None
    zone: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], rules: Sequence[str]) -> tuple[Filter, list[str]]:
        """The filter that an address asks for, and what of it means nothing here, in words."""
        wrong = []
        show = query.get("show", "open")
        if show not in SHOWN:
            wrong.append(f"There is nothing called {show!r} to show: these are the rows to decide.")
            show = "open"
        rule, severity = query.get("rule"), query.get("severity")
        if rule is not None and rule not in rules:
            wrong.append(f"No row has a finding of {rule!r}: the filter was left out.")
            rule = None
        if severity is not None and severity not in SEVERITIES:
            wrong.append(f"{severity!r} is no severity ({', '.join(SEVERITIES)}): the filter was left out.")
            severity = None
        classes: dict[str, int | None] = {}
        for name, most in _CLASSES.items():
            word = query.get(name)
            classes[name] = int(word) if word is not None and word.isdecimal() and int(word) <= most else None
            if word is not None and classes[name] is None:
                wrong.append(f"{name}={word!r} is no bar of a histogram: the filter was left out.")
        return cls(show, rule, severity, query.get("q", ""), **classes), wrong

    def as_query(self) -> dict[str, str]:
        """The parts of an address; what is as usual is left out."""
        words = {
            "show": self.show if self.show != "open" else None,
            "rule": self.rule,
            "severity": self.severity,
            "q": self.text or None,
            **{name: getattr(self, name) for name in _CLASSES},
        }
        return {key: str(word) for key, word in words.items() if word is not None}

    def without(self, facet: str) -> Filter:
        """The filter less one facet: its counts tell what choosing another value would give."""
        empty: Any = {facet: "" if facet == "text" else None}
        return replace(self, **empty)

    def plain(self) -> tuple[str, str] | None:
        """The facet and value that it comes to where the kept counts answer it: at most one facet beside `show`."""
        severity = str(SEVERITIES.index(self.severity)) if self.severity in SEVERITIES else None
        chosen = [("rule", self.rule), ("severity", severity), *((name, getattr(self, name)) for name in _CLASSES)]
        found = [(facet, str(value)) for facet, value in chosen if value is not None]
        return None if self.text.strip() or len(found) > 1 else next(iter(found), ("all", ""))

    def tallied(self, facet: str) -> tuple[str, dict[str, Any]]:
        """The condition on the table `tally` for the values of a facet, and its values."""
        conditions = ["facet = :facet"]
        if self.show in _STATES:
            conditions.append("state = :state")
        if self.show == "flagged" or (self.show == "open" and facet != "rule"):
            conditions.append("flagged = 1")
        return " and ".join(conditions), {"facet": facet, "state": _STATES.get(self.show)}

    def sql(self, hits: str | None, by_rule: bool = False) -> tuple[str, dict[str, Any]]:
        """`from … where …` of the rows `r` in it, and the values. `hits` is a table of the rows that have the words.

        Rows to decide are the flagged ones; but those of a rule (or `by_rule`, of any) are all that it found.
        """
        conditions: list[str] = []
        source = "rows r"
        rank = "r.rank"
        if hits:
            source, rank = f"{hits} h cross join rows r on r.number = h.number", "h.rank"
        elif self.rule:
            source, rank = "row_codes c cross join rows r on r.number = c.row", "c.rank"
            conditions.append("c.code = :rule")
        if hits and self.rule:
            conditions.append("exists (select 1 from row_codes where code = :rule and rank = h.rank)")
        if self.show in _STATES:
            conditions.append("r.state = :state")
        if self.show == "flagged" or (self.show == "open" and not self.rule and not by_rule):
            conditions.append("r.flagged = 1")
        if self.severity:
            conditions.append("r.severity = :severity")
        conditions += [f"r.{name} = :{name}" for name in _CLASSES if getattr(self, name) is not None]
        values = {
            "rule": self.rule,
            "state": _STATES.get(self.show),
            "severity": SEVERITIES.index(self.severity) if self.severity else None,
            **{name: getattr(self, name) for name in _CLASSES},
        }
        return f"from {source} where {' and '.join([*conditions, f'{rank} between :first and :last'])}", values


def words_of(text: str) -> tuple[list[str], list[str], list[str]]:
    """What was typed, as phrases of the index that must be there, that must not, and terms without any word.

    Words are looked for as beginnings ("refund" finds "refunds"), what stands in quotes exactly; a leading minus leaves
    rows out.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    empty: list[str] = []
    for term in _TERM.findall(text):
        is_not = term.startswith("-") and len(term) > 1
        body = term[1:] if is_not else term
        is_quoted = body.startswith('"')
        body = body.strip('"')
        if not any(char.isalnum() for char in body):
            empty.append(term)
            continue
        phrase = '"{}"{}'.format(spaced(body).replace('"', '""').replace("\x00", " "), "" if is_quoted else "*")
        (unwanted if is_not else wanted).append(phrase)
    return wanted, unwanted, empty
