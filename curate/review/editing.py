"""A row as a person edits it: each text under the key that it has in the data, and the row that the edits make."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from curate.errors import CurateError

MOST_FIELDS = 200


class Leaf(NamedTuple):
    """A text inside a row: `path` is the way to it, keys and indices joined with "/" (as in a JSON pointer)."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """The path as people write it: messages[1].content."""
        out = ""
        for step in _steps(self.path):
            out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
        return out


def leaves(value: Any) -> list[Leaf]:
    """Every text of a row, in the order of the row."""
    found: list[Leaf] = []
    _walk(value, "", found)
    return found


def _walk(value: Any, path: str, found: list[Leaf]) -> None:
    if isinstance(value, str):
        found.append(Leaf(path, value))
    elif isinstance(value, dict):
        for key, member in value.items():
            _walk(member, f"{path}/{_escaped(key)}", found)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _walk(member, f"{path}/#{index}", found)


def replaced(value: Any, texts: dict[str, str]) -> Any:
    """The row with other texts at some of its paths; the row itself stays as it is.

    Raises:
        CurateError: a path that leads to no text of the row.
    """
    out = copy.deepcopy(value)
    known = {leaf.path for leaf in leaves(value)}
    for path, text in texts.items():
        if path not in known:
            raise CurateError(f"{path}: the row has no such text")
        *way, last = _steps(path)
        inner = out
        for step in way:
            inner = inner[step]
        inner[last] = text
    return out


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1").replace("#", "~2")


def _steps(path: str) -> list[Any]:
    return [
        int(step[1:]) if step.startswith("#") else step.replace("~2", "#").replace("~1", "/").replace("~0", "~")
        for step in path.split("/")[1:]
    ]


def restored(before: str, typed: str) -> str:
    """What was typed, with the line ends of the text before: a browser gives every line end as a line feed."""
    if typed == before.replace("\r\n", "\n").replace("\r", "\n"):
        return before
    if "\r\n" in before and "\n" not in before.replace("\r\n", ""):
        return typed.replace("\n", "\r\n")
    return typed
