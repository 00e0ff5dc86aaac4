"""What a page works with: the run and its rows, who decides, and what the address asks for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.report.safe import safe
from curate.review.filters import Filter
from curate.review.screens.nodes import Node, el, words

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from curate.review.store import Row, Store
    from curate.run import Run

VIEWS = ("queue", "row", "bulk", "overview", "log", "training", "judging", "guide")
ROW_VIEWS = ("talk", "compare", "tokens", "json", "history", "edit")
PAGE = 20


class Page(NamedTuple):
    """A page: its tree, its title, and what is on the screen: a decision counts only if it names the same.

    `poll` is after how many milliseconds it is to be looked at again, 0 for never.
    """

    tree: Node
    title: str
    on_screen: str = ""
    poll: int = 0


@dataclass
class Desk:
    """`query` is the address as it is, or as an action wants it to be; `memory` is what the session keeps."""

    run: Run
    store: Store
    query: dict[str, str]
    memory: MutableMapping[str, Any]
    reviewer: str | None = None
    model: str | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.run.folder.resolve().name

    @property
    def chosen(self) -> Filter:
        chosen, self.wrong = Filter.from_query(self.query, list(self.store.rules))
        return chosen

    @property
    def view(self) -> str:
        asked = self.query.get("view", "")
        return "row" if "row" in self.query and asked not in VIEWS else asked if asked in VIEWS else "queue"

    @property
    def row_view(self) -> str:
        asked = self.query.get("as", "")
        return asked if asked in ROW_VIEWS else ""

    @property
    def page_number(self) -> int:
        word = self.query.get("page", "1")
        return max(1, int(word)) if word.isdecimal() and len(word) < 9 else 1

    def go(self, **query: str | None) -> None:
        """Ask for another page: the filter stays as it is."""
        self.query = self.chosen.as_query() | {key: word for key, word in query.items() if word is not None}

    def go_to_row(self, row: Row | None, **query: str | None) -> None:
        """Ask for a row; with none left, for the queue, which says so."""
        if row is None:
            self.go(done="1")
        else:
            self.go(row=row.id, **query)

    def say(self, text: str, kind: str = "info") -> None:
        """Leave a word for the next page."""
        self.memory.setdefault("said", []).append((kind, text))

    def record(self, row: Row, action: Any, codes: list[str], reason: str = "") -> None:
        self.store.decisions.record(row.id, action, codes, reason, self.reviewer)


def notice(kind: str, *nodes: Node) -> Node:
    return el("div", *nodes, cls=f"notice {kind}", role="status")


def command(text: str) -> Node:
    """A command of the terminal, to copy."""
    copy = el("button", "Copy", cls="button bare small", data_copies=text, aria_label=f"Copy: {text}")
    return el("div", el("code", text), copy, cls="command")


def badge(text: str, kind: str = "") -> Node:
    return el("span", text, cls=f"badge {kind}".strip())


def local_time(at: str) -> str:
    """A moment of the log as the clock of this machine shows it."""
    try:
        return datetime.datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:  # a log of another program
        return safe(at)[:40]


def reason_field(value: str | None = None) -> Node:
    """Where a person writes why, beside the buttons that decide."""
    return el(
        "input",
        cls="reason",
        name="reason",
        id="reason",
        placeholder="Reason (optional)",
        aria_label="Reason",
        autocomplete="off",
        value=value,
    )


def quiet(*nodes: Node | None) -> Node:
    return el("p", *words(nodes), cls="quiet small")


def meter(share: float, label: str) -> Node:
    return el("div", el("i", fill=round(share, 4)), cls="meter", role="img", aria_label=label)
