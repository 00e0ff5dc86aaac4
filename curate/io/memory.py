"""Rows that are already in memory: a DataFrame, a datasets.Dataset, an iterable of dicts."""

from __future__ import annotations

import datetime
import decimal
import math
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import orjson

from curate.errors import CurateError
from curate.io.sources import Input


class InMemory(Input):
    """Records written to a temporary JSON Lines file, which lives as long as this object: line = record number."""

    def __init__(self, records: Iterable[Any], name: str) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="curate-", suffix=".jsonl")  # noqa: SIM115
        for number, record in enumerate(records, 1):
            try:
                row = orjson.dumps(record, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
            except TypeError as error:
                raise CurateError(f"record {number} of {name} is not JSON: {error}") from error
            self._file.write(row + b"\n")
        self._file.flush()
        super().__init__(name, Path(self._file.name))


def from_memory(data: Any) -> Input:
    """The input that holds `data`'s records.

    Raises:
        CurateError: `data` is neither a frame nor an iterable of records.
    """
    name = f"<{type(data).__name__}>"
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas is not imported for people who do not use it
        return InMemory(map(_without_missing, data.to_dict("records")), name)
    if isinstance(data, Iterable) and not isinstance(data, bytes | Mapping):
        return InMemory(data, name)
    raise CurateError(f"cannot read rows from a {type(data).__name__}; give paths, a DataFrame or an iterable of dicts")


def _without_missing(record: dict[str, Any]) -> dict[str, Any]:
    """pandas writes a missing cell as NaN."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in record.items()}


def _plain(value: Any) -> Any:
    """The JSON value of what frames and data sets hold beside JSON values.

    Raises:
        TypeError: it has none.
    """
    if hasattr(value, "tolist"):  # numpy scalars, and arrays of objects
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, decimal.Decimal | datetime.timedelta | PurePath):
        return str(value)
    if value.__class__.__name__ in {"NaTType", "NAType"}:
        return None
    raise TypeError(f"no JSON for a {type(value).__name__}")
