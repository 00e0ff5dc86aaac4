"""Answers that are data: JSON objects and calls of tools."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from curate.contradiction.json_values import canonical, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"```(?:json\w?)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_FUNCTION = re.compile(r"<function=([\w.-]+)>((?:(?!<function=).)*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# A degenerate output of thousands of brackets would be tried from each of them to its end.
MOST_FAILURES = 200
_DECODER = json.JSONDecoder()


def find_json(text: str) -> Any:
    """The JSON that an answer holds: all of it, in a code fence, or the first object or array among its words."""
    if (whole := parse_json(text)) is not None:
        return whole
    for fenced in _FENCE.finditer(text):
        if (value := parse_json(fenced[1])) is not None:
            return value
    return next(_values(text), None)


def _values(text: str) -> Iterator[Any]:
    """The JSON objects and arrays that stand in a text, from the left, none within another."""
    position = failures = 0
    while failures < MOST_FAILURES and (match := _OPENING.search(text, position)):
        try:
            value, position = _DECODER.raw_decode(text, match.start())
        except RecursionError:
            return
        except ValueError:
            position = match.end()
            failures += 1
            continue
        if value:
            yield value


def json_valid(output: str, reference: str) -> float:
    """1.0 where the whole answer is JSON, an object or an array as the reference is."""
    return float(type(parse_json(output)) is type(find_json(reference)))


def json_fields(output: str, reference: str) -> float:
    """The share of the fields of both that are in both with the same value (their F1): a field left out, invented or
    wrong counts against it. JSON may stand within other text."""
    return _shared_fields(find_json(output), find_json(reference))


def json_fields_strict(output: str, reference: str) -> float:
    """The same where the answer is JSON and nothing else, else 0."""
    return _shared_fields(parse_json(output), find_json(reference))


def _shared_fields(output: Any, reference: Any) -> float:
    if output is None:
        return 0.0
    ours, theirs = set(_fields(output)), set(_fields(reference))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else float(output == reference)


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves with their paths. Members of arrays of plain values have no order; objects in arrays have."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, f"{path}.{key.casefold()}")
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _fields(item, f"{path}[{i}]" if isinstance(item, dict | list) else f"{path}[]")
    else:
        yield path, canonical(value)


def calls(text: str) -> list[tuple[str, str]]:
    """The calls of tools that an answer makes, as (name, canonical arguments), in order.

    Read are objects with a name and arguments or parameters, alone, in arrays or between the marks of a template, and
    <function=name> with JSON or <parameter=...> in it.
    """
    found: list[tuple[int, str, str]] = []
    for match in _FUNCTION.finditer(text):
        parameters = {name: _plain(value) for name, value in _PARAMETER.findall(match[2])}
        arguments = parameters or parse_json(match[2]) or {}
        found.append((match.start(), match[1], canonical(arguments)))
    if not found:
        found = [(0, *call) for value in _values(text) for call in _calls_in(value)]
    return [(name, arguments) for _, name, arguments in found]


def _calls_in(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _calls_in(item)
    elif isinstance(value, dict):
        inner = value.get("function", value)
        if not isinstance(inner, dict):
            return
        arguments = inner.get("arguments", inner.get("parameters"))
        if isinstance(arguments, str):
            arguments = parse_json(arguments) or {}
        if isinstance(inner.get("name"), str) and isinstance(arguments, dict):
            yield inner["name"], canonical(arguments)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def tool_call(output: str, reference: str) -> float:
    """1.0 where both make the same calls with the same arguments, in whatever notation; 1.0 where neither makes any."""
    return float(sorted(calls(output)) == sorted(calls(reference)))


def tool_call_strict(output: str, reference: str) -> float:
    """The same, and what stands around the arguments is that of the reference: the notation that a server parses."""
    return float(tool_call(output, reference) and _notation(output) == _notation(reference))


_BRACED = re.compile(r"\{.*\}|<parameter=.*</parameter>", re.DOTALL)


def _notation(text: str) -> str:
    return "".join(_BRACED.sub("", text).split())
