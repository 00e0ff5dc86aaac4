"""Tool definitions and tool calls, in the shapes in which they stand in rows."""

from __future__ import annotations

import ast
import json
from typing import Any

import orjson

from curate.finding import Fault, Where
from curate.sample import ToolCall


def parse_json(text: str) -> Any:
    """Parse JSON, or a Python literal as `str(value)` writes it.

    Raises:
        ValueError: the text is neither.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    if text.lstrip()[:1] not in ("[", "{"):
        raise ValueError("neither JSON nor a Python literal")
    try:
        return orjson.loads(orjson.dumps(ast.literal_eval(text)))  # a literal may hold sets, bytes, tuples
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("neither JSON nor a Python literal") from error


def dump_json(value: Any) -> str:
    """Compact JSON text, whatever the size of its integers."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_tools(value: Any, faults: list[Fault], column: str = "tools") -> list[dict[str, Any]] | None:
    """Read tool definitions: a list of objects or the JSON text of one; a lone object is a list of one."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            faults.append(_malformed(f"{column} is text that is not JSON", Where(field=column)))
            return None
    if isinstance(value, dict):
        value = [value] if value else []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        faults.append(_malformed(f"{column} is not a list of objects", Where(field=column)))
        return None
    return value


def as_tools(functions: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Bring the legacy `functions` of a row into the shape of `tools`."""
    return functions and [{"type": "function", "function": function} for function in functions]


def read_call(value: Any) -> ToolCall | None:
    """Read one call: `{"function": {"name", "arguments"}, "id"}`, or `{"name", "arguments"}`; None if it is neither."""
    if not isinstance(value, dict):
        return None
    function = value.get("function")
    call = function if isinstance(function, dict) else value
    name = call.get("name", function if isinstance(function, str) else None)
    if not isinstance(name, str):
        return None
    arguments = call.get("arguments", call.get("parameters") if "arguments" not in call else None)
    call_id = value.get("id")
    return ToolCall(name, arguments, call_id if isinstance(call_id, str) else None)


def read_calls(value: Any, faults: list[Fault], message: int, field: str = "tool_calls") -> list[ToolCall]:
    """Read the calls of a turn; what is not a call is a fault and is left out."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            faults.append(_malformed(f"{field} is text that is not JSON", Where(message, field)))
            return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        faults.append(_malformed(f"{field} is not a list of calls", Where(message, field)))
        return []
    calls = []
    for i, item in enumerate(value):
        call = read_call(item)
        if call is None:
            reason = "has no function name" if isinstance(item, dict) else "is not an object"
            faults.append(_malformed(f"{field}[{i}] {reason}", Where(message, field)))
        else:
            calls.append(call)
    return calls


def calls_in_text(text: str) -> list[ToolCall] | None:
    """Read a call turn's text: the JSON of one call or of a list of calls; None if it is something else."""
    try:
        value = parse_json(text)
    except ValueError:
        return None
    items = value if isinstance(value, list) else [value]
    calls = [read_call(item) for item in items]
    return [call for call in calls if call] if items and all(calls) else None


def write_call(call: ToolCall) -> dict[str, Any]:
    """A call in the shape of `tool_calls`; the arguments stay an object or a JSON string, as they were read."""
    out: dict[str, Any] = {} if call.id is None else {"id": call.id}
    out["type"] = "function"
    out["function"] = {"name": call.name, "arguments": {} if call.arguments is None else call.arguments}
    return out


def _malformed(message: str, where: Where) -> Fault:
    return Fault(message, where, rule="unreadable-tools" if where.message is None else "malformed-tool-call")
