"""Faults of tools and their calls, planted into clean samples as they look in the wild."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from curate.sample import Message, Sample, ToolCall
from tests.mutators.conversation import Mutator, changed, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def with_tools(mutate: Callable[[Random, Sample, dict[str, Any]], bool]) -> Mutator:
    """Plant a fault into the function of one of the tools."""

    def plant(random: Random, sample: Sample) -> Sample | None:
        if not sample.tools:
            return None
        out = changed(sample)
        assert out.tools
        tool = random.choice(out.tools)
        return out if mutate(random, out, tool.get("function", tool)) else None

    return plant


def malformed_tools(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    if random.random() < 0.5:
        function.pop("name")
    else:
        function["name"] = random.choice(["", None, 3, " "])
    return True


def duplicate_tool(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    other = copy.deepcopy(function)
    if random.random() < 0.5:
        other["description"] = "Another version of it."
    assert sample.tools is not None
    sample.tools.insert(
        random.randint(0, len(sample.tools)), random.choice([other, {"type": "function", "function": other}])
    )
    return True


def invalid_tool_schema(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    properties = (function.get("parameters") or {}).get("properties")
    if not properties:
        return False
    name = random.choice(list(properties))
    fault = random.randrange(5)
    if fault == 0:
        properties[name] = {"type": random.choice(["text", "date", "enum", "file"])}
    elif fault == 1:
        properties[name] = {"type": "string", "required": True}
    elif fault == 2:
        properties[name] = {"$ref": random.choice(["#/definitions/Missing", "https://example.com/other.json"])}
    elif fault == 3:
        function["parameters"]["required"] = name
    else:
        function["parameters"]["properties"] = [{"name": name, "type": "string"}]
    return True


def undescribed_tool(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    if random.random() < 0.5:
        function.pop("description", None)
    else:
        function["description"] = random.choice(["", None])
    return True


def on_call(mutate: Callable[[Random, Sample, int, ToolCall], bool]) -> Mutator:
    """Plant a fault into one of the calls."""

    def plant(random: Random, sample: Sample) -> Sample | None:
        out = changed(sample)
        calls = [(i, call) for i, message in enumerate(out.messages) for call in message.tool_calls]
        if not calls:
            return None
        i, call = random.choice(calls)
        return out if mutate(random, out, i, call) else None

    return plant


def misplaced_tool_call(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    others = [message for message in sample.messages if message.role != "assistant"]
    if not others:
        return False
    random.choice(others).tool_calls = [copy.deepcopy(call)]
    return True


def tool_arguments_not_json(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    arguments = call.parsed_arguments()
    if not arguments:
        return False
    text = json.dumps(arguments)
    call.arguments = random.choice(
        [
            str(arguments),
            text[:-1],
            text[: len(text) // 2],
            text[:-1] + ",}",
            text + "}",
            text.replace('"', "", 1),
            f"Arguments: {text}",
        ]
    )
    return call.arguments != text and not _parses(call.arguments)


def double_encoded_arguments(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    call.arguments = json.dumps(json.dumps(call.parsed_arguments(), ensure_ascii=random.random() < 0.5))
    return True


def undefined_tool(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    if not sample.tools:
        return False
    name = call.name
    call.name = random.choice(
        [name + "_v2", name.title().replace("_", ""), "search_internet", name[:-1], f"api.{name}", "get_" + name]
    )
    return call.name != name


def orphan_tool_result(random: Random, sample: Sample) -> Sample | None:
    results = turns(sample, "tool")
    out = changed(sample)
    if not results:
        users = turns(sample, "user")
        if not users:
            return None
        out.messages.insert(random.choice(users) + 1, Message("tool", '{"status": "ok"}'))
        return out
    i = random.choice(results)
    caller = out.messages[i - 1]
    kind = random.randrange(3)
    if kind == 0 and caller.tool_calls:
        caller.tool_calls[0].id = "call_1"
        out.messages[i].tool_call_id = "call_7"
    elif kind == 1:
        out.messages.insert(i + 1, copy.deepcopy(out.messages[i]))
    else:
        caller.tool_calls, caller.content = [], "One moment, please."
    return out


def missing_tool_result(random: Random, sample: Sample) -> Sample | None:
    results = [i for i in turns(sample, "tool") if i + 1 < len(sample.messages)]
    if not results:
        return None
    out = changed(sample)
    del out.messages[random.choice(results)]
    return out


def arguments_violate_schema(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    schema = _parameters(sample, call.name)
    arguments = call.parsed_arguments()
    if not schema or not isinstance(arguments, dict):
        return False
    required = [name for name in schema.get("required", []) if name in arguments]
    typed = [
        name
        for name in arguments
        if schema["properties"].get(name, {}).get("type") in ("number", "integer", "string", "boolean")
    ]
    if required and random.random() < 0.5:
        del arguments[random.choice(required)]
    elif typed:
        name = random.choice(typed)
        wrong: dict[str, list[Any]] = {
            "string": [42, ["a"], {"value": "x"}],
            "number": ["five", "12"],
            "integer": ["three", 2.5],
            "boolean": ["true", 1],
        }
        arguments[name] = random.choice(wrong[schema["properties"][name]["type"]])
    else:
        return False
    call.arguments = random.choice([arguments, json.dumps(arguments)])
    return True


def unknown_argument(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    schema = _parameters(sample, call.name)
    arguments = call.parsed_arguments()
    if not schema or not isinstance(arguments, dict) or "additionalProperties" in schema:
        return False
    arguments[random.choice(["verbose", "user_id", "currentTime", "option"])] = random.choice([True, "x", 3])
    call.arguments = arguments
    return True


def tool_calls_without_tools(random: Random, sample: Sample) -> Sample | None:
    names = {call.name for message in sample.messages for call in message.tool_calls}
    if not names or any(name in m.text for name in names for m in sample.messages if m.role in ("system", "developer")):
        return None
    out = changed(sample)
    out.tools = random.choice([None, []])
    return out


def invalid_parallel_tool_calls(random: Random, sample: Sample) -> Sample | None:
    out = changed(sample)
    out.metadata["parallel_tool_calls"] = random.choice(["false", "true", 0, 1, [], {}])
    return out


def broken_textual_tool_call(random: Random, sample: Sample) -> Sample | None:
    calls = [(i, call) for i, message in enumerate(sample.messages) for call in message.tool_calls]
    if not calls:
        return None
    out = changed(sample)
    i, call = random.choice(calls)
    body = json.dumps({"name": call.name, "arguments": call.parsed_arguments()})
    body = random.choice([body[:-1], body[: len(body) // 2], body.replace('"', "", 1), body[:-2] + ",,}}"])
    text = random.choice(
        [f"<tool_call>\n{body}\n</tool_call>", f"<tool_call>{body}", f"I will look. <functioncall> {body}"]
    )
    out.messages[i] = Message("assistant", text)
    return out


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _parameters(sample: Sample, name: str) -> dict[str, Any] | None:
    for tool in sample.tools or ():
        function = tool.get("function", tool)
        schema = function.get("parameters")
        if function.get("name") == name and isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            return schema
    return None


SAMPLE_MUTATORS: dict[str, Mutator] = {
    "FMT201": with_tools(malformed_tools),
    "FMT202": with_tools(duplicate_tool),
    "FMT203": on_call(misplaced_tool_call),
    "FMT204": on_call(tool_arguments_not_json),
    "FMT205": on_call(double_encoded_arguments),
    "FMT206": on_call(undefined_tool),
    "FMT207": orphan_tool_result,
    "FMT208": missing_tool_result,
    "FMT209": on_call(arguments_violate_schema),
    "FMT210": with_tools(invalid_tool_schema),
    "FMT211": with_tools(undescribed_tool),
    "FMT212": tool_calls_without_tools,
    "FMT213": invalid_parallel_tool_calls,
    "FMT214": broken_textual_tool_call,
    "FMT215": on_call(unknown_argument),
}
