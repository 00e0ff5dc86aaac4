"""A row as a conversation: who says what, with what was found marked where it stands."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from curate.review.screens.desk import badge
from curate.review.screens.nodes import Node, el
from curate.review.screens.texts import Mark, block, line, marked, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.finding import Finding
    from curate.run.data import Part
    from curate.sample import Message, Sample
    from curate.tokens.pieces import Piece

Marks = defaultdict[tuple[int | None, str | None], list[Mark]]
# Also the classes of the style sheet: what a row calls itself is never one.
SIDES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def marks_of(findings: Sequence[Finding]) -> Marks:
    """The stretches that findings point at, by message and field; findings are numbered from 1."""
    found: Marks = defaultdict(list)
    for number, finding in enumerate(findings, 1):
        where = finding.where
        if where is None:
            continue
        start = where.start if where.start is not None else -1
        found[where.message, where.field].append(Mark(start, where.end or start, finding.severity, number))
    return found


def conversation(sample: Sample, findings: Sequence[Finding], *, whole: bool = False) -> Node:
    marks = marks_of(findings)
    said = [turn(message, index, marks, whole) for index, message in enumerate(sample.messages)]
    if sample.rejected is not None:
        said += [rejected(message, index, marks, whole) for index, message in enumerate(sample.rejected)]
    beside: list[Node] = []
    if sample.label is not None:
        beside.append(badge("label: good" if sample.label else "label: bad", "kept" if sample.label else "dropped"))
    if sample.tools:
        beside.append(folded(f"{len(sample.tools)} tools declared", sample.tools))
    if sample.metadata:
        beside.append(folded(f"{len(sample.metadata)} other columns", sample.metadata))
    return el("div", *said, *beside, cls="turns")


def turn(message: Message, index: int, marks: Marks, whole: bool) -> Node:
    numbers = sorted(
        {mark.number for (at, _), found in marks.items() if at == index for mark in found if mark.start < 0}
    )
    weight = None if message.weight is None else "trained" if message.is_trained else "not trained"
    head = el(
        "header",
        el("span", line(message.role, 60) or "(no role)"),
        el("span", line(message.name, 60)) if message.name else None,
        el("span", weight) if weight else None,
        el("span", line(message.tool_call_id, 60)) if message.tool_call_id else None,
        *[el("span", str(number), cls="nr", title=f"Finding {number} is about this turn") for number in numbers],
        el("span", f"{len(message.text):,} characters", cls="number") if message.text else None,
    )
    parts: list[Node | None] = [head]
    if message.reasoning:
        parts.append(block(_text(message.reasoning, index, "reasoning", marks, whole), cls="said thought"))
    if message.text:
        parts.append(block(_text(message.text, index, "content", marks, whole), data_turn=index))
    elif not message.tool_calls:
        parts.append(el("p", "(no text)", cls="quiet"))
    for number, call in enumerate(message.tool_calls):
        field = f"tool_calls.{number}.arguments"
        shown = as_text(call.arguments)
        name = el(
            "span", "calls ", el("code", line(call.name, 120)), el("span", f" {line(call.id, 60)}") if call.id else None
        )
        parts.append(el("div", name, block(_text(shown, index, field, marks, whole), cls="said code-like"), cls="call"))
    if message.has_media:
        parts.append(el("p", "(and parts that are no text: images, audio or files)", cls="quiet"))
    return el("article", *parts, cls=f"turn {SIDES.get(message.role, '')}".strip())


def rejected(message: Message, index: int, marks: Marks, whole: bool) -> Node:
    head = el("header", el("span", f"{line(message.role, 60)}, rejected"))
    text = _text(message.text, index, "rejected", marks, whole)
    return el("article", head, block(text) if text else el("p", "(no text)", cls="quiet"), cls="turn rejected")


def _text(text: str, index: int, field: str, marks: Marks, whole: bool) -> list[Node]:
    return marked(text, [mark for mark in marks[index, field] if mark.start >= 0], whole=whole)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def folded(title: str, value: Any) -> Node:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return el("details", el("summary", title, cls="quiet small"), block(marked(text), cls="json mono"))


def raw(part: Part, findings: Sequence[Finding], *, whole: bool = False) -> Node:
    """The bytes of a row that cannot be read, with the place where reading ended."""
    text = part.data.decode("utf-8", "backslashreplace")
    marks = []
    for number, finding in enumerate(findings, 1):
        if finding.where and finding.where.column:
            start = len(part.data[: finding.where.column - 1].decode("utf-8", "backslashreplace"))
            marks.append(Mark(start, start + 1, finding.severity, number))
    return block(marked(text, marks, whole=whole), cls="json mono")


def source(value: Any) -> Node:
    """The row as JSON."""
    return block(marked(json.dumps(value, ensure_ascii=False, indent=2)), cls="json mono")


def tokens(pieces: Sequence[Piece], *, most: int) -> Node:
    shown = [
        el("span", *visible(piece.text.replace("\n", "↵\n")), cls="token trained" if piece.is_trained else "token")
        for piece in pieces[:most]
    ]
    if len(pieces) > most:
        shown.append(el("span", f"… {len(pieces) - most:,} tokens are not shown …", cls="gap"))
    return el("div", *shown, cls="tokens", dir="auto")
