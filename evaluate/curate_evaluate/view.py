"""The report as pieces of HTML. Every text that comes from a row or a file goes through `text` and nothing else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from curate.report.safe import safe
from curate_evaluate.report import NAMES, headline, probability, shown, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHOWN = 160

STYLE = """<style>
.stMainBlockContainer { padding-top: 3rem; }
.c-verdict { border-left: .3rem solid #8888; padding: .2rem 0 .2rem 1rem; }
.c-verdict.better { border-color: #2da44e; }
.c-verdict.worse { border-color: #cf222e; }
.c-verdict.mixed { border-color: #bf8700; }
.c-verdict h2 { font-size: 1.4rem; margin: 0; padding: 0 0 .4rem 0; }
.c-wide { overflow-x: auto; }
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
    states = {entry["state"] for entry in report["verdict"]} - {"unclear"}
    tone = "mixed" if len(states) == 2 else states.pop() if states else "unclear"
    sentences = "".join(f"<p>{text(entry['words'])}</p>" for entry in report["verdict"])
    return (
        f'<div class="c-verdict {tone}"><h2>{text(headline(report["verdict"], report["n"]))}</h2>{sentences}'
        f"<p>{text(' '.join(report['not_tested']))}</p></div>"
    )


def arms(report: Mapping[str, Any]) -> str:
    """The table of both arms: a row a metric, then how many outputs were cut and how long they are."""
    base, adapter = report["arms"]["base"], report["arms"]["adapter"]
    rows = [
        [
            NAMES[metric],
            shown(metric, base[metric]),
            shown(metric, adapter[metric]),
            signed(metric, difference["value"]),
            interval(metric, difference),
            " / ".join(f"{count:,}" for count in won_lost_same(difference)),
            "" if difference["p"] is None else probability(difference["p"]),
        ]
        for metric, difference in report["difference"].items()
    ]
    cut = [f"{arm['length_stops']:,} of {report['n']:,}" for arm in (base, adapter)]
    length = [f"{arm['tokens'] / report['n']:.1f}" for arm in (base, adapter)]
    rows += [["cut at the limit", *cut, *[""] * 4], ["tokens an answer", *length, *[""] * 4]]
    head = ["", "base", "adapter", "difference", "95% CI", "won / lost / same", "exact McNemar p"]
    return table(head, [[f'<td class="number">{text(cell)}</td>' for cell in row] for row in rows])


def interval(metric: str, difference: Mapping[str, Any]) -> str:
    """In words. Resampling scores of which none differs would give an interval of no width, which says too much."""
    if not difference["won"] + difference["lost"]:
        return "none: no score differs"
    return f"{signed(metric, difference['low'])} to {signed(metric, difference['high'])}"


def won_lost_same(difference: Mapping[str, Any]) -> tuple[int, int, int]:
    won, lost = difference["won"], difference["lost"]
    return won, lost, difference["n"] - won - lost


def example(entry: Mapping[str, Any]) -> str:
    """One example: reference, base and adapter side by side, and the prompt to open."""
    outputs = entry["outputs"]
    sides = section("reference", entry["reference"], "")
    for arm in ("base", "adapter"):
        output = outputs[arm]
        cut = ", cut at the limit" if output["stopped"] == "length" else ""
        matched = "matched" if output["exact_match"] else ""
        sides += section(f"{arm} · chrF {output['chrf']:.1f}{cut}", output["output"], matched)
    return (
        f'<div class="c-arms">{sides}</div>'
        f"<details><summary>prompt: {text(ending(entry['prompt']))}</summary>"
        f'<pre class="c-text">{text(entry["prompt"])}</pre></details>'
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
