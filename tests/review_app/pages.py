"""The app without a browser: a page as a tree, and presses of its buttons as the browser would send them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from curate.config import Config
from curate.review.decisions import Decision, Decisions
from curate.run import Run, make
from curate.run.data import open_run
from curate.serve import REVIEW
from curate.steps import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest
    from streamlit.testing.v1 import AppTest

    from curate.review.screens.nodes import Node


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"messages": [turn("user", question), turn("assistant", answer)], **more}


LONG = "Our shop opens at nine in the morning and closes at six in the evening on every day but Sunday."
EMPTY = chat("Who?", "")
FENCE = chat("How?", "Here:\n```python\nprint(1)")
GOOD = chat("Fine?", "Yes, all is fine.")
TWINS = [
    chat("When do you open?", LONG),
    chat("When do you open? Thanks", LONG),
    chat("Hello, when do you open?", LONG),
]
CLASH = [chat("How long is the return window?", f"You have {days} days from delivery.") for days in (30, 14)]
CUT = b'{"messages": [{"role": "user", "content": "Do you sell cram'


def checked(folder: Path, rows: Sequence[dict[str, Any] | bytes], **settings: Any) -> Run:
    """A run on these rows, given as values or as bytes, checked."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file = folder / "data.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    run = open_run([str(file)], str(folder / "run"))
    make(run, check.STEP, check.config(run, [str(file)], Config(**settings)))
    return run


class Browser:
    """A session of the app on one run."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch, reviewer: str = "ana", **query: str) -> None:
        from streamlit.testing.v1 import AppTest

        from curate.review.index import prepare
        from curate.review.screens import shell

        # AppTest leaves the page as __main__, which a process spawned by a later test would run.
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        monkeypatch.setenv("CURATE_RUN", str(run.folder))
        monkeypatch.setenv("CURATE_REVIEWER", reviewer)
        shell.forget()
        prepare(run)
        self.at: AppTest = AppTest.from_file(str(REVIEW), default_timeout=30)
        self.pressed = 0
        self.open(**query)

    def open(self, **query: str) -> Browser:
        """Go to an address."""
        self.at.query_params.clear()
        for key, word in query.items():
            self.at.query_params[key] = word
        self.at.run()
        assert not self.at.exception, self.at.exception
        return self

    @property
    def data(self) -> dict[str, Any]:
        (component,) = self.at.get("bidi_component")
        data: dict[str, Any] = json.loads(component.proto.json)
        return data

    @property
    def query(self) -> dict[str, str]:
        return {key: words[0] if isinstance(words, list) else words for key, words in self.at.query_params.items()}

    @property
    def text(self) -> str:
        return " ".join("".join(texts(self.data["tree"])).split())

    def find(self, tag: str = "", cls: str = "", **wanted: Any) -> list[list[Any]]:
        """The elements with a tag, one of the classes of which is `cls`, and with these attributes."""
        return [
            element
            for element in elements(self.data["tree"])
            if (not tag or element[0] == tag)
            and (not cls or cls in element[1].get("class", "").split())
            and all(element[1].get(name.replace("_", "-")) == value for name, value in wanted.items())
        ]

    def keys(self) -> dict[str, list[Any]]:
        """The buttons that have keys, by key."""
        found: dict[str, list[Any]] = {}
        for element in self.find():
            for key in (element[1].get("key") or "").split():
                assert key not in found, f"two buttons have the key {key}"
                found[key] = element
        return found

    def key(self, key: str, *, shown: int = 1000, on_screen: str | None = None, **values: str) -> Browser:
        """Press the button of a key, `shown` ms after the row was painted, with `values` in its fields."""
        button = self.keys()[key]
        assert not button[1].get("disabled"), f"the button of {key} is disabled"
        return self.press(button[1]["press"], shown=shown, on_screen=on_screen, **values)

    def press(
        self, said: dict[str, Any], *, shown: int = 1000, on_screen: str | None = None, value: Any = None, **values: str
    ) -> Browser:
        from streamlit.proto.WidgetStates_pb2 import WidgetState
        from streamlit.runtime.state.session_state import STREAMLIT_INTERNAL_KEY_PREFIX

        self.pressed += 1
        fields = {
            element[1]["name"]: element[1].get("value") or "" for element in self.find() if element[1].get("name")
        }
        message = {
            **said,
            "n": self.pressed,
            "onScreen": self.data["row"] if on_screen is None else on_screen,
            "shown": shown,
            "values": fields | values,
            **({} if value is None else {"value": value}),
        }
        (component,) = self.at.get("bidi_component")
        states = self.at._tree.get_widget_states()
        states.widgets.append(
            WidgetState(
                id=f"{STREAMLIT_INTERNAL_KEY_PREFIX}_{component.proto.id}__events",
                json_trigger_value=json.dumps([{"event": "press", "value": message}]),
            )
        )
        self.at._run(states)
        assert not self.at.exception, self.at.exception
        return self


def elements(tree: Node) -> Iterator[list[Any]]:
    if isinstance(tree, list):
        yield tree
        for child in tree[2:]:
            if child is not None:
                yield from elements(child)


def texts(tree: Node) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif tree is not None:
        for child in tree[2:]:
            yield from texts(child)
        yield " "


def run_of(tmp_path: Path) -> Run:
    return Run.open(tmp_path / "run")


def log(tmp_path: Path) -> list[Decision]:
    return Decisions(run_of(tmp_path)).log()


def row_id(browser: Browser) -> str:
    return browser.query["row"]
