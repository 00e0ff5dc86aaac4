"""LEN002: answers that stop where a generator's limit was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from curate.finding import Flag, Place, Where
from curate.rules.answers import final_answer
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_LOWEST_CAP = 200
# Where nearly all answers have one length, that is what they are: hashes, boards, sequences.
_LARGEST_CROWD = 0.8


class _Answer(NamedTuple):
    characters: int
    words: int
    is_unfinished: bool
    ending: str
    message: int


class _Limit(NamedTuple):
    """How a limit shows: counted in `unit`, the answers that reach it spread over `band` of their length.

    They are `min_rise` times as many as the band below holds, and `min_share` of them are unfinished. A limit in
    characters or words cuts at one length. A limit in tokens leaves rather different lengths, so there the endings must
    tell more: at most `max_elsewhere` of the shorter answers are unfinished.
    """

    unit: Literal["characters", "words"]
    band: float
    min_rise: float
    min_share: float
    max_elsewhere: float


_LIMITS = (
    _Limit("characters", 0.02, 4.0, 0.7, 1.0),
    _Limit("words", 0.02, 4.0, 0.7, 1.0),
    _Limit("characters", 0.25, 1.5, 0.5, 0.15),
)


def _size(sample: Sample) -> _Answer | None:
    """The size of the final answer, and whether it ends inside a sentence."""
    answer = final_answer(sample)
    if answer is None:
        return None
    text = answer.text.rstrip()
    is_unfinished = text[-1:].isalnum() or text.endswith((",", ";", "(", "...", "…"))
    words = len(text.split()) if len(text) >= _LOWEST_CAP else 0
    return _Answer(len(text), words, is_unfinished, text[-15:], answer.message)


@dataset_rule("LEN002", severity="warning", measure=_size)
def capped_answers(measured: Measured, *, min_capped: int = 10) -> Iterator[Flag]:
    """Many answers stop, unfinished, at one length: the limit of whatever made them.

    Why it matters: the answers were cut, by `max_tokens` or by a script, so the model learns to stop in the middle
    of a sentence as soon as an answer gets long. The rule looks for a crowd of answers at the greatest length of
    the file, most of which end inside a sentence (or in an ellipsis) though shorter answers do not, and flags those
    that end so.

    Example: 518 answers have between 2,030 and 2,047 characters and end "Steve is joined by his..."; fewer than ten
    have between 1,900 and 2,030.

    How to fix it: generate these answers again with a higher limit, or drop them.
    """
    for limit in _LIMITS:
        if capped := _crowd_at(limit, measured, min_capped):
            sizes = [answer[_LIMIT_COLUMN[limit.unit]] for _, answer in capped]
            low, high = min(sizes), max(sizes)
            span = f"{low:,} to {high:,}" if low < high else f"{high:,}"
            for (place, answer), size in zip(capped, sizes, strict=True):
                yield Flag(
                    place,
                    f"cut at {size:,} {limit.unit}; {len(capped) - 1:,} other answers stop at {span}",
                    Where(answer.message, "content", max(answer.characters - 60, 0), answer.characters),
                    evidence={limit.unit: size, "cap": high, "answers_at_cap": len(capped)},
                )
            return


_LIMIT_COLUMN: dict[str, Literal[0, 1]] = {"characters": 0, "words": 1}


def _crowd_at(limit: _Limit, measured: Measured, min_capped: int) -> list[tuple[Place, _Answer]]:
    """The unfinished answers at the greatest length, if there are so many that only a limit explains them."""
    column = _LIMIT_COLUMN[limit.unit]
    long = [answer for _, answer in measured if answer.characters >= _LOWEST_CAP]
    cap = _densest_end(sorted(answer[column] for answer in long if answer.is_unfinished), limit.band)
    floor = cap * (1 - limit.band)
    # A single answer beyond the cap does not hide it: it may come from elsewhere.
    beyond = sum(answer[column] > cap for answer in long)
    at_cap = [(place, answer) for place, answer in measured if floor <= answer[column] <= cap]
    crowd = [(place, answer) for place, answer in at_cap if answer.is_unfinished]
    if len(crowd) < max(min_capped, limit.min_share * len(at_cap)) or beyond > len(crowd) / 20:
        return []
    # One answer that many rows repeat is no limit.
    if len({answer.ending for _, answer in crowd}) < min_capped or len(crowd) > _LARGEST_CROWD * len(measured):
        return []
    next_band = sum(floor * (1 - limit.band) <= answer[column] < floor for _, answer in measured)
    shorter = [answer.is_unfinished for answer in long if answer[column] < floor]
    if len(at_cap) < limit.min_rise * max(next_band, 1) or sum(shorter) > limit.max_elsewhere * len(shorter):
        return []
    return crowd


def _densest_end(sizes: list[int], band: float) -> int:
    """The upper end of the stretch [size * (1 - band), size] that holds most of the sorted sizes; 0 if none."""
    best, most, start = 0, 0, 0
    for end, size in enumerate(sizes):
        while sizes[start] < size * (1 - band):
            start += 1
        if end - start + 1 >= most:
            best, most = size, end - start + 1
    return best
