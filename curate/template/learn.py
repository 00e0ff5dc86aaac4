"""What a template does with all conversations of one shape, learned once from words that stand in for their texts."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from curate.template.form import content_of
from curate.template.note import IGNORED_REASONING, LEFT_OUT, Note
from curate.template.probe import pattern, whole_tokens
from curate.template.render import TemplateRefuses
from curate.template.shape import SENTINELS, Collected, Shape, common_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.template.form import Messages
    from curate.template.probe import Facts, Vocabulary
    from curate.template.render import ChatTemplate

    Tools = list[dict[str, Any]] | None

HELD = 50_000_000
"""So many characters of shapes are kept: tools, which belong to them, can be long."""
NEXT, NOTHING = "Zq99999xW", "Zq99998xW"


@dataclass(frozen=True, slots=True)
class Tail:
    """What a template writes behind the last leaf of an answer that ends a conversation; its stop token stands in it
    from `end` to `stop`."""

    text: str
    end: int
    stop: int


@dataclass(slots=True)
class Learned:
    """`tail` is None where no stop token follows. `leaves_tools_out`: nothing of the tools' definitions is written."""

    shape: Shape
    tail: Tail | None
    leaves_tools_out: bool
    notes: list[Note] = field(default_factory=list)


class Learner:
    """Learns the shapes of conversations that end with an answer, and keeps the latest of them."""

    def __init__(self, template: ChatTemplate, facts: Facts, vocabulary: Vocabulary) -> None:
        self.template = template
        self.facts = facts
        self.eos = vocabulary.eos
        self.stops = vocabulary.special
        self.cut = pattern(token for token in vocabulary.special | vocabulary.plain if not token.isspace())
        self.openers = frozenset(self.cut.findall(facts.header))
        self.kept: OrderedDict[bytes, tuple[Learned | None, int]] = OrderedDict()
        self.held = 0

    def learned(self, collected: Collected, length: int, tools: Tools) -> Learned | None:
        """What holds of the first `length` turns; None if the template refuses the words that stand in."""
        messages = collected.messages[:length]
        key = _key([messages, tools])
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key][0]
        try:
            learned = self._learn(messages, collected, tools)
        except TemplateRefuses:
            learned = None
        size = 1000 + (sum(map(len, learned.shape.glue)) if learned else 0)
        self.kept[key] = (learned, size)
        self.held += size
        while self.held > HELD:
            self.held -= self.kept.popitem(last=False)[1][1]
        return learned

    def left_out(
        self, collected: Collected, messages: Messages, there: Iterable[int], *, leaves_tools_out: bool
    ) -> list[Note]:
        """What a template leaves out of a conversation, `there` being the leaves that it writes."""
        notes = []
        if leaves_tools_out:
            notes.append(Note(LEFT_OUT, "the template leaves out the tool definitions", None, {"field": "tools"}))
        there, last = set(there), len(messages) - 1
        for i, needed in enumerate(collected.needed[: last + 1]):
            fields = (collected.leaves[leaf].field for leaf in needed if leaf not in there)
            for name in dict.fromkeys(".".join(name.split(".")[:2]) for name in fields):
                where, turn = {"message": i, "field": name}, named(messages, i)
                if name == "reasoning" and i < last:
                    continue  # what a model thought before its last answer is no part of later prompts
                if name == "reasoning" and not self.facts.reasoning_end:
                    said = f"the template has no place for reasoning: that of {turn} is ignored"
                    notes.append(Note(IGNORED_REASONING, said, where))
                    continue
                what = "tool call" if name.startswith("tool_calls") else name
                notes.append(Note(LEFT_OUT, f"the template leaves out or rewrites the {what} of {turn}", where))
        return notes

    def attempt(self, messages: Messages, tools: Tools) -> str:
        """The rendering of a conversation; nothing where the template refuses it."""
        try:
            return self.template.render(messages, tools or None)
        except TemplateRefuses:
            return ""

    def _learn(self, messages: Messages, collected: Collected, tools: Tools) -> Learned:
        rendered = self.template.render(messages, tools or None)
        shape = Shape.of(rendered, collected.leaves)
        is_answer = messages[-1]["role"] == "assistant"
        learned = Learned(
            shape,
            self._tail(messages, collected, tools) if is_answer else None,
            bool(tools) and self.attempt(messages, None) == rendered,
        )
        learned.notes = self.left_out(collected, messages, shape.order, leaves_tools_out=learned.leaves_tools_out)
        return learned

    def _tail(self, messages: Messages, collected: Collected, tools: Tools) -> Tail | None:
        """What closes an answer is told apart from what opens the next turn by what else can follow in its place."""
        bare = [*messages[:-1], _without_ending(messages[-1])]
        rendered = self.template.render(bare, tools or None)
        needed = collected.needed[len(messages) - 1]
        words = [str(SENTINELS.of(leaf, collected.leaves[leaf].value)) for leaf in needed]
        word = max(words, key=rendered.rfind, default="")
        if not word or word not in rendered:  # nothing of the answer is written, but perhaps its end
            word = NOTHING
            bare[-1] = {"role": "assistant", "content": content_of(NOTHING, self.facts.form)}
            rendered = self.template.render(bare, tools or None)
            if word not in rendered:
                return None
        text = rendered.rpartition(word)[2]
        # The result of a call may repeat the word.
        followed = word.join(self._followed(bare, tools).split(word)[rendered.count(word) :])
        shared = whole_tokens(self.cut, text, common_prefix(text, followed)) if followed else len(text)
        tokens = list(self.cut.finditer(text))
        opened = next((token.start() for token in tokens if token[0] in self.openers), len(text))
        if tokens and tokens[-1][0] not in self.openers:
            opened = len(text)  # what is opened here is still the same answer: it ends behind it
        stops = [token for token in tokens if token[0] in self.stops and token.end() <= opened]
        # The last answer of a conversation may end with another token than the answers before it.
        closing = [token for token in stops if token.end() <= shared] or stops[-1:]
        if not closing:
            return None
        stop = next((token for token in closing if token[0] == self.eos), closing[-1])
        return Tail(text, stop.start(), stop.end())

    def _followed(self, messages: Messages, tools: Tools) -> str:
        """The conversation with one more turn: the result of a call, or a question."""
        content = content_of(NEXT, self.facts.form)
        for call in messages[-1].get("tool_calls", [])[-1:]:
            result = {"role": "tool", "content": content, "name": call["function"]["name"]}
            if "id" in call:
                result["tool_call_id"] = call["id"]
            if NEXT in (text := self.attempt([*messages, result], tools)):
                return text
        return self.attempt([*messages, {"role": "user", "content": content}], tools)


def named(messages: Messages, i: int) -> str:
    """How notes call a turn."""
    return f"turn {i + 1} ({messages[i]['role']})"


def text_of(content: Any) -> str:
    """The text of a content, given as text or as parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content or ""


def _without_ending(message: dict[str, Any]) -> dict[str, Any]:
    """The turn without what its content has behind its last leaf: white space, and tokens that were typed."""
    content = message.get("content")
    text = text_of(content)
    at = text.rfind("xW")
    if at < 0:
        return message
    bare = text[: at + 2]
    return {**message, "content": bare if isinstance(content, str) else [{"type": "text", "text": bare}]}


def _key(value: Any) -> bytes:
    try:
        text = orjson.dumps(value)
    except TypeError:  # whole numbers beyond 64 bits, half a surrogate pair
        text = json.dumps(value).encode()
    return hashlib.blake2b(text, digest_size=16).digest()
