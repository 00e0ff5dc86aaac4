"""Editing a row: its texts under their own keys, or all of it as JSON, checked as the data was before it is saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io import parse_row
from curate.report.safe import safe
from curate.review.editing import MOST_FIELDS, Leaf, leaves, replaced, restored
from curate.review.index import layout_from
from curate.review.reading import read_part
from curate.review.revalidate import revalidate
from curate.review.screens.desk import Page, notice, quiet, reason_field
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.finding import Finding
    from curate.review.screens.desk import Desk
    from curate.review.store import Row
    from curate.run.data import Part

WHOLE = "whole"
FIELD = "text:"


def page(desk: Desk, row: Row, part: Part, findings: Sequence[Finding]) -> Page:
    from curate.review.screens.row import head, listed, on_screen

    draft = desk.memory.get("draft") or {}
    if draft.get("row") != row.id:
        draft = {}
    typed: dict[str, str] = draft.get("values", {})
    value = value_of(part)
    found = leaves(value) if part.sample else []
    first = faulty(part, found, findings)
    as_json = part.sample is None or desk.query.get("whole") == "1" or not 0 < len(found) <= MOST_FIELDS
    fields = (
        [whole_field(part, value, typed)] if as_json else [text_field(leaf, typed, leaf is first) for leaf in found]
    )
    other = None
    if part.sample is not None and len(found) <= MOST_FIELDS:
        press = {"act": "look", "as": "edit"} if as_json else {"act": "edit_whole"}
        other = button(
            "Edit the texts" if as_json else "Edit as JSON", press, key="Ctrl+J", kind="bare", data_leaves="yes"
        )
    tree = el(
        "div",
        head(desk, row, back=False),
        listed(list(findings)),
        *warned(draft),
        el(
            "section",
            quiet("An edit is kept with your decisions: the file stays as it is, and cleaning follows."),
            el("div", *fields, cls="fields"),
            cls="section",
        ),
        cls="page",
    )
    save = "Save with these findings" if draft.get("findings") and not draft.get("error") else "Save"
    bar = el(
        "div",
        button(save, {"act": "save", "guard": True}, key="Ctrl+Enter", kind="main"),
        button("Cancel", {"act": "look", "as": ""}, key="Escape", data_leaves="yes"),
        other,
        reason_field(typed.get("reason", "")),
        cls="actions-row",
    )
    place = desk.store.copies(row)[0][1]
    shown = el("div", tree, el("div", bar, cls="actions", role="toolbar", aria_label="Edit"))
    return Page(shown, f"edit line {place:,}", on_screen(row, "edit"))


def warned(draft: dict[str, Any]) -> list[Node]:
    if error := draft.get("error"):
        return [notice("error", el("strong", "Not saved."), safe(error))]
    if found := draft.get("findings"):
        lines = [el("li", el("span", code, cls="code"), " ", line(message, 300)) for code, message in found]
        again = "The edited row would still be found by the check. Mend it, or save it as it is."
        return [notice("warning", el("strong", again), el("ul", *lines))]
    return []


def text_field(leaf: Leaf, typed: dict[str, str], has_focus: bool) -> Node:
    key = FIELD + leaf.path
    field = el(
        "textarea",
        name=key,
        id=key,
        rows=1,
        value=typed.get(key, leaf.text),
        spellcheck="false",
        dir="auto",
        data_focus="yes" if has_focus else None,
    )
    label = el("label", line(leaf.name, 120), **{"for": key})
    return el("div", label, field, cls="field beside")


def faulty(part: Part, found: Sequence[Leaf], findings: Sequence[Finding]) -> Leaf | None:
    """The text to begin with: the one that the first finding points at, else the last one."""
    where = next((finding.where for finding in findings if finding.where and finding.where.message is not None), None)
    messages = part.sample.messages if part.sample else []
    if where and where.field in ("content", None) and where.message is not None and where.message < len(messages):
        text = messages[where.message].text
        same = [leaf for leaf in found if leaf.text == text and not leaf.name.endswith(("role", "from"))]
        if same:
            return same[-1]
    return found[-1] if found else None


def whole_field(part: Part, value: Any, typed: dict[str, str]) -> Node:
    text = (
        part.data.decode("utf-8", "replace") if part.sample is None else json.dumps(value, ensure_ascii=False, indent=2)
    )
    field = el(
        "textarea",
        name=WHOLE,
        id=WHOLE,
        rows=18,
        value=typed.get(WHOLE, text),
        spellcheck="false",
        cls="code-like",
        dir="auto",
        data_focus="yes",
    )
    return el("div", el("label", "The row as JSON", **{"for": WHOLE}), field, cls="field")


def value_of(part: Part) -> Any:
    values = parse_row(part.data).values
    return values[0] if values else None


def save(desk: Desk, press: dict[str, Any]) -> None:
    """Check the edited row, and record it; one that still has findings only when it is saved a second time."""
    from curate.review.screens.row import go_on

    row = desk.store.row(desk.query.get("row", ""))
    if row is None:
        return
    typed: dict[str, str] = {key: str(text) for key, text in press.get("values", {}).items()}
    draft = desk.memory.get("draft") or {}
    try:
        part = read_part(desk.store, row)
        after = edited(part, typed)
        if part.sample is not None and after == value_of(part):
            desk.memory.pop("draft", None)
            desk.say("Nothing was changed, so nothing was saved.")
            desk.go(row=row.id)
            return
        layout = layout_from(desk.store.files[row.file][3])
        findings = revalidate(desk.run, part.place, after, layout)
    except CurateError as error:
        desk.memory["draft"] = {"row": row.id, "values": typed, "error": str(error)}
        return
    said = [(finding.code, finding.message) for finding in findings]
    texts = {key: text for key, text in typed.items() if key != "reason"}
    if said and draft.get("checked") != texts:
        desk.memory["draft"] = {"row": row.id, "values": typed, "findings": said, "checked": texts}
        return
    codes = desk.store.codes(row)
    desk.store.decisions.record(row.id, "edit", codes, typed.get("reason", ""), desk.reviewer, after=after)
    desk.memory.pop("draft", None)
    go_on(desk, row)


def edited(part: Part, typed: dict[str, str]) -> Any:
    """The row that was typed.

    Raises:
        CurateError: it is no JSON, or no one row.
    """
    if WHOLE in typed:
        parsed = parse_row(typed[WHOLE].encode("utf-8", "surrogatepass"))
        if len(parsed.values) != 1:
            why = parsed.faults[0].message if parsed.faults else "it holds no JSON value"
            raise CurateError(f"This is not one row of JSON: {why}.")
        return parsed.values[0]
    value = value_of(part)
    before = {leaf.path: leaf.text for leaf in leaves(value)}
    texts = {key.removeprefix(FIELD): text for key, text in typed.items() if key.startswith(FIELD)}
    return replaced(value, {path: restored(before.get(path, ""), text) for path, text in texts.items()})


def edit_whole(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(row=desk.query.get("row"), whole="1", **{"as": "edit"})


ACTS = {"save": save, "edit_whole": edit_whole}
