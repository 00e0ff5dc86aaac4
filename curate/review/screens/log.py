"""What was decided, by whom, and how to take it along."""

from __future__ import annotations

import shlex
from itertools import groupby
from typing import TYPE_CHECKING, Any

from curate.report.phrases import count as counted
from curate.report.safe import safe
from curate.review.screens import states
from curate.review.screens.desk import Page, badge, command, local_time, notice
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import line

if TYPE_CHECKING:
    from curate.review.decisions import Decision
    from curate.review.screens.desk import Desk

LISTED = 50
_DONE = {"keep": "kept", "drop": "dropped", "edit": "edited", "skip": "skipped", "undo": "undone"}


def page(desk: Desk) -> Page:
    entries = desk.store.decisions.log()
    conflicts = desk.store.decisions.conflicts()
    head = el(
        "header",
        el("h1", "Decisions"),
        el(
            "div",
            button("Undo the last", {"act": "undo"}, key="Z"),
            button("Export", {"act": "export"}, key="E"),
            cls="buttons",
        ),
        cls="pager",
    )
    if not entries:
        nothing = states.body(
            "Nothing is decided yet",
            "Each decision is kept here with who made it, when and why. It is about what a row says: it holds wherever "
            "the row moves to.",
            button("To the queue", {"act": "home"}, key="Enter", kind="main"),
        )
        return Page(el("div", head, nothing, cls="page"), "Decisions")
    made = folded(entries)
    pages = -(-len(made) // LISTED)
    number = min(desk.page_number, pages)
    last = len(made) - (number - 1) * LISTED
    rows = [one(desk, together) for together in reversed(made[max(0, last - LISTED) : last])]
    names = ("When", "Who", "What", "Row", "Findings", "Why")
    table = el(
        "div",
        el("table", el("thead", el("tr", *[el("th", name, scope="col") for name in names])), el("tbody", *rows)),
        cls="table broad",
        tabindex="0",
        role="region",
        aria_label="Log of decisions",
    )
    tree = el("div", head, *disagreements(desk, conflicts), table, pager(number, pages), exported(desk), cls="page")
    return Page(tree, "Decisions")


def folded(entries: list[Decision]) -> list[list[Decision]]:
    """The log with what one action did to several rows as one entry; what it kept and what it dropped are two."""
    return [list(same) for _, same in groupby(entries, key=lambda one: (one.batch or one.seq, one.action))]


def one(desk: Desk, together: list[Decision]) -> Node:
    entry = together[-1 if together[0].action == "undo" else 0]  # an undo goes backwards
    row = desk.store.row(entry.sample_id)
    place: Node = el("span", "not in the data now", cls="quiet")
    if row:
        at = desk.store.copies(row)[0][1]
        place = el("button", f"line {at:,}", cls="link", press={"act": "open", "row": row.id})
    if len(together) > 1:
        place = el("span", f"{counted(len(together), 'row')}, the first: ", place)
    verb = _DONE[entry.action]
    codes = sorted({code for one in together for code in one.codes})
    return el(
        "tr",
        el("td", local_time(entry.at), cls="when"),
        el("td", line(entry.by, 40)),
        el("td", badge(verb, verb)),
        el("td", place),
        el("td", line(", ".join(codes), 80), cls="mono"),
        el("td", line(entry.reason, 200)),
    )


def pager(number: int, pages: int) -> Node | None:
    if pages < 2:
        return None
    return el(
        "nav",
        button(
            "Newer", {"act": "log_page", "page": number - 1, "repeats": True}, key="ArrowLeft", disabled=number <= 1
        ),
        el("span", f"page {number:,} of {pages:,}", cls="quiet number"),
        button(
            "Older",
            {"act": "log_page", "page": number + 1, "repeats": True},
            key="ArrowRight",
            disabled=number >= pages,
        ),
        cls="pager",
        aria_label="Pages of the log",
    )


def disagreements(desk: Desk, conflicts: Any) -> list[Node]:
    if not conflicts:
        return []
    lines = []
    for conflict in conflicts[:LISTED]:
        row = desk.store.row(conflict.sample_id)
        said = ", ".join(f"{line(one.by, 40)}: {_DONE[one.action]}" for one in conflict.decisions)
        place: Node = (
            el("button", f"line {desk.store.copies(row)[0][1]:,}", cls="link", press={"act": "open", "row": row.id})
            if row
            else el("span", line(conflict.sample_id, 50))
        )
        lines.append(el("li", place, " · ", said))
    title = f"Reviewers disagree about {counted(len(conflicts), 'row')}"
    why = "The last word holds until they say the same, or one of them takes theirs back."
    return [notice("warning", el("strong", title), why, el("ul", *lines))]


def exported(desk: Desk) -> Node:
    folder = shlex.quote(str(desk.run.folder))
    return el(
        "section",
        el("h2", "Take them along"),
        el(
            "p",
            "Export writes review/decisions.jsonl in the run folder, one JSON object a line. In a terminal:",
            cls="quiet small",
        ),
        command(f"curate decisions export {folder} -o decisions.jsonl"),
        command(f"curate clean {folder}"),
        cls="section",
    )


def export(desk: Desk, press: dict[str, Any]) -> None:
    count = len(desk.store.decisions.log())
    if not count:
        desk.say("There is nothing to export yet.")
        return
    desk.store.decisions.write_export()
    desk.say(
        f"{safe(str(desk.store.decisions.export_file))}: {counted(count, 'line')} written.",
        "good",
    )


def log_page(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(view="log", page=str(int(press["page"])))


ACTS = {"export": export, "log_page": log_page}
