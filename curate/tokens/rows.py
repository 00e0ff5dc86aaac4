"""The rows of a data set as one model sees them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from curate.errors import CurateError
from curate.examine import read_samples
from curate.formats import gather, survey
from curate.io import parse_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from curate.io import Input
    from curate.model import Model
    from curate.sample import Sample
    from curate.template.prove import Rendering

BATCH_ROWS = 256


class Row(NamedTuple):
    """A sample and one of its renderings: its only one, or one of each trained turn."""

    sample: Sample
    rendering: Rendering


def samples_of(
    data: Sequence[Input], *, format: str | None, columns: Mapping[str, str], line: int | None = None
) -> Iterator[Sample]:
    """The samples of the data in order, or those of one line of each file.

    Raises:
        CurateError: no file has a row on that line, or it gives no sample.
    """
    found = False
    for source in data:
        values = (value for row in source.rows() if row.data for value in parse_row(row.data).values)
        layout = survey(values, forced=format, columns=columns)
        for row in gather(source.rows(), layout):
            if line is None or row.line == line:
                samples = read_samples(row, source.path, layout, [])
                found = found or bool(samples)
                yield from samples
    if line is not None and not found:
        paths = " ".join(source.path for source in data)
        raise CurateError(
            f"{paths}: no row that can be read begins on line {line:,}; what is there: curate check {paths}"
        )


def rendered(samples: Iterator[Sample], model: Model) -> Iterator[list[Row]]:
    """Each sample with its renderings by the model, in batches."""
    while some := list(islice(samples, BATCH_ROWS)):
        read = zip(some, model.read(some), strict=True)
        yield [Row(sample, rendering) for sample, renderings in read for rendering in renderings]
