"""A sample's turns under the keys that chat templates read, in the form that this template can render."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from curate.template.render import TemplateRefuses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.sample import Message, Sample, ToolCall
    from curate.template.render import ChatTemplate

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """What templates disagree on: whether the arguments of a tool call are an object or its JSON text, whether a turn
    without content has an empty one (never null: transformers leaves nulls out), and whether content is text or a list
    of parts."""

    arguments: Literal["object", "string"] = "object"
    missing: Literal["absent", "empty"] = "absent"
    content: Literal["text", "parts"] = "text"


AS_IT_IS = Form()


def to_messages(sample: Sample, form: Form = AS_IT_IS) -> Messages:
    """A sample's turns as a template gets them."""
    return [_to_message(message, form) for message in sample.messages]


def _to_message(message: Message, form: Form) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role}
    if message.content is not None:
        out["content"] = content_of(message.text, form)
    elif form.missing == "empty":
        out["content"] = content_of("", form)
    if message.reasoning is not None:
        # transformers gives the first two whatever the row calls it; Gemma 4 reads the last.
        out["reasoning_content"] = out["thinking"] = out["reasoning"] = message.reasoning
    if message.tool_calls:
        out["tool_calls"] = [_to_call(call, form) for call in message.tool_calls]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        out["name"] = message.name
    return out


def content_of(text: str, form: Form) -> Any:
    return text if form.content == "text" else [{"type": "text", "text": text}]


def _to_call(call: ToolCall, form: Form) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _arguments(call, form)}
    return {"type": "function", **({} if call.id is None else {"id": call.id}), "function": function}


def _arguments(call: ToolCall, form: Form) -> Any:
    if form.arguments == "string":
        if isinstance(call.arguments, str):
            return call.arguments
        return json.dumps(call.parsed_arguments(), ensure_ascii=False)
    try:
        return call.parsed_arguments()
    except ValueError:
        return call.arguments


PROBE = "Zq00001xW"
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}


def probe_form(template: ChatTemplate) -> Form:
    """The form in which this template renders plain content and a tool call; the usual one where none is."""
    content: Literal["text", "parts"] = "text"
    for content in ("text", "parts"):
        form = Form(content=content)
        if PROBE in _rendered(template, [_said("user", "Hm", form), _said("assistant", PROBE, form)]):
            break
    else:
        content = "text"
    choices = product(("object", "string"), ("absent", "empty"))
    forms = [Form(arguments, missing, content) for arguments, missing in choices]  # type: ignore[arg-type]
    return min(forms, key=lambda form: _trouble(template, form))


def _trouble(template: ChatTemplate, form: Form) -> int:
    """How badly the template renders a call in this form, 0 being well and 4 not at all: without the call is 2, and 1
    more is a null for the content, or an object as Python prints it."""
    call = {"type": "function", "id": "Zq00002xW", "function": {"name": "look_up", "arguments": {"word": PROBE}}}
    if form.arguments == "string":
        call["function"] = {"name": "look_up", "arguments": json.dumps({"word": PROBE})}
    turn: dict[str, Any] = {"role": "assistant", "tool_calls": [call]}
    if form.missing == "empty":
        turn["content"] = content_of("", form)
    text = _rendered(template, [_said("user", "Hm", form), turn], [_TOOL])
    if not text:
        return 4
    after = text.rpartition("Hm")[2]
    is_wrong = any(sign in after for sign in ("None", "null", f"'word': '{PROBE}'", '\\"word'))
    return is_wrong + (0 if PROBE in after else 2)


def _said(role: str, text: str, form: Form) -> dict[str, Any]:
    return {"role": role, "content": content_of(text, form)}


def _rendered(template: ChatTemplate, messages: Messages, tools: Sequence[dict[str, Any]] | None = None) -> str:
    try:
        return template.render(messages, tools)
    except TemplateRefuses:
        return ""
