"""The review page. What comes from the data is shown by st.text and st.code alone: no other sink is safe for it."""

import os
from pathlib import Path

import streamlit as st

from curate.errors import CurateError
from curate.finding import Place
from curate.report.report import Report
from curate.report.safe import safe
from curate.review.decisions import Action, Decision, Decisions
from curate.review.flagged import Flagged, flagged_rows, load_report, progress, read_parts, shown, turns
from curate.run import Run
from curate.run.data import Part

PAGE = 20
COLOURS = {"error": "red", "warning": "orange", "info": "blue"}


@st.cache_resource(max_entries=1)  # type: ignore[untyped-decorator]
def load(folder: str, written_at: int) -> tuple[Report, list[Flagged], dict[Place, Part]]:
    """What is shown, until check.json is written again (`written_at`)."""
    run = Run.open(Path(folder))
    report = load_report(run)
    rows = flagged_rows(report)
    return report, rows, read_parts(run, [row.place for row in rows])


def decide(run: Run, row: Flagged, action: Action) -> None:
    try:
        Decisions(run).record(row.sample_id, action, row.codes, by=os.environ.get("CURATE_REVIEWER"))
    except CurateError as refused:
        st.session_state["refused"] = str(refused)


def main() -> None:
    st.set_page_config(page_title="curate review", layout="wide")
    run = Run.open(Path(os.environ["CURATE_RUN"]))
    report, rows, parts = load(str(run.folder), (run / "check.json").stat().st_mtime_ns)
    decisions = Decisions(run).current()
    st.title("Review")
    st.text(safe(", ".join(data.path for data in report.inputs)))
    if not rows:
        st.success(f"None of the {report.rows:,} rows is flagged. There is nothing to review.")
        st.code(f"curate clean {run.folder}", language=None)
        return
    done, of = progress(rows, decisions)
    st.progress(done / of if of else 1.0, text=f"{done} of {of} rows decided")
    if refused := st.session_state.pop("refused", None):
        st.warning("That could not be recorded:")
        st.text(safe(refused))
    show = st.segmented_control("Show", ["all", "to decide", "decided"], default="all", required=True)
    chosen = [
        (number, row)
        for number, row in enumerate(rows)
        if show == "all" or row.is_decided(decisions.get(row.sample_id)) == (show == "decided")
    ]
    if not chosen:
        st.info("No row is left to decide." if show == "to decide" else "No row is decided yet.")
    page = st.pagination(max(1, -(-len(chosen) // PAGE)), key=f"page-{show}") if len(chosen) > PAGE else 1
    for number, row in chosen[(page - 1) * PAGE : page * PAGE]:
        with st.container(border=True, key=f"row-{number}"):
            show_row(run, number, row, parts.get(row.place), decisions.get(row.sample_id))
    st.text("When you are done:")
    st.code(f"curate clean {run.folder}", language=None)


def show_row(run: Run, number: int, row: Flagged, part: Part | None, decision: Decision | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{safe(row.place.path)}:{row.place.line}", width="stretch")
        if decision:
            st.badge("kept" if decision.action == "keep" else "dropped", color="gray")
            st.text(f"by {safe(decision.by)}")
        if row.can_be_read:
            for action in ("keep", "drop"):
                is_new = decision is None or decision.action != action or not row.is_decided(decision)
                st.button(
                    action.title(),
                    key=f"{action}-{number}",
                    on_click=decide,
                    args=(run, row, action),
                    disabled=not is_new,
                )
            st.button("Undo", key=f"undo-{number}", on_click=decide, args=(run, row, "undo"), disabled=decision is None)
    for finding in row.findings:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(finding.severity, color=COLOURS[finding.severity])
            st.text(f"{finding.code} {finding.rule}: {safe(finding.message)}", width="stretch")
    if part is None:
        st.warning("This row is not in the data any more. Check the data again:")
        st.code(f"curate check {run.folder}", language=None)
    elif part.sample is None:
        st.text("It cannot be read, so cleaning leaves it out.")
        st.code(shown(part.data.decode("utf-8", "backslashreplace")), language=None, wrap_lines=True)
    else:
        for role, said in turns(part.sample):
            with st.container(gap="xxsmall"):
                st.text(role)
                st.code(said, language=None, wrap_lines=True)


main()
