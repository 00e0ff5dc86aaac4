"""Turns of a conversation: from every spelling of a turn to Message, and back to the OpenAI and ShareGPT spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.finding import Fault, Where
from curate.formats.roles import EXCHANGES, canonical_role, is_call_role, is_nonstandard
from curate.formats.tools import calls_in_text, dump_json, read_calls, write_call
from curate.sample import ROLES, Message, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "text")
PARTS = "parts"  # Gemini's content, read where there is no other
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
FLAG_KEYS = ("weight", "train", "loss", "loss_weight", "loss_scale", "masked")
_FRACTIONS = ("loss_weight", "loss_scale")
KNOWN = frozenset(
    (*ROLE_KEYS, *CONTENT_KEYS, *REASONING_KEYS, *FLAG_KEYS, "tool_calls", "function_call", "tool_call_id", "name")
)
_SHAREGPT_ROLES = {"human": "user", "gpt": "assistant", "system": "system", "observation": "tool"}
_SPEAKING_ORDER = ("system", "user", "assistant")
_TEXT_TYPES = ("text", "input_text", "output_text")


def is_turn(value: Any) -> bool:
    """Whether a value looks like a turn (or a whole exchange) of a conversation."""
    return isinstance(value, dict) and ("role" in value or "from" in value or _exchange(value) is not None)


def is_conversation(value: Any) -> bool:
    """Whether a value is a list that holds at least one turn."""
    if type(value) is not list or not value:
        return False
    first = value[0]
    return (type(first) is dict and "role" in first) or any(map(is_turn, value))


def has_answer(turns: Sequence[Any]) -> bool:
    """Whether a list of turns holds one of the assistant."""
    for turn in turns:
        if isinstance(turn, dict):
            role = turn.get("role", turn.get("from"))
            if role == "assistant" or role == "gpt" or (isinstance(role, str) and canonical_role(role) == "assistant"):
                return True
            if role is None and _exchange(turn):
                return True
    return False


def read_turns(turns: Sequence[Any], faults: list[Fault]) -> list[Message]:
    """Read a list of turns; an Anthropic turn with tool results, or a whole exchange, gives several messages."""
    messages: list[Message] = []
    for position, turn in enumerate(turns):
        if type(turn) is dict and len(turn) == 2:
            role, content = turn.get("role"), turn.get("content")
            if type(content) is str and type(role) is str and role in ROLES:
                messages.append(Message(role, content))
                continue
            word, content = turn.get("from"), turn.get("value")
            if type(content) is str and type(word) is str and word in _SHAREGPT_ROLES:
                messages.append(Message(_SHAREGPT_ROLES[word], content))
                continue
        _read_turn(turn, position, messages, faults)
    return messages


def as_text(value: Any, faults: list[Fault], where: Where, what: str) -> str | None:
    """The text of a value that should be text; a number, true/false or an object is a fault and becomes its JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        text: str = value["text"]
    else:
        text = dump_json(value)
    faults.append(Fault(f"{what} is {kind(value)}, not text", where, rule="content-not-text"))
    return text


def short(value: Any) -> str:
    """A value as a message quotes it: at most 40 characters."""
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def _exchange(turn: dict[str, Any]) -> list[str] | None:
    """The names of a whole exchange in the order in which they speak; None if the object is something else."""
    names = frozenset(turn)
    for exchange in EXCHANGES:
        if exchange <= names and names - exchange <= {"system"}:
            return sorted(turn, key=lambda name: _SPEAKING_ORDER.index(canonical_role(name)))
    return None


def _read_turn(turn: Any, position: int, messages: list[Message], faults: list[Fault]) -> None:
    at = len(messages)
    if not isinstance(turn, dict):
        faults.append(_malformed(f"turn {position + 1} is {kind(turn)}, not an object"))
        return
    word = turn.get("role")
    role_key = "role"
    if not isinstance(word, str) and isinstance(turn.get("from"), str):
        word, role_key = turn["from"], "from"
    if not isinstance(word, str):
        exchange = None if "role" in turn or "from" in turn else _exchange(turn)
        if exchange is None:
            found = f"its role is {kind(word)}" if "role" in turn else f"keys: {_list(turn)}"
            faults.append(_malformed(f"turn {position + 1} has no role ({found})"))
            return
        for name in exchange:
            text = as_text(turn[name], faults, Where(len(messages), "content"), f"turn {position + 1} {name}")
            if name != "system" or text:
                messages.append(Message(canonical_role(name), text))
        return
    role = canonical_role(word)
    if role_key == "role" and is_nonstandard(word) and not (word == "model" and PARTS in turn):
        said = f'role "{_clip(word)}" in turn {position + 1}; most trainers know only "{role}"'
        faults.append(Fault(said, Where(at, "role"), {"role": word}, "nonstandard-role"))
    message = Message(role)
    message.extra = {name: value for name, value in turn.items() if name not in KNOWN}
    if role_key == "from" and turn.get("role") is not None:
        message.extra["role"] = turn["role"]
    elif role_key == "role" and "from" in turn:
        message.extra["from"] = turn["from"]
    _read_flag(turn, message, at, faults)
    _read_reasoning(turn, message)
    if isinstance(turn.get("name"), str):
        message.name = turn["name"]
    if isinstance(turn.get("tool_call_id"), str):
        message.tool_call_id = turn["tool_call_id"]
    for name in ("name", "tool_call_id"):
        if turn.get(name) is not None and not isinstance(turn[name], str):
            message.extra[name] = turn[name]
    if turn.get("tool_calls") is not None:
        message.tool_calls = read_calls(turn["tool_calls"], faults, at)
    elif turn.get("function_call") is not None:
        message.tool_calls = read_calls(turn["function_call"], faults, at, "function_call")
    results = _read_content(turn, message, position, at, faults)
    if is_call_role(word) and isinstance(message.content, str):
        calls = calls_in_text(message.content)
        if calls is None:
            said = f"turn {position + 1} is a {word} but its text is not the JSON of a call"
            faults.append(Fault(said, Where(at, "content"), rule="malformed-tool-call"))
        else:
            message.tool_calls, message.content = calls, None
    messages.extend(results)
    if not results or message.content or message.tool_calls:
        messages.append(message)


def _read_content(turn: dict[str, Any], message: Message, position: int, at: int, faults: list[Fault]) -> list[Message]:
    given = [key for key in CONTENT_KEYS if key in turn]
    if not given and isinstance(turn.get(PARTS), list):
        message.extra.pop(PARTS)
        results = _read_parts(turn[PARTS], message, position, at, faults)
        if isinstance(message.content, list) and all(part.keys() == {"type", "text"} for part in message.content):
            message.content = message.text
        return results
    if not given:
        excused = message.tool_calls or message.reasoning or turn.get("refusal") or turn.get("audio")
        if not excused and turn.get("tool_calls") is None and turn.get("function_call") is None:
            faults.append(_malformed(f"turn {position + 1} has no content (keys: {_list(turn)})"))
        return []
    key = next((key for key in given if turn[key] is not None), given[0])
    for other in given:
        if other != key and turn[other] is not None:
            message.extra[other] = turn[other]
            said = f"turn {position + 1} has both {key} and {other}; {key} was read"
            faults.append(Fault(said, Where(at, "content"), {"read": key, "ignored": other}, "two-content-keys"))
    content = turn[key]
    if type(content) is str or content is None:
        message.content = content
        return []
    if isinstance(content, list):
        return _read_parts(content, message, position, at, faults)
    message.content = as_text(content, faults, Where(at, "content"), f"{key} of turn {position + 1}")
    return []


def _read_parts(content: list[Any], message: Message, position: int, at: int, faults: list[Fault]) -> list[Message]:
    parts: list[dict[str, Any]] = []
    results: list[Message] = []
    for number, part in enumerate(content, 1):
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
            continue
        if not isinstance(part, dict):
            said = f"part {number} of turn {position + 1} is {kind(part)}, not an object"
            faults.append(Fault(said, Where(at, "content"), rule="content-not-text"))
            continue
        part_type = part.get("type", "text" if "text" in part else None)
        if part_type in _TEXT_TYPES and ("text" in part or "value" in part):
            key = "text" if "text" in part else "value"
            what = f"part {number} of turn {position + 1}"
            text = as_text(part[key], faults, Where(at, "content"), what)
            others = {name: value for name, value in part.items() if name not in ("type", key)}
            parts.append({"type": "text", "text": text or "", **others})
        elif part_type == "tool_use" and isinstance(part.get("name"), str):
            call_id = part.get("id")
            message.tool_calls.append(
                ToolCall(part["name"], part.get("input"), call_id if isinstance(call_id, str) else None)
            )
        elif isinstance(called := part.get("functionCall"), dict) and isinstance(called.get("name"), str):
            message.tool_calls.append(ToolCall(called["name"], called.get("args")))
        elif isinstance(result := part.get("functionResponse"), dict) and isinstance(result.get("name"), str):
            results.append(Message("tool", dump_json(result.get("response")), name=result["name"]))
        elif part_type == "tool_result":
            results.append(_tool_result(part, position, at + len(results), faults))
        elif part_type == "thinking" and isinstance(part.get("thinking"), str):
            message.reasoning = (message.reasoning or "") + part["thinking"]
        else:
            parts.append(part)
    message.content = parts or (None if message.tool_calls or message.reasoning else [])
    return results


def _tool_result(part: dict[str, Any], position: int, at: int, faults: list[Fault]) -> Message:
    call_id = part.get("tool_use_id")
    result = Message("tool", tool_call_id=call_id if isinstance(call_id, str) else None)
    result.extra = {k: v for k, v in part.items() if k not in ("type", "tool_use_id", "content")}
    content = part.get("content")
    if isinstance(content, list):
        _read_parts(content, result, position, at, faults)
    else:
        result.content = as_text(content, faults, Where(at, "content"), f"a tool result of turn {position + 1}")
    return result


def _read_reasoning(turn: dict[str, Any], message: Message) -> None:
    for key in REASONING_KEYS:
        value = turn.get(key)
        if value is None:
            continue
        if isinstance(value, str) and message.reasoning is None:
            message.reasoning, message.reasoning_key = value, key
        else:
            message.extra[key] = value


def _read_flag(turn: dict[str, Any], message: Message, at: int, faults: list[Fault]) -> None:
    for key in FLAG_KEYS:
        value = turn.get(key)
        if value is None:
            continue
        number = isinstance(value, (int, float))
        if not number or (value < 0 if key in _FRACTIONS else value not in (0, 1)):
            allowed = "a number from 0" if key in _FRACTIONS else "0, 1, true or false"
            said = f"{key} is {_clip(dump_json(value))}; it must be {allowed}"
            faults.append(Fault(said, Where(at, key), {"value": value}, "invalid-train-flag"))
            message.extra[key] = value
        elif message.weight is None:
            message.weight = float(not value) if key == "masked" else float(value)
        else:
            message.extra[key] = value


def write_turn(message: Message) -> dict[str, Any]:
    """A turn in the OpenAI spelling."""
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        out["reasoning_content"] = message.reasoning
    if message.tool_calls:
        out["tool_calls"] = [write_call(call) for call in message.tool_calls]
    return _with_rest(out, message)


def write_sharegpt_turn(message: Message) -> dict[str, Any]:
    """A turn in the ShareGPT spelling; calls become a `function_call` turn, results an `observation`."""
    word = {"user": "human", "assistant": "gpt", "tool": "observation"}.get(message.role, message.role)
    value = message.text
    if message.tool_calls:
        word = "function_call"
        calls = [_sharegpt_call(call) for call in message.tool_calls]
        value = dump_json(calls[0] if len(calls) == 1 else calls)
    return _with_rest({"from": word, "value": value}, message)


def _sharegpt_call(call: ToolCall) -> dict[str, Any]:
    arguments = {} if call.arguments is None else call.arguments
    if isinstance(arguments, str):
        try:
            parsed = call.parsed_arguments()
        except ValueError:
            parsed = None
        arguments = parsed if isinstance(parsed, dict) else arguments
    out = {"name": call.name, "arguments": arguments}
    return out if call.id is None else {**out, "id": call.id}


def _with_rest(out: dict[str, Any], message: Message) -> dict[str, Any]:
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        out["name"] = message.name
    weight = message.weight
    if weight is not None and (message.role == "assistant" or weight != 0):
        out["weight" if weight in (0, 1) else "loss_weight"] = int(weight) if weight in (0, 1) else weight
    return {**{name: value for name, value in message.extra.items() if name not in out}, **out}


def _malformed(message: str) -> Fault:
    return Fault(message, Where(field="messages"), rule="malformed-message")


def _list(turn: dict[str, Any]) -> str:
    return _clip(", ".join(map(str, turn))) or "none"


def _clip(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
