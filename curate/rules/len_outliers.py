"""LEN001 and LEN003: rows that are far longer or shorter than the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fault, Flag
from curate.rules.rule import Measured, dataset_rule, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curate.sample import Sample


# One word is a fine answer, unless nearly all the others are at least a sentence or two.
_ALWAYS_LONG = 100


def lengths(sample: Sample) -> tuple[int, int]:
    """Characters of everything that is only read, and of the answers that are learned."""
    learned = sum(len(message.text) for _, message in sample.answers())
    total = sum(len(text.text) for text in sample.texts() if text.field != "rejected")
    return total - learned, learned


def usual_range(values: Iterable[int], min_rows: int) -> tuple[int, int] | None:
    """What 98% of the values above 0 have at least, and what 98% have at most; None for fewer than `min_rows`."""
    ordered = sorted(value for value in values if value)
    if len(ordered) < max(min_rows, 1):
        return None
    margin = max(len(ordered) // 50, 1)
    return ordered[min(margin, len(ordered) - 1)], ordered[max(len(ordered) - 1 - margin, 0)]


@dataset_rule("LEN001", severity="info", measure=lengths)
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
        usual = usual_range((value[column] for _, value in measured), min_rows)
        if usual is None:
            continue
        low, high = usual if what == "answer" else (0, usual[1])
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
