"""The cleaned data as OpenAI's fine-tuning API takes them: JSON lines of messages, with the API's own rules checked."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from curate.template.form import Form, to_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Message, Sample

LEAST_ROWS = 10
ROLES = ("system", "developer", "user", "assistant", "tool")
MOST_NAME = 64  # characters of a tool's name
FORM = Form(arguments="string")


def with_call_ids(sample: Sample) -> Sample:
    """The sample with an id for each tool call, where none has any and every call is answered, in order."""
    calls = [call for message in sample.messages for call in message.tool_calls]
    results = [message for message in sample.messages if message.role == "tool"]
    if len(calls) != len(results) or any(call.id for call in calls) or any(one.tool_call_id for one in results):
        return sample
    numbers, answered = count(1), count(1)
    messages = [
        replace(
            message,
            tool_calls=[replace(call, id=f"call_{next(numbers)}") for call in message.tool_calls],
            tool_call_id=f"call_{next(answered)}" if message.role == "tool" else None,
        )
        for message in sample.messages
    ]
    return replace(sample, messages=messages)


def as_row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of a chat fine-tuning file; turns that are not trained have the weight 0."""
    messages = to_messages(sample, FORM)
    for message, written in zip(sample.messages, messages, strict=True):
        for key in ("reasoning_content", "thinking", "reasoning"):
            written.pop(key, None)
        if message.role == "assistant" and message.weight is not None:
            written["weight"] = int(message.weight > 0)
    row: dict[str, Any] = {"messages": messages}
    if sample.tools:
        row["tools"] = sample.tools
    return row


def faults(sample: Sample) -> Iterator[str]:
    """Why the API would refuse a sample, or what of it the row cannot hold."""
    if sample.rejected is not None or sample.label is not None:
        yield "is preference data; curate convert --use chosen gives its answers"
    if not any(message.role == "user" for message in sample.messages):
        yield "has no user turn"
    if not sample.messages or sample.messages[-1].role != "assistant":
        yield "does not end with an answer"
    called: set[str] = set()
    for i, message in enumerate(sample.messages, 1):
        yield from (f"turn {i}: {said}" for said in _turn_faults(message, called))
        called |= {call.id for call in message.tool_calls if call.id}
    for tool in sample.tools or []:
        name = str(tool.get("function", tool).get("name", ""))
        if not 0 < len(name) <= MOST_NAME or not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
            yield f"the tool {json.dumps(name)} has a name that is not 1 to {MOST_NAME} letters, digits, _ and -"


def _turn_faults(message: Message, called: set[str]) -> Iterator[str]:
    if message.role not in ROLES:
        yield f"the role {message.role} is none of {', '.join(ROLES)}"
    if message.has_media:
        yield "holds media, which are not written"
    if message.reasoning:
        yield "has reasoning, which the API has no place for"
    if message.role == "assistant" and not message.text and not message.tool_calls:
        yield "is an answer without content or calls"
    if message.role == "tool" and message.tool_call_id not in called:
        yield "answers no tool call by its id"
    if any(call.id is None for call in message.tool_calls):
        yield "calls a tool without an id"
