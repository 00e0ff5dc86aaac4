"""The `json` and `jsonl` outputs: everything, without a cap, in one fixed order of keys."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from curate.report.safe import safe_json

if TYPE_CHECKING:
    from curate.report.report import Report


def to_json(report: Report) -> Iterator[str]:
    """The whole report, schema `curate.check/1`, indented by two."""
    yield dumps(report.to_json(), indent=True) + "\n"


def to_jsonl(report: Report) -> Iterator[str]:
    """One finding a line and nothing else."""
    return (dumps(finding.as_json()) + "\n" for finding in report.findings)


def dumps(value: Any, *, indent: bool = False) -> str:
    """JSON that every strict reader takes, with what could act on a terminal escaped inside the strings."""
    try:
        document = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits, or what a person's own rule put into its evidence
        separators = None if indent else (",", ":")
        document = json.dumps(_plain(value), ensure_ascii=False, indent=2 if indent else None, separators=separators)
    return safe_json(document)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)
