"""Pages for when there is nothing to show: what happened, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from curate.report.safe import safe
from curate.review.screens.desk import Page, command, meter
from curate.review.screens.nodes import Node, button, el

if TYPE_CHECKING:
    from pathlib import Path

    from curate.review.screens.desk import Desk


PREPARING = "Preparing the review"


POLL = 400
"""Milliseconds between two looks at how far the preparation is."""


def state(title: str, why: Node, *then: Node | None, on_screen: str = "", poll: int = 0) -> Page:
    tree = el("div", el("section", el("h1", title), el("p", why), *then, cls="state"), cls="page")
    return Page(tree, title, on_screen, poll)


def body(title: str, why: str, *then: Node | None) -> Node:
    """The same inside of another page."""
    return el("section", el("h1", title), el("p", why), *then, cls="state")


def no_runs(folder: Path) -> Page:
    return state(
        "There is no run here yet",
        "A run keeps the findings of a data set, your decisions and all that follows from them. "
        f"No folder in {safe(str(folder))} holds one.",
        command("curate review data.jsonl"),
    )


def no_such_run(folder: Path, why: str) -> Page:
    return state(
        "This run cannot be opened",
        safe(why),
        command(f"curate check DATA --run {shlex.quote(str(folder))}"),
    )


def not_checked(folder: Path) -> Page:
    return state(
        "This run was not checked yet",
        "Its folder is there, but it holds no findings to review.",
        command(f"curate check DATA --run {shlex.quote(str(folder))}"),
    )


def preparing(doing: str, done: int, total: int) -> Page:
    share = done / total if total else 0.0
    said = f"{doing}, {done:,} of {total:,} rows" if total else doing
    return state(
        PREPARING,
        f"The check or the data is newer than the index, which is being made again: {said}.",
        el("div", meter(share, said), cls="narrow"),
        poll=POLL,
    )


def failed(why: str, folder: Path) -> Page:
    return state(
        "The review cannot be prepared",
        safe(why),
        command(f"curate check {shlex.quote(str(folder))}"),
        button("Try again", {"act": "again"}, key="Enter", kind="main"),
    )


def data_changed(why: str, folder: Path) -> Page:
    return state(
        "The data changed since it was checked",
        f"{safe(why)}. A decision is about a row as it was seen, so nothing is shown until the data is checked again. "
        "Decisions on rows that did not change hold.",
        command(f"curate check {shlex.quote(str(folder))}"),
        button("Look again", {"act": "again"}, key="Enter", kind="main"),
    )


def broken(why: str) -> Page:
    return state(
        "Something went wrong in this page",
        f"{safe(why)}. What was decided before is safe in review.db.",
        el("p", "The whole error is in the terminal that serves this page.", cls="quiet"),
        button("Back to the queue", {"act": "home"}, key="Enter", kind="main"),
    )


def nothing_flagged(desk: Desk, rows: int) -> Node:
    return body(
        "Nothing to review",
        f"None of the {rows:,} rows is flagged. The next step keeps them all:",
        command(f"curate clean {shlex.quote(str(desk.run.folder))}"),
        button("Look at all rows", {"act": "filter", "facet": "show", "value": "all"}, key="A"),
    )


def all_decided(desk: Desk, decided: int, skipped: int) -> Node:
    return body(
        "All decided" if not skipped else "All but the skipped rows are decided",
        f"{decided:,} flagged rows are decided"
        + (f", {skipped:,} were skipped for later." if skipped else ". The next step follows you:"),
        button(
            "Look at the skipped rows", {"act": "filter", "facet": "show", "value": "skipped"}, key="Enter", kind="main"
        )
        if skipped
        else None,
        command(f"curate clean {shlex.quote(str(desk.run.folder))}"),
        button("What was decided", {"act": "go", "view": "log"}),
        button("Undo", {"act": "undo"}, key="Z"),
    )


def filter_decided(done: dict[str, int]) -> Node:
    said = ", ".join(f"{count:,} {name}" for name, count in done.items())
    return body(
        "Nothing is left here",
        f"Of the rows of this filter, {said}.",
        button("On with all the others", {"act": "clear"}, key="Enter", kind="main"),
        button("Look at these again", {"act": "filter", "facet": "show", "value": "flagged"}, key="A"),
    )


def no_match(desk: Desk, unused: list[str]) -> Node:
    why = "Every part of the filter must hold at once."
    if unused:
        why = f"{' '.join(map(safe, unused))} holds no word: a search finds the beginnings of words, or “phrases”."
    return body(
        "No row matches",
        why,
        button("Clear the filter", {"act": "clear"}, key="Enter", kind="main"),
        button("Search in all rows", {"act": "filter", "facet": "show", "value": "all"}, key="A")
        if desk.chosen.show != "all"
        else None,
    )


def no_such_row(wanted: str) -> Node:
    return body(
        "This row is not in the data",
        f"No row has the id {safe(wanted)[:80]}. It was edited, or it is a link to another run.",
        button("To the queue", {"act": "home"}, key="Enter", kind="main"),
    )


def row_changed(desk: Desk, why: str) -> Node:
    return body(
        "The row cannot be read any more",
        f"{safe(why)}. Nothing can be decided about a row that is not the one that was checked.",
        command(f"curate check {shlex.quote(str(desk.run.folder))}"),
    )
