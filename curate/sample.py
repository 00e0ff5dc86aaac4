"""The record: the one shape that every reader produces and every rule, engine and writer consumes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from curate.finding import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.template.prove import Rendering

SYSTEM_ROLES = frozenset({"system", "developer"})
ROLES = SYSTEM_ROLES | {"user", "assistant", "tool"}


@dataclass(slots=True)
class ToolCall:
    """A call of a tool. `arguments` is kept as the row gave it: an object, or a JSON string of one (OpenAI)."""

    name: str
    arguments: Any = None
    id: str | None = None

    def parsed_arguments(self) -> Any:
        """Return the arguments as a JSON value.

        Raises:
            ValueError: `arguments` is a string that is not JSON.
        """
        if isinstance(self.arguments, str):
            return orjson.loads(self.arguments) if self.arguments.strip() else {}
        return self.arguments if self.arguments is not None else {}


@dataclass(slots=True)
class Message:
    """One turn. `role` is one of ROLES, or the row's own word where no alias of it is known.

    `content` is text, a list of parts (`{"type": "text", "text": ...}`, images, audio) or None. `weight` is the
    trainer's flag on the turn (1 trained, 0 not, None unsaid); `extra` carries the keys that were not understood.
    `reasoning_key` is what the row calls the reasoning, where a key of the turn holds it.
    """

    role: str
    content: str | list[dict[str, Any]] | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    reasoning_key: str | None = None

    @property
    def text(self) -> str:
        """The text of the content: parts joined without a separator, as chat templates join them."""
        content = self.content
        if isinstance(content, str):
            return content
        if content is None:
            return ""
        return "".join(part["text"] for part in content if isinstance(part.get("text"), str))

    @property
    def has_media(self) -> bool:
        """Whether a part holds something other than text."""
        return isinstance(self.content, list) and any(part.get("type", "text") != "text" for part in self.content)

    @property
    def is_trained(self) -> bool:
        """Whether a trainer that reads the flag puts loss on this turn (default: assistant turns only)."""
        return self.role == "assistant" if self.weight is None else self.weight > 0


class TextField(NamedTuple):
    """A text inside a sample and where it stands: what the rules about text iterate over."""

    message: int
    field: str  # "content", "reasoning" or "rejected"
    role: str
    text: str


@dataclass(slots=True)
class Sample:
    """One training example: the conversation that should be learned, and what comes with it.

    `rejected` is the other answer of a preference pair (the turns after the shared prompt), `label` the verdict of an
    unpaired preference row, `tools` the tool definitions, `metadata` every column that was not understood. `faults` are
    what the readers noticed; `place.sample_id` is `id`. `rendering` is what the model sees, if one is given.
    """

    messages: list[Message]
    format: str = "messages"
    rejected: list[Message] | None = None
    label: bool | None = None
    tools: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    line: int = 0
    part: int = 0
    faults: list[Fault] = field(default_factory=list)
    rendering: Rendering | None = None
    _id: str | None = None
    _texts: list[TextField] | None = None

    @property
    def id(self) -> str:
        """`v1:` and 32 hex digits of BLAKE2b over the canonical JSON; computed once (an edit makes a new Sample)."""
        if self._id is None:
            self._id = "v1:" + hashlib.blake2b(canonical_json(self), digest_size=16).hexdigest()
        return self._id

    @property
    def place(self) -> Place:
        return Place(self.path, self.line, self.part, self.id)

    def texts(self) -> list[TextField]:
        """Every non-empty text of the sample, in order: content and reasoning of each turn, then the rejected turns."""
        if self._texts is None:
            self._texts = list(_texts(self))
        return self._texts

    def answers(self) -> Iterator[tuple[int, Message]]:
        """The assistant turns meant to be learned, with their index into `messages`.

        Turns whose flag says untrained are not, nor is the last answer of an unpaired preference row labelled false.
        """
        answers = [(i, m) for i, m in enumerate(self.messages) if m.role == "assistant" and m.weight != 0]
        return iter(answers[:-1] if self.label is False else answers)


def _texts(sample: Sample) -> Iterator[TextField]:
    for i, message in enumerate(sample.messages):
        if text := message.text:
            yield TextField(i, "content", message.role, text)
        if message.reasoning:
            yield TextField(i, "reasoning", message.role, message.reasoning)
    for i, message in enumerate(sample.rejected or ()):
        if text := message.text:
            yield TextField(i, "rejected", message.role, text)


def canonical_json(sample: Sample) -> bytes:
    """The bytes that a sample's id is the hash of: frozen for `v1`.

    Two rows that say the same thing in two spellings of one format are one sample: content parts that hold only text
    are joined, tool arguments given as a JSON string are parsed, keys that are null or absent are left out, and a train
    flag that says what is the default anyway is left out. Text is not normalised.
    """
    record: dict[str, Any] = {"messages": [_canonical_message(message) for message in sample.messages]}
    if sample.rejected is not None:
        record["rejected"] = [_canonical_message(message) for message in sample.rejected]
    if sample.label is not None:
        record["label"] = sample.label
    if sample.tools:
        record["tools"] = sample.tools
    return sorted_json(record)


def sorted_json(value: Any) -> bytes:
    """A JSON value as UTF-8, without spaces and with sorted keys: any value that a row can hold."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def _canonical_message(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role}
    if message.has_media:
        out["content"] = message.content
    elif text := message.text:
        out["content"] = text
    if message.reasoning:
        out["reasoning"] = message.reasoning
    if message.tool_calls:
        out["tool_calls"] = [_canonical_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        out["name"] = message.name
    if message.weight is not None and message.weight != (message.role == "assistant"):
        out["weight"] = float(message.weight)
    return out


def _canonical_call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = call.parsed_arguments()
    except ValueError:
        arguments = call.arguments
    out = {"name": call.name, "arguments": arguments}
    if call.id is not None:
        out["id"] = call.id
    return out
