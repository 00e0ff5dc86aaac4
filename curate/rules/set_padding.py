"""SET012: how much of each batch would be padding."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from curate.finding import Flag
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.sample import Sample


def _length(sample: Sample) -> int | None:
    return len(sample.rendering.ids) if sample.rendering and sample.rendering.ids else None


@dataset_rule("SET012", severity="info", measure=_length, scope="all", needs="model")
def padded_batches(
    measured: Measured,
    *,
    max_length: int | None = None,
    batch_size: int = 8,
    min_share: float = 0.3,
    min_rows: int = 50,
) -> Iterator[Flag]:
    """The rows differ so much in length that a large part of each batch would be padding.

    Why it matters: a batch is as long as its longest row, and what fills up the others costs as much time and memory as
    text. Where rows of like length share a batch, or several rows share one sequence (packing), most of that is saved.

    Example: in batches of 8 rows 61% of the tokens would be padding; with rows of like length together 4%.

    How to fix it: switch on grouping by length, or packing, where your trainer has them; cut or drop the few very long
    rows.
    """
    lengths = sorted(min(length, max_length or length) for _, length in measured)
    if len(lengths) < min_rows:
        return
    size = max_length or lengths[-1]
    at_random = random_share(lengths, batch_size)
    if at_random >= min_share:
        grouped, packed = grouped_share(lengths, batch_size), packed_share(lengths, size)
        yield Flag(
            None,
            f"in batches of {batch_size} rows {at_random:.0%} of the tokens would be padding; with rows of like length "
            f"together {grouped:.0%}, packed to {size:,} tokens {packed:.0%}",
            evidence={
                "batch_size": batch_size,
                "at_random": round(at_random, 4),
                "grouped": round(grouped, 4),
                "packed": round(packed, 4),
                "packed_to": size,
            },
        )


def random_share(lengths: Sequence[int], batch_size: int) -> float:
    """The expected share of padding in batches of rows (their lengths, sorted) that are drawn at random."""
    rows = len(lengths)
    reached = [(rank / rows) ** batch_size for rank in range(rows + 1)]
    longest = sum(length * (b - a) for length, (a, b) in zip(lengths, pairwise(reached), strict=True))
    return 1 - sum(lengths) / rows / longest


def grouped_share(lengths: Sequence[int], batch_size: int) -> float:
    """The share of padding in batches of rows that stand side by side in order of length."""
    batches = [lengths[at : at + batch_size] for at in range(0, len(lengths), batch_size)]
    return 1 - sum(lengths) / sum(batch[-1] * len(batch) for batch in batches)


def packed_share(lengths: Sequence[int], size: int) -> float:
    """The share of padding in sequences of `size` tokens into which whole rows are put, the longest first, each where
    it leaves the least room (best fit decreasing)."""
    room: Counter[int] = Counter()
    rooms = 0  # bit n: a sequence has room for n more tokens
    sequences = 0
    for length, rows in sorted(Counter(lengths).items(), reverse=True):
        while rows:
            fitting = rooms >> length
            if fitting:
                found = length + (fitting & -fitting).bit_length() - 1
                room[found] -= 1
                if not room[found]:
                    rooms ^= 1 << found
            else:
                sequences += 1
                found = size
            # What is left is the least room again, as long as it has any for this length.
            put = min(rows, found // length)
            rows -= put
            left = found - put * length
            room[left] += 1
            rooms |= 1 << left
    return 1 - sum(lengths) / (sequences * size)
