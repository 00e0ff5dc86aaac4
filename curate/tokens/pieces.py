"""The text of a rendering cut into the pieces that its tokens stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenizers import Tokenizer

    from curate.template.prove import Rendering


class Piece(NamedTuple):
    """A token with its text; or several, where they share a character (`first` to `last`, excluded)."""

    text: str
    first: int
    last: int
    is_trained: bool


def trained_flags(rendering: Rendering) -> list[bool]:
    """For each id of a rendering whether it is trained."""
    flags = [False] * len(rendering.ids)
    for turn in rendering.turns:
        flags[turn.first : turn.last] = [True] * (turn.last - turn.first)
    return flags


def trained_text(rendering: Rendering) -> str:
    """The text that is trained, stop tokens included: that of several turns in a row."""
    return "".join(rendering.text[turn.start : turn.stop] for turn in rendering.turns)


def pieces(rendering: Rendering, tokenizer: Tokenizer) -> list[Piece]:
    """The pieces of a rendering's text, in order: together they are the text."""
    encoding = tokenizer.encode(rendering.text, add_special_tokens=False)
    if encoding.ids != rendering.ids:  # another engine made them, and no offsets
        return list(_by_spans(rendering))
    flags = trained_flags(rendering)
    found: list[Piece] = []
    at = first = 0
    for i, (_, end) in enumerate(encoding.offsets):
        follows = encoding.offsets[i + 1][0] if i + 1 < len(encoding.offsets) else len(rendering.text)
        # Tokens of one character have the same offsets, and a trained one never shares a piece with one that is not.
        shares = follows < end and i + 1 < len(flags) and flags[i + 1] == flags[i]
        if not shares:
            stop = max(end, at)
            found.append(Piece(rendering.text[at:stop], first, i + 1, flags[i]))
            at, first = stop, i + 1
    if at < len(rendering.text):
        found.append(Piece(rendering.text[at:], len(flags), len(flags), False))
    return found


def _by_spans(rendering: Rendering) -> Iterator[Piece]:
    at = first = 0
    for turn in rendering.turns:
        yield Piece(rendering.text[at : turn.start], first, turn.first, False)
        yield Piece(rendering.text[turn.start : turn.stop], turn.first, turn.last, True)
        at, first = turn.stop, turn.last
    yield Piece(rendering.text[at:], first, len(rendering.ids), False)


def runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of numbers that follow each other, as first and last (excluded)."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
