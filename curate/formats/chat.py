"""Formats whose row holds a conversation as a list of turns: messages, sharegpt, openai-preference."""

from __future__ import annotations

from typing import Any

from curate.finding import Fault, Where
from curate.formats.format import Format, Names, Row, Unreadable, rest
from curate.formats.tools import as_tools, dump_json, parse_json, read_tools
from curate.formats.turns import has_answer, is_conversation, kind, read_turns, write_sharegpt_turn, write_turn
from curate.sample import SYSTEM_ROLES, Message, Sample

CONTAINERS = (
    "messages",
    "conversation",
    "conversations",
    "interactions",
    "messages_json",
    "chat",
    "data",
    "items",
    "contents",
)
_NAMED = frozenset({"messages", "conversation", "conversations", "interactions", "messages_json"})
TOOLS = ("tools", "functions", "available_tools", "tools_json")
_SYSTEM = ("system", "system_prompt", "systemInstruction", "system_instruction")
# Columns in which an answer may stand beside a conversation that has none.
LOOSE_ANSWERS = ("assistant", "response", "completion", "output", "answer", "target", "gpt", "bot", "model", "reply")
_CONTAINER_SET = frozenset(CONTAINERS)
_OPENAI_SIDES = frozenset(
    ("preferred_output", "non_preferred_output", "preferred_completion", "non_preferred_completion")
)


def container(row: Row) -> str | None:
    """The column that holds the conversation: the first of CONTAINERS that holds turns, or else the first there is."""
    for name in CONTAINERS:
        if name in row:
            value = row[name]
            if is_conversation(value) or (isinstance(value, str) and name in _NAMED and _is_json_turns(value)):
                return name
    return next((name for name in CONTAINERS if name in row and name in _NAMED), None)


def _is_json_turns(value: str) -> bool:
    head = value.lstrip()[:400]
    return head.startswith("[") and ('"role"' in head or '"from"' in head or "'role'" in head or "'from'" in head)


def turns_of(value: Any) -> list[Any] | None:
    """The turns of a container's value, out of JSON text if need be; None if it holds none."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            return None
    return value if isinstance(value, list) else None


def _style(turns: list[Any]) -> str:
    """`messages` or `sharegpt`, by the keys of the first turn that has a role."""
    for turn in turns:
        if isinstance(turn, dict) and ("role" in turn or "from" in turn):
            return "messages" if "role" in turn else "sharegpt"
    return "messages"


def lacks_answer(row: Row) -> bool:
    """Whether a row is a well-formed conversation in which, as in its other columns, nobody answers."""
    name = container(row)
    if name is None:
        return False
    turns = turns_of(row[name])
    if not turns or not is_conversation(turns) or has_answer(turns):
        return False
    return not any(isinstance(row.get(column), str) and row[column].strip() for column in LOOSE_ANSWERS)


def read_conversation(row: Row, faults: list[Fault]) -> tuple[list[Message], set[str]]:
    """Read the conversation and the system prompt of a row; returns the messages and the columns used.

    Raises:
        Unreadable: there is no list of turns, or it is empty.
    """
    name = container(row)
    if name is None:
        found = ", ".join(map(str, row))[:60]
        raise Unreadable([Fault(f"no messages (columns: {found})", rule="missing-messages")])
    value = row[name]
    turns = turns_of(value)
    if not turns:
        reason = "an empty list" if turns == [] else f"{kind(value)}, not a list of turns"
        raise Unreadable([*faults, Fault(f"{name} is {reason}", Where(field=name), rule="missing-messages")])
    if isinstance(value, str) and name != "messages_json":
        said = f"{name} is JSON text, not a list; trainers read it as one string"
        faults.append(Fault(said, Where(field=name), rule="json-string-column"))
    used = {name}
    messages = read_turns(turns, faults)
    if len(row) > 1:
        for other in CONTAINERS:
            if other != name and other in row and is_conversation(row[other]) and row[other] != turns:
                said = f"the row has both {name} and {other}; {name} was read"
                faults.append(Fault(said, Where(field=other), {"read": name, "ignored": other}, "two-content-keys"))
        used |= read_system(row, messages)
    if not messages:
        raise Unreadable(faults)
    return messages, used


def read_system(row: Row, messages: list[Message]) -> set[str]:
    """Put the system prompt that stands in its own column in front, unless the conversation brings one."""
    for name in _SYSTEM:
        text = row.get(name)
        if isinstance(text, dict) and isinstance(text.get("parts"), list):  # Gemini's
            text = read_turns([{"role": "system", "parts": text["parts"]}], [])[0].text
        if isinstance(text, str):
            if not text:
                return {name}
            if not messages or messages[0].role not in SYSTEM_ROLES:
                messages.insert(0, Message("system", text))
                return {name}
    return set()


def read_row_tools(row: Row, faults: list[Fault], used: set[str]) -> list[dict[str, Any]] | None:
    """Read the tool definitions of a row, whatever their column is called; Gemini's are no JSON Schema and stay."""
    if "contents" in used:
        return None
    for name in TOOLS:
        if row.get(name) is not None:
            before = len(faults)
            tools = read_tools(row[name], faults, name)
            if len(faults) == before:
                used.add(name)
            return as_tools(tools) if name == "functions" else tools
    used.update(name for name in TOOLS if name in row)
    return None


def _read(row: Row, name: str) -> list[Sample]:
    faults: list[Fault] = []
    messages, used = read_conversation(row, faults)
    tools = None
    if len(row) > 1:
        tools = read_row_tools(row, faults, used)
        if not any(message.role == "assistant" for message in messages):
            for column in LOOSE_ANSWERS:
                if column not in used and isinstance(row.get(column), str) and row[column].strip():
                    beside = min(used & _CONTAINER_SET)
                    said = f"the answer stands in the column {column!r}, which no trainer reads beside {beside}"
                    faults.append(Fault(said, Where(field=column), {"column": column}, "unread-answer-column"))
                    break
    return [Sample(messages, name, tools=tools, metadata=rest(row, *used), faults=faults)]


def _fits(row: Row, style: str) -> bool:
    turns = row.get("messages")
    if type(turns) is not list or not is_conversation(turns):
        name = container(row)
        turns = turns_of(row[name]) if name else None
        if turns is None or not is_conversation(turns):
            return False
    return _style(turns) == style and (has_answer(turns) or not lacks_answer(row))


def _has_container(names: Names) -> bool:
    return not names.isdisjoint(_CONTAINER_SET)


def pair_losses(sample: Sample) -> list[str]:
    """The losses of every format that holds one conversation and no verdict."""
    reasons = []
    if sample.rejected is not None:
        reasons.append("the rejected answer (choose which of the two to keep with --use)")
    if sample.label is not None:
        reasons.append("the label that says whether the answer is good (keep only the good ones with --use chosen)")
    return reasons


def _build_messages(sample: Sample) -> Row:
    row: Row = {"messages": [write_turn(message) for message in sample.messages]}
    if sample.tools:
        row["tools"] = sample.tools
    return row


def _build_sharegpt(sample: Sample) -> Row:
    row: Row = {"conversations": [write_sharegpt_turn(message) for message in sample.messages]}
    if sample.tools:
        row["tools"] = dump_json(sample.tools)
    return row


def turn_losses(messages: list[Message], *, reasoning: bool = False, media: bool = False) -> list[str]:
    """What turns hold beyond plain text, where the target has no place for it: reasoning traces, images and audio."""
    reasons = []
    for i, message in enumerate(messages, 1):
        if message.reasoning and not reasoning:
            reasons.append(f"the reasoning trace of turn {i}")
        if message.has_media and not media:
            reasons.append(f"the parts of turn {i} that are not text")
    return reasons


def _sharegpt_losses(sample: Sample) -> list[str]:
    reasons = pair_losses(sample) + turn_losses(sample.messages)
    for i, message in enumerate(sample.messages, 1):
        if message.tool_calls and (message.text or message.role != "assistant"):
            reasons.append(f"the text beside the tool call of turn {i}")
    return reasons


def _is_openai_pair(row: Row) -> bool:
    return isinstance(row["input"], dict) and isinstance(row["input"].get("messages"), list)


def _read_openai_pair(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    given = row.get("input")
    if not isinstance(given, dict):
        raise Unreadable([Fault("input is not an object with messages", Where(field="input"), rule="missing-prompt")])
    messages, used = read_conversation(given, faults)
    tools = read_row_tools(given, faults, used)
    sides: list[list[Message] | None] = []
    names = []
    for side in ("preferred", "non_preferred"):
        name = next((n for n in (f"{side}_output", f"{side}_completion") if n in row), f"{side}_output")
        names.append(name)
        value = row.get(name)
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list) or not value:
            said = f"{name} is {kind(value)}, not a list with one answer" if name in row else f"no {name}"
            faults.append(Fault(said, Where(field=name), rule="missing-preference-side"))
            sides.append(None)
        else:
            sides.append(read_turns(value, faults))
    metadata = {**rest(row, "input", *names), **rest(given, *used)}
    preferred, other = sides
    return [
        Sample(messages + (preferred or []), "openai-preference", other, tools=tools, metadata=metadata, faults=faults)
    ]


def _openai_pair_losses(sample: Sample) -> list[str]:
    if sample.rejected is None:
        return ["it has no rejected answer to make a pair of"]
    if len(sample.rejected) != 1 or len(sample.messages) < 2 or sample.messages[-1].role != "assistant":
        return ["one of its answers is not exactly one turn"]
    return ["the label of the answer"] if sample.label is not None else []


def _build_openai_pair(sample: Sample) -> Row:
    given = _build_messages(Sample(sample.messages[:-1], tools=sample.tools))
    given.update((k, sample.metadata[k]) for k in ("parallel_tool_calls",) if k in sample.metadata)
    return {
        "input": given,
        "preferred_output": [write_turn(sample.messages[-1])],
        "non_preferred_output": [write_turn(message) for message in sample.rejected or ()],
    }


OPENAI_PREFERENCE = Format(
    name="openai-preference",
    summary="input with messages, preferred_output, non_preferred_output (OpenAI's preference tuning)",
    columns=frozenset({"input", "preferred_output", "non_preferred_output"}),
    has_columns=lambda names: "input" in names and not names.isdisjoint(_OPENAI_SIDES),
    signs=_OPENAI_SIDES,
    fits=_is_openai_pair,
    read_row=_read_openai_pair,
    build=_build_openai_pair,
    losses=_openai_pair_losses,
)
MESSAGES = Format(
    name="messages",
    summary="messages of {role, content}, as OpenAI, TRL and most trainers read them; tools beside them",
    columns=_CONTAINER_SET,
    has_columns=_has_container,
    fits=lambda row: _fits(row, "messages"),
    read_row=lambda row: _read(row, "messages"),
    build=_build_messages,
    losses=pair_losses,
)
SHAREGPT = Format(
    name="sharegpt",
    summary="conversations of {from, value}; system and tools (JSON text) beside them",
    columns=_CONTAINER_SET,
    has_columns=_has_container,
    fits=lambda row: _fits(row, "sharegpt"),
    read_row=lambda row: _read(row, "sharegpt"),
    build=_build_sharegpt,
    losses=_sharegpt_losses,
)
