"""Paper: the one thing that the pages draw on. Python describes elements, the browser makes them with text nodes only.

Whatever a row holds reaches the browser as text of such an element, never as markup: no other sink is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.review.screens.nodes import Node

GUARD = 150
"""Milliseconds that a row has to be on the screen before it can be decided."""

KEY = "paper"
_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "curate-paper",
    js=(_HERE / "paper.js").read_text(encoding="utf-8"),
    css=(_HERE / "paper.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def draw(tree: Node, *, on_press: Callable[[], None], **state: Any) -> None:
    """Show a tree. `state` is what paper.js knows beside it: place, row, session, answered, refused."""
    _component(key=KEY, data={"tree": tree, "guard": GUARD, **state}, on_press_change=on_press, height="content")


def pressed() -> dict[str, Any] | None:
    """What was pressed, inside of `on_press`."""
    value = st.session_state[KEY].get("press")
    return dict(value) if value is not None else None
