"""Formats of single data sets and trainers, which are only read: glaive, xlam, stepwise, input-output, pretokenised."""

from __future__ import annotations

import json
import re
from typing import Any

from curate.finding import Fault, Where
from curate.formats.format import Format, Row, Unreadable, rest
from curate.formats.tools import calls_in_text, read_calls, read_tools
from curate.formats.turns import as_text, kind
from curate.sample import Message, Sample, ToolCall

_GLAIVE_TURN = re.compile(r"^[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE):[ ]?", re.M)
_GLAIVE_CALL = re.compile(r"<functioncall>\s*(.*)\Z", re.S)
_QUOTED_ARGUMENTS = re.compile(r"""(['"]arguments['"]\s*:\s*)'(.*)'\s*}\s*\Z""", re.S)


def _glaive_call(text: str) -> tuple[str, ToolCall] | None:
    """The text before a `<functioncall>` and the call; its arguments stand in single quotes, which is not JSON."""
    found = _GLAIVE_CALL.search(text)
    if found is None:
        return None
    body = found[1].strip()
    calls = calls_in_text(_QUOTED_ARGUMENTS.sub(lambda m: f"{m[1]}{json.dumps(m[2])}}}", body))
    return (text[: found.start()].strip(), calls[0]) if calls and len(calls) == 1 else None


def _glaive_tools(system: str) -> tuple[str, list[dict[str, Any]] | None]:
    """Split a system prompt that ends in the JSON of functions into the prompt and the functions."""
    start = system.find("{")
    if start < 0:
        return system, None
    decoder = json.JSONDecoder()
    at, tools = start, []
    while at < len(system):
        try:
            value, at = decoder.raw_decode(system, at)
        except (ValueError, RecursionError):
            return system, None
        if not isinstance(value, dict) or "name" not in value:
            return system, None
        tools.append(value)
        at += len(system[at:]) - len(system[at:].lstrip(" \n\t,"))
    return system[:start].strip(), tools


def _read_glaive(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    chat = row.get("chat")
    if not isinstance(chat, str):
        said = f"chat is {kind(chat)}, not text"
        raise Unreadable([Fault(said, Where(field="chat"), rule="missing-messages")])
    parts = _GLAIVE_TURN.split(chat)
    messages: list[Message] = []
    tools = None
    system = row.get("system")
    if isinstance(system, str) and system.strip():
        prompt, tools = _glaive_tools(system.strip().removeprefix("SYSTEM:").strip())
        messages.append(Message("system", prompt))
    for speaker, body in zip(parts[1::2], parts[2::2], strict=True):
        text = body.replace("<|endoftext|>", "").strip()
        if speaker != "ASSISTANT":
            messages.append(Message("user" if speaker == "USER" else "tool", text))
        elif called := _glaive_call(text):
            messages.append(Message("assistant", called[0] or None, tool_calls=[called[1]]))
        else:
            if "<functioncall>" in text:
                said = "the <functioncall> does not hold the JSON of a call"
                faults.append(Fault(said, Where(len(messages), "content"), rule="malformed-tool-call"))
            messages.append(Message("assistant", text))
    if len(parts) < 3:
        said = "chat does not hold USER: and ASSISTANT: turns"
        raise Unreadable([Fault(said, Where(field="chat"), rule="missing-messages")])
    return [Sample(messages, "glaive", tools=tools, metadata=rest(row, "chat", "system"), faults=faults)]


def _is_xlam(row: Row) -> bool:
    return (
        isinstance(row["query"], str)
        and isinstance(row["answers"], (str, list))
        and isinstance(row["tools"], (str, list))
    )


def _read_xlam(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    if row.get("query") is None:
        raise Unreadable([Fault("no query", Where(field="query"), rule="missing-prompt")])
    messages = [Message("user", as_text(row["query"], faults, Where(0, "content"), "query"))]
    answers = row.get("answers")
    if answers is None:
        faults.append(Fault("no answers", Where(field="answers"), rule="missing-answer"))
    else:
        reply = Message("assistant", tool_calls=read_calls(answers, faults, 1, "answers"))
        if not reply.tool_calls and isinstance(answers, str):
            reply.content = answers if answers.strip() != "[]" else None
        messages.append(reply)
    tools = read_tools(row.get("tools"), faults)
    return [Sample(messages, "xlam", tools=tools, metadata=rest(row, "query", "answers", "tools"), faults=faults)]


def _read_stepwise(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    if row.get("prompt") is None:
        raise Unreadable([Fault("no prompt", Where(field="prompt"), rule="missing-prompt")])
    steps = row.get("completions")
    if not isinstance(steps, list) or not steps:
        raise Unreadable([Fault("no completions", Where(field="completions"), rule="missing-answer")])
    texts = [as_text(step, faults, Where(1, "content"), f"completions[{i}]") or "" for i, step in enumerate(steps)]
    labels = row.get("labels")
    if not isinstance(labels, list) or len(labels) != len(steps) or not all(isinstance(each, bool) for each in labels):
        said = f"labels must hold one true or false for each of the {len(steps)} steps"
        faults.append(Fault(said, Where(field="labels"), rule="invalid-label"))
    messages = [
        Message("user", as_text(row["prompt"], faults, Where(0, "content"), "prompt")),
        Message("assistant", "\n".join(texts)),
    ]
    return [Sample(messages, "stepwise", metadata=rest(row, "prompt", "completions"), faults=faults)]


def _read_segments(row: Row) -> list[Sample]:
    """Segments with label true are learned; neighbours of one label are one turn."""
    faults: list[Fault] = []
    segments = row.get("segments")
    if not isinstance(segments, list) or not segments:
        raise Unreadable(
            [Fault("segments is not a list of segments", Where(field="segments"), rule="missing-messages")]
        )
    messages: list[Message] = []
    for i, segment in enumerate(segments, 1):
        if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
            faults.append(Fault(f"segment {i} has no text", Where(field="segments"), rule="malformed-message"))
            continue
        if not isinstance(segment.get("label"), bool):
            said = f"label of segment {i} is not true or false"
            faults.append(Fault(said, Where(field="segments"), rule="invalid-train-flag"))
        role = "assistant" if segment.get("label") is True else "user"
        if messages and messages[-1].role == role:
            messages[-1].content = messages[-1].text + segment["text"]
        else:
            messages.append(Message(role, segment["text"]))
    if not messages:
        raise Unreadable(faults)
    return [Sample(messages, "input-output", metadata=rest(row, "segments"), faults=faults)]


def _read_tokens(row: Row) -> list[Sample]:
    said = (
        f"the row holds token ids ({', '.join(map(str, row))[:60]}), not text; give the data from before tokenisation"
    )
    raise Unreadable([Fault(said, Where(field="input_ids"), rule="pretokenised-row")])


GLAIVE = Format(
    name="glaive",
    summary="system and chat as one text with USER:, ASSISTANT: and <functioncall>",
    columns=frozenset({"system", "chat"}),
    has_columns=lambda names: "chat" in names,
    fits=lambda row: isinstance(row["chat"], str) and _GLAIVE_TURN.search(row["chat"]) is not None,
    read_row=_read_glaive,
)
XLAM = Format(
    name="xlam",
    summary="query, tools and answers (the calls), the last two as JSON text",
    columns=frozenset({"query", "answers", "tools"}),
    has_columns=lambda names: {"query", "answers", "tools"} <= names,
    fits=_is_xlam,
    read_row=_read_xlam,
)
STEPWISE = Format(
    name="stepwise",
    summary="prompt, completions (the steps) and labels (one true or false a step)",
    columns=frozenset({"prompt", "completions", "labels"}),
    has_columns=lambda names: {"prompt", "completions", "labels"} <= names,
    fits=lambda row: isinstance(row["completions"], list) and isinstance(row["labels"], list),
    read_row=_read_stepwise,
)
INPUT_OUTPUT = Format(
    name="input-output",
    summary="segments of {label, text}: the text with label true is learned (Axolotl's input_output)",
    columns=frozenset({"segments"}),
    has_columns=lambda names: "segments" in names,
    fits=lambda row: (
        isinstance(row["segments"], list)
        and any(isinstance(each, dict) and "label" in each and "text" in each for each in row["segments"])
    ),
    read_row=_read_segments,
)
PRETOKENISED = Format(
    name="pretokenised",
    summary="token ids (input_ids): cannot be checked as text, so every row is rejected",
    columns=frozenset({"input_ids", "attention_mask", "labels"}),
    has_columns=lambda names: "input_ids" in names,
    fits=lambda row: isinstance(row["input_ids"], list),
    read_row=_read_tokens,
    has_answers=False,
)
