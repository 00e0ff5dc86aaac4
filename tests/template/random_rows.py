"""Conversations at random, made of what templates look for: tags, white space, quotation marks, empty turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.sample import Message, Sample, ToolCall
from tests.template.conversations import TOOLS

if TYPE_CHECKING:
    from random import Random

WORDS = ["Hi", "yes", "Hello there.", "a", "42", "é", "日本", "Zürich", "reasoning effort", "A sentence of words."]
SPACES = ["\n", "\n\n", " ", "  "]
MARKS = ["'", '"', "\\", "{", "}", "&", "<b>", "<|", "|>", "%}", "{{", "/nothink", "user", "assistant", "None", "null"]
TAGS = ["<think>", "</think>", "<think>\nhm\n</think>\n\n", "<tool_call>", "</tool_call>", "<tool_response>"]
PIECES = [*WORDS, *SPACES, *MARKS, *TAGS]


def text(random: Random) -> str:
    return "".join(random.choice(PIECES) for _ in range(random.choice([0, 1, 1, 2, 3, 4, 5])))


def value(random: Random, depth: int = 0) -> Any:
    match random.randrange(8 if depth < 2 else 5):
        case 0 | 1 | 2:
            return text(random)
        case 3:
            return random.choice([0, 1, -5, 10**12, 2**70])
        case 4:
            return random.choice([True, False, None, 1.5])
        case 5:
            return [value(random, depth + 1) for _ in range(random.randrange(3))]
        case _:
            return {random.choice(["a", "city"]): value(random, depth + 1) for _ in range(random.randrange(3))}


def call(random: Random) -> ToolCall:
    arguments = {random.choice(["city", "days", "z"]): value(random) for _ in range(random.randrange(3))}
    return ToolCall(random.choice(["get_weather", "f"]), arguments, random.choice(["call1abcd", "x1", None]))


def conversation(random: Random) -> Sample:
    has_tools = random.random() < 0.5
    turns = [Message("system", text(random))] if random.random() < 0.3 else []
    for _ in range(random.choice([1, 1, 2, 3])):
        turns.append(Message("user", text(random) or "q"))
        if has_tools and random.random() < 0.5:
            calls = [call(random) for _ in range(random.choice([1, 1, 2]))]
            content, reasoning = random.choice([None, text(random), ""]), random.choice([None, None, text(random)])
            turns.append(Message("assistant", content, reasoning=reasoning, tool_calls=calls))
            turns += [Message("tool", text(random) or "r", tool_call_id=one.id, name=one.name) for one in calls]
            if random.random() < 0.2:
                continue
        reasoning, weight = random.choice([None, None, None, text(random)]), random.choice([None, None, None, 0])
        turns.append(Message("assistant", text(random), reasoning=reasoning, weight=weight))
    if random.random() < 0.1:
        turns.append(Message("user", text(random)))
    return Sample(turns, tools=TOOLS if has_tools else None)
