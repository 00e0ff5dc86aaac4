"""report.html: the report as one page that needs nothing else, and the markdown for a pull request."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from curate.report.safe import safe
from curate_evaluate.metrics import METRICS
from curate_evaluate.report import view
from curate_evaluate.report.words import interval, probability, shown, signed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FILTERS = ("all", "regressed", "improved", "different", "cut")

STYLE = (
    """
:root { background: Canvas; color: CanvasText; color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.5rem 4rem 1.5rem; }
h1 { font-size: 1rem; font-weight: 400; margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 0 1.2rem; margin: .3rem 0 1.5rem 0; }
main > h2 { border-top: 1px solid #8884; font-size: 1.25rem; margin: 2.2rem 0 1rem 0; padding-top: 1.2rem; }
article { border: 1px solid #8884; border-radius: .4rem; margin: .8rem 0; padding: .8rem; }
article:target { outline: .15rem solid #3f83d8; }
article h3 { font-weight: 400; margin: 0; }
fieldset { border: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0; padding: 0; }
@media print {
  body { font-size: .8rem; max-width: none; padding: 0; }
  nav, fieldset { display: none; }
  article { break-inside: avoid; }
  main > h2 { break-after: avoid; }
  .c-wide { overflow: visible; }
  .c-wide th, .c-wide td.number { white-space: normal; }
}
"""
    + "".join(f"body:has(#show-{name}:checked) article:not(.{name}) {{ display: none; }}\n" for name in FILTERS[1:])
    + view.STYLE.removeprefix("<style>").removesuffix("</style>")
)


def to_html(report: Mapping[str, Any], name: str) -> str:
    """The whole report. Its policy admits its own style and nothing else: no script runs and no request leaves it.

    Args:
        report: report.json.
        name: of the run.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    parts = {
        "Arms": f"{view.gains(report, view.inline)}{view.arms(report)}{view.metrics(report)}",
        "What it rests on": view.topics(report),
        "Over folds and seeds": view.pooled(report),
        "Training": view.training(report, view.inline) if report["curves"] else "",
        "Parts of the rows": view.slices(report) if report["slices"] else "",
        "Examples": examples(report),
        "Where this came from": f"{view.made(report)}{view.steps(report['provenance'])}",
    }
    shown = {title: part for title, part in parts.items() if part}
    links = "".join(f'<a href="#{anchor(title)}">{title}</a>' for title in shown)
    sections = "\n".join(f'<h2 id="{anchor(title)}">{title}</h2>\n{part}' for title, part in shown.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        f"<title>Report of {view.text(name)}</title><style>{STYLE}</style></head>\n"
        f'<body><header><h1>Report of {view.text(name)}</h1><nav aria-label="Parts">{links}</nav></header>\n'
        f"<main>{view.verdict(report)}\n{sections}\n</main></body></html>\n"
    )


def anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def examples(report: Mapping[str, Any]) -> str:
    """Every example, those first where the fine-tuned arm lost most, with filters that need no script."""
    metric, baseline = report["plan"]["metric"], report["verdict"]["decisive"]
    ordered = sorted(report["examples"], key=lambda entry: view.gain(entry, metric, baseline))
    kinds = [view.kinds(entry, metric, baseline) for entry in ordered]
    counts = {name: sum(name in kind for kind in kinds) for name in FILTERS}
    choices = "".join(
        f'<label><input type="radio" name="show" id="show-{name}"{" checked" if name == "all" else ""}> {name} '
        f"({counts[name]:,})</label>"
        for name in FILTERS
    )
    shown = "".join(example(entry, metric, kind) for entry, kind in zip(ordered, kinds, strict=True))
    against = view.text(report["arms"][baseline]["title"])
    return f"<fieldset><legend>Against {against}, show</legend>{choices}</fieldset>{shown}"


def example(entry: Mapping[str, Any], metric: str, kinds: Collection[str]) -> str:
    """One example under an anchor of its own, so that a link can point at it."""
    name = view.text(entry["name"])
    return (
        f'<article id="{name}" class="{" ".join(kinds)}"><h3><a class="c-id" href="#{name}">{name}</a></h3>'
        f"{view.example(entry, metric)}{view.came_from(entry)}</article>"
    )


def to_markdown(report: Mapping[str, Any]) -> str:
    """The verdict and the arms, short enough for a comment on a pull request. No example is in it: they may be
    personal."""
    metric = report["plan"]["metric"]
    lines = [
        f"**{cell(report['headline'])}**",
        "",
        f"| arm | {METRICS[metric].title} | fine-tuned gains | 95% CI | p | prompt tokens | answer tokens |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, arm in report["arms"].items():
        difference = report["differences"][metric].get(name)
        compared = (
            [signed(metric, difference["value"]), interval(metric, difference), probability(difference["p"])]
            if difference
            else ["", "", ""]
        )
        cells = [arm["title"], shown(metric, arm["scores"][metric]), *compared]
        cells += [f"{arm['prompt_tokens']:,.0f}", f"{arm['tokens']:,.1f}"]
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    notes = [*(one["headline"] for one in report["pooled"]), *report["notes"]]
    return "\n".join([*lines, "", *(f"- {cell(note)}" for note in notes), ""])


def cell(value: str) -> str:
    """Text that is only text in markdown: on one line, its marks escaped."""
    escaped = "".join(f"\\{char}" if char in r"\`*_[]<>|#~@" else char for char in safe(" ".join(value.split())))
    return escaped.replace("\\@", "@\u200b")
