"""The keys, and what each rule means: the same words as `curate rule CODE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.review.screens import states
from curate.review.screens.desk import Page, badge, command
from curate.review.screens.nodes import Node, button, el, kbd
from curate.review.screens.texts import line, visible

if TYPE_CHECKING:
    from curate.review.screens.desk import Desk

KEYS = {
    "Anywhere": [
        ("Q", "the queue"),
        ("O", "the overview"),
        ("L", "the decisions"),
        ("T", "the training; on a row, its tokens"),
        ("?", "this page"),
        ("Z", "undo, as often as you like"),
        ("Escape", "back"),
    ],
    "In an edit": [("Ctrl+Enter", "save"), ("Ctrl+J", "all of the row as JSON"), ("Escape", "leave")],
    "In the queue": [
        ("Enter", "start with the first row, or open the row that is marked"),
        ("ArrowDown", "mark the next row"),
        ("ArrowUp", "mark the one before"),
        ("ArrowRight", "next page"),
        ("ArrowLeft", "previous page"),
        ("/", "search"),
        ("F", "the filters: ↓ and ↑ go through them, ↵ chooses, Esc leaves"),
        ("1 … 9", "the rules, the most frequent first"),
        ("X", "clear the filter"),
        ("K", "keep all rows of the filter, after a look at what that does"),
        ("D", "drop them all, likewise"),
        ("S", "skip them all, likewise"),
    ],
    "On a row": [
        ("K", "keep: its findings are dismissed"),
        ("D", "drop"),
        ("E", "edit"),
        ("S", "skip for later"),
        ("ArrowRight", "next row"),
        ("ArrowLeft", "previous row"),
        ("G", "compare with the rows of its group; again: of its next group"),
        ("1 … 9", "keep that row of the group, drop the rest"),
        ("V", "conversation"),
        ("T", "tokens"),
        ("J", "JSON"),
        ("H", "history"),
        ("A", "show all of a long text"),
        ("W", "why the first finding matters"),
    ],
    "On a pair of answers": [
        ("1", "the first is better"),
        ("2", "the second is better"),
        ("3 or T", "a tie"),
        ("4 or B", "both are bad"),
        ("Z", "take it back"),
    ],
    "On the training": [
        ("1 … 9", "choose that recipe"),
        ("Ctrl+Enter", "start"),
        ("S", "stop, once the step is saved"),
        ("X", "stop at once"),
        ("Enter", "resume"),
        ("A", "start over, or train again"),
    ],
}
HEADINGS = ("Why it matters:", "Example:", "How to fix it:")


def page(desk: Desk) -> Page:
    if code := desk.query.get("about"):
        return Page(el("div", rule(desk, code), cls="page"), code)
    keys = [
        el(
            "section",
            el("h2", title),
            el("dl", *[pair for key, what in pairs for pair in (el("dt", kbd(key)), el("dd", what))], cls="keys"),
            cls="section",
        )
        for title, pairs in KEYS.items()
    ]
    rules = [
        el(
            "li",
            el("button", code, cls="link mono", press={"act": "go", "view": "guide", "about": code}),
            el("span", line(name, 60), cls="quiet"),
        )
        for code, name in sorted(desk.store.rules.items())
    ]
    tree = el(
        "div",
        el("h1", "Guide"),
        el(
            "p",
            "A decision is about what a row says. It holds when the row moves, and is open again when a finding is "
            "new. "
            "A row can be decided once it was on the screen for a moment: presses before that are ignored and counted. "
            "Your file is never changed; ",
            el("code", "curate clean"),
            " writes a new one that follows you.",
            cls="narrow",
        ),
        el("div", *keys, cls="legend"),
        el("section", el("h2", "What was found in this data"), el("ul", *rules, cls="rules"), cls="section")
        if rules
        else None,
        cls="page",
    )
    return Page(tree, "Guide")


def rule(desk: Desk, code: str) -> Node:
    from curate.rules import RULES

    back = button("Guide", {"act": "go", "view": "guide"}, key="Escape", kind="bare")
    known = RULES.get(code)
    if known is None:
        if code in desk.store.rules:
            return states.body(
                f"{code} {desk.store.rules[code]}", "It is a rule of your own: its page is its docstring.", back
            )
        return states.body(
            "No such rule", "The address names a rule that this version does not have.", command("curate rules"), back
        )
    progress = desk.store.progress(code)
    return el(
        "article",
        el(
            "header",
            back,
            el("h1", f"{known.code} {known.name}"),
            badge(known.severity, known.severity),
            cls="row-head",
        ),
        *[el("p", *prose(paragraph), cls="prose") for paragraph in known.doc.split("\n\n")],
        el("p", f"{progress.decided:,} of {progress.total:,} rows with it are decided.", cls="quiet"),
        el(
            "div",
            button("Look at its rows", {"act": "filter_only", "rule": code}, key="Enter", kind="main"),
            cls="buttons",
        )
        if progress.total
        else None,
        cls="section narrow",
    )


def prose(paragraph: str) -> list[Node]:
    """A paragraph of a docstring, with its heading and its `code`."""
    text = " ".join(paragraph.split())
    heading = next((one for one in HEADINGS if text.startswith(one)), "")
    pieces = text.removeprefix(heading).split("`")
    return [
        el("strong", heading) if heading else "",
        *[
            el("code", *visible(piece)) if index % 2 else el("span", *visible(piece))
            for index, piece in enumerate(pieces)
        ],
    ]
