"""Where the fields of a conversation stand in its rendering.

A *leaf* is one value that a row fills in: a text, a tool's name, a string or a whole number inside a call's arguments.
A *shape* is what a template writes around the leaves of all conversations that differ in nothing else, learned once
from a rendering in which every leaf is a word that occurs nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Set

    from curate.template.form import Messages

Span = tuple[int, int]


class Leaf(NamedTuple):
    """One value of a conversation, without the white space around it. `field` names it as findings do."""

    message: int
    field: str
    value: str | int


class Stand(NamedTuple):
    """What stands in for a leaf: a word or a number that no row holds."""

    word: Callable[[int], str]
    number: Callable[[int], int]

    def of(self, leaf: int, value: str | int) -> str | int:
        return self.word(leaf) if isinstance(value, str) else self.number(leaf)


# Nine letters and digits: the form that Mistral's templates want of ids.
SENTINELS = Stand(lambda n: f"Zq{n:05d}xW", lambda n: 917300000 + n)
SENTINEL = re.compile(r"(Zq\d{5}xW|9173\d{5})")
# Two more, which share no letter with each other at either end: what changes between them and the row is the leaf.
ONE = Stand(lambda n: f"Kv{n:05d}jB", lambda n: 2_000_000_010 + n)
TWO = Stand(lambda n: f"5w{n:05d}Y7", lambda n: 7_111_111_113 + n)


class Collected(NamedTuple):
    """A conversation with its leaves, and a copy of it in which other words stand in for them.

    `needed[i]` are the leaves that turn `i` has and a template must write. What holds of a conversation holds of its
    beginning: the first turns have the first leaves.
    """

    messages: Messages
    leaves: list[Leaf]
    needed: list[list[int]]


def collect(
    messages: Messages, marks: re.Pattern[str], stand: Stand = SENTINELS, only: Set[int] | None = None
) -> Collected:
    """The leaves of a conversation, in order, with `stand` in place of them (or `only` of some of them).

    White space around a text, and `marks` inside it (tags that templates look for), belong to the shape, not to the
    leaf. Equal ids, and equal names of tools, are one leaf each: templates look them up.
    """
    collector = _Collector(marks, stand, only)
    return Collected([collector.message(message) for message in messages], collector.leaves, collector.needed)


class _Collector:
    def __init__(self, marks: re.Pattern[str], stand: Stand, only: Set[int] | None) -> None:
        self.marks = marks
        self.stand = stand
        self.only = only
        self.leaves: list[Leaf] = []
        self.needed: list[list[int]] = []
        self.named: dict[tuple[str, str], int] = {}

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        self.needed.append([])
        out = dict(message)
        if len(out) == 2 and isinstance(out.get("content"), str):
            out["content"] = self._text("content", out["content"])
            return out
        if "reasoning" in out:
            out["reasoning_content"] = out["thinking"] = out["reasoning"] = self._text("reasoning", out["reasoning"])
        content = out.get("content")
        if isinstance(content, str):
            out["content"] = self._text("content", content)
        elif content:
            out["content"] = [{**part, "text": self._text("content", part["text"])} for part in content]
        if "tool_calls" in out:
            out["tool_calls"] = [self._call(n, call) for n, call in enumerate(out["tool_calls"])]
        if "tool_call_id" in out:
            out["tool_call_id"] = self._named("id", "tool_call_id", out["tool_call_id"])
        if "name" in out and out["role"] == "tool":
            out["name"] = self._named("name", "name", out["name"])
        return out

    def _call(self, n: int, call: dict[str, Any]) -> dict[str, Any]:
        out, where = dict(call), f"tool_calls.{n}"
        if "id" in out:
            out["id"] = self._named("id", f"{where}.id", out["id"])
        function = call["function"]
        out["function"] = {
            "name": self._named("name", f"{where}.name", function["name"], is_needed=True),
            "arguments": self._value(f"{where}.arguments", function["arguments"]),
        }
        return out

    def _value(self, field: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(field, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._leaf(field, value)
        if isinstance(value, dict):
            return {key: self._value(field, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(field, item) for item in value]
        return value

    def _text(self, field: str, value: str) -> str:
        at, out = 0, ""
        for mark in self.marks.finditer(value):
            out += self._core(field, value[at : mark.start()]) + mark[0]
            at = mark.end()
        return out + self._core(field, value[at:])

    def _core(self, field: str, text: str) -> str:
        core = text.strip()
        if not core:
            return text
        if len(core) == len(text):
            return str(self._leaf(field, core))
        start = text.index(core)
        return f"{text[:start]}{self._leaf(field, core)}{text[start + len(core) :]}"

    def _named(self, kind: str, field: str, value: Any, *, is_needed: bool = False) -> Any:
        if not isinstance(value, str) or not value:
            return value
        leaf = self.named.get((kind, value))
        if leaf is None:
            leaf = self.named[kind, value] = len(self.leaves)
            self.leaves.append(Leaf(len(self.needed) - 1, field, value))
        if is_needed:
            self.needed[-1].append(leaf)
        return self._stand_in(leaf)

    def _leaf(self, field: str, value: str | int) -> str | int:
        leaf = len(self.leaves)
        self.leaves.append(Leaf(len(self.needed) - 1, field, value))
        self.needed[-1].append(leaf)
        return self._stand_in(leaf)

    def _stand_in(self, leaf: int) -> str | int:
        value = self.leaves[leaf].value
        return self.stand.of(leaf, value) if self.only is None or leaf in self.only else value


@dataclass(slots=True)
class Shape:
    """What a template writes around the leaves: `glue[k]`, then leaf `order[k]`, and so on, and last `glue[-1]`."""

    glue: list[str]
    order: list[int]

    @classmethod
    def of(cls, rendered: str, leaves: Sequence[Leaf]) -> Shape:
        """The shape of a rendering in which sentinels stand for all leaves."""
        number = {str(SENTINELS.of(n, leaf.value)): n for n, leaf in enumerate(leaves)}
        shape = cls([""], [])
        for k, piece in enumerate(SENTINEL.split(rendered)):
            if k % 2 and piece in number:
                shape.order.append(number[piece])
                shape.glue.append("")
            else:
                shape.glue[-1] += piece
        return shape

    def spans(self, text: str, leaves: Sequence[Leaf]) -> list[tuple[int, Span]] | None:
        """Where each leaf stands in a rendering of this shape, in order; None if it is of another shape."""
        if not text.startswith(self.glue[0]):
            return None
        at, spans = len(self.glue[0]), []
        for leaf, glue in zip(self.order, self.glue[1:], strict=True):
            value = str(leaves[leaf].value)
            if text.startswith(value, at) and text.startswith(glue, at + len(value)):
                spans.append((leaf, (at, at + len(value))))
                at += len(value) + len(glue)
                continue
            for value in written(leaves[leaf].value):
                if text.startswith(value, at) and text.startswith(glue, at + len(value)):
                    spans.append((leaf, (at, at + len(value))))
                    at += len(value) + len(glue)
                    break
            else:
                return None
        return spans if at == len(text) else None


def written(value: str | int) -> Iterator[str]:
    """The ways in which templates write a value: as it is, or as JSON writes it inside quotation marks."""
    if isinstance(value, int):
        yield str(value)
        return
    yield value
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield json.dumps(value)[1:-1]


def common_prefix(*texts: str) -> int:
    """The number of characters with which all of them begin."""
    low, high = min(texts), max(texts)
    at, end = 0, min(len(low), len(high))
    while at < end:  # halving, since slices are compared at the speed of memory
        half = at + (end - at + 1) // 2
        if low[at:half] == high[at:half]:
            at = half
        else:
            end = half - 1
    return at


def common_suffix(*texts: str) -> int:
    """The number of characters with which all of them end."""
    return common_prefix(*(text[::-1] for text in texts))
