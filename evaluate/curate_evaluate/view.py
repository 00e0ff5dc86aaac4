"""The report as pieces of HTML. Every text that comes from a row or a file goes through `text` and nothing else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from curate.report.safe import safe
from curate_evaluate.metrics import METRICS
from curate_evaluate.words import interval, probability, shown, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHOWN = 160

STYLE = """<style>
.stMainBlockContainer { padding-top: 3rem; }
.c-verdict { border-left: .3rem solid #8888; padding: .2rem 0 .2rem 1rem; }
.c-verdict.win { border-color: #2da44e; }
.c-verdict.worse { border-color: #cf222e; }
.c-verdict.equivalent { border-color: #bf8700; }
.c-verdict h2 { font-size: 1.4rem; margin: 0; padding: 0 0 .4rem 0; }
.c-wide { margin-bottom: 1rem; overflow-x: auto; }
.c-wide table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.c-wide th, .c-wide td { text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top; }
.c-wide th, .c-wide td { border-bottom: 1px solid #8884; }
.c-wide th { font-weight: 600; white-space: nowrap; }
.c-wide td.number { white-space: nowrap; }
.c-wide code, .c-id { font-family: monospace; font-size: .85rem; overflow-wrap: anywhere; }
.c-wide td.command { min-width: 16rem; }
.c-arms { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .8rem; }
.c-arms section { background: #8882; border-radius: .4rem; padding: .6rem .8rem; min-width: 0; }
.c-arms section.matched { background: #2da44e33; }
.c-arms h4 { font-size: .9rem; margin: 0; padding: 0 0 .3rem 0; }
.c-text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit; }
.c-quiet { font-size: .85rem; }
details > summary { cursor: pointer; margin-top: .6rem; }
</style>"""


def text(value: object) -> str:
    """Text as HTML that is only ever text: escaped, and without characters that hide or reorder it."""
    return html.escape("\n".join(safe(line) for line in str(value).split("\n")))


def verdict(report: Mapping[str, Any]) -> str:
    tone = report["verdict"]["verdict"].partition(" ")[0]
    sentences = "".join(f"<p>{text(note)}</p>" for note in report["notes"])
    return f'<div class="c-verdict {text(tone)}"><h2>{text(report["headline"])}</h2>{sentences}</div>'


def arms(report: Mapping[str, Any]) -> str:
    """The table of the arms on the primary metric, each baseline with what the fine-tuned arm gains over it."""
    metric = report["plan"]["metric"]
    rows = []
    for name, arm in report["arms"].items():
        difference = report["differences"][metric].get(name)
        compared = ["", "", "", ""]
        if difference:
            compared = [
                signed(metric, difference["value"]),
                interval(metric, difference),
                " / ".join(f"{count:,}" for count in won_lost_same(difference)),
                probability(difference["p"]),
            ]
        rows.append(
            [
                arm["title"],
                shown(metric, arm["scores"][metric]),
                *compared,
                f"{arm['prompt_tokens']:,.0f}",
                f"{arm['tokens']:,.1f}",
                f"{arm['seconds']:.2f} s",
                f"{arm['length_stops']:,}",
            ]
        )
    head = [
        *("arm", METRICS[metric].title, "fine-tuned gains", "95% CI", "won / lost / same", "p"),
        *("prompt tokens", "answer tokens", "time", "cut"),
    ]
    return numbers(head, rows)


def metrics(report: Mapping[str, Any]) -> str:
    """The table of all metrics: a row each, a column an arm. Strict scores stand below their tolerant ones."""
    names = list(next(iter(report["arms"].values()))["scores"])
    rows = [
        [METRICS[name].title, *(shown(name, arm["scores"][name]) for arm in report["arms"].values())] for name in names
    ]
    if all("macro_f1" in arm for arm in report["arms"].values()):
        rows.append(["macro-F1", *(f"{arm['macro_f1']:.2f}" for arm in report["arms"].values())])
    return numbers(["metric", *(arm["title"] for arm in report["arms"].values())], rows)


def slices(report: Mapping[str, Any]) -> str:
    """The table of the parts of the rows, against the baseline that decides."""
    metric = report["plan"]["metric"]
    rows = [
        [
            *(one["by"], one["part"], f"{one['n']:,}", signed(metric, one["value"]), interval(metric, one)),
            " / ".join(f"{count:,}" for count in won_lost_same(one)),
        ]
        for one in report["slices"]
    ]
    return numbers(["by", "part", "rows", "fine-tuned gains", "95% CI", "won / lost / same"], rows)


def numbers(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return table(head, [[f'<td class="number">{text(cell)}</td>' for cell in row] for row in rows])


def won_lost_same(difference: Mapping[str, Any]) -> tuple[int, int, int]:
    won, lost = difference["won"], difference["lost"]
    return won, lost, difference["n"] - won - lost


def example(entry: Mapping[str, Any], metric: str) -> str:
    """One example: reference and the arms' outputs side by side, and the prompts to open."""
    sides = section("reference", entry["reference"], "")
    prompts = details("prompt", entry["prompt"])
    for arm, output in entry["outputs"].items():
        cut = ", cut at the limit" if output["stopped"] == "length" else ""
        matched = "matched" if output[metric] >= METRICS[metric].full else ""
        sides += section(f"{arm} · {shown(metric, output[metric])}{cut}", output["output"], matched)
        if "sent" in output:
            prompts += details(f"prompt of {arm}", output["sent"])
    return f'<div class="c-arms">{sides}</div>{prompts}'


def details(name: str, prompt: str) -> str:
    return (
        f"<details><summary>{text(name)}: {text(ending(prompt))}</summary>"
        f'<pre class="c-text">{text(prompt)}</pre></details>'
    )


def ending(prompt: str) -> str:
    """The last words of a prompt, on one line: the question, as the model saw it."""
    words = " ".join(prompt.split())
    return words if len(words) <= SHOWN else "…" + words[-SHOWN:]


def section(title: str, body: str, kind: str) -> str:
    shown_body = text(body) if body.strip() else "<em>nothing</em>"
    return f'<section class="{kind}"><h4>{text(title)}</h4><pre class="c-text">{shown_body}</pre></section>'


def steps(provenance: Mapping[str, Any]) -> str:
    """The table of the steps, in the order of the manifest, each with the files it wrote."""
    rows = []
    for name, record in provenance["steps"].items():
        files = "".join(
            f"<div><code>{text(file)} {text(sha256[:12])}</code></div>" for file, sha256 in record["writes"].items()
        )
        versions = ", ".join(f"{library} {version}" for library, version in record.get("versions", {}).items())
        rows.append(
            [
                f"<td>{text(name)}</td>",
                f'<td class="command"><code>{text(record.get("command", ""))}</code>'
                f'<div class="c-quiet">{text(versions)}</div></td>',
                f"<td>{text(record.get('at', '').replace('T', ' '))}</td>",
                f'<td class="number">{record.get("seconds", 0):.1f} s</td>',
                f"<td>{files}</td>",
            ]
        )
    return table(["step", "command and versions", "at", "took", "wrote (sha256)"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of ready cells (`<td>...</td>`) under headings of text."""
    top = "".join(f"<th>{text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="c-wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
