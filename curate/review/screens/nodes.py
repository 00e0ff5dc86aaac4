"""Elements of a page, as Python describes them: lists that paper.js makes into elements, with text nodes only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Node = str | list[Any]


def el(tag: str, *children: Node | None, **attributes: Any) -> Node:
    """An element. `cls` is its class; `aria_label` and `data_x` stand for aria-label and data-x; None leaves out.

    `press` is sent to the server when a button is pressed (`guard` in it: only once the row was on the screen), `key`
    names the keys that press it, `fill` is a share from 0 to 1 that the style sheet draws.
    """
    named = {("class" if name == "cls" else name.replace("_", "-")): value for name, value in attributes.items()}
    return [tag, {name: value for name, value in named.items() if value is not None}, *children]


def button(
    label: Node, press: dict[str, Any], *, key: str | None = None, kind: str = "", hint: str | None = None, **more: Any
) -> Node:
    """A button with its first key printed on it."""
    shown = kbd(key.split()[0]) if key else None
    return el(
        "button", el("span", label), shown, cls=f"button {kind}".strip(), press=press, key=key, title=hint, **more
    )


_NAMES = {
    "ArrowRight": "→",
    "ArrowLeft": "←",
    "ArrowDown": "↓",
    "ArrowUp": "↑",
    "Escape": "Esc",
    "Ctrl+Enter": "Ctrl ↵",
    "PageDown": "PgDn",
    "PageUp": "PgUp",
    "Enter": "↵",
}


def kbd(key: str) -> Node:
    return el("kbd", _NAMES.get(key, key))


def words(nodes: Iterable[Node | None], separator: str = " · ") -> list[Node]:
    """Nodes with a separator between them; those that are None left out."""
    out: list[Node] = []
    for node in nodes:
        if node is not None:
            out += [separator, node] if out else [node]
    return out
