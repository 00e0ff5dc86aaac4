"""The `html` output: one page that needs nothing else, safe to open whatever the data holds."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from curate.report.as_json import dumps
from curate.report.phrases import (
    count,
    extent,
    model_name,
    next_commands,
    not_checked,
    overlap_notes,
    overlap_table,
    short_spots,
    trainers_table,
)
from curate.report.safe import safe
from curate.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curate.finding import Finding, Place
    from curate.report.report import Report


def to_html(report: Report) -> Iterator[str]:
    """The summary as HTML and each rule's findings as JSON, which the page draws a hundred at a time when asked.

    The content security policy admits the page's own script and style by hash, and nothing else: no request leaves it.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    folder = files("curate.report")
    page, style, script = (folder.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=shown)
    yield from environment.from_string(page).generate(
        report=report,
        groups=[_group(group, short_spots(report)) for group in report.by_rule()],
        facts=_facts(report),
        severities=[(severity, number) for severity, number in report.by_severity.items() if number],
        commands=list(next_commands(report, listed=True)),
        overlap=overlap_table(report),
        overlap_notes=overlap_notes(report),
        trainers=trainers_table(report),
        not_checked=not_checked(report),
        style=Markup(style),
        script=Markup(script),
        style_hash=source_hash(style),
        script_hash=source_hash(script),
    )


def shown(value: Any) -> Any:
    """What the template puts into the page: markup of our own as it is, any other text neutralised."""
    return safe(value) if type(value) is str else value


def _facts(report: Report) -> list[tuple[str, str]]:
    flagged = f"{report.rows_flagged / report.rows:.1%}" if report.rows else "0%"
    facts = [("rows", f"{report.rows:,}"), ("flagged", f"{report.rows_flagged:,} ({flagged})")]
    if report.rows_rejected:
        facts.append(("cannot be read", f"{report.rows_rejected:,}"))
    if tokens := report.tokens:
        facts += [
            (f"tokens ({model_name(report)})", f"{tokens['total']:,}"),
            ("trained", f"{tokens['trained']:,}"),
            ("longest row", f"{tokens['max']:,}"),
        ]
        if "max_length" in report.config:
            facts.append((f"over {report.config['max_length']:,}", f"{tokens['over_max_length']:,}"))
    known, accepted = (sum(getattr(f, flag) for f in report.findings) for flag in ("known", "accepted"))
    return facts + [(name, f"{n:,}") for name, n in (("known", known), ("accepted", accepted)) if n]


def _group(group: list[Finding], short_spot: Callable[[Place], str]) -> dict[str, Any]:
    first = group[0]
    rule = RULES.get(first.code)
    return {
        "code": first.code,
        "rule": first.rule,
        "severity": first.severity,
        "extent": extent(group),
        "total": count(len(group), "finding"),
        "example": f"{short_spot(first.place)}: {first.message}",
        "doc": _paragraphs(rule.doc) if rule else [],
        "rows": _embedded([_row(finding, short_spot) for finding in group]),
    }


def _paragraphs(doc: str) -> list[tuple[str, list[str]]]:
    """The documentation as (element, lines): paragraphs flow, and what is indented (an example) keeps its lines."""
    blocks = (block.split("\n") for block in doc.split("\n\n"))
    return [("pre", lines) if any(line.startswith("  ") for line in lines) else ("p", lines) for lines in blocks]


def _row(finding: Finding, short_spot: Callable[[Place], str]) -> list[Any]:
    related = [short_spot(place) for place in finding.related[:10]]
    if rest := len(finding.related) - len(related):
        related.append(f"{rest:,} more")
    evidence = [
        f"{key}: {value if isinstance(value, str) else dumps(value)}" for key, value in finding.evidence.items()
    ]
    return [short_spot(finding.place), safe(finding.message), ", ".join(related), safe("\u2002".join(evidence))]


def _embedded(value: Any) -> Any:
    """JSON inside a script element: `<` is escaped, so that nothing in the data can end the element."""
    from markupsafe import Markup

    return Markup(dumps(value).replace("<", "\\u003c"))


def source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
