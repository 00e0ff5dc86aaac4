"""FMT203 to FMT209, 212, 214, 215: the calls of tools, their arguments and their results."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import orjson

from curate.finding import Fault, Where
from curate.rules.rule import rule
from curate.rules.tool_pairing import first_of, pair_calls
from curate.rules.tool_schema import ToolSchema, functions, kind_of, name_of, parameters_of, shorten, tool_schema
from curate.sample import SYSTEM_ROLES, Sample, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

# OpenAI's wrapper around several calls at once, which no row declares.
UNDECLARED = frozenset({"multi_tool_use.parallel"})
_LONGEST_CALL = 20_000
TAGGED_CALL = re.compile(r"<(tool_call|functioncall|function_call)>\s*(?=[{\[])")


@rule("FMT203", severity="error")
def misplaced_tool_call(sample: Sample) -> Iterator[Fault]:
    """A turn that is not the assistant's carries tool calls.

    Why it matters: templates ignore the calls there or raise, so the call is lost and its result answers nothing.

    Example: `{"role": "user", "tool_calls": [...]}`.

    How to fix it: move the calls to an assistant turn, or correct the role.
    """
    for i, message in enumerate(sample.messages):
        if message.tool_calls and message.role != "assistant":
            yield Fault(f"the {message.role} turn {i + 1} carries tool calls", Where(i, "tool_calls"))


@rule("FMT204", severity="error")
def tool_arguments_not_json(sample: Sample) -> Iterator[Fault]:
    """The arguments of a tool call are a string that is not JSON.

    Why it matters: the model learns to write calls that no program can read, and templates that parse the arguments
    raise.

    Example: `"arguments": "{'city': 'Paris'}"` (single quotes), or a string cut after `{"city": "Par`.

    How to fix it: write the arguments as a JSON object, or as a string that holds one.
    """
    for i, k, call in _calls(sample):
        if not isinstance(call.arguments, str):
            continue
        try:
            call.parsed_arguments()
        except orjson.JSONDecodeError as error:
            at = min(error.pos, len(call.arguments))
            near = shorten(call.arguments[max(0, at - 12) : at + 12], 24)
            yield Fault(
                f"arguments of {call.name}: {error.msg} at character {at + 1}, near {near!r}",
                Where(i, f"tool_calls.{k}.arguments", at, min(at + 1, len(call.arguments))),
            )


@rule("FMT205", severity="error")
def double_encoded_arguments(sample: Sample) -> Iterator[Fault]:
    """The arguments of a tool call were turned into a JSON string twice.

    Why it matters: the model learns to write an escaped string where the program expects an object.

    Example: `"arguments": "\\"{\\\\\\"city\\\\\\": \\\\\\"Paris\\\\\\"}\\""`.

    How to fix it: decode the arguments once before writing them.
    """
    for i, k, call in _calls(sample):
        if isinstance(_arguments(call), str) and _decoded_twice(call) is not None:
            yield Fault(
                f"arguments of {call.name} are a JSON string inside a JSON string",
                Where(i, f"tool_calls.{k}.arguments"),
            )


@rule("FMT206", severity="error")
def undefined_tool(sample: Sample) -> Iterator[Fault]:
    """A tool is called that the row does not declare.

    Why it matters: the model learns to invent tools.

    Example: the tools are `get_weather` and `get_time`; the assistant calls `get_forecast`.

    How to fix it: add the tool to `tools`, or correct the name in the call. A name that the system prompt mentions
    counts as declared.
    """
    if not sample.tools:
        return
    called = {call.name for _, _, call in _calls(sample)}
    if not called:
        return
    declared = [name_of(function) for _, function in functions(sample.tools)]
    if None in declared:
        return  # FMT201's
    names = {name for name in declared if name is not None}
    if called <= names:
        return
    system = _system_text(sample)
    hints = {
        name: ""
        for name in sorted(called - names)
        if name and name not in UNDECLARED and name.removeprefix("functions.") not in names and name not in system
    }
    in_order = sorted(names)
    listed = f" (declared: {shorten(first_of(in_order), 60)})"
    for at, name in enumerate(hints):
        close = _close_name(name, in_order) if at < _MOST_HINTS else None
        hints[name] = f": {close} is" if close else listed
    for i, k, call in _calls(sample):
        if call.name in hints:
            yield Fault(f"{call.name} is called and not declared{hints[call.name]}", Where(i, f"tool_calls.{k}"))


@rule("FMT207", severity="error")
def orphan_tool_result(sample: Sample) -> Iterator[Fault]:
    """A tool result answers no call.

    Why it matters: the model sees a result that nobody asked for, and services and some templates reject the row.
    Results without ids are matched with the calls in order; ids must match where both sides have them.

    Example: the call has the id `call_1`, the result says `call_2`.

    How to fix it: restore the call, correct the id, or remove the result.
    """
    if any(message.role == "tool" for message in sample.messages):
        for i, reason in pair_calls(sample.messages).orphans:
            who = "tool result" if sample.messages[i].role == "tool" else "result of a call"
            yield Fault(f"the {who} in turn {i + 1} {reason}", Where(i, "tool_call_id"))


@rule("FMT208", severity="warning")
def missing_tool_result(sample: Sample) -> Iterator[Fault]:
    """A tool call has no result before the conversation goes on.

    Why it matters: the model learns to go on as if it had the result, that is, to make it up. A call in the last turn
    is normal: there the call is what should be learned.

    Example: assistant calls `get_weather`, and the next turn is the assistant's "It is 21 degrees".

    How to fix it: add the tool's result, or cut the conversation after the call.
    """
    if any(message.tool_calls for message in sample.messages):
        for i, k in pair_calls(sample.messages).unanswered:
            call = sample.messages[i].tool_calls[k]
            yield Fault(f"the call of {call.name} in turn {i + 1} has no result", Where(i, f"tool_calls.{k}"))


@rule("FMT209", severity="error")
def arguments_violate_schema(sample: Sample) -> Iterator[Fault]:
    """The arguments of a call do not fit the schema that its tool declares.

    Why it matters: the model learns calls that the tool refuses.

    Example: `days` is declared as an integer and `city` as required; the call says `{"days": "three"}`.

    How to fix it: correct the call, or the schema if that is wrong. Null for an optional argument is accepted.
    """
    schemas = None
    for i, k, call in _calls(sample):
        arguments = _arguments(call)
        if not isinstance(arguments, dict):
            if call.arguments is not None and arguments is not None and _decoded_twice(call) is None:
                where = Where(i, f"tool_calls.{k}.arguments")
                yield Fault(f"arguments of {call.name} are {kind_of(arguments)}, not an object", where)
            continue
        schemas = _schemas(sample) if schemas is None else schemas
        schema = schemas.get(call.name)
        if schema and schema.validator and (violations := _violations(schema.validator, arguments)):
            more = f" (and {len(violations) - 2} more)" if len(violations) > 2 else ""
            yield Fault(f"{call.name}: {'; '.join(violations[:2])}{more}", Where(i, f"tool_calls.{k}.arguments"))


@rule("FMT212", severity="warning")
def tool_calls_without_tools(sample: Sample) -> Iterator[Fault]:
    """Tools are called in a row that declares none.

    Why it matters: the model learns to call tools that it is not shown, so it invents tools later on and ignores the
    ones in its prompt. Mostly the column `tools` was lost in a conversion.

    Example: `tool_calls` of `get_weather`, and neither `tools` nor a system prompt that mentions it.

    How to fix it: add the `tools` column again.
    """
    if sample.tools:
        return
    names = list(dict.fromkeys(call.name for _, _, call in _calls(sample) if call.name))
    system = _system_text(sample)
    missing = [name for name in names if name not in system]
    if missing:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        yield Fault(f"{', '.join(missing[:2])}{more} called; the row declares no tools")


@rule("FMT214", severity="warning")
def broken_textual_tool_call(sample: Sample) -> Iterator[Fault]:
    """A tool call written into the text holds JSON that does not parse.

    Why it matters: the program that reads the model's answer parses that very text, and the model learns to break it.

    Example: `<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}</tool_call>`: a brace is missing.

    How to fix it: correct the JSON. Single quotes around the arguments, as in Glaive and Hermes data, are accepted.
    """
    for i, message in sample.answers():
        text = message.text
        if "call>" not in text:
            continue
        opened = list(TAGGED_CALL.finditer(text))
        closings: dict[str, int] = {}  # by tag, the next closing one; len(text) where no more comes
        for match, following in zip_longest(opened, opened[1:]):
            name, start = match[1], match.end()
            if closings.get(name, 0) < start:
                found = text.find(f"</{name}>", start)
                closings[name] = found if found >= 0 else len(text)
            end = closings[name]
            is_closed = end < len(text)
            if not is_closed and following:
                end = following.start()
            if end - start > _LONGEST_CALL:
                continue  # too long to try every reading of it
            body = text[start:end].partition("<|")[0].strip()
            if not _is_readable_call(body, closed=is_closed):
                yield Fault(
                    f"the <{match[1]}> in turn {i + 1} holds JSON that does not parse",
                    Where(i, "content", match.start(), match.end() + len(body)),
                )


@rule("FMT215", severity="warning")
def unknown_argument(sample: Sample) -> Iterator[Fault]:
    """A call passes an argument that its tool does not declare.

    Why it matters: JSON Schema lets it through unless `additionalProperties` is false, but the function behind the tool
    mostly does not, and the model learns to invent arguments.

    Example: the tool declares `city`; the call says `{"town": "Paris"}`.

    How to fix it: correct the name, or declare the argument. `"additionalProperties": true` says that others are
    welcome.
    """
    schemas = None
    for i, k, call in _calls(sample):
        arguments = _arguments(call)
        if not isinstance(arguments, dict) or not arguments:
            continue
        schemas = _schemas(sample) if schemas is None else schemas
        schema = schemas.get(call.name)
        if schema is None or schema.names is None:
            continue
        unknown = [name for name, value in arguments.items() if name not in schema.names and value is not None]
        if unknown:
            takes = f"takes {shorten(', '.join(sorted(schema.names)), 60)}" if schema.names else "takes no arguments"
            yield Fault(
                f"{call.name} is called with {shorten(', '.join(unknown), 50)}; it {takes}",
                Where(i, f"tool_calls.{k}.arguments"),
            )


def _calls(sample: Sample) -> Iterator[tuple[int, int, ToolCall]]:
    for i, message in enumerate(sample.messages):
        for k, call in enumerate(message.tool_calls):
            yield i, k, call


def _arguments(call: ToolCall) -> Any:
    """The parsed arguments, or None where they do not parse."""
    try:
        return call.parsed_arguments()
    except ValueError:
        return None


def _decoded_twice(call: ToolCall) -> Any:
    inner = _arguments(call)
    if not isinstance(inner, str):
        return None
    try:
        value = orjson.loads(inner)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _schemas(sample: Sample) -> dict[str, ToolSchema]:
    """The schemas of the tools that the row calls."""
    called = {call.name for _, _, call in _calls(sample)}
    return {
        function["name"]: tool_schema(parameters_of(function))
        for _, function in functions(sample.tools)
        if name_of(function) in called and "name" in function
    }


def _violations(validator: Any, arguments: dict[str, Any]) -> list[str]:
    errors = _errors(validator, arguments)
    if errors and None in arguments.values():
        # Arrow pads the arguments of other rows with null; people write null for "not given".
        errors = _errors(validator, {name: value for name, value in arguments.items() if value is not None})
    return errors


def _errors(validator: Any, arguments: dict[str, Any]) -> list[str]:
    from referencing.exceptions import Unresolvable

    try:
        return [_in_words(error) for error in validator.iter_errors(arguments)]
    except (Unresolvable, RecursionError):
        return []  # FMT210's


_WITH_ARTICLE = {"integer": "an integer", "object": "an object", "array": "a list", "null": "null"}


def _in_words(error: Any) -> str:
    at = ".".join(map(str, error.absolute_path)) or "the call"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        named = next((name for name in missing if repr(name) in error.message), missing[0])
        return f"{named} is missing" + (f" in {at}" if error.absolute_path else "")
    if error.validator == "type":
        types = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        wanted = " or ".join(_WITH_ARTICLE.get(name, f"a {name}") for name in types)
        return f"{at} is {kind_of(error.instance)}, not {wanted}"
    if error.validator == "enum":
        allowed = shorten(", ".join(map(str, error.validator_value)), 50)
        return f"{at} is {shorten(repr(error.instance), 30)}, not one of {allowed}"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = [name for name in error.instance if name not in known]
        return f"{shorten(', '.join(extra), 40)} not declared" + (f" in {at}" if error.absolute_path else "")
    return f"{at}: {shorten(error.message, 60)}"


def _system_text(sample: Sample) -> str:
    return "\n".join(message.text for message in sample.messages if message.role in SYSTEM_ROLES)


# A row that calls thousands of tools that it does not declare gets no help with the spelling of each.
_MOST_HINTS, _MOST_COMPARED = 10, 500


def _close_name(name: str, names: list[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, names[:_MOST_COMPARED], 1, 0.7)), None)


def _is_readable_call(body: str, *, closed: bool) -> bool:
    # Glaive puts quotes around the arguments: {"name": "f", "arguments": '{"a": 1}'}
    for text in (body, re.sub(r"'(\{.*\})'", r"\1", body, flags=re.S)):
        try:
            orjson.loads(text)
            return True
        except orjson.JSONDecodeError as error:
            if not closed and error.pos < len(text) and _is_json(text[: error.pos]):
                return True  # the call is whole, and text follows it
    return _is_python_literal(body)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _is_python_literal(text: str) -> bool:
    import ast

    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
