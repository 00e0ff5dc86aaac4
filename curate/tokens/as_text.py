"""The `text` output of `curate render`: colours say what is trained, or brackets where there are none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

from curate.report.phrases import count
from curate.report.safe import safe, safe_path
from curate.tokens.others import SAME, TITLE
from curate.tokens.pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from tokenizers import Tokenizer

    from curate.tokens.others import Other
    from curate.tokens.rows import Row

# Neighbouring tokens take turns, so that each can be told from the next.
TRAINED = ("black on green", "black on bright_green")
UNTRAINED = ("", "dim")
OPEN, CLOSE = "⟦", "⟧"
_BREAK = re.compile(r"(\n)")


def has_colours(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def legend(console: Console) -> Text:
    """One line that says how to read the rest."""
    if has_colours(console):
        return Text.assemble((" trained ", TRAINED[0]), (" tokens ", TRAINED[1]), " and tokens that are only read")
    return Text(f"{OPEN}trained{CLOSE} tokens stand in brackets, the others are only read")


def lines_of(row: Row, others: list[Other], tokenizer: Tokenizer, console: Console) -> Iterator[Text]:
    """What is printed of one rendering."""
    sample, rendering = row
    state = ("verified", "green") if rendering.verified else ("not verified", "bold red")
    place = f"{safe_path(sample.path)}:{sample.line}" + (f" part {sample.part}" if sample.part else "")
    size = f"{count(len(rendering.ids), 'token')}, {rendering.trained:,} of them trained"
    yield Text.assemble((place, "bold"), "   ", state, f"   {size}   ", (sample.id, "dim"))
    for note in rendering.notes:
        yield Text.assemble("  ", (note.code, "bold"), "  ", safe(note.message))
    yield Text()
    if rendering.text:
        yield coloured(row, tokenizer) if has_colours(console) else bracketed(row)
        yield Text()
    if others:
        yield from _table(others)
        yield Text()


def coloured(row: Row, tokenizer: Tokenizer) -> Text:
    """The text with each token in its colour."""
    text = Text()
    for n, piece in enumerate(pieces(row.rendering, tokenizer)):
        style = (TRAINED if piece.is_trained else UNTRAINED)[n % 2]
        for part in _BREAK.split(piece.text):
            if part == "\n":
                text.append("↵", style if piece.is_trained else "dim").append("\n")
            elif part:
                text.append(safe(part), style)
    return text


def bracketed(row: Row) -> Text:
    """The text with each trained turn in brackets."""
    rendering, at, out = row.rendering, 0, ""
    for turn in rendering.turns:
        out += f"{_shown(rendering.text[at : turn.start])}{OPEN}{_shown(rendering.text[turn.start : turn.stop])}{CLOSE}"
        at = turn.stop
    return Text(out + _shown(rendering.text[at:]))


def _shown(text: str) -> str:
    # A build server that gives its programs a terminal would obey a line that begins with two colons.
    lines = (safe(line) for line in text.split("\n"))
    return "\n".join(f"\\{line}" if line.lstrip().startswith("::") else line for line in lines)


def _table(others: list[Other]) -> Iterator[Text]:
    yield Text(TITLE, "bold")
    who = max(len(other.trainer) for other in others)
    how = max(len(other.setting) for other in others)
    for other in others:
        style = "green" if other.said == SAME else "dim" if other.mask.trained is None else "bold red"
        said = (safe(other.said), style)
        yield Text.assemble(f"  {other.trainer:<{who}}  ", (f"{other.setting:<{how}}", "dim"), "  ", said)
        for label, texts, colour in (("wrong", other.wrong, "bold red"), ("left out", other.missed, "yellow")):
            if texts:
                yield Text.assemble((f"    {label:<8}  ", "dim"), ("  ".join(texts), colour))
