"""Format text: a rendered conversation or raw text in one column, and the layouts that are told apart in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault, Where
from curate.formats.chat import pair_losses
from curate.formats.flat import plain_text
from curate.formats.format import Format, Row, Unreadable, rest
from curate.formats.roles import ALIASES
from curate.formats.turns import as_text
from curate.sample import Message, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = ("text", "content", "raw_content")

_BOS = re.compile(r"\s*(?:<s>|<\|begin_of_text\|>|<bos>|<\|startoftext\|>)?\s*")
_CHATML = re.compile(r"<\|im_start\|>[ ]*(\w+)[ ]*\n?(.*?)(?:<\|im_end\|>\s*|(?=<\|im_start\|>)|\Z)", re.S)
_LLAMA3 = re.compile(
    r"<\|start_header_id\|>[ ]*(\w+)[ ]*<\|end_header_id\|>(.*?)"
    r"(?:<\|eo[tm]_id\|>\s*|(?=<\|start_header_id\|>)|\Z)",
    re.S,
)
_GEMMA = re.compile(r"<start_of_turn>[ ]*(\w+)[ ]*\n?(.*?)(?:<end_of_turn>\s*|(?=<start_of_turn>)|\Z)", re.S)
_LLAMA2 = re.compile(r"(?:<s>)?\s*\[INST\](.*?)\[/INST\](.*?)(?=(?:<s>)?\s*\[INST\]|\Z)", re.S)
_LLAMA2_SYSTEM = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.S)
_TAGS = re.compile(
    r"<\|?(user|assistant|system|usr|bot|sys)\|?>(.*?)(?=<\|?(?:user|assistant|system|usr|bot|sys)\|?>|\Z)", re.S
)
_TAG_ROLES = {"usr": "user", "bot": "assistant", "sys": "system"}
_HEADINGS = re.compile(
    r"(?:^###[ ]*(?=(?:Instruction|Input|Response|User|System|Context|Question|Answer)\b)"
    r"|###[ ]*(?=(?:Human|Assistant):))(\w+):?[ ]*",
    re.M | re.I,
)
_HEADING_ROLES = {
    "instruction": "user",
    "input": "input",
    "context": "input",
    "question": "user",
    "human": "user",
    "user": "user",
    "response": "assistant",
    "assistant": "assistant",
    "answer": "assistant",
    "system": "system",
}
_SPEAKERS = re.compile(r"^(Human|User|Assistant|System):[ ]?", re.M)
_ENDS = ("<|endoftext|>", "<|end_of_text|>", "<|end|>", "</s>", "<eos>", "<|eot_id|>", "<|im_end|>")


def parse_layout(text: str) -> list[Message] | None:
    """Split rendered text into turns; None unless it starts with a known layout and both sides speak.

    The control tokens of the layout are dropped: they are the template's, not the text's.
    """
    head = text[:400]
    for mark, parse in _LAYOUTS:
        if mark in head:
            messages = parse(text)
            if messages and {"user", "assistant"} <= {message.role for message in messages}:
                return messages
    return None


def _matched(pattern: re.Pattern[str]) -> Callable[[str], list[Message] | None]:
    def parse(text: str) -> list[Message] | None:
        found = _BOS.match(text)
        at = found.end() if found else 0
        messages: list[Message] = []
        while at < len(text):
            turn = pattern.match(text, at)
            if turn is None or turn.end() == at:
                return messages if text[at:].strip() in ("", *_ENDS) else None
            role = turn[1].lower()
            role = _TAG_ROLES.get(role, ALIASES.get(role, role))
            messages.append(Message(role, _strip_end(turn[2]).strip()))
            at = turn.end()
        return messages

    return parse


def _llama2(text: str) -> list[Message] | None:
    found = _BOS.match(text)
    start = text.find("[INST]")
    if start < 0 or (found and text[found.end() : start].strip()):
        return None
    messages: list[Message] = []
    for turn in _LLAMA2.finditer(text):
        asked = turn[1]
        system = _LLAMA2_SYSTEM.match(asked)
        if system:
            messages.append(Message("system", system[1].strip()))
            asked = asked[system.end() :]
        messages.append(Message("user", asked.strip()))
        if reply := _strip_end(turn[2]).strip():
            messages.append(Message("assistant", reply))
    return messages


def _headings(text: str) -> list[Message] | None:
    parts = _HEADINGS.split(text)
    preamble = parts[0].strip()
    if preamble and "nstruction" not in preamble:
        return None
    messages = [Message("system", preamble)] if preamble else []
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        role, body = _HEADING_ROLES[heading.lower()], _strip_end(body).strip()
        if role != "input":
            messages.append(Message(role, body))
        elif messages and messages[-1].role == "user":
            messages[-1].content = "\n".join(filter(None, (messages[-1].text, body)))
        elif body:
            messages.append(Message("user", body))
    return messages


def parse_transcript(text: str) -> list[Message] | None:
    """Split `Human: ... Assistant: ...` into turns; None if the text does not start with a speaker."""
    parts = _SPEAKERS.split(text)
    if parts[0].strip() or len(parts) < 3:
        return None
    return [
        Message(ALIASES[speaker.lower()], _strip_end(body).strip())
        for speaker, body in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _strip_end(text: str) -> str:
    text = text.rstrip()
    for end in _ENDS:
        text = text.removesuffix(end)
    return text


_LAYOUTS: tuple[tuple[str, Callable[[str], list[Message] | None]], ...] = (
    ("<|im_start|>", _matched(_CHATML)),
    ("<|start_header_id|>", _matched(_LLAMA3)),
    ("<start_of_turn>", _matched(_GEMMA)),
    ("[INST]", _llama2),
    ("<|user|>", _matched(_TAGS)),
    ("<|system|>", _matched(_TAGS)),
    ("<usr>", _matched(_TAGS)),
    ("<sys>", _matched(_TAGS)),
    ("###", _headings),
    ("Human:", parse_transcript),
    ("User:", parse_transcript),
)


def _column(row: Row) -> str | None:
    return next((name for name in COLUMNS if name in row), None)


def _fits(row: Row) -> bool:
    name = _column(row)
    return name is not None and isinstance(row[name], str) and not ("role" in row or "parent_id" in row)


def _read(row: Row) -> list[Sample]:
    name = _column(row) or "text"
    value = row.get(name)
    faults: list[Fault] = []
    if value is None:
        said = f"{name} is null" if name in row else f"no {name}"
        raise Unreadable([Fault(said, Where(field=name), rule="missing-answer")])
    text = as_text(value, faults, Where(0, "content"), name) or ""
    messages = parse_layout(text) or [Message("assistant", text)]
    return [Sample(messages, "text", metadata=rest(row, name), faults=faults)]


def _losses(sample: Sample) -> list[str]:
    reasons = pair_losses(sample)
    text = plain_text(sample.messages, "assistant")
    if text is None or sample.tools:
        reasons.append("turns: only a lone text can be written as text (render a conversation with a chat template)")
    elif parse_layout(text):
        reasons.append("that the text is one turn: it would be read as the conversation it looks like")
    return reasons


TEXT = Format(
    name="text",
    summary="one text: raw, or rendered with a chat template or an instruction layout that is taken apart",
    columns=frozenset(COLUMNS),
    has_columns=lambda names: not names.isdisjoint(COLUMNS),
    fits=_fits,
    read_row=_read,
    build=lambda sample: {"text": "".join(message.text for message in sample.messages)},
    losses=_losses,
)
