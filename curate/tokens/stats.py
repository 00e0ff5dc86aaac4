"""How long rows and turns are, in the model's tokens or else in characters."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.rules.set_padding import grouped_share, packed_share, random_share
from curate.tokens.rows import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.model import Model
    from curate.sample import Sample

SCHEMA = "curate.stats/1"
PERCENTS = (5, 25, 50, 75, 90, 95, 99)
BINS = 16
BATCH = 8
"""Rows in the batches whose padding is counted."""

ROWS, TRAINED, REASONING, CALLS = "rows", "trained", "reasoning", "tool calls"
_FIRST = (ROWS, TRAINED, "system", "user", "assistant", REASONING, CALLS, "tool")


class Bin(NamedTuple):
    """How many values lie from `low` to `high` (both included)."""

    low: int
    high: int
    rows: int


@dataclass
class Series:
    """Lengths of one kind, sorted."""

    values: Sequence[int]

    def percentile(self, percent: int) -> int:
        return self.values[max(ceil(len(self.values) * percent / 100) - 1, 0)]

    @property
    def total(self) -> int:
        return sum(self.values)

    @property
    def mean(self) -> float:
        return self.total / len(self.values)

    def bins(self) -> list[Bin]:
        """Bins of one width that reach as far as 99% of the values do; the last holds all that is longer."""
        low, high, longest = self.values[0], self.percentile(99), self.values[-1]
        width = _round((high - low + 1) / BINS)
        start = floor(low / width) * width
        count = max((high - start) // width + 1, 1)
        edges = [(start + i * width, start + (i + 1) * width - 1) for i in range(count)]
        if longest > edges[-1][1]:
            edges.append((edges[-1][1] + 1, longest))
        return [Bin(a, b, bisect_right(self.values, b) - bisect_left(self.values, a)) for a, b in edges]

    def as_json(self) -> dict[str, Any]:
        percentiles = {f"p{percent}": self.percentile(percent) for percent in PERCENTS}
        return {
            "count": len(self.values),
            "total": self.total,
            "mean": round(self.mean, 2),
            "min": self.values[0],
            **percentiles,
            "max": self.values[-1],
            "histogram": [{"from": found.low, "to": found.high, "count": found.rows} for found in self.bins()],
        }


def _round(width: float) -> int:
    """The next width of 1, 2 or 5 times a power of ten."""
    if width <= 1:
        return 1
    power = 10 ** floor(log10(width))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= width))


@dataclass
class Stats:
    """The lengths of a data set. `unit` is "tokens" or "characters"; `rows` counts samples, of which `unrendered` are
    refused by the model's template and have no length."""

    unit: str
    rows: int = 0
    unrendered: int = 0
    verified: int = 0
    lengths: dict[str, array[int]] = field(default_factory=dict)

    def add(self, name: str, length: int) -> None:
        self.lengths.setdefault(name, array("q")).append(length)

    def series(self) -> dict[str, Series]:
        """The lengths by what they are of: whole rows first, then the roles."""
        names = sorted(self.lengths, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
        return {name: Series(sorted(self.lengths[name])) for name in names}

    def padding(self, max_length: int | None) -> dict[str, Any] | None:
        """The share of padding in batches, and what would save it; None for characters, or fewer rows than a batch."""
        if self.unit != "tokens" or len(self.lengths.get(ROWS, ())) < BATCH:
            return None
        lengths = sorted(min(length, max_length or length) for length in self.lengths[ROWS])
        size = max_length or lengths[-1]
        return {
            "batch_size": BATCH,
            "at_random": round(random_share(lengths, BATCH), 4),
            "grouped": round(grouped_share(lengths, BATCH), 4),
            "packed": round(packed_share(lengths, size), 4),
            "packed_to": size,
        }

    def over(self, max_length: int) -> int:
        """How many rows are longer."""
        return sum(length > max_length for length in self.lengths.get(ROWS, ()))


def measure(samples: Iterator[Sample], model: Model | None) -> Stats:
    """The lengths of all samples."""
    stats = Stats("tokens" if model else "characters")
    while some := list(islice(samples, BATCH_ROWS)):
        stats.rows += len(some)
        named = [(name, text) for sample in some for name, text in _texts(sample)]
        texts = [text for _, text in named]
        lengths = map(len, model.chat.ids_of(texts) if model else texts)
        for (name, _), length in zip(named, lengths, strict=True):
            stats.add(name, length)
        if model is None:
            for sample in some:
                stats.add(ROWS, sum(len(text) for _, text in _texts(sample)))
            continue
        for (rendering,) in model.read(some):
            if not rendering.text:
                stats.unrendered += 1
                continue
            stats.add(ROWS, len(rendering.ids))
            if rendering.verified:
                stats.verified += 1
                stats.add(TRAINED, rendering.trained)
    return stats


def _texts(sample: Sample) -> Iterator[tuple[str, str]]:
    """The texts of a sample, each with what it is: a role's, reasoning, or calls."""
    for message in sample.messages:
        if text := message.text:
            yield message.role, text
        if message.reasoning:
            yield REASONING, message.reasoning
        for call in message.tool_calls:
            arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
            yield CALLS, f"{call.name} {arguments}"


def as_json(stats: Stats, model: Model | None, max_length: int | None) -> dict[str, Any]:
    """The statistics as plain values, schema `curate.stats/1`."""
    return {
        "schema": SCHEMA,
        "model": model.as_json() if model else None,
        "unit": stats.unit,
        "rows": stats.rows,
        "unrendered": stats.unrendered if model else None,
        "verified": stats.verified if model else None,
        "max_length": max_length,
        "over_max_length": stats.over(max_length) if max_length and model else None,
        "series": {name: series.as_json() for name, series in stats.series().items()},
        "padding": stats.padding(max_length),
    }
