"""The page of a report. Alone in its folder: Streamlit puts that folder first on the path of imports."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import streamlit as st

from curate_evaluate.report import view

PAGE_SIZE = 10
FILTERS = ("all", "regressed", "improved", "different", "cut")
RUN = Path(os.environ["CURATE_RUN"])


def page() -> None:
    st.set_page_config(page_title="curate report", layout="wide")
    report = json.loads((RUN / "report.json").read_bytes())
    st.html(view.STYLE)
    st.html(f"<h1>Report of {view.text(RUN)}</h1>")
    wanted = st.query_params.get("example")
    found = [entry for entry in report["examples"] if entry["name"] == wanted]
    if found:
        st.html(f'<p><a href="?">The whole report</a>: {view.text(report["headline"])}</p>')
        draw(found[0], report["plan"]["metric"], alone=True)
        return
    if wanted:
        st.html(f"<p><strong>No example has the name {view.text(wanted)}</strong> here: the rows were other ones.</p>")
    st.html(view.verdict(report))
    st.subheader("Arms")
    st.html(view.gains(report, view.image))
    st.html(view.arms(report))
    st.html(view.metrics(report))
    st.subheader("What it rests on")
    st.html(view.topics(report))
    if report["pooled"]:
        st.subheader("Over folds and seeds")
        st.html(view.pooled(report))
    if report["curves"]:
        st.subheader("Training")
        st.html(view.training(report, view.image))
    if report["slices"]:
        st.subheader("Parts of the rows")
        st.html(view.slices(report))
    examples(report)
    st.subheader("Where this came from")
    st.html(view.made(report))
    st.html(view.steps(report["provenance"]))


def examples(report: dict[str, Any]) -> None:
    st.subheader("Examples")
    metric = report["plan"]["metric"]
    baselines = list(report["verdict"]["by_baseline"])
    # In the address stands what an option is shown as: words that stay the same from run to run.
    baseline = st.selectbox(
        "Compared with",
        baselines,
        index=baselines.index(report["verdict"]["decisive"]),
        key="baseline",
        bind="query-params",
    )
    kinds = [view.kinds(entry, metric, baseline) for entry in report["examples"]]
    choice = st.pills("Show", FILTERS, default="all", required=True, key="show", bind="query-params")
    counts = ", ".join(f"{sum(name in kind for kind in kinds):,} {name}" for name in FILTERS[1:])
    st.html(
        f"<p>{len(kinds):,} examples: {counts} at the limit. Those stand first where the fine-tuned arm lost most.</p>"
    )
    shown = [entry for entry, kind in zip(report["examples"], kinds, strict=True) if choice in kind]
    shown.sort(key=lambda entry: view.gain(entry, metric, baseline))
    if not shown:
        st.html("<p>No example is like this.</p>")
        return
    pages = -(-len(shown) // PAGE_SIZE)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    for entry in shown[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]:
        draw(entry, metric)


def draw(entry: dict[str, Any], metric: str, *, alone: bool = False) -> None:
    """One example, with its link and the command that follows its row."""
    with st.container(border=True):
        name = view.text(entry["name"])
        st.html(f'<a class="c-id" href="?example={name}">{name}</a>')
        st.html(view.example(entry, metric))
        st.html(view.came_from(entry, is_open=alone))
        st.code(f"curate trace {shlex.quote(str(RUN))} {entry['sample_id']}", language=None, wrap_lines=True)


page()
