"""report.html: the report as one page that needs nothing else, and the markdown for a pull request."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from curate.report.safe import safe
from curate_evaluate import view
from curate_evaluate.metrics import METRICS
from curate_evaluate.words import declared, interval, probability, shown, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1.5rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2rem; }
article { border: 1px solid #8884; border-radius: .4rem; margin: .8rem 0; padding: .8rem; }
article > p { margin: 0 0 .5rem 0; }
"""


def to_html(report: Mapping[str, Any], name: str) -> str:
    """The whole report. Its policy admits its own style and nothing else: no script runs and no request leaves it.

    Args:
        report: report.json.
        name: of the run.
    """
    style = STYLE + view.STYLE.removeprefix("<style>").removesuffix("</style>")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    metric = report["plan"]["metric"]
    sections = [
        view.verdict(report),
        *(["<p><strong>Out of date.</strong></p>"] if report["provenance"]["breaks"] else []),
        f"<h2>Arms</h2>{view.arms(report)}{view.metrics(report)}",
        *([f"<h2>Parts of the rows</h2>{view.slices(report)}"] if report["slices"] else []),
        f"<h2>Examples</h2>{''.join(example(entry, metric) for entry in report['examples'])}",
        f"<h2>Where this came from</h2><p>{view.text(declared(report['plans']))}</p>{view.steps(report['provenance'])}",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        f"<title>Report of {view.text(name)}</title><style>{style}</style></head>\n"
        f"<body><h1>Report of {view.text(name)}</h1>\n{chr(10).join(sections)}\n</body></html>\n"
    )


def example(entry: Mapping[str, Any], metric: str) -> str:
    """One example under an anchor of its own, so that a link can point at it."""
    anchor = view.text(f"{entry['sample_id'].removeprefix('v1:')[:12]}-{entry['prompt_ids_sha256'][:6]}")
    return (
        f'<article id="{anchor}"><p><a class="c-id" href="#{anchor}">{view.text(entry["sample_id"])}</a>, line '
        f"{entry['line']:,} of split/test.jsonl</p>{view.example(entry, metric)}</article>"
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
    return "\n".join([*lines, "", *(f"- {cell(note)}" for note in report["notes"]), ""])


def cell(value: str) -> str:
    """Text that is only text in markdown: on one line, its marks escaped."""
    escaped = "".join(f"\\{char}" if char in r"\`*_[]<>|#~@" else char for char in safe(" ".join(value.split())))
    return escaped.replace("\\@", "@\u200b")
