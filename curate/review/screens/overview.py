"""Where the review and its run stand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from curate.finding import SEVERITIES
from curate.review.filters import Filter
from curate.review.screens.desk import Page, badge, command, local_time, meter
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import line

if TYPE_CHECKING:
    from curate.review.screens.desk import Desk

STEPS = ("check", "clean", "split", "tokens", "train", "evaluate", "report")
TRAINING = ("clean", "split", "tokens", "train")
"""The next steps that a training makes all at once."""


def page(desk: Desk) -> Page:
    progress = desk.store.progress()
    left = progress.total - progress.decided - progress.skipped
    read, rows = desk.store.rows_read(), desk.store.count(Filter(show="all"))
    cards = [
        card("rows", read),
        card("flagged", progress.total),
        card("decided", progress.decided),
        card("skipped", progress.skipped),
        card("left", left),
    ]
    tree = el(
        "div",
        el("h1", "Overview"),
        el("div", *cards, cls="cards"),
        el("p", f"Equal copies are one row: {read:,} lines hold {rows:,} different ones.", cls="quiet small")
        if read > rows
        else None,
        el("div", button("Go on reviewing", {"act": "home"}, key="Enter", kind="main"), cls="buttons")
        if left
        else None,
        about_data(desk),
        rules(desk),
        steps(desk),
        cls="page",
    )
    return Page(tree, "Overview")


def card(name: str, count: int) -> Node:
    return el("div", el("span", f"{count:,}", cls="big"), el("span", name, cls="quiet small"), cls="card")


def rules(desk: Desk) -> Node:
    found = sorted(
        ((code, name, desk.store.progress(code)) for code, name in desk.store.rules.items()),
        key=lambda one: (-one[2].total, one[0]),
    )
    rows = [
        el(
            "tr",
            el("td", el("button", code, cls="link mono", press={"act": "filter_only", "rule": code})),
            el("td", line(name, 60)),
            el("td", f"{progress.decided:,} of {progress.total:,}", cls="number"),
            el(
                "td",
                meter(
                    progress.decided / progress.total if progress.total else 0,
                    f"{progress.decided} of {progress.total} decided",
                ),
            ),
        )
        for code, name, progress in found
    ]
    head = el(
        "tr",
        *[
            el("th", name, scope="col", cls="number" if name == "Decided" else None)
            for name in ("Rule", "Name", "Decided", "Progress")
        ],
    )
    table = el("table", el("thead", head), el("tbody", *rows))
    return el(
        "section",
        el("h2", "By rule"),
        el("div", table, cls="table", tabindex="0", role="region", aria_label="Progress by rule"),
        cls="section",
    )


def about_data(desk: Desk) -> Node | None:
    found = sorted(desk.store.file_findings(), key=lambda finding: SEVERITIES.index(finding.severity))
    if not found:
        return None
    lines = [
        el(
            "li",
            badge(finding.severity, finding.severity),
            " ",
            el("span", finding.code, cls="code"),
            " ",
            line(finding.message, 500),
        )
        for finding in found
    ]
    return el("section", el("h2", "About the data as a whole"), el("ul", *lines, cls="section"), cls="section")


def steps(desk: Desk) -> Node:
    made: dict[str, Any] = desk.run.manifest()["steps"]
    rows = []
    for name in STEPS:
        record = made.get(name)
        said = line(record["said"], 200) if record else el("span", "not made yet", cls="quiet")
        rows.append(
            el(
                "tr",
                el("td", name, cls="mono"),
                el("td", said),
                el("td", local_time(record["at"]) if record else "", cls="when"),
            )
        )
    head = el("tr", *[el("th", word, scope="col") for word in ("Step", "What it did", "When")])
    after = next((name for name in STEPS if name not in made), None)
    return el(
        "section",
        el("h2", "Steps of this run"),
        el(
            "div",
            el("table", el("thead", head), el("tbody", *rows)),
            cls="table",
            tabindex="0",
            role="region",
            aria_label="Steps",
        ),
        el("p", "Next, in a terminal:", cls="quiet small") if after else None,
        command(f"curate {after} {shlex.quote(str(desk.run.folder))}") if after else None,
        el("div", button("Train it here", {"act": "go", "view": "training"}), cls="buttons")
        if after in TRAINING
        else None,
        cls="section",
    )


def filter_only(desk: Desk, press: dict[str, Any]) -> None:
    desk.query = {"rule": str(press["rule"])}


ACTS = {"filter_only": filter_only}
