"""Why a template refuses a row: what has to go for it to be rendered, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curate.sample import SYSTEM_ROLES
from curate.template.note import REFUSED, Note
from curate.template.render import TemplateRefuses

if TYPE_CHECKING:
    from curate.template.form import Messages
    from curate.template.render import ChatTemplate

    Tools = list[dict[str, Any]] | None

WORDS = 200


class _Lesser(NamedTuple):
    """A smaller conversation, with the name of what it lacks, and what to do about that."""

    without: str
    remedy: str
    messages: Messages
    tools: Tools


def refusal(template: ChatTemplate, messages: Messages, tools: Tools, error: TemplateRefuses) -> Note:
    """What of a row the template refuses."""
    said = words(error)
    for lesser in _lesser(messages, tools):
        if (lesser.messages, lesser.tools) == (messages, tools):
            continue
        try:
            template.render(lesser.messages, lesser.tools)
        except TemplateRefuses:
            continue
        note = f"this template refuses {lesser.without} ({said}); {lesser.remedy}"
        return Note(REFUSED, note, None, {"refuses": lesser.without})
    return Note(REFUSED, f"the template refuses the row: {said}", None, {"refuses": None})


def words(error: TemplateRefuses) -> str:
    """The template's own words, on one line."""
    said = " ".join(str(error).split())
    return said if len(said) <= WORDS else said[:WORDS] + "..."


def _lesser(messages: Messages, tools: Tools) -> list[_Lesser]:
    late = [m for i, m in enumerate(messages) if i == 0 or m["role"] not in SYSTEM_ROLES]
    systems = [m for m in messages if m["role"] not in SYSTEM_ROLES]
    first = next((i for i, m in enumerate(messages) if m["role"] not in ("assistant", "tool")), len(messages))
    one_call = [{**m, "tool_calls": m["tool_calls"][:1]} if "tool_calls" in m else m for m in messages]
    no_calls = [{"content": "", **m} for m in messages if m["role"] != "tool"]
    for message in no_calls:
        message.pop("tool_calls", None)
        message["content"] = message["content"] or ""
    known = [m for m in messages if m["role"] in ("system", "user", "assistant", "tool")]
    other = ", ".join(sorted({m["role"] for m in messages} - {m["role"] for m in known}))
    return [
        _Lesser("a system turn behind the first", "put its text into a user turn", late, tools),
        _Lesser("a system turn", "put its text into the first user turn", systems, tools),
        _Lesser(f"the role {other}", "give the turn another role", known, tools),
        _Lesser("two turns of one role in a row", "join them", _alternating(messages), tools),
        _Lesser("a conversation that begins with an answer", "drop it, or add its question", messages[first:], tools),
        _Lesser("tool definitions", "drop them, or take a model that has tools", messages, None),
        _Lesser("several tool calls in one turn", "give each its own turn", one_call, tools),
        _Lesser("tool calls and their results", "take a model that has tools", _alternating(no_calls), tools),
        _Lesser("tool calls and their results", "take a model that has tools", _alternating(no_calls), None),
    ]


def _alternating(messages: Messages) -> Messages:
    """The last of each run of turns of one role."""
    following = [*messages[1:], {"role": None}]
    return [m for m, after in zip(messages, following, strict=True) if m["role"] != after["role"]]
