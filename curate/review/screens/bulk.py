"""One decision for every row of a filter: what it would do is shown before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.report.phrases import count as counted
from curate.review.decisions import Decision
from curate.review.filters import DECIDED
from curate.review.screens import states
from curate.review.screens.desk import Page, notice, reason_field
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.queue import chips, heading, item

if TYPE_CHECKING:
    from curate.review.screens.desk import Desk

WORDS = {"keep": ("Keep", "kept"), "drop": ("Drop", "dropped"), "skip": ("Skip", "skipped")}
SAMPLE = 5


def page(desk: Desk) -> Page:
    action = desk.query.get("do", "")
    if action not in WORDS:
        tree = states.body(
            "Nothing to do",
            f"{action!r} is no decision: keep, drop or skip.",
            button("To the queue", {"act": "home"}, key="Enter", kind="main"),
        )
        return Page(el("div", tree, cls="page"), "Bulk")
    chosen = desk.chosen
    count = desk.store.count(chosen)
    if not count:
        return Page(el("div", states.no_match(desk, []), cls="page"), "Bulk")
    verb, done = WORDS[action]
    totals = desk.store.totals(chosen, readable=action == "keep")
    rows = sum(n for n, _ in totals.values())
    lines = sum(n for _, n in totals.values())
    if not rows:
        tree = states.body(
            "Nothing to keep",
            "None of these rows can be read, so cleaning leaves them out. Edit one to have it back.",
            button("Back", {"act": "queue"}, key="Escape", kind="main"),
        )
        return Page(el("div", tree, cls="page"), "Bulk")
    again = sum(totals[state][0] for state in DECIDED if state in totals)
    notes: list[Node] = []
    if again:
        notes.append(
            notice("warning", f"{again:,} of them are decided already: this decision takes the place of that one.")
        )
    if left_out := count - rows:
        notes.append(
            notice("info", f"{counted(left_out, 'row')} that cannot be read cannot be kept: they are left out of this.")
        )
    if lines > rows:
        notes.append(notice("info", f"They stand on {lines:,} lines: equal copies are decided as one."))
    is_cut = rows > 2 * SAMPLE
    confirm = button(
        f"{verb} {counted(rows, 'row')}",
        {"act": "bulk", "do": action, "count": rows, "guard": True},
        key="Ctrl+Enter",
        kind="main",
    )
    tree = el(
        "div",
        el(
            "header",
            button("Back", {"act": "queue"}, key="Escape", kind="bare"),
            el("h1", f"{verb} {counted(rows, 'row')}?"),
            cls="row-head",
        ),
        el(
            "p",
            f"All of the rows below and between will be {done}. One undo takes it all back."
            if is_cut
            else f"These rows will be {done}. One undo takes it all back.",
        ),
        chips(chosen) or el("p", f"There is no filter: they are all {heading(chosen, count)}.", cls="quiet"),
        *notes,
        el("h2", "The first and the last of them" if is_cut else "All of them"),
        el(
            "ol",
            *[el("li", item(desk, row, [])) for row in desk.store.ends(chosen, SAMPLE, readable=action == "keep")],
            cls="list",
        ),
        cls="page",
    )
    bar = el("div", confirm, button("Cancel", {"act": "queue"}, kind=""), reason_field(), cls="actions-row")
    shown = el("div", tree, el("div", bar, cls="actions", role="toolbar", aria_label="Confirm"))
    return Page(shown, f"{verb} {counted(rows, 'row')}?", f"bulk {action} {chosen} {rows}")


def bulk(desk: Desk, press: dict[str, Any]) -> None:
    """Decide about every row of the filter, if they are as many as were shown."""
    action: Any = str(press["do"])
    chosen = desk.chosen
    rows = list(desk.store.everything(chosen, readable=action == "keep"))
    if len(rows) != press.get("count"):
        desk.say(
            f"The filter has {counted(len(rows), 'row')} now, not those that were shown: nothing was decided.",
            "warning",
        )
        return
    reason = str(press.get("values", {}).get("reason", ""))
    codes = desk.store.codes_of(rows)
    decisions = [Decision(row.id, action, codes.get(row.number, ()), reason, desk.reviewer or "") for row in rows]
    desk.store.decisions.record_all(decisions)
    desk.store.follow()
    desk.say(f"{counted(len(rows), 'row')} {WORDS[action][1]}. Undo takes all of it back.", "good")
    desk.go()


ACTS = {"bulk": bulk}
