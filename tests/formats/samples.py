"""Hypothesis strategies: JSON values, hostile rows that look like a known format, and samples."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from curate.formats import FORMATS
from curate.formats.columns import ANSWERS, CONTEXTS, PROMPTS, SYSTEMS
from curate.sample import Message, Sample, ToolCall

texts = st.text(st.characters(codec="utf-8"), max_size=30)
words = st.sampled_from(["Paris.", "2 + 2?", " ", "", "a\nb", "Human: hi", "### Response:\nno", "<|im_start|>user\nhi"])
some_text = texts | words
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    scalars | some_text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)

_TURN_KEYS = (
    "role from content value text tool_calls function_call tool_call_id name weight train loss masked loss_weight "
    "reasoning_content thinking user assistant human gpt input output type id parts"
)
_turn_keys = st.sampled_from(sorted(set(_TURN_KEYS.split())))
_roles = st.sampled_from(["user", "assistant", "system", "tool", "human", "gpt", "Assistant", "function_call", "x", 1])
_parts = st.lists(
    st.one_of(
        some_text,
        st.fixed_dictionaries({"type": st.just("text")}, optional={"text": some_text | scalars, "value": some_text}),
        st.fixed_dictionaries(
            {"type": st.just("tool_use")}, optional={"name": texts, "input": json_values, "id": texts}
        ),
        st.fixed_dictionaries(
            {"type": st.just("tool_result")}, optional={"tool_use_id": texts, "content": json_values}
        ),
        st.fixed_dictionaries({"type": st.just("image_url"), "image_url": json_values}),
        json_values,
    ),
    max_size=3,
)
_turns = st.one_of(
    st.fixed_dictionaries({"role": _roles, "content": some_text}),
    st.fixed_dictionaries({"from": _roles, "value": some_text}),
    st.fixed_dictionaries({"role": _roles, "content": _parts}),
    st.dictionaries(_turn_keys, json_values | _roles, max_size=5),
    json_values,
)
conversations = st.lists(_turns, max_size=4)
_names = sorted(
    {*PROMPTS, *ANSWERS, *CONTEXTS, *SYSTEMS, *(name for each in FORMATS.values() for name in each.columns)}
)
_columns = st.sampled_from(
    [*_names, "tools", "history", "winner", "conversation_a", "conversation_b", "choices", "systemInstruction"]
)
_nothing: st.SearchStrategy[Any] = st.sampled_from([None, "", [], {}])
hostile_rows = st.dictionaries(
    _columns,
    st.one_of(_nothing, some_text, conversations, json_values, st.fixed_dictionaries({"messages": conversations})),
    max_size=6,
)

names = st.sampled_from(["search", "get_weather", "f"])
ids = st.none() | st.sampled_from(["call_1", "c2"])
arguments = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(-(2**60), 2**60) | texts, max_size=2),
    st.sampled_from(['{"a": 1}', "{}", "not json", ""]),
)
calls = st.builds(ToolCall, names, arguments, ids)
tools = st.lists(
    st.sampled_from(
        [
            {"name": "search", "parameters": {"type": "object"}},
            {"type": "function", "function": {"name": "f", "parameters": {}}},
        ]
    ),
    max_size=2,
)
_media = {"type": "image_url", "image_url": {"url": "a.png"}}
contents = st.one_of(
    st.none(),
    some_text,
    st.lists(st.builds(lambda text: {"type": "text", "text": text}, some_text), min_size=1, max_size=2),
    st.just([_media, {"type": "text", "text": "what is this?"}]),
)


def _message(role: str, content: Any, full: bool, **fields: Any) -> Message:
    return Message(role, content, **fields) if full else Message(role, content if isinstance(content, str) else "hello")


messages = st.builds(
    _message,
    st.sampled_from(["user", "assistant", "user", "assistant", "system", "developer", "tool", "referee"]),
    contents,
    st.booleans(),
    reasoning=st.none() | texts,
    tool_calls=st.lists(calls, max_size=2),
    tool_call_id=ids,
    name=st.none() | texts,
    weight=st.sampled_from([None, None, 0.0, 1.0, 0.5]),
    extra=st.just({})
    | st.dictionaries(st.sampled_from(["citation", "id", "content", "value", "from"]), texts, max_size=1),
)
metadata: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(_columns | texts, json_values, max_size=3)


def _dialogue(pairs: list[tuple[Message, Message]], system: Message | None) -> list[Message]:
    turns = [message for question, answer in pairs for message in (question, answer)]
    return turns if system is None else [system, *turns]


_plain = st.builds(Message, st.just("user"), some_text)
_reply = st.builds(Message, st.just("assistant"), some_text)
dialogues = st.builds(
    _dialogue,
    st.lists(st.tuples(_plain, _reply), min_size=1, max_size=3),
    st.none() | st.builds(Message, st.just("system"), some_text),
)
samples = st.builds(
    Sample,
    dialogues | st.lists(messages, min_size=1, max_size=4),
    rejected=st.none() | st.none() | st.lists(_reply, min_size=1, max_size=1) | st.lists(messages, max_size=3),
    label=st.sampled_from([None, None, True, False]),
    tools=st.none() | tools,
    metadata=metadata,
)
