"""Answers that are data: JSON objects and calls of tools."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from curate_evaluate.metrics.texts import exact_match, exact_match_strict

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCED = re.compile(r"\A\s*```(?:json\w?)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json\w?)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_FUNCTION = re.compile(r"<function=([\w.-]+)>((?:(?!<function=).)*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# A call that no server would parse: it has no end, or no arguments.
_ATTEMPT = re.compile(
    r"<function=|<tool_call>\s*[^\s<]"
    r"|\"name\"\s*:\s*\"[^\"]*\"\s*,\s*\"(?:arguments|parameters)\"\s*:"
    # Nothing but a name: within other data it is somebody's.
    r"|(?:(?<![:,\[])(?<![:,\[]\s)|\"function\"\s*:\s*)\{\s*\"name\"\s*:\s*\"[^\"]*\"\s*\}"
)
# A degenerate output of thousands of brackets would be tried from each of them to its end.
MOST_FAILURES = 200
DEEPEST = 100


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Not orjson: integers from 2^64 on are numbers too.
_DECODER = json.JSONDecoder(parse_constant=_no_json)


class _Found(NamedTuple):
    """A JSON value at `start:end` of a text."""

    value: Any
    start: int
    end: int


def read_json(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or array that a text is, bare or in a code fence; it may be empty. None where the text is no JSON."""
    if match := _FENCED.match(text):
        text = match[1]
    value = _plain(text)
    return value if isinstance(value, dict | list) else None


def find_json(text: str) -> dict[str, Any] | list[Any] | None:
    """The JSON that an answer holds: all of it, in a code fence, or the first object or array among its words, an empty
    one only where there is no other."""
    if (whole := read_json(text)) is not None:
        return whole
    for fenced in _FENCE.finditer(text):
        if (inner := read_json(fenced[1])) is not None:
            return inner
    found = [one.value for one in _values(text)]
    return next(filter(None, found), found[0] if found else None)


def _values(text: str) -> Iterator[_Found]:
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
        if not _is_deep(value):
            yield _Found(value, match.start(), position)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def json_valid(output: str, reference: str) -> float:
    """1.0 where the whole answer is JSON, an object or an array as the reference is. A reference that is no JSON is
    compared as a text."""
    expected = read_json(reference)
    return exact_match(output, reference) if expected is None else float(type(read_json(output)) is type(expected))


def json_fields(output: str, reference: str) -> float:
    """The share of the fields of both that are in both with the same value (their F1): a field left out, invented or
    wrong counts against it. JSON may stand within other text; a reference that holds none is compared as a text."""
    expected = find_json(reference)
    return exact_match(output, reference) if expected is None else _shared_fields(find_json(output), expected)


def json_fields_strict(output: str, reference: str) -> float:
    """The same where the answer is JSON and nothing else, else 0; to the letter where the reference is not."""
    expected = read_json(reference)
    return exact_match_strict(output, reference) if expected is None else _shared_fields(read_json(output), expected)


def _shared_fields(output: Any, reference: Any) -> float:
    if output is None:
        return 0.0
    ours, theirs = Counter(_fields(output)), Counter(_fields(reference))
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


# Keys, places in arrays of objects, and None for the members of arrays of plain values.
_Path = tuple[str | int | None, ...]


def _fields(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    """The leaves with their paths. Members of arrays of plain values have no order; objects in arrays have."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, (*path, _text(key).casefold()))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _fields(item, (*path, i if isinstance(item, dict | list) else None))
    else:
        yield path, _canonical(value)


def _canonical(value: Any, *, cased: bool = False) -> str:
    """One text for all spellings of a JSON value: order of keys, white space around texts and forms of numbers do not
    matter, and the case of keys only where asked."""
    if isinstance(value, dict):
        keys = ((_text(key) if cased else _text(key).casefold(), item) for key, item in value.items())
        return f"{{{','.join(sorted(f'{json.dumps(key)}:{_canonical(item, cased=cased)}' for key, item in keys))}}}"
    if isinstance(value, list):
        return f"[{','.join(_canonical(item, cased=cased) for item in value)}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(_text(value) if isinstance(value, str) else value)


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def calls(text: str, *, cased: bool = False) -> list[tuple[str, str]]:
    """The calls of tools that an answer makes, as (name, canonical arguments), in order.

    Read are objects with a name and arguments or parameters, alone, in arrays or between the marks of a template, and
    <function=name> with JSON or <parameter=...> in it. Arguments that cannot be read stand as they are.

    Args:
        text: the answer.
        cased: whether "City" is another argument than "city".
    """
    return [(name, _canonical(arguments, cased=cased)) for name, arguments in _calls(text)[0]]


def _calls(text: str) -> tuple[list[tuple[str, Any]], str]:
    """The calls, and what is left of the text without them."""
    spans = []
    found: list[tuple[str, Any]] = []
    for match in _FUNCTION.finditer(text):
        parameters = {name: _plain(value) for name, value in _PARAMETER.findall(match[2])}
        found.append((match[1], parameters or _arguments(match[2])))
        spans.append(match.span())
    if not found:
        for value, start, end in _values(text):
            if made := list(_calls_in(value)):
                found += made
                spans.append((start, end))
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(text)]
    return found, "".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _calls_in(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _calls_in(item)
    elif isinstance(value, dict):
        inner = value.get("function", value)
        if not isinstance(inner, dict):
            return
        arguments = inner.get("arguments", inner.get("parameters"))
        if isinstance(arguments, str):
            arguments = _arguments(arguments)
        if isinstance(inner.get("name"), str) and isinstance(arguments, dict | str):
            yield inner["name"], arguments


def _arguments(text: str) -> dict[str, Any] | str:
    """The arguments that a text holds; nothing at all is none, and what cannot be read stays a text."""
    value = _plain(text) if text.strip() else {}
    return value if isinstance(value, dict) else text


def _plain(text: str) -> Any:
    """The JSON value that a text is, or else the text."""
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        return text
    return text if _is_deep(value) else value


def _said(text: str, *, cased: bool = False) -> tuple[list[tuple[str, str]], str]:
    """The calls in any order, and where more was tried, all that is left without them."""
    rest = _calls(text)[1]
    return sorted(calls(text, cased=cased)), "".join(rest.split()) if _ATTEMPT.search(rest) else ""


def tool_call(output: str, reference: str) -> float:
    """1.0 where both make the same calls with the same arguments, in whatever notation; 1.0 where neither makes any. A
    call that cannot be parsed is none that the reference makes, and not none at all."""
    return float(_said(output) == _said(reference))


def tool_call_strict(output: str, reference: str) -> float:
    """The same with arguments named to the letter, and what stands around them is that of the reference: the notation
    that a server parses."""
    return float(
        tool_call(output, reference)
        and _said(output, cased=True) == _said(reference, cased=True)
        and _notation(output) == _notation(reference)
    )


_BRACED = re.compile(r"\{.*\}|<parameter=.*</parameter>", re.DOTALL)


def _notation(text: str) -> str:
    return "".join(_BRACED.sub("", text).split())
