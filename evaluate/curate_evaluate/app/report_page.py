"""The page of a report. Alone in its folder: Streamlit puts that folder first on the path of imports."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from curate_evaluate import view

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_SIZE = 10
RUN = Path(os.environ["CURATE_RUN"])


def gain(entry: dict[str, Any]) -> float:
    after: float = entry["outputs"]["adapter"]["chrf"]
    before: float = entry["outputs"]["base"]["chrf"]
    return after - before


SHOW: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": lambda entry: True,
    "adapter better": lambda entry: gain(entry) > 0,
    "adapter worse": lambda entry: gain(entry) < 0,
    "adapter exact": lambda entry: bool(entry["outputs"]["adapter"]["exact_match"]),
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
    st.subheader("Both arms")
    st.html(view.arms(report))
    examples(report)
    provenance(report)


def examples(report: dict[str, Any]) -> None:
    st.subheader("Examples")
    counts = {name: sum(map(is_shown, report["examples"])) for name, is_shown in SHOW.items()}
    choice = st.pills(
        "Show",
        list(SHOW),
        default="all",
        required=True,
        key="show",
        bind="query-params",
        format_func=lambda name: f"{name} ({counts[name]})",
    )
    chosen = sorted(filter(SHOW[choice], report["examples"]), key=gain)
    if not chosen:
        st.html("<p>No example is like this.</p>")
        return
    st.html(f"<p>{len(chosen)} examples, those first where the adapter lost most in chrF.</p>")
    pages = -(-len(chosen) // PAGE_SIZE)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    for entry in chosen[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]:
        with st.container(border=True):
            st.html(view.example(entry))
            st.code(f"curate trace {shlex.quote(str(RUN))} {entry['sample_id']}", language=None, wrap_lines=True)


def provenance(report: dict[str, Any]) -> None:
    st.subheader("Where this came from")
    prompts, decoding = report["prompts"], report["decoding"]
    st.html(
        f"<p>{prompts['equal']:,} of {prompts['compared']:,} prompts reached the model id for id as they were "
        f"tokenised for training. Decoding: {view.text(decoding['method'])}, batches of {decoding['batch_size']}, "
        f"at most {decoding['max_new_tokens']} new tokens; "
        f"{view.text(next(iter(report['difference'].values()))['method'])}.</p>"
    )
    st.html(view.steps(report["provenance"]))


page()
