"""A row of the data, read from the user's file where search.db says that it stands, and proved to be that row."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.finding import Place
from curate.io import RawRow
from curate.review.index import BESIDE, layout_from, stamp
from curate.run.data import parts_of

if TYPE_CHECKING:
    from curate.formats import Layout
    from curate.review.store import Row, Store
    from curate.run.data import Part


class DataChanged(CurateError):
    """The file is not the one that was checked."""


def read_part(store: Store, row: Row) -> Part:
    """The row with its bytes and, where it can be read, its sample.

    Raises:
        DataChanged: the file was changed, moved or removed since it was checked.
    """
    path, location, was, layout = store.files[row.file]
    source = store.run / BESIDE if row.beside else Path(location)
    try:
        with source.open("rb") as file:
            found = os.pread(file.fileno(), row.size, row.start)
    except OSError as error:
        raise DataChanged(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    parts = parts_of(RawRow(row.line, found, row.start), path, _layout(layout))
    wanted = Place(path, row.line, row.part, row.id)
    part = next((part for part in parts if part.place == wanted), None)
    if part is None or (not row.beside and stamp(source) != was):
        raise DataChanged(f"{path}: changed since it was checked")
    return part


@lru_cache(maxsize=100)
def _layout(kept: str) -> Layout:
    return layout_from(kept)
