"""The page of a report. Alone in its folder: Streamlit puts that folder first on the path of imports."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from curate_evaluate import view, words

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_SIZE = 10
TUNED = "fine-tuned"
RUN = Path(os.environ["CURATE_RUN"])


def gain(entry: dict[str, Any], metric: str, baseline: str) -> float:
    """How much the fine-tuned arm's output scores above that of the baseline."""
    after: float = entry["outputs"][TUNED][metric]
    before: float = entry["outputs"][baseline][metric]
    return after - before


def filters(metric: str, baseline: str) -> dict[str, Callable[[dict[str, Any]], bool]]:
    return {
        "all": lambda entry: True,
        "regressed": lambda entry: gain(entry, metric, baseline) < 0,
        "improved": lambda entry: gain(entry, metric, baseline) > 0,
        "different": lambda entry: entry["outputs"][TUNED]["output"] != entry["outputs"][baseline]["output"],
        "cut at the limit": lambda entry: any(output["stopped"] == "length" for output in entry["outputs"].values()),
    }


def page() -> None:
    st.set_page_config(page_title="curate report", layout="wide")
    report = json.loads((RUN / "report.json").read_bytes())
    st.html(view.STYLE)
    st.html(f"<h1>Report of {view.text(RUN)}</h1>")
    st.html(view.verdict(report))
    if breaks := report["provenance"]["breaks"]:
        st.html(f"<p><strong>Out of date.</strong> {view.text('; '.join(breaks))}.</p>")
    st.subheader("Arms")
    st.html(view.arms(report))
    st.html(view.metrics(report))
    if report["slices"]:
        st.subheader("Parts of the rows")
        decisive = report["arms"][report["verdict"]["decisive"]]["title"]
        st.html(
            f"<p>Against {view.text(decisive)}. Of 20 such intervals one leaves out 0 by chance alone: places to look "
            "into, not findings.</p>"
        )
        st.html(view.slices(report))
    examples(report)
    provenance(report)


def examples(report: dict[str, Any]) -> None:
    st.subheader("Examples")
    metric = report["plan"]["metric"]
    baselines = list(report["verdict"]["by_baseline"])
    baseline = st.selectbox(
        "Compared with",
        baselines,
        index=baselines.index(report["verdict"]["decisive"]),
        key="baseline",
        bind="query-params",
        format_func=lambda name: report["arms"][name]["title"],
    )
    shown = filters(metric, baseline)
    counts = {name: sum(map(is_shown, report["examples"])) for name, is_shown in shown.items()}
    choice = st.pills(
        "Show",
        list(shown),
        default="all",
        required=True,
        key="show",
        bind="query-params",
        format_func=lambda name: f"{name} ({counts[name]})",
    )
    chosen = sorted(filter(shown[choice], report["examples"]), key=lambda entry: gain(entry, metric, baseline))
    if not chosen:
        st.html("<p>No example is like this.</p>")
        return
    st.html(f"<p>{len(chosen)} examples, those first where the fine-tuned arm lost most.</p>")
    pages = -(-len(chosen) // PAGE_SIZE)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    for entry in chosen[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]:
        with st.container(border=True):
            st.html(view.example(entry, metric))
            st.code(f"curate trace {shlex.quote(str(RUN))} {entry['sample_id']}", language=None, wrap_lines=True)


def provenance(report: dict[str, Any]) -> None:
    st.subheader("Where this came from")
    prompts, decoding, plan = report["prompts"], report["decoding"], report["plans"]
    found = report["differences"][report["plan"]["metric"]]
    st.html(
        f"<p>{prompts['equal']:,} of {prompts['compared']:,} prompts reached the model id for id as they were made. "
        f"Decoding: {view.text(decoding['method'])}, batches of {decoding['batch_size']}, at most "
        f"{decoding['max_new_tokens']} new tokens; {view.text(next(iter(found.values()))['method'])}.</p>"
        f"<p>{view.text(words.declared(plan))} Metric chosen because {view.text(report['fit']['why'])}. Format line of "
        f"the base model's prompts: {view.text(report['prompt']['line'] if report['prompt']['form'] else 'none')}</p>"
    )
    st.html(view.steps(report["provenance"]))


page()
