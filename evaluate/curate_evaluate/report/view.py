"""The report as pieces of HTML. Every text that comes from a row or a file goes through `text` and nothing else."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from curate.report.safe import safe
from curate_evaluate.arms.arm import TUNED
from curate_evaluate.metrics import METRICS
from curate_evaluate.report import plots, words
from curate_evaluate.report.words import capital, interval, points, probability, shown, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    # An SVG and what it shows in words, to an element.
    Picture = Callable[[str, str], str]

SHOWN = 160
# A logarithmic axis has no 0.
LEAST = 1e-4

STYLE = """<style>
.stMainBlockContainer { padding-top: 3rem; }
.c-verdict { border-left: .4rem solid #808a94; padding: .2rem 0 .2rem 1.1rem; }
.c-verdict.win { border-color: #2b9a4e; }
.c-verdict.worse { border-color: #d9504a; }
.c-verdict.equivalent { border-color: #b47a12; }
.c-verdict h2 { font-size: 1.6rem; line-height: 1.25; margin: 0; padding: 0 0 .4rem 0; text-wrap: balance; }
.c-verdict p { margin: 0 0 .4rem 0; max-width: 52rem; }
.c-facts, .c-topics { padding: 0 !important; } /* Streamlit indents lists. */
.c-facts { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: .8rem 0 0 0; }
.c-facts div { display: flex; gap: .4rem; }
.c-facts dt { opacity: .8; }
.c-facts dd { font-variant-numeric: tabular-nums; font-weight: 600; margin: 0; }
.c-gains { display: grid; grid-template-columns: max-content minmax(8rem, 1fr) max-content; gap: .3rem 1rem; }
.c-gains > * { align-self: center; }
.c-gains .value { font-variant-numeric: tabular-nums; }
.c-plot { display: block; height: 1.5rem; width: 100%; }
.c-plot svg { display: block; height: 100%; width: 100%; }
.c-axis { display: flex; font-size: .85rem; font-variant-numeric: tabular-nums; justify-content: space-between; }
.c-curves { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem .6rem; margin: 0; }
.c-curves .c-plot { height: 13rem; }
.c-curves .c-axis.up { flex-direction: column; text-align: right; }
.c-curves figcaption, .c-curves .under { grid-column: 2; }
.c-key { border-top: .2rem solid; display: inline-block; margin-right: .4rem; vertical-align: middle; width: 1.4rem; }
.c-key.training { border-color: #808a94; }
.c-key.validation { border-color: #3f83d8; }
.c-topics { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .5rem 1.2rem; margin: 0; }
.c-topics dt { font-weight: 600; }
.c-topics dd { margin: 0; max-width: 52rem; }
.c-topics dd p { margin: 0 0 .3rem 0; }
.c-wide { margin-bottom: 1rem; overflow-x: auto; }
.c-wide table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.c-wide th, .c-wide td { text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top; }
.c-wide th, .c-wide td { border-bottom: 1px solid #8884; }
.c-wide th { font-weight: 600; white-space: nowrap; }
.c-wide td.number { white-space: nowrap; }
.c-wide code, .c-id { font-family: monospace; font-size: .85rem; overflow-wrap: anywhere; }
.c-wide td.command { min-width: 16rem; }
.c-arms { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12.5rem), 1fr)); gap: .8rem; }
.c-arms section { background: #8882; border-radius: .4rem; padding: .6rem .8rem; min-width: 0; }
.c-arms section.matched { background: #2da44e33; }
.c-arms h4 { font-size: .9rem; margin: 0; padding: 0 0 .3rem 0; }
.c-text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit; }
.c-quiet { font-size: .85rem; }
.c-from { overflow-wrap: anywhere; }
.c-from ul { margin: .3rem 0; padding-left: 1.2rem; }
details > summary { cursor: pointer; margin: .4rem 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  .c-gains, .c-topics { grid-template-columns: minmax(0, 1fr); gap: .1rem; }
  .c-gains .name { font-weight: 600; }
  .c-gains .value, .c-topics dd { margin-bottom: .7rem; }
  .c-gains .empty { display: none; }
}
</style>"""


def text(value: object) -> str:
    """Text as HTML that is only ever text: escaped, and without characters that hide or reorder it."""
    return html.escape("\n".join(safe(line) for line in str(value).split("\n")))


def inline(svg: str, said: str) -> str:
    """A picture as a part of the page."""
    return f'<div class="c-plot" role="img" aria-label="{text(said)}">{svg}</div>'


def image(svg: str, said: str) -> str:
    """A picture as an image: Streamlit's `html` draws no SVG."""
    return (
        f'<img class="c-plot" alt="{text(said)}" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(svg.encode()).decode()}">'
    )


def verdict(report: Mapping[str, Any]) -> str:
    """The claim, what it rests on, and what was fixed before: enough for who reads no further."""
    tone = report["verdict"]["verdict"].partition(" ")[0]
    claim, _, numbers_said = report["headline"].partition(": ")
    facts = {
        "held-out rows": f"{report['n']:,}",
        "metric": METRICS[report["plan"]["metric"]].title,
        "margin": f"±{report['plan']['margin']:g} points",
        "baselines": f"{len(report['verdict']['by_baseline'])}",
        **{f"over {len(one['parts'])} {one['by']}s": one["verdict"] for one in report["pooled"]},
    }
    listed = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())
    late = (
        f"<p><strong>Out of date.</strong> {text('; '.join(report['provenance']['breaks']))}.</p>"
        if report["provenance"]["breaks"]
        else ""
    )
    return (
        f'<div class="c-verdict {text(tone)}"><h2>{text(claim)}</h2><p>{text(capital(numbers_said))}</p>{late}'
        f'<dl class="c-facts">{listed}</dl></div>'
    )


def gains(report: Mapping[str, Any], picture: Picture) -> str:
    """What the fine-tuned arm gains over each baseline, drawn over the margin."""
    metric, margin = report["plan"]["metric"], report["plan"]["margin"]
    found, units = report["differences"][metric], margin / 100 * METRICS[metric].full
    ends = plots.scale(list(found.values()), units)
    rows = ""
    for name, difference in found.items():
        title = report["arms"][name]["title"]
        said = f"{signed(metric, difference['value'])} points, 95% CI {interval(metric, difference)}"
        # Where the metric does not tell right from wrong, no colour says that one is won.
        tone = report["verdict"]["by_baseline"][name] if METRICS[metric].decides else "cannot tell"
        drawn = plots.interval(difference, ends, units, tone)
        rows += (
            f'<div class="name">over {text(title)}</div>{picture(drawn, f"Gain over {title}: {said}")}'
            f'<div class="value">{text(said)}</div>'
        )
    axis = plots.axis(points(metric, ends[0]), points(metric, ends[1]))
    return (
        f'<div class="c-gains">{rows}<div class="empty"></div>{picture(axis, "Points")}'
        '<div class="empty"></div></div>'
        f'<p class="c-quiet">Points of {text(METRICS[metric].title)}. The line is no difference, the band the margin: '
        f"within ±{margin:g} points one does not matter.</p>"
    )


def topics(report: Mapping[str, Any]) -> str:
    """What else the verdict rests on, by subject."""
    listed = "".join(
        f"<dt>{text(topic)}</dt><dd>{''.join(f'<p>{text(capital(note))}</p>' for note in notes)}</dd>"
        for topic, notes in words.topics(report).items()
    )
    return f'<dl class="c-topics">{listed}</dl>'


def training(report: Mapping[str, Any], picture: Picture) -> str:
    """The losses by step, with the step that was kept and what the trainer advised."""
    found = report["curves"]
    learned, held_out = ([(step, max(loss, LEAST)) for step, loss in found[key]] for key in ("training", "validation"))
    losses = [loss for _, loss in [*learned, *held_out]]
    ends = 0.95 * min(losses), 1.05 * max(losses)
    last = max(step for step, _ in [*learned, *held_out])
    kept = dict(held_out).get(found["kept"])
    said = f"Training loss {found['training'][0][1]:.3f} at first, {found['training'][-1][1]:.3f} at the end."
    if kept is not None:
        said += f" Kept: step {found['kept']:,} of {last:,}, with a validation loss of {kept:.3f}."
    drawn = plots.losses(learned, held_out, found["kept"], ends, last)
    ticks = [ends[1] * (ends[0] / ends[1]) ** (i / plots.TICKS) for i in range(plots.TICKS + 1)]
    digits = (2, 3, 4, 5, 6, 9)  # so many that no two ticks read alike
    all_written = ([f"{tick:.{count}g}" for tick in ticks] for count in digits)
    written = next((words for words in all_written if len(set(words)) == len(words)), [])
    keys = ["training", *(["validation"] if held_out else [])]
    return (
        '<figure class="c-curves">'
        f'<div class="c-axis up">{"".join(f"<span>{tick}</span>" for tick in written)}</div>{picture(drawn, said)}'
        f'<div class="c-axis under"><span>step 0</span><span>step {last:,}</span></div><figcaption>'
        + "".join(f'<span class="c-key {key}"></span>{key} loss (log scale) &ensp; ' for key in keys)
        + f"<p>{text(said)}</p>{''.join(f'<p>{text(capital(line))}.</p>' for line in found['advice'])}"
        "</figcaption></figure>"
    )


def pooled(report: Mapping[str, Any]) -> str:
    """The evaluations over several folds or seeds, each with the score of its parts."""
    return "".join(
        f"<p>{text(one['headline'])}</p>"
        + numbers(
            [one["by"], "run", "rows", f"fine-tuned, {METRICS[one['metric']].title}"],
            [
                [part["name"], part["run"], f"{part['n']:,}", shown(one["metric"], part["score"])]
                for part in one["parts"]
            ],
            f"{len(one['parts'])} {one['by']}s",
        )
        for one in report["pooled"]
    )


def arms(report: Mapping[str, Any]) -> str:
    """The table of the arms on the primary metric: what the fine-tuned arm won and lost, and what each one costs."""
    metric = report["plan"]["metric"]
    memory = any(arm.get("memory_bytes") for arm in report["arms"].values())
    rows = []
    for name, arm in report["arms"].items():
        difference = report["differences"][metric].get(name)
        compared = ["", ""]
        if difference:
            compared = [
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
                *([gigabytes(arm.get("memory_bytes"))] if memory else []),
                f"{arm['length_stops']:,}",
            ]
        )
    head = [
        *("arm", METRICS[metric].title, "won / lost / same", "p"),
        *("prompt tokens", "answer tokens", "time", *(["memory"] if memory else []), "cut"),
    ]
    return numbers(head, rows, "the arms")


def gigabytes(size: int | None) -> str:
    """A size, and nothing where it was not measured."""
    return f"{size / 1e9:.1f} GB" if size else ""


def metrics(report: Mapping[str, Any]) -> str:
    """The table of all metrics: a row each, a column an arm. Strict scores stand below their tolerant ones."""
    names = list(next(iter(report["arms"].values()))["scores"])
    rows = [
        [METRICS[name].title, *(shown(name, arm["scores"][name]) for arm in report["arms"].values())] for name in names
    ]
    if all("macro_f1" in arm for arm in report["arms"].values()):
        rows.append(["macro-F1", *(f"{arm['macro_f1']:.2f}" for arm in report["arms"].values())])
    return numbers(["metric", *(arm["title"] for arm in report["arms"].values())], rows, "all metrics")


def slices(report: Mapping[str, Any]) -> str:
    """The table of the parts of the rows, against the baseline that decides."""
    metric = report["plan"]["metric"]
    rows = [
        [
            *(one["by"], one["part"], f"{one['n']:,}", signed(metric, one["value"]), interval(metric, one)),
            " / ".join(f"{count:,}" for count in won_lost_same(one)),
            probability(one["holm"]),
        ]
        for one in report["slices"]
    ]
    decisive = report["arms"][report["verdict"]["decisive"]]["title"]
    return (
        f"<p>Against {text(decisive)}. Exploratory: places to look into, not findings. Of 20 such intervals one leaves "
        f"out 0 by chance alone; p is corrected for {len(rows):,} looks (Holm).</p>"
        + numbers(["by", "part", "rows", "fine-tuned gains", "95% CI", "won / lost / same", "p"], rows, "parts")
    )


def numbers(head: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> str:
    return table(head, [[f'<td class="number">{text(cell)}</td>' for cell in row] for row in rows], name)


def won_lost_same(difference: Mapping[str, Any]) -> tuple[int, int, int]:
    won, lost = difference["won"], difference["lost"]
    return won, lost, difference["n"] - won - lost


def gain(entry: Mapping[str, Any], metric: str, baseline: str) -> float:
    """How much the fine-tuned arm's output scores above that of the baseline."""
    after: float = entry["outputs"][TUNED][metric]
    before: float = entry["outputs"][baseline][metric]
    return after - before


def kinds(entry: Mapping[str, Any], metric: str, baseline: str) -> list[str]:
    """What an example can be looked for by."""
    found, outputs = gain(entry, metric, baseline), entry["outputs"]
    is_kind = {
        "all": True,
        "regressed": found < 0,
        "improved": found > 0,
        "different": outputs[TUNED]["output"] != outputs[baseline]["output"],
        "cut": any(output["stopped"] == "length" for output in outputs.values()),
    }
    return [kind for kind, is_true in is_kind.items() if is_true]


def example(entry: Mapping[str, Any], metric: str) -> str:
    """One example: its prompt to open, reference and outputs side by side, and the prompts of arms with their own."""
    sides = section("reference", entry["reference"], "")
    prompts = ""
    for arm, output in entry["outputs"].items():
        cut = ", cut at the limit" if output["stopped"] == "length" else ""
        matched = "matched" if output[metric] >= METRICS[metric].full else ""
        sides += section(f"{arm} · {shown(metric, output[metric])}{cut}", output["output"], matched)
        if "sent" in output:
            prompts += details(f"prompt of {arm}", output["sent"])
    return f'{details("prompt", entry["prompt"])}<div class="c-arms">{sides}</div>{prompts}'


def came_from(entry: Mapping[str, Any], *, is_open: bool = False) -> str:
    """An example's way from its line in the data to its line in the test, to open."""
    row = entry["row"]
    places = [f"{place['path']}:{place['line']}" for place in row["data"]]
    steps_said = [f"data: {place}" for place in places] or ["data: no such row in the files as they are now"]
    steps_said += [f"{found['severity']} {found['code']}: {found['message']}" for found in row["findings"]]
    if decision := row["decision"]:
        sight = f" in sight of {', '.join(decision['codes'])}" if decision["codes"] else ""
        reason = f": {decision['reason']}" if decision["reason"] else ""
        steps_said.append(f"{decision['action']} by {decision['by']} at {decision['at']}{sight}{reason}")
    if change := row["change"]:
        steps_said.append(
            f"changed by {change['by']}{''.join(f' {code}' for code in change['codes'])}: {change['reason']}"
        )
    steps_said += [f"split/test.jsonl:{entry['line']}", entry["sample_id"]]
    codes = dict.fromkeys(found["code"] for found in row["findings"])
    brief = " · ".join([*places[:1], f"split/test.jsonl:{entry['line']}", *codes])
    listed = "".join(f"<li>{text(said)}</li>" for said in steps_said)
    return (
        f'<details class="c-from"{" open" * is_open}><summary>from {text(brief)}</summary><ul>{listed}</ul></details>'
    )


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


def made(report: Mapping[str, Any]) -> str:
    """How the answers were got, and when the plan was made."""
    prompts, decoding = report["prompts"], report["decoding"]
    found = report["differences"][report["plan"]["metric"]]
    line = report["prompt"]["line"] if report["prompt"]["form"] else "none"
    sent = f"{prompts['equal']:,} of {prompts['compared']:,} prompts reached the model id for id as they were made."
    if messages := prompts.get("as_messages"):
        sent += f" {messages:,} were sent as messages, which a service put into a template of its own."
    return (
        f"<p>{sent} Decoding: {text(decoding['method'])}, batches of {decoding['batch_size']}, at most "
        f"{decoding['max_new_tokens']} new tokens; {text(next(iter(found.values()))['method'])}.</p>"
        f"<p>{text(words.declared(report['plans']))} Metric chosen because {text(report['fit']['why'])}. Format line "
        f"of the base model's prompts: {text(line)}</p>"
    )


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
    return table(["step", "command and versions", "at", "took", "wrote (sha256)"], rows, "the steps")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> str:
    """A table of ready cells (`<td>...</td>`) under headings of text. It scrolls, so the keyboard has to reach it."""
    top = "".join(f"<th>{text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="c-wide" role="region" tabindex="0" aria-label="Table: {text(name)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )
