"""What of a rendered conversation is trained: which characters, found for any template by rendering alone.

An answer is what the model writes at inference: all that stands between its inference prompt and its stop token, and
that token. So each answer is looked at in the conversation that ends with it, where the prompt has to begin the text.
The stop token is found behind the last leaf of the answer (curate/template/shape.py). What is found then has to stand
in the whole conversation as well, or the template rewrites it once later turns follow.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curate.sample import ROLES
from curate.template.form import content_of
from curate.template.learn import Learner, named, text_of
from curate.template.note import (
    BOUNDARY,
    LEFT_OUT,
    NO_REASONING,
    NO_STOP,
    NOTHING_TRAINED,
    REWRITTEN,
    TYPED,
    TYPED_STOP,
    UNVERIFIED,
    Note,
)
from curate.template.probe import Facts, Vocabulary, pattern, probe, whole_tokens
from curate.template.refusal import refusal, words
from curate.template.render import TemplateRefuses
from curate.template.shape import ONE, SENTINELS, TWO, Collected, Span, collect, common_prefix, common_suffix, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.template.form import Messages
    from curate.template.learn import Learned, Tail
    from curate.template.render import ChatTemplate

Tools = list[dict[str, Any]] | None
Turns = Literal["all", "last", "each"]
Spans = list[tuple[int, Span]]

SHOWN = 40
# What a template may write for one row in all: so much, and so many times the row's own characters.
WRITTEN = 100_000
TIMES = 20


class Turn(NamedTuple):
    """A trained answer in the rendered text, in characters: from `start` to `stop`, its stop token from `end`."""

    message: int
    start: int
    end: int
    stop: int


class Draft(NamedTuple):
    """A rendered text and its trained answers, before any token is looked at."""

    text: str
    turns: list[Turn]
    notes: list[Note]


@dataclass(slots=True)
class _View:
    """One answer in the conversation that ends with it. `prompt` is what the model gets at inference, `leaves` where
    the first leaf of the answer begins and the last one ends."""

    text: str
    prompt: str | None = None
    turn: Turn | None = None
    leaves: Span = (0, 0)
    tail: Tail | None = None
    notes: list[Note] = field(default_factory=list)


class Reader:
    """Finds the trained answers of conversations in what one template makes of them."""

    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary) -> None:
        self.template = template
        template.limit = WRITTEN
        self.facts: Facts = probe(template, vocabulary)
        self.learner = Learner(template, self.facts, vocabulary)
        self.cut = self.learner.cut
        self.stops = vocabulary.special
        self.opening = self.facts.opening
        self.typed = pattern(self.facts.control_tokens)
        self.marks = pattern(self.facts.marks)
        question, answer = (content_of(word, self.facts.form) for word in ("Hm", "Hm."))
        plain = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        learned = self.learner.learned(collect(plain, self.marks), 2, None)
        self.plain_tail = learned.tail if learned else None
        if self.plain_tail:
            tail = self.plain_tail
            self.facts = replace(self.facts, stop=tail.text[tail.end : tail.stop])

    def read(self, messages: Messages, tools: Tools, trained: Sequence[int], turns: Turns) -> list[Draft]:
        """The rendering of a conversation, or with "each" one per trained answer, as inference would have given it."""
        self.template.limit = WRITTEN + TIMES * size(messages, tools)
        collected = collect(messages, self.marks)
        if turns == "each" and trained:
            return [self._draft(messages[: i + 1], tools, [i], collected) for i in trained]
        return [self._draft(messages, tools, trained[-1:] if turns == "last" else trained, collected)]

    def _draft(self, messages: Messages, tools: Tools, trained: Sequence[int], collected: Collected) -> Draft:
        try:
            text = self.template.render(messages, tools or None)
            text.encode()
        except TemplateRefuses as error:
            return Draft("", [], [refusal(self.template, messages, tools, error)])
        except UnicodeEncodeError:
            said = "half of a surrogate pair is no character: no tokenizer takes it"
            return Draft("", [], [Note(UNVERIFIED, said)])
        notes = [*self._typed_in(messages, tools), *self._unreadable(messages)]
        if not trained:
            notes.append(Note(NOTHING_TRAINED, "no trained token: no answer is meant to be learned"))
        found: list[Turn] = []
        for i in trained:
            is_last = i + 1 == len(messages)
            view = self._view(messages if is_last else messages[: i + 1], tools, collected, text if is_last else None)
            notes += [note for note in view.notes if note not in notes]
            turn = view.turn
            if turn and not text.startswith(view.text[: turn.stop]):
                notes.append(self._rewritten(messages, i, view, text))
                turn = None
            if turn is None and view.tail:
                turn = self._relocated(messages, tools, collected, i, view, text)
            if turn:
                found.append(turn)
                if self.facts.marks_answers and turn is view.turn:
                    notes += self._unmarked(messages, tools, i, view)
        return Draft(text, found, notes)

    # One answer, in the conversation that ends with it.

    def _view(self, messages: Messages, tools: Tools, collected: Collected, text: str | None) -> _View:
        i = len(messages) - 1
        try:
            view = _View(self.template.render(messages, tools or None) if text is None else text)
        except TemplateRefuses as error:
            said = f"the template refuses the conversation that ends with {named(messages, i)}: {words(error)}"
            return _View("", tail=self.plain_tail, notes=[_note(UNVERIFIED, i, said)])
        try:
            view.prompt = self.template.render(messages[:i], tools or None, add_generation_prompt=True)
        except TemplateRefuses as error:
            said = f"the template refuses the prompt of {named(messages, i)}: {words(error)}"
            view.notes.append(_note(UNVERIFIED, i, said))
        learned = self.learner.learned(collected, i + 1, tools)
        spans = learned.shape.spans(view.text, collected.leaves) if learned else None
        if learned and spans is not None:
            view.notes += learned.notes
        else:
            spans = self._perturbed(messages, tools, view.text, collected, view.notes)
            view.notes += self.learner.left_out(
                collected,
                messages,
                [leaf for leaf, _ in spans],
                leaves_tools_out=self._leaves_tools_out(messages, tools, view.text, learned),
            )
        view.tail = learned.tail if learned else None
        view.turn = self._turn(messages, view, collected, spans)
        return view

    def _turn(self, messages: Messages, view: _View, collected: Collected, spans: Spans) -> Turn | None:
        i, text, tail, prompt = len(messages) - 1, view.text, view.tail, view.prompt
        needed = collected.needed[i]
        found = [span for leaf, span in spans if leaf in needed]
        if not found and all(note.code != LEFT_OUT for note in view.notes):
            view.notes.append(_note(NOTHING_TRAINED, i, f"no trained token: {named(messages, i)} has no text"))
        if tail is None:
            view.notes.append(_note(NO_STOP, i, f"no stop token follows {named(messages, i)}"))
            return None
        is_prefix = prompt is not None and text.startswith(prompt)
        behind = len(text) - len(tail.text)
        places = found or [(behind, behind)]
        first, last = min(places)[0], max(end for _, end in places)
        is_content = text_of(messages[i].get("content")).rstrip().endswith(text[last:behind].strip())
        if behind < last or not text.endswith(tail.text) or not is_content:
            said = f"what the template writes behind {named(messages, i)} cannot be told from it"
            view.notes.append(_note(UNVERIFIED, i, said))
            return None
        stop = text[behind + tail.end : behind + tail.stop]
        if stop != self.facts.stop and ("tool_calls" not in messages[i] or text[behind + tail.stop :].strip()):
            said = f"{named(messages, i)} ends with {stop}, which stops no other answer"
            view.notes.append(_note(NO_STOP, i, said))
        start = len(prompt or "")
        if not is_prefix or start > last:
            if prompt is not None:
                view.notes.append(self._other_prompt(messages, prompt, text))
            start = self._behind_header(text, first)
        elif self.opening and self.opening in text[start:first]:
            said = f"the template opens {named(messages, i)} where the inference prompt has ended already"
            view.notes.append(_note(BOUNDARY, i, said, {"in_the_row": text[start : start + SHOWN]}))
            start = self._behind_header(text, first)
        view.leaves = (max(first, start), last)
        for leaf, span in reversed(spans):
            if span[0] < start:
                break
            if leaf not in needed and not collected.leaves[leaf].field.endswith(("id", "name")):
                said = f"the template writes text of another turn into {named(messages, i)}"
                view.notes.append(_note(UNVERIFIED, i, said))
                break
        view.notes += self._other_mode(messages, i) if found else []
        return Turn(i, start, behind + tail.end, behind + tail.stop)

    def _other_mode(self, messages: Messages, i: int) -> list[Note]:
        """An answer without reasoning where the prompt asks for some, or the other way round."""
        thinks = self._thinks(messages[i])
        if not self.facts.reasoning_end or thinks == self.facts.thinks:
            return []
        turn, switch = named(messages, i), self.facts.switch
        mode = {"reasoning": thinks, "prompt": "thinking" if self.facts.thinks else "not thinking", "switch": switch}
        if thinks:
            said = f"{turn} has reasoning: it trains the model to think where the prompt says not to"
        else:
            said = f"{turn} has no reasoning: it trains the model to answer without, where it could think"
        if switch:
            said += f"; try --template-args '{{\"{switch}\": {'true' if thinks else 'false'}}}'"
        return [_note(NO_REASONING, i, said, mode)]

    def _thinks(self, message: dict[str, Any]) -> bool:
        return bool((message.get("reasoning") or "").strip()) or (
            self.facts.reasoning_end in text_of(message.get("content"))
        )

    def _behind_header(self, text: str, first: int) -> int:
        """Where an answer begins whose prompt does not begin the text: behind as much of the usual header as stands
        before its first leaf, with no other turn between."""
        header = self.facts.header
        for length in range(len(header), 0, -1):
            at = text.rfind(header[:length], 0, first)
            if at >= 0 and length == whole_tokens(self.cut, header, length):
                between = text[at + length : first]
                if self.opening in header[:length] and self.opening not in between:
                    return at + length
        return first

    # Rows that are not of the shape that they should have.

    def _perturbed(self, messages: Messages, tools: Tools, text: str, collected: Collected, notes: list[Note]) -> Spans:
        """Where each leaf stands, by putting other words in its place: those of the last turn one at a time, the others
        together, and alone only where that shows too little."""
        i = len(messages) - 1
        last = collected.needed[i]
        spans, alone = self._before(messages, tools, text, collected)
        for n in [*alone, *last]:
            leaf = collected.leaves[n]
            tries = (collect(messages, self.marks, stand, only={n}).messages for stand in (ONE, TWO))
            changed = [other for other in (self.learner.attempt(turns, tools) for turns in tries) if other]
            if len(changed) < 2:
                said = f"the template refuses {named(messages, leaf.message)} with another text"
                notes.append(_note(UNVERIFIED, leaf.message, said))
                continue
            start = common_prefix(text, *changed)
            end = max(start, len(text) - common_suffix(text, *changed))
            if any(other != text for other in changed) and _holds(text[:end], leaf.value):
                spans.append((n, (start, end)))
        return sorted(spans, key=lambda found: found[1])

    def _before(self, messages: Messages, tools: Tools, text: str, collected: Collected) -> tuple[Spans, list[int]]:
        """The leaves of the turns before the last one that its prompt writes, all of them looked for at once, and those
        that are not seen so. Where they stand does not matter: they count as the beginning of the text."""
        i = len(messages) - 1
        needed = {leaf for leaves in collected.needed[:i] for leaf in leaves} - set(collected.needed[i])
        turns = collect(messages, self.marks, only=needed).messages
        changed = self.learner.attempt(turns, tools)
        try:
            prompt = self.template.render(turns[:i], tools or None, add_generation_prompt=True)
        except TemplateRefuses:
            prompt = ""
        words = {leaf: str(SENTINELS.of(leaf, collected.leaves[leaf].value)) for leaf in needed}
        is_prefix = bool(prompt) and changed.startswith(prompt)
        seen = {
            leaf
            for leaf, word in words.items()
            if is_prefix and 0 <= changed.rfind(word) < len(prompt)
            if any(way in text for way in written(collected.leaves[leaf].value))
        }
        return [(leaf, (0, 0)) for leaf in sorted(seen)], sorted(needed - seen)

    def _leaves_tools_out(self, messages: Messages, tools: Tools, text: str, learned: Learned | None) -> bool:
        if learned:
            return learned.leaves_tools_out
        return bool(tools) and self.learner.attempt(messages, None) == text

    def _relocated(
        self, messages: Messages, tools: Tools, collected: Collected, i: int, view: _View, text: str
    ) -> Turn | None:
        """Where an answer stands that the template rewrites once later turns follow: to be shown, not to be trained."""
        learned = self.learner.learned(collected, len(messages), tools)
        spans = learned.shape.spans(text, collected.leaves) if learned else None
        if spans is None:
            spans = self._perturbed(messages, tools, text, collected, [])
        needed = collected.needed[i]
        # A call's name stands in its result as well.
        texts = [leaf for leaf in needed if not collected.leaves[leaf].field.endswith("name")] or needed
        places = [span for leaf, span in spans if leaf in texts]
        if not places or view.tail is None:
            return None
        first, last = min(places)[0], max(end for _, end in places)
        prompt = view.prompt
        is_prompted = prompt is not None and text.startswith(prompt) and len(prompt) <= first
        start = len(prompt or "") if is_prompted else self._behind_header(text, first)
        tail = view.tail
        if text.startswith(tail.text[: tail.stop], last):
            return Turn(i, start, last + tail.end, last + tail.stop)
        stop = next((token for token in self.cut.finditer(text, last) if token[0] in self.stops), None)
        return Turn(i, start, stop.start(), stop.end()) if stop else None

    # What there is to say.

    def _rewritten(self, messages: Messages, i: int, view: _View, text: str) -> Note:
        at = whole_tokens(self.cut, text, common_prefix(text, view.text))
        evidence = {"at_inference": view.text[at : at + SHOWN], "in_the_row": text[at : at + SHOWN]}
        said = f"the template rewrites {named(messages, i)} once later turns follow"
        remedy = "train each answer on its own (--turns each), or only the last one (--turns last)"
        return _note(REWRITTEN, i, f"{said}; {remedy}", evidence)

    def _other_prompt(self, messages: Messages, prompt: str, text: str) -> Note:
        at = whole_tokens(self.cut, prompt, common_prefix(prompt, text))
        i = len(messages) - 1
        if at == len(prompt):
            return _note(BOUNDARY, i, f"the inference prompt of {named(messages, i)} ends behind the answer")
        evidence = {"at_inference": prompt[at : at + SHOWN], "in_the_row": text[at : at + SHOWN]}
        said = f"at inference the prompt of {named(messages, i)} goes on with {_short(prompt[at:])}"
        said += f", in the row with {_short(text[at:])}"
        if self.facts.thinks and self.facts.switch and not self._thinks(messages[i]):
            said += f"; try --template-args '{{\"{self.facts.switch}\": false}}'"
        return _note(BOUNDARY, i, said, evidence)

    def _unmarked(self, messages: Messages, tools: Tools, i: int, view: _View) -> list[Note]:
        """What is trained has to lie in what the template itself marks as written by the model."""
        try:
            spans = self.template.marked(messages, tools or None)
        except TemplateRefuses:
            spans = []
        start, end = view.leaves
        for marked_start, marked_end in sorted(spans):
            if marked_start <= start:
                start = max(start, marked_end)
        if not view.text[start:end].strip():
            return []
        said = f"the template's own {{% generation %}} leaves out {named(messages, i)}, or a part of it"
        return [_note(UNVERIFIED, i, said)]

    def _unreadable(self, messages: Messages) -> list[Note]:
        """Arguments of calls that are no JSON, for a template that wants objects."""
        notes = []
        for i, message in enumerate(messages):
            for k, call in enumerate(message.get("tool_calls", ())):
                if self.facts.form.arguments == "object" and isinstance(call["function"]["arguments"], str):
                    said = f"the arguments of call {k + 1} of {named(messages, i)} are no JSON"
                    where = {"message": i, "field": f"tool_calls.{k}.arguments"}
                    notes.append(Note(UNVERIFIED, said, where))
        return notes

    def _typed_in(self, messages: Messages, tools: Tools) -> list[Note]:
        """Control tokens inside texts: one of each text, and those that end an answer."""
        notes = []
        if tools and (token := self.typed.search(str(tools))):
            said = f"the tool definitions hold the control token {token[0]}"
            notes.append(Note(TYPED, said, None, {"token": token[0]}))
        for i, message in enumerate(messages):
            for name, text in _texts(message):
                for token in self.typed.finditer(text):
                    ends = name == "content" and message["role"] == "assistant" and not text[token.end() :].strip()
                    code = TYPED_STOP if ends and token[0] in self.stops else TYPED
                    where = {"message": i, "field": name, "start": token.start(), "end": token.end()}
                    what = "ends with" if code == TYPED_STOP else "holds"
                    said = f"{named(messages, i)} {what} the control token {token[0]}"
                    notes.append(Note(code, said, where, {"token": token[0]}))
                    if code == TYPED:
                        break
        return notes


def _texts(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All texts of a turn that a template can write, with the names of their fields."""
    yield "content", text_of(message.get("content"))
    if len(message) == 2 and "content" in message and message["role"] in ROLES:
        return
    for name in message.keys() - {"role", "content", "thinking", "reasoning_content", "tool_calls"}:
        yield name, message[name]
    for k, call in enumerate(message.get("tool_calls", ())):
        yield f"tool_calls.{k}.name", call["function"]["name"]
        arguments = call["function"]["arguments"]
        yield f"tool_calls.{k}.arguments", arguments if isinstance(arguments, str) else json.dumps(arguments)
    if message["role"] not in ROLES:
        yield "role", message["role"]


def size(messages: Messages, tools: Tools) -> int:
    """The characters of a row, more or less."""
    written = sum(len(str(value)) for message in messages for value in message.values())
    return written + len(str(tools)) if tools else written


def _holds(text: str, value: str | int) -> bool:
    """Whether a text ends with a value, but for white space, or as JSON writes it."""
    if isinstance(value, int):
        return True
    squeezed = "".join(text.split())
    ways = (value, json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1])
    return any(squeezed.endswith("".join(way.split())) for way in ways)


def _note(code: str, i: int, message: str, evidence: dict[str, Any] | None = None) -> Note:
    return Note(code, message, {"message": i}, evidence)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
