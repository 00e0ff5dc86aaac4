"""The ids and labels of a split, as an Arrow file."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from curate.tokens.pieces import trained_flags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from arro3.core import Array, RecordBatch

    from curate.sample import Sample
    from curate.template.prove import Rendering

NOT_TRAINED = -100


@dataclass(frozen=True, slots=True)
class TrainedRow:
    """A row as it is trained. `labels` are its ids where they are trained, else -100."""

    sample: Sample
    rendering: Rendering
    labels: list[int]

    @classmethod
    def of(cls, sample: Sample, rendering: Rendering) -> TrainedRow:
        flags = zip(rendering.ids, trained_flags(rendering), strict=True)
        return cls(sample, rendering, [i if is_trained else NOT_TRAINED for i, is_trained in flags])


class Digest:
    """The hash of a split's rows: of each its id, a zero byte, the number of its ids (int64), its ids and its labels
    (int32), all little-endian."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, row: TrainedRow) -> None:
        ids = row.rendering.ids
        self._sha256.update(row.sample.id.encode() + b"\0" + len(ids).to_bytes(8, "little"))
        self._sha256.update(array("i", ids).tobytes() + array("i", row.labels).tobytes())

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def write(file: Path, rows: Iterator[Sequence[TrainedRow]]) -> None:
    """Write rows that come in batches, of which none may be empty.

    Columns: `sample_id`, `line`, `turn` (the message of the last trained turn), `text`, `input_ids`, `labels` (the id
    where it is trained, else -100), `prompt_length` (the ids before the last trained turn) and `answer` (its text
    without its stop token).
    """
    from arro3.core import DataType, Field, RecordBatchReader, Schema
    from arro3.io import write_ipc

    numbers = _lists([[0]]).type
    types = {
        "sample_id": DataType.utf8(),
        "line": DataType.int32(),
        "turn": DataType.int32(),
        "text": DataType.utf8(),
        "input_ids": numbers,
        "labels": numbers,
        "prompt_length": DataType.int32(),
        "answer": DataType.utf8(),
    }
    schema = Schema([Field(name, type) for name, type in types.items()])
    # The rows are made from within the writer, which would hide their errors behind its own.
    failed: list[Exception] = []

    def batches() -> Iterator[RecordBatch]:
        try:
            for some in rows:
                yield _batch(some, schema)
        except Exception as error:
            failed.append(error)

    write_ipc(RecordBatchReader.from_batches(schema, batches()), str(file))
    if failed:
        raise failed[0]


def _batch(rows: Sequence[TrainedRow], schema: Any) -> RecordBatch:
    from arro3.core import Array, DataType, RecordBatch

    text = DataType.utf8()
    last = [(row.rendering.text, row.rendering.turns[-1]) for row in rows]
    return RecordBatch.from_arrays(
        [
            Array([row.sample.id for row in rows], text),
            _integers([row.sample.line for row in rows]),
            _integers([turn.message for _, turn in last]),
            Array([rendered for rendered, _ in last], text),
            _lists([row.rendering.ids for row in rows]),
            _lists([row.labels for row in rows]),
            _integers([turn.first for _, turn in last]),
            Array([rendered[turn.start : turn.end] for rendered, turn in last], text),
        ],
        schema=schema,
    )


def _integers(values: Sequence[int]) -> Array:
    from arro3.core import Array

    return Array.from_buffer(array("i", values))


def _lists(values: Sequence[Sequence[int]]) -> Array:
    """A column of lists of int32; none of them may be empty, nor the column."""
    from arro3.core import list_array

    ends = array("i", [0])
    for value in values:
        ends.append(ends[-1] + len(value))
    return list_array(_integers(ends), _integers(list(chain.from_iterable(values))))
