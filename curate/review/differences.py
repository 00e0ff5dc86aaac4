"""Which words of a text are not in another: what a person has to look at in rows that are nearly the same."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rapidfuzz.distance import Indel

LONGEST = 8000
"""Words beyond which texts are not compared: the comparison is quadratic in them."""

# A word, a run of white space, or one character of a script without spaces or of punctuation.
_WORDS = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+|\s+|.", re.DOTALL)


class Piece(NamedTuple):
    """A stretch of text that is in both texts ("same"), in this one only ("added") or in the other only ("removed")."""

    kind: Literal["same", "added", "removed"]
    text: str


def words(text: str) -> list[str]:
    return _WORDS.findall(text)


def differences(other: str, this: str) -> list[Piece] | None:
    """What makes `this` out of `other`, word by word; None for texts that are too long to compare."""
    if other == this:
        return [Piece("same", this)] if this else []
    before, after = words(other), words(this)
    if max(len(before), len(after)) > LONGEST:
        return None
    pieces: list[Piece] = []
    for step in Indel.opcodes(before, after):
        kind = step.tag
        a, b, c, d = step.src_start, step.src_end, step.dest_start, step.dest_end
        if kind in ("delete", "replace"):
            pieces.append(Piece("removed", "".join(before[a:b])))
        if kind in ("insert", "replace"):
            pieces.append(Piece("added", "".join(after[c:d])))
        if kind == "equal":
            pieces.append(Piece("same", "".join(after[c:d])))
    return _joined(pieces)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Changes with nothing but white space between them are one change: two words in a row read as a phrase."""
    out: list[Piece] = []
    run: list[Piece] = []

    def close() -> None:
        behind = [run.pop()] if run and run[-1].kind == "same" else []
        if {"added", "removed"} <= {piece.kind for piece in run}:
            for kind in ("removed", "added"):
                out.append(Piece(kind, "".join(piece.text for piece in run if piece.kind in (kind, "same"))))
        else:
            out.extend(run)
        out.extend(behind)
        run.clear()

    for piece in pieces:
        if piece.kind == "same" and not (run and run[-1].kind != "same" and piece.text.isspace()):
            close()
            out.append(piece)
        else:
            run.append(piece)
    close()
    return out
