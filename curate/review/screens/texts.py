"""Texts of the data on a page: with their faults marked, their invisible characters visible, their length bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curate.report.safe import pieces
from curate.review.screens.nodes import Node, el

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from curate.review.differences import Piece

LONGEST = 12_000
"""Characters of one text that are shown at once; and the same again for each "show all" is not needed: it shows all."""

AROUND = 300


class Mark(NamedTuple):
    """A stretch of a text that a finding speaks of. `number` is that of the finding on the page, 0 for none."""

    start: int
    end: int
    kind: str
    number: int = 0


def visible(text: str) -> list[Node]:
    """The text with a visible escape for what has no width, reorders what is read, or drives a terminal."""
    return [el("span", piece, cls="escape") if is_escape else piece for piece, is_escape in pieces(text)]


def line(text: str, longest: int = 300) -> str:
    """Text on one line and cut, for lists and labels."""
    cut = text[: longest + 1]
    flat = "".join(piece for piece, _ in pieces(" ".join(cut.split())))
    return flat if len(cut) <= longest else flat[:longest].rstrip() + "…"


def marked(text: str, marks: Iterable[Mark] = (), *, whole: bool = False) -> list[Node]:
    """The text with its marks. A long one is cut, but for what is around its marks, unless it is wanted `whole`."""
    inside = sorted((_fitted(mark, len(text)) for mark in marks), key=lambda mark: (mark.start, -mark.end))
    out: list[Node] = []
    at = 0
    for start, end in [(0, len(text))] if whole else _windows(len(text), inside):
        if start > at:
            out.append(gap(start - at))
        out += _between(text, start, end, inside)
        at = end
    if at < len(text):
        out.append(gap(len(text) - at))
    return out


def gap(count: int) -> Node:
    return el("span", f"… {count:,} characters are not shown …", cls="gap")


def _fitted(mark: Mark, length: int) -> Mark:
    start = min(max(mark.start, 0), length)
    return mark._replace(start=start, end=min(max(mark.end, start), length))


def _windows(length: int, marks: Sequence[Mark]) -> list[tuple[int, int]]:
    wanted = [(0, min(length, LONGEST))]
    for mark in marks[:50]:
        start, end = max(0, mark.start - AROUND), min(length, min(mark.end, mark.start + LONGEST) + AROUND)
        last_start, last_end = wanted[-1]
        if start <= last_end:
            wanted[-1] = (last_start, max(last_end, end))
        else:
            wanted.append((start, end))
    return wanted


def _between(text: str, start: int, end: int, marks: Sequence[Mark]) -> list[Node]:
    """The text from `start` to `end`; where marks overlap, the first one goes on."""
    out: list[Node] = []
    at = start
    for mark in marks:
        if mark.end < start or mark.start > end or mark.start < at:
            continue
        first, last = max(mark.start, start), min(mark.end, end)
        out += visible(text[at:first])
        number = el("sup", str(mark.number)) if mark.number else None
        if first == last:
            out.append(el("mark", number, cls="point"))
        else:
            out.append(el("mark", *visible(text[first:last]), number, cls=mark.kind))
        at = last
    return out + visible(text[at:end])


def compared(differing: Sequence[Piece], *, whole: bool = False, marks: Iterable[Mark] = ()) -> list[Node]:
    """Word differences: what only this text has, what only the other has, and the rest; long equal stretches cut."""
    out: list[Node] = []
    at = 0
    held = sorted(marks)
    for index, piece in enumerate(differing):
        if piece.kind == "removed":
            out.append(el("del", *visible(piece.text)))
            continue
        inside = [
            _fitted(m._replace(start=m.start - at, end=m.end - at), len(piece.text))
            for m in held
            if m.start < at + len(piece.text) and m.end > at
        ]
        at += len(piece.text)
        if piece.kind == "added":
            out.append(el("ins", *marked(piece.text, inside, whole=True)))
            continue
        is_ends = index == 0, index == len(differing) - 1
        out += marked(piece.text, inside, whole=True) if whole or inside else _shortened(piece.text, *is_ends)
    return out


def _shortened(text: str, is_first: bool, is_last: bool) -> list[Node]:
    if is_first and is_last:
        return marked(text)
    if len(text) <= 3 * AROUND:
        return visible(text)
    head = "" if is_first else text[:AROUND]
    tail = "" if is_last else text[-AROUND:]
    return [*visible(head), gap(len(text) - len(head) - len(tail)), *visible(tail)]


def block(nodes: Sequence[Node], *, cls: str = "said", **attributes: Any) -> Node:
    """A text of the data as a block: its own direction, its own line breaks."""
    return el("div", *nodes, cls=cls, dir="auto", **attributes)
