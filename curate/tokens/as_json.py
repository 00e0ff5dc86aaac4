"""The `json` output of `curate render`: one object a line for each rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.report.as_json import dumps
from curate.tokens.pieces import trained_flags, trained_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curate.tokens.rows import Row


def to_json(rows: Iterable[Row]) -> Iterator[str]:
    return (dumps(as_json(row)) + "\n" for row in rows)


def as_json(row: Row) -> dict[str, Any]:
    """A rendering as plain values."""
    rendering = row.rendering
    return {
        **row.sample.place.as_json(),
        "text": rendering.text,
        "ids": rendering.ids,
        "trained": trained_flags(rendering),
        "trained_text": trained_text(rendering),
        "verified": rendering.verified,
        "notes": [note._asdict() for note in rendering.notes],
    }
