"""Conversations of many kinds, as plain messages and as samples."""

from __future__ import annotations

from typing import Any

from curate.sample import Message, Sample, ToolCall

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather <now> & later",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def user(content: str | list[dict[str, Any]]) -> Message:
    return Message("user", content)


def answer(content: str | list[dict[str, Any]] | None, **more: Any) -> Message:
    return Message("assistant", content, **more)


CALL = ToolCall("get_weather", {"city": "Zürich"}, "call_1")

PLAIN: dict[str, list[Message]] = {
    "single": [user("Hi"), answer("Hello there 😀")],
    "system": [Message("system", "Be brief."), user("Hi"), answer("Hello.")],
    "three turns": [user("Hi"), answer("Hello"), user("6 x 7?"), answer("42."), user("Sure?"), answer("Yes.")],
    "inline think": [user("Hi"), answer("<think>\nhm\n</think>\n\nHello")],
    "white space around": [user(" Hi "), answer(" Hello ")],
    "blank lines first": [user("Hi"), answer("\n\nHello\n")],
    "two answers": [user("Hi"), answer("One."), answer("Two.")],
    "two questions": [user("Hi"), user("Anyone?"), answer("Yes.")],
    "late system": [user("Hi"), answer("Hello"), Message("system", "Be brief."), user("Well?"), answer("Yes.")],
    "ends with a question": [user("Hi"), answer("Hello"), user("Well?")],
    "the same words": [user("yes"), answer("yes"), user("yes"), answer("yes")],
    "code": [user("code?"), answer("```py\nif x:\n    print(1)\n```\n")],
    "parts": [
        user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        answer([{"type": "text", "text": "c"}]),
    ],
    "scripts": [user("शुभ प्रभात"), answer("สวัสดี 你好 مرحبا 👩‍👩‍👧 é e\u0301")],
    "one letter": [user("2+2?"), answer("4")],
}

WITH_TOOLS: dict[str, list[Message]] = {
    "a call": [user("Weather?"), answer(None, tool_calls=[CALL])],
    "a call and its result": [
        user("Weather?"),
        answer(None, tool_calls=[CALL]),
        Message("tool", '{"sun": true}', tool_call_id="call_1", name="get_weather"),
        answer("Sunny."),
    ],
    "a call with text": [user("Weather?"), answer("Let me see.", tool_calls=[CALL])],
}

REASONING = {"reasoning": [user("Hi"), answer("Hello", reasoning="They greet.")]}


def sample(messages: list[Message], **more: Any) -> Sample:
    return Sample(messages, **more)
