"""Where a row of a mix comes from: what stands beside the mix says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from curate.finding import Place
from curate.io.records import COMPRESSION_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

MIX, SOURCES, REJECTED = ".mix.json", ".sources.jsonl", ".rejected.jsonl"


def beside(out: Path, kind: str) -> Path:
    """The file of a mix that stands beside its rows: `mixed.sources.jsonl` beside `mixed.jsonl` or `mixed.jsonl.gz`."""
    name = out.with_suffix("") if out.suffix.lower() in COMPRESSION_SUFFIXES else out
    return out.with_name(f"{name.stem}{kind}")


def origins(data: Path, sample_id: str) -> list[Place]:
    """The places in the sources of a mix that a row of it was drawn from: its id finds it, wherever it stands by now.

    Empty where `data` is no mix, or has no such row.
    """
    found: dict[Place, None] = {}
    sources = beside(data.resolve(), SOURCES)
    if sources.is_file():
        with sources.open("rb") as lines:
            for line in lines:
                if sample_id.encode() in line:
                    entry = orjson.loads(line)
                    found[Place(**entry["source"], sample_id=sample_id)] = None
    return list(found)
