"""One row: what was found in it, what it says, and what a person decides."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.finding import SEVERITIES
from curate.io import parse_row
from curate.report.phrases import count as counted
from curate.report.safe import safe
from curate.review.filters import SHOWN, Filter, State
from curate.review.reading import DataChanged, read_part
from curate.review.screens import compare, edit, states, turns
from curate.review.screens.desk import Desk, Page, badge, command, local_time, notice, quiet, reason_field
from curate.review.screens.nodes import Node, button, el, kbd
from curate.review.screens.texts import line
from curate.template.note import ADVICE

if TYPE_CHECKING:
    from curate.finding import Finding
    from curate.review.decisions import Decision
    from curate.review.store import Row
    from curate.review.tokens import Rendered
    from curate.run.data import Part

MOST_TOKENS = 8000
_VERBS = {"keep": "kept", "drop": "dropped", "edit": "edited", "skip": "skipped"}


def page(desk: Desk) -> Page:
    wanted = desk.query["row"]
    row = desk.store.row(wanted)
    if row is None:
        return Page(el("div", states.no_such_row(wanted), cls="page"), "No such row")
    try:
        part = read_part(desk.store, row)
    except DataChanged as changed:
        return Page(el("div", states.row_changed(desk, str(changed)), cls="page"), "Row changed")
    findings = desk.store.findings(row)
    groups = compare.groups_of(desk, findings)
    view = desk.row_view or ("compare" if groups else "talk")
    if (view == "compare" and not groups) or (view == "tokens" and part.sample is None):
        view = "talk"
    if view == "edit":
        return edit.page(desk, row, part, findings)
    content: dict[str, Any] = {
        "talk": lambda: talk(desk, part, findings),
        "compare": lambda: compare.shown(desk, row, groups),
        "tokens": lambda: token_view(desk, part),
        "json": lambda: turns.source(parse_row(part.data).values[0]) if part.sample else turns.raw(part, findings),
        "history": lambda: history(desk, row),
    }
    tree = el(
        "div",
        head(desk, row),
        el("h2", "What was found", cls="hidden-text"),
        listed(findings),
        tabs(desk, view, groups, part),
        content[view](),
        cls="page",
    )
    place = desk.store.copies(row)[0][1]
    shown = f"compare {compare.chosen_group(desk, groups).name}" if view == "compare" else view
    return Page(el("div", tree, actions(desk, row)), f"Line {place:,}", on_screen(row, shown))


def on_screen(row: Row, shown: str) -> str:
    """What a decision must name: the row, and how it was shown."""
    return f"{row.id} {shown}"


def head(desk: Desk, row: Row, *, back: bool = True) -> Node:
    places = desk.store.copies(row)
    lines = [f"{at:,}" for _, at in places]
    where = f"Line {lines[0]}" if len(lines) == 1 else f"Lines {', '.join(lines[:6])}{' …' if len(lines) > 6 else ''}"
    decision = desk.store.decisions.current().get(row.id)
    total = desk.store.progress().total
    return el(
        "header",
        button("Back", {"act": "queue"}, key="Escape", kind="bare") if back else None,
        el("h1", where),
        el("span", line(places[0][0], 120), cls="quiet"),
        el("span", f"{len(lines)} equal copies", cls="quiet") if len(lines) > 1 else None,
        badge(SEVERITIES[row.severity], SEVERITIES[row.severity])
        if row.severity < len(SEVERITIES)
        else badge("no findings"),
        decided(decision, row) if decision else None,
        el("span", f"No. {row.rank + 1:,} of {total:,} flagged", cls="quiet number") if row.flagged else None,
        cls="row-head",
    )


def decided(decision: Decision, row: Row) -> Node:
    name = _VERBS[decision.action]
    again = ", but a finding is new since" if decision.action == "keep" and row.state == State.OPEN else ""
    return badge(f"{name} by {line(decision.by, 40)}{again}", "" if again else name)


def listed(findings: list[Finding]) -> Node:
    if not findings:
        return el("p", "Nothing was found in this row.", cls="quiet")
    return el("div", *[one(number, finding) for number, finding in enumerate(findings, 1)], cls="findings")


def one(number: int, finding: Finding) -> Node:
    fix = {"drop": "cleaning drops it", "edit": "cleaning mends it"}.get(finding.fix.action)
    more = [
        None if fix is None else fix if finding.fix.safe else f"{fix} with --fix all",
        "in the baseline: known" if finding.known else None,
    ]
    said = [word for word in more if word]
    return el(
        "div",
        el("span", str(number), cls=f"nr {finding.severity}", title=finding.severity),
        el(
            "div",
            el("span", finding.code, cls=f"code {finding.severity}"),
            el("span", line(finding.rule), cls="quiet small"),
            el("span", line(finding.message, 600)),
            cls="text",
        ),
        el(
            "button",
            "Why?",
            kbd("W") if number == 1 else None,
            cls="button bare small",
            key="W" if number == 1 else None,
            press={"act": "go", "view": "guide", "about": finding.code},
            aria_label=f"Why {finding.code} matters",
        ),
        el("div", "; ".join(said), cls="more") if said else None,
        cls="finding",
    )


def tabs(desk: Desk, view: str, groups: list[compare.Group], part: Part) -> Node:
    other = compare.next_group(desk, groups) if view == "compare" and len(groups) > 1 else None
    shown = [
        ("talk", "Conversation" if part.sample else "Row", "V", True),
        ("compare", "Compare", "G", bool(groups)),
        ("tokens", "Tokens", "T", part.sample is not None),
        ("json", "JSON", "J", part.sample is not None),
        ("history", "History", "H", True),
    ]
    return el(
        "nav",
        *[
            button(
                name,
                {"act": "look", "as": which, "group": other if which == "compare" else None},
                key=key,
                kind="bare",
                aria_current="page" if which == view else None,
            )
            for which, name, key, is_there in shown
            if is_there
        ],
        cls="tabs",
        aria_label="Views of the row",
    )


def talk(desk: Desk, part: Part, findings: list[Finding]) -> Node:
    whole = desk.query.get("all") == "1"
    if part.sample is None:
        why = "It gives no sample, so cleaning leaves it out, whatever is decided. Edit it to have it back."
        return el("div", el("p", why, cls="quiet"), turns.raw(part, findings, whole=whole), cls="section")
    shown = turns.conversation(part.sample, findings, whole=whole)
    is_cut = not whole and '"gap"' in str(shown).replace("'", '"')
    more = button("Show all of the text", {"act": "look", "as": "talk", "all": "1"}, key="A") if is_cut else None
    return el("div", shown, more, cls="section")


def token_view(desk: Desk, part: Part) -> Node:
    from curate.review.tokens import NoModel, view

    assert part.sample is not None
    again = command(f"curate review {shlex.quote(str(desk.run.folder))} --model MODEL")
    try:
        found = view(desk.run, part.sample, desk.model)
    except NoModel:
        why = "Which tokens a row has, and which of them are trained, depends on the model. Open the review with it: a "
        return states.body("Whose tokens?", f"{why}folder, a GGUF file, or a name on the hub.", again)
    except CurateError as error:
        return states.body("This model cannot show tokens", f"{safe(str(error))}.", again)
    return el("div", *[node for one in found for node in rendering(one)], cls="section")


def rendering(shown: Rendered) -> list[Node]:
    """What a model reads of a row, with what there is to say about it."""
    ids = shown.pieces[-1].last if shown.pieces else 0
    trained = sum(piece.last - piece.first for piece in shown.pieces if piece.is_trained)
    said = f"{trained:,} of them trained, in colour" if shown.is_verified else "which are trained is not proven"
    notes = [
        el("li", badge(note.code, "info" if note.code in ADVICE else "warning"), " ", line(note.message, 600))
        for note in shown.notes
    ]
    return [
        quiet(counted(ids, "token"), said),
        el("ul", *notes, cls="notes") if notes else "",
        turns.tokens(shown.pieces, most=MOST_TOKENS),
    ]


def history(desk: Desk, row: Row) -> Node:
    entries = desk.store.decisions.log(sample_id=row.id)
    if not entries:
        return el("p", "Nothing was decided about this row yet.", cls="quiet")
    conflict = next((one for one in desk.store.decisions.conflicts() if one.sample_id == row.id), None)
    return el(
        "div",
        notice("warning", "Reviewers disagree about this row: the last word holds until one of them takes theirs back.")
        if conflict
        else None,
        el("ol", *[el("li", words_of(entry)) for entry in reversed(entries)], cls="section"),
        cls="section",
    )


def words_of(entry: Decision) -> Node:
    said = [line(entry.by, 40), local_time(entry.at), ", ".join(entry.codes), line(entry.reason, 300)]
    verb = _VERBS.get(entry.action, "took it back")
    return el("span", el("strong", verb), " · ", " · ".join(word for word in said if word))


def actions(desk: Desk, row: Row) -> Node:
    chosen = desk.chosen
    guard = {"guard": True}
    is_last = desk.store.after(chosen, row.rank) is None
    bar = el(
        "div",
        button("Keep", {"act": "decide", "do": "keep", **guard}, key="K", kind="keep") if row.is_readable else None,
        button("Drop", {"act": "decide", "do": "drop", **guard}, key="D", kind="drop"),
        button("Edit", {"act": "look", "as": "edit"}, key="E"),
        button("Skip", {"act": "decide", "do": "skip", **guard}, key="S"),
        button("Undo", {"act": "undo"}, key="Z"),
        reason_field(),
        el(
            "div",
            button("Previous", {"act": "step", "by": -1, "repeats": True}, key="ArrowLeft", disabled=row.rank == 0),
            button(
                "Next",
                {"act": "step", "by": 1, "repeats": True},
                key="ArrowRight",
                disabled=is_last,
                hint="the last of the rows " + SHOWN[chosen.show] if is_last else None,
            ),
            cls="spread",
        ),
        cls="actions-row",
    )
    return el("div", bar, cls="actions", role="toolbar", aria_label="Decide")


def back(desk: Desk, press: dict[str, Any]) -> None:
    """To the queue, at the page where the row stands."""
    desk.go()


def look(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(
        row=desk.query.get("row"), group=press.get("group"), **{"as": str(press["as"]) or None, "all": press.get("all")}
    )


def step(desk: Desk, press: dict[str, Any]) -> None:
    """To the next row of the filter; or to the one before, whatever was decided about it."""
    row = _here(desk)
    if row is None:
        desk.go()
        return
    if press["by"] > 0:
        to = desk.store.after(desk.chosen, row.rank)
    else:
        to = desk.store.before(lifted(desk.chosen), row.rank)
    if to is not None:
        desk.go_to_row(to, **{"as": desk.row_view if desk.row_view not in ("", "edit") else None})


def lifted(chosen: Filter) -> Filter:
    from dataclasses import replace

    return replace(chosen, show="flagged") if chosen.show != "all" and not chosen.rule else replace(chosen, show="all")


def decide(desk: Desk, press: dict[str, Any]) -> None:
    row = _here(desk)
    if row is None:
        return
    action = str(press["do"])
    if action == "keep" and not row.is_readable:
        desk.say("A row that cannot be read cannot be kept.", "warning")
        return
    reason = str(press.get("values", {}).get("reason", ""))
    desk.record(row, action, desk.store.codes(row), reason)
    go_on(desk, row)


def go_on(desk: Desk, row: Row) -> None:
    """To the next row of the filter, from the start again behind the last one."""
    desk.store.follow()
    chosen = desk.chosen
    following = desk.store.after(chosen, row.rank) or desk.store.after(chosen, -1)
    desk.go_to_row(following if following is None or following.id != row.id else None)


def undo(desk: Desk, press: dict[str, Any]) -> None:
    """Take back the last action, and show its row."""
    taken_back = desk.store.decisions.undo(by=desk.reviewer)
    if not taken_back:
        desk.say("There is nothing left to undo.")
        return
    desk.store.follow()
    rows = [row for entry in taken_back if (row := desk.store.row(entry.sample_id))]
    if len(taken_back) > 1:
        desk.say(f"Undone: {counted(len(taken_back), 'decision')} that were made as one.")
    else:
        desk.say("Undone.")
    if rows and desk.view == "row":
        desk.go(row=min(rows, key=lambda row: row.rank).id)


def _here(desk: Desk) -> Row | None:
    return desk.store.row(desk.query.get("row", ""))


ACTS = {"queue": back, "look": look, "step": step, "decide": decide, "undo": undo}
