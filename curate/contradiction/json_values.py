"""Answers in JSON: their values by path."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_FENCED = re.compile(r"\A\s*```(?:json[5c]?)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL | re.IGNORECASE)
Scalar = str | int | float | bool | None
_DEEPEST = 20


def parse_json(text: str) -> Any:
    """The object or array that a text is, bare or in a code fence; None for anything else."""
    if match := _FENCED.match(text):
        text = match[1]
    text = text.strip()
    if text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) and value else None


def canonical(value: Any) -> str:
    """One text for all spellings of a JSON value: order of keys, white space and forms of numbers do not matter."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.casefold(): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.strip() if isinstance(value, str) else value


def shared_leaves(left: Any, right: Any, path: str = "", depth: int = 0) -> list[tuple[str, Scalar, Scalar]]:
    """The values at the paths that both have, as (path, left, right).

    Keys are compared without case. Arrays of scalars are sets, so their members have no path; arrays of objects count
    where they have one length. Null is as good as missing.
    """
    if depth > _DEEPEST or left is None or right is None:
        return []
    if isinstance(left, dict) and isinstance(right, dict):
        others = {key.casefold(): item for key, item in right.items()}
        return [
            leaf
            for key, item in left.items()
            if key.casefold() in others
            for leaf in shared_leaves(item, others[key.casefold()], f"{path}.{key}" if path else key, depth + 1)
        ]
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right) or not all(isinstance(item, dict) for item in left + right):
            return []
        leaves = [
            shared_leaves(a, b, f"{path}[{i}]", depth + 1) for i, (a, b) in enumerate(zip(left, right, strict=True))
        ]
        # Objects that have nothing in common are in another order, or are other objects.
        in_order = all(any(a == b for _, a, b in item) for item in leaves)
        return [leaf for item in leaves for leaf in item] if in_order or len(left) == 1 else []
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return []
    return [(path, left, right)]
