"""LEN001 and LEN003: rows that are far longer or shorter than the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fault, Flag
from curate.rules.rule import Measured, dataset_rule, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


# One word is a fine answer, unless nearly all the others are at least a sentence or two.
_ALWAYS_LONG = 100


def _lengths(sample: Sample) -> tuple[int, int] | None:
    """Characters of everything that is only read, and of the answers that are learned."""
    learned = sum(len(message.text) for _, message in sample.answers())
    total = sum(len(text.text) for text in sample.texts() if text.field != "rejected")
    return total - learned, learned


@dataset_rule("LEN001", severity="info", measure=_lengths)
def length_outlier(measured: Measured, *, min_ratio: float = 5.0, min_rows: int = 50) -> Iterator[Flag]:
    """A prompt is far longer, or an answer far longer or shorter, than nearly all others of the file.

    Why it matters: such a row is often a merge of several documents, a log that slipped in, or an answer that was
    cut to nothing. A very long row also sets the memory of its whole batch. Flagged is what is five times longer
    than 98% of the file, or an answer five times shorter, so a file of mixed tasks, where lengths vary much, stays
    silent.

    Example: 98% of the answers have at most 900 characters, one has 48,000.

    How to fix it: look at the row; split it, shorten it or drop it. If it is right, keep it.
    """
    for column, what in ((0, "prompt"), (1, "answer")):
        lengths = sorted(value[column] for _, value in measured if value[column])
        if len(lengths) < min_rows:
            continue
        margin = max(len(lengths) // 50, 1)
        low = lengths[margin] if what == "answer" else 0
        high = lengths[-1 - margin]
        for place, value in measured:
            length = value[column]
            if length > high * min_ratio:
                message = f"the {what} has {length:,} characters; 98% of this file's have at most {high:,}"
            elif 0 < length * min_ratio < low and low >= _ALWAYS_LONG:
                message = f"the {what} has {length:,} characters; 98% of this file's have at least {low:,}"
            else:
                continue
            yield Flag(place, message, evidence={"characters": length, "usual": high if length > high else low})


@rule("LEN003", severity="info")
def many_turns(sample: Sample, *, max_turns: int = 100) -> Iterator[Fault]:
    """A conversation has very many turns.

    Why it matters: trainers cut a row at the maximal length, so the late turns are never seen, and a conversation of
    hundreds of turns is often several ones that were glued together.

    Example: 412 messages in one row, with "hello" at 38 places.

    How to fix it: split the row where a new conversation begins.
    """
    turns = len(sample.messages)
    if turns > max_turns:
        yield Fault(f"{turns} messages in one row (more than {max_turns})", evidence={"turns": turns})
