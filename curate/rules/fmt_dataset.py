"""FMT070: columns whose type changes from row to row."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from curate.finding import Flag, Place
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_DEEPEST = 6
_TYPES = {str: "text", bool: "boolean", int: "number", float: "number", dict: "object", list: "list"}
_CONTENT = "messages[].content"
# By far the commonest row: every content is text and there is no other column.
_ONLY_TEXT = ((_CONTENT, "text"),)

_TypeAt = tuple[str, str]


def _types(sample: Sample) -> tuple[_TypeAt, ...]:
    """Each path of the columns that were carried along, and of the tool calls and contents, with its JSON types."""
    messages = sample.messages
    if not sample.metadata and all(
        isinstance(message.content, str) and not message.extra and not message.tool_calls for message in messages
    ):
        return _ONLY_TEXT
    found: dict[_TypeAt, None] = {}
    for column, value in sample.metadata.items():
        _walk(value, column, found, 0)
    # Anthropic's tool results are blocks of a user's turn; the reader made turns of them, whose contents are no column.
    in_blocks = any(message.role == "tool" for message in messages) and all(
        isinstance(message.content, list) or message.content is None for message in messages if message.role != "tool"
    )
    for message in messages:
        if not (in_blocks and message.role == "tool"):
            _walk(message.content, _CONTENT, found, _DEEPEST - 1)
        for key, value in message.extra.items():
            _walk(value, f"messages[].{key}", found, 1)
        # In other formats a call is written as text, whose inside Arrow does not see.
        if sample.format == "messages":
            for call in message.tool_calls:
                _walk(call.arguments, "messages[].tool_calls[].function.arguments", found, 1)
    return tuple(found)


def _walk(value: Any, path: str, found: dict[_TypeAt, None], depth: int) -> None:
    if value is None:
        return
    kind = type(value)
    found[path, _TYPES.get(kind, "text")] = None
    if depth + 1 >= _DEEPEST or (kind is not dict and kind is not list):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            _walk(inner, f"{path}.{key}", found, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, f"{path}[]", found, depth + 1)


@dataset_rule("FMT070", severity="info", measure=_types)
def conflicting_types(measured: Measured, *, max_named: int = 5) -> Iterator[Flag]:
    """A column holds values of two JSON types.

    Why it matters: `datasets.load_dataset("json")` gives each column one Arrow type, so it stops with an
    ArrowInvalid or cast error at the first row of the other type. Looked at are the columns beside the
    conversation, tool arguments, and contents that are text in some rows and a list of parts in others.

    Example: `score` is a number in 980 rows and text ("n/a") in 20.

    How to fix it: write all values as one type: numbers and null, text everywhere, or JSON in a string.
    """
    usually: dict[str, str] = {}
    mixed = {path for _, types in measured for path, kind in types if usually.setdefault(path, kind) != kind}
    rows: dict[str, Counter[str]] = {path: Counter() for path in usually if path in mixed}
    first: dict[_TypeAt, list[Place]] = defaultdict(list)
    for place, types in measured if mixed else ():
        for path, kind in types:
            if path not in mixed:
                continue
            rows[path][kind] += 1
            places = first[path, kind]
            if len(places) < max_named:
                places.append(place)
    for path, kinds in rows.items():
        (usual, most), (other, least) = kinds.most_common()[0], kinds.most_common()[-1]
        places = first[path, other]
        lines = ", ".join(str(place.line) for place in places) + (", …" if least > len(places) else "")
        yield Flag(
            None,
            f"{path} is {usual} in {most:,} of the rows, {other} in {least:,} (line{'s' if least > 1 else ''} {lines})",
            evidence={"column": path, "types": dict(kinds.most_common())},
            related=tuple(places),
        )
