"""SET003: a few answers in another format than all the others."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from curate.finding import Flag, Place, Where
from curate.rules.answers import final_answer
from curate.rules.rule import Measured, dataset_rule
from curate.sample import SYSTEM_ROLES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRUCTURED = ("JSON", "fenced JSON", "XML")


class _Output(NamedTuple):
    task: int
    format: str
    message: int


def _output(sample: Sample) -> _Output | None:
    """The format of the final answer and the task it belongs to: a hash of the system prompt, 0 without one."""
    answer = final_answer(sample)
    if answer is None or sample.tools:
        return None
    kind = _format_of(answer.text.strip())
    if kind is None:
        return None
    first = sample.messages[0]
    task = zlib.crc32(first.text.encode("utf-8", "replace")) if first.role in SYSTEM_ROLES else 0
    return _Output(task, kind, answer.message)


def _format_of(text: str) -> str | None:
    """The format of a text; None for a tool call in writing, which comes and goes between answers in prose."""
    if text.startswith(("{", "[")):
        try:
            value = orjson.loads(text)
        except ValueError:
            return "broken JSON" if text.startswith(("{", '["', "[{")) else "text"
        return None if _is_tool_call(value) else "JSON"
    if text.startswith("```json") and text.endswith("```"):
        return "fenced JSON"
    if text.startswith("<tool_call>"):
        return None
    if text.startswith("<") and text.endswith(">"):
        return "XML"
    return "text"


def _is_tool_call(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and "name" in first and not first.keys().isdisjoint(("arguments", "parameters"))


@dataset_rule("SET003", severity="warning", measure=_output)
def mixed_output_format(measured: Measured, *, min_share: float = 0.9, min_rows: int = 20) -> Iterator[Flag]:
    """Nearly all answers have one structured format, and this one has not.

    Why it matters: the program that reads the answers expects JSON each time; a few rows of prose teach the model
    to fall back to prose now and then. Rows with the same system prompt are compared with each other, and all rows
    of the file where one format dominates it. Tool calls take no part.

    Example: 950 of 1,000 answers are JSON objects, and line 17 says "Sure! The sentiment is positive."

    How to fix it: rewrite the answer in the format of the others, or drop the row.
    """
    flags = list(_deviating(measured, min_share, min_rows))
    if not flags:
        tasks: dict[int, Measured] = defaultdict(list)
        for place, output in measured:
            if output.task:
                tasks[output.task].append((place, output))
        flags = [flag for rows in tasks.values() for flag in _deviating(rows, min_share, min_rows)]
    yield from flags


def _deviating(rows: list[tuple[Place, _Output]], min_share: float, min_rows: int) -> Iterator[Flag]:
    if len(rows) < min_rows:
        return
    usual, count = Counter(output.format for _, output in rows).most_common(1)[0]
    if usual not in _STRUCTURED or count < min_share * len(rows):
        return
    share = min(round(100 * count / len(rows)), 99)
    for place, output in rows:
        if output.format != usual:
            yield Flag(
                place,
                f"the answer is {output.format}, {share}% of the others are {usual}",
                Where(output.message, "content"),
                evidence={"format": output.format, "usual": usual, "share": round(count / len(rows), 3)},
            )
