"""What other trainers would train of a row, with the settings that their guides recommend for chats.

Each of them finds the answers by a method of its own, written down here from its documentation and its source, and
tested against the package itself (tests/template/test_trainers.py, benchmarks/other_trainers.py): see VERSIONS.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.template.form import content_of, to_messages
from curate.template.probe import pattern
from curate.template.render import GENERATION
from curate.template.renders import Ask, Rendered, render_all
from curate.template.shape import common_prefix, common_suffix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tokenizers import Encoding

    from curate.sample import Sample
    from curate.template.form import Form, Messages
    from curate.template.load import ChatTokenizer
    from curate.template.prove import Rendering

VERSIONS = {"TRL": "1.16.0", "Unsloth": "2026.10.9", "Axolotl": "0.19.0", "LLaMA-Factory": "0.9.5"}
SETTINGS = {
    "TRL": "assistant_only_loss=True",
    "Unsloth": "train_on_responses_only",
    "Axolotl": "type: chat_template",
    "LLaMA-Factory": "template: NAME",
}

# TRL has a copy of these templates with {% generation %} in it, and takes it where the model's is the same to the
# letter: the first 12 digits of their SHA-256.
TRL_KNOWS = """
    0d7e56ca4170 2147c474f41b 273d8e0e683b 2c17243a977f 3636d0f0bd6b 44f815868bf0 5504d163d879 563b1ce7d61d 56a1447ad319
    575fb74f54ed 58933db77d30 64f85b198065 78d976a442bc 7de1c58e208e 82753bef5ced 830005085ddd 90c33aee14aa 9aeb7eac68ad
    a0bc6f6fc7a2 a4aee8afcf2e a4c9919cbbd4 a55ee1b16601 ab7813c3abdd ba03a121d097 c3cf9e34abf4 cd8e9439f057 cef187400d62
    cfc67e5f349f dcaee66df77b e84f32a23fdd ecd6ae513fe1
"""
QUESTION, ANSWER = "Where is the harbour?", "Behind the old mill."
DUMMIES = ("[[dummy_message]]", "zzdummymessagezz")  # Axolotl's own: a template may treat a text by how it looks
SHOWN = 40
BATCH_ROWS = 32  # so many go to one process, which is killed after some seconds
NEAR = 3  # tokens after an answer within which Axolotl looks for the one that ends it
# Empty reasoning, or the end of some, at the end of a header.
SCAFFOLD = re.compile(r"(?:<[^<>/\s]+>\s*)?</(?P<tag>[^<>/\s]+)>\s*\Z")
NEIGHBOURS = "aA1.(<>{}\\"  # characters that may merge with the edge of a marker


@dataclass
class OtherMask:
    """What one trainer would train of a row: `trained` has a flag for each id of the rendering, and is None where it
    cannot be said; then `reason` says why. `wrong` are the ids that it trains and we do not, `missed` the others."""

    trainer: str
    setting: str
    version_checked_against: str
    trained: list[bool] | None
    reason: str = ""
    wrong: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)


class Trainers:
    """Computes the masks of other trainers for one model."""

    def __init__(self, chat: ChatTokenizer, args: Mapping[str, Any], clock: date, form: Form) -> None:
        """`args`, `clock` and `form` are what the rows were rendered with."""
        self.chat, self.args, self.clock, self.form = chat, args, clock, form
        self.added = chat.tokenizer.get_added_tokens_decoder()
        self.eos = chat.tokenizer.token_to_id(chat.eos) if chat.eos else None
        self.bos = chat.tokenizer.token_to_id(chat.bos) if chat.bos else None
        self._lead = re.compile(rf"\s+|{pattern(token.content for token in self.added.values()).pattern}")
        self.trl_template, self.trl_reason = self._trl_template()
        self.markers = self._markers()

    def masks(self, rows: Sequence[tuple[Sample, Rendering]]) -> list[list[OtherMask]]:
        """For each sample and its rendering as a whole row, what each trainer would do with it."""
        batches = (rows[begin : begin + BATCH_ROWS] for begin in range(0, len(rows), BATCH_ROWS))
        return [masks for batch in batches for masks in self._batch(batch)]

    def _batch(self, rows: Sequence[tuple[Sample, Rendering]]) -> list[list[OtherMask]]:
        asks: list[Ask] = []
        begins = []
        given = replace(self.form, missing="absent")  # transformers leaves out what is null
        parsed = replace(given, arguments="object")  # Axolotl reads the JSON of calls
        for sample, _ in rows:
            messages, tools = to_messages(sample, given), sample.tools or None
            objects = [_kept_by_axolotl(message) for message in to_messages(sample, parsed)]
            answers = [i for i, message in enumerate(objects) if message["role"] == "assistant"]
            begins.append(len(asks))
            asks += [Ask(messages, tools, template=self.trl_template), Ask(messages, tools), Ask(objects, tools)]
            asks += [Ask(_with_dummy(objects, i, dummy), tools) for i in answers for dummy in DUMMIES]
        rendered = render_all(self.chat, self.args, self.clock, asks)
        ends = [*begins[1:], len(asks)]
        return [
            self._masks(sample, rendering, rendered[begin:end])
            for (sample, rendering), begin, end in zip(rows, begins, ends, strict=True)
        ]

    def _masks(self, sample: Sample, rendering: Rendering, rendered: Sequence[Rendered]) -> list[OtherMask]:
        if not rendering.text:
            return [_cannot(trainer, "the template refuses the row") for trainer in VERSIONS]
        encoding = self.chat.tokenizer.encode(rendering.text, add_special_tokens=False)
        if encoding.ids != rendering.ids:
            return [_cannot(trainer, "two tokenizers give different ids for the row") for trainer in VERSIONS]
        marked, plain, parsed, *dummies = rendered
        masks = [
            self._trl(rendering, encoding, marked),
            self._unsloth(rendering, plain),
            self._axolotl(sample, rendering, encoding, parsed, dummies),
            _cannot("LLaMA-Factory", "it does not use the model's template, but one of its own that its user names"),
        ]
        ours = [False] * len(rendering.ids)
        for turn in rendering.turns:
            ours[turn.first : turn.last] = [True] * (turn.last - turn.first)
        for mask in masks:
            for at, (theirs, mine) in enumerate(zip(mask.trained or (), ours, strict=False)):
                if theirs != mine:
                    (mask.wrong if theirs else mask.missed).append(at)
        return masks

    # TRL: what {% generation %} encloses, in the model's template or in TRL's copy of it.

    def _trl_template(self) -> tuple[str | None, str]:
        """TRL's copy of the template, None for the model's own, or else why there is no mask."""
        own = self.chat.templates["default"]
        if GENERATION.search(own):
            return None, ""
        found = find_spec("trl")
        for place in (found.submodule_search_locations or ()) if found else ():
            for file in sorted(Path(place, "chat_templates").glob("*_training.jinja")):
                stock = file.with_name(file.name.replace("_training", ""))
                if stock.is_file() and stock.read_text(encoding="utf-8") == own:
                    return file.read_text(encoding="utf-8"), ""
        if found is None and hashlib.sha256(own.encode()).hexdigest()[:12] in TRL_KNOWS:
            return None, "it takes its own copy of this template, with marks in it; install trl here to see its mask"
        return None, "it stops with an error: the template has no {% generation %}, and is none of those that TRL knows"

    def _trl(self, rendering: Rendering, encoding: Encoding, rendered: Rendered) -> OtherMask:
        if self.trl_reason:
            return _cannot("TRL", self.trl_reason)
        if other := _other_text(rendering, rendered):
            return _cannot("TRL", other)
        trained = [False] * len(encoding.ids)
        for begin, end in rendered.marked:
            first, last = encoding.char_to_token(begin), encoding.char_to_token(end - 1)
            if first is None:
                break
            stop = last + 1 if last else len(trained)
            trained[first:stop] = [True] * (stop - first)
        if not any(trained):
            return _cannot("TRL", "it stops with an error: the row has no token that it would train")
        return _made("TRL", trained)

    # Unsloth: the ids between two markers, which are the headers of the user's and of the assistant's turns.

    def _markers(self) -> tuple[_Marker, _Marker] | str:
        """The two markers as it finds them itself, or why there are none."""
        question = {"role": "user", "content": content_of(QUESTION, self.form)}
        whole, asked, prompt = self._render(
            Ask([question, self._said(ANSWER)] * 3), Ask([question]), Ask([question], is_prompt=True)
        )
        gaps = whole.replace(ANSWER, QUESTION).split(QUESTION)
        if len(gaps) != 7:
            return "its markers cannot be told from the template"
        response = Counter(gaps[1:6:2]).most_common(1)[0][0]
        instruction = Counter(gaps[2:6:2]).most_common(1)[0][0]
        header = (
            "" if prompt == asked else self._apart(prompt.rpartition(QUESTION)[2], asked.rpartition(QUESTION)[2])[0]
        )
        if header and response != header and response.endswith(header):
            ending, response = response.removesuffix(header), header
            instruction = _without(instruction, [ending])
        else:
            if response == header:
                response, instruction = self._apart(response, instruction)
            else:  # the user's turn ends with what opens the answer
                response = _without(response, self._edges)
            instruction = _without(instruction, self._edges)
        instruction = instruction.strip(" \t")
        response = self._without_scaffold(question, response).strip(" \t")
        if not response or not instruction:
            return "its markers cannot be told from the template"
        return self._marker(instruction), self._marker(response)

    @property
    def _edges(self) -> list[str]:
        return [edge for edge in (" ", "\t", self.chat.eos, self.chat.bos) if edge]

    def _without_scaffold(self, question: dict[str, Any], header: str) -> str:
        """An answer's header without the empty reasoning that a template puts behind it where the answer has none."""
        scaffold = SCAFFOLD.search(header)
        if scaffold is None or scaffold.start() == 0:
            return header
        tag, short = scaffold["tag"], header[: scaffold.start()]
        (filled,) = self._render(Ask([question, self._said(f"<{tag}>Hm</{tag}>{ANSWER}")]))
        _, found, behind = filled.rpartition(short)
        return short if found and not behind.startswith(scaffold[0]) else header

    def _said(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": content_of(text, self.form)}

    def _render(self, *asks: Ask) -> list[str]:
        """The texts of conversations; empty where the template refuses one."""
        return [rendered.text for rendered in render_all(self.chat, self.args, self.clock, asks)]

    def _apart(self, one: str, other: str) -> tuple[str, str]:
        """Two texts without the control tokens and the white space with which both begin."""
        while True:
            lead, same = self._lead.match(one), self._lead.match(other)
            if lead is None or same is None or lead[0] != same[0]:
                return one, other
            one, other = one[lead.end() :], other[lead.end() :]

    def _marker(self, text: str) -> _Marker:
        """The ids of a marker; at its edges, those that merge with a neighbour may be there or not."""
        ids = self.chat.ids(text)
        first, last = 0, len(ids)
        for neighbour in NEIGHBOURS:
            last = min(last, _shared(self.chat.ids(text + neighbour), ids))
            first = max(first, len(ids) - _shared(self.chat.ids(neighbour + text)[::-1], ids[::-1]))
        if any(i in self.added and self.added[i].content.strip() for i in ids[first:last]):
            return _Marker(ids[first:last], ids[:first], ids[last:])
        return _Marker(ids, [], [])

    def _unsloth(self, rendering: Rendering, rendered: Rendered) -> OtherMask:
        if isinstance(self.markers, str):
            return _cannot("Unsloth", self.markers)
        if other := _other_text(rendering, rendered):
            return _cannot("Unsloth", other)
        question, answer = self.markers
        ids, trained = rendering.ids, [False] * len(rendering.ids)
        opener = self._opener(question.ids, answer.ids)
        at = 0
        while at < len(ids):
            if not answer.at(ids, at):
                at += 1
                continue
            begin = answer.end(ids, at)
            end, at = self._end_of_answer(ids, begin, question, answer, opener)
            trained[begin:end] = [True] * (end - begin)
        if not any(trained):
            return _cannot("Unsloth", "it drops the row: none of its tokens would be trained")
        return _made("Unsloth", trained)

    def _opener(self, one: Sequence[int], other: Sequence[int]) -> list[int]:
        """The control tokens with which every turn begins."""
        opener = list(one[: _shared(one, other)])
        tokens = [self.added.get(i) for i in opener]
        is_special = all(token is not None and token.special for token in tokens)
        return opener if is_special and any(token and token.content.strip() for token in tokens) else []

    def _end_of_answer(
        self, ids: list[int], begin: int, question: _Marker, answer: _Marker, opener: list[int]
    ) -> tuple[int, int]:
        """Where an answer ends, and where to look for the next."""
        for at in range(begin, len(ids)):
            if ids[at] == self.eos:
                return at + 1, at + 1
            if ids[at] == self.bos or answer.at(ids, at) or (opener and ids[at : at + len(opener)] == opener):
                return at, at
            if question.at(ids, at):
                return question.start(ids, at), question.end(ids, at)
        return len(ids), len(ids)

    # Axolotl: what changes in the row when an answer is another text, and the end-of-text token right behind it.

    def _axolotl(
        self,
        sample: Sample,
        rendering: Rendering,
        encoding: Encoding,
        rendered: Rendered,
        dummies: Sequence[Rendered],
    ) -> OtherMask:
        if any(message.tool_calls or message.tool_call_id or message.name for message in sample.messages):
            return _cannot("Axolotl", "not computed for tools: it drops keys that it does not find in the template")
        if self.form.content == "parts":
            return _cannot("Axolotl", "it joins the parts of a text into one, which this template does not take")
        if other := _other_text(rendering, rendered):
            return _cannot("Axolotl", other)
        if refused := next((dummy.refusal for dummy in dummies if dummy.refusal), ""):
            return _cannot("Axolotl", f"the template refuses the row with another answer: {refused}")
        ids, text = rendering.ids, rendering.text
        starts, ends = [start for start, _ in encoding.offsets], [end for _, end in encoding.offsets]
        trained = [False] * len(ids)
        for n in range(0, len(dummies), len(DUMMIES)):
            others = [dummy.text for dummy in dummies[n : n + len(DUMMIES)]]
            begin = min(common_prefix(text, other) for other in others)
            end = max(_end_of_change(text, other) for other in others)
            first, last = bisect_right(ends, begin), bisect_left(starts, end)
            if begin < end and first < last:
                trained[first:last] = [True] * (last - first)
            else:
                last = -1
            stop = next((at for at in range(max(last, 0), len(ids)) if ids[at] == self.eos), None)
            if stop is not None and stop - last <= NEAR:
                trained[stop] = True
        return _made("Axolotl", trained)


@dataclass
class _Marker:
    """Ids that have to be there, and those before and behind them that may be."""

    ids: list[int]
    before: list[int]
    behind: list[int]

    def at(self, ids: Sequence[int], at: int) -> bool:
        return ids[at : at + len(self.ids)] == self.ids

    def start(self, ids: Sequence[int], at: int) -> int:
        return at - _shared(ids[:at][::-1], self.before[::-1])

    def end(self, ids: Sequence[int], at: int) -> int:
        at += len(self.ids)
        return at + _shared(ids[at:], self.behind)


def _without(text: str, leads: Sequence[str]) -> str:
    """A text without any of these at its beginning."""
    while lead := next((lead for lead in leads if text.startswith(lead)), ""):
        text = text.removeprefix(lead)
    return text


def _other_text(rendering: Rendering, rendered: Rendered) -> str:
    """Why a trainer does not train on the row as we have it; empty where it does."""
    if rendered.refusal:
        return f"it stops with an error: the template that it takes refuses the row ({rendered.refusal})"
    if rendered.text == rendering.text:
        return ""
    at = common_prefix(rendered.text, rendering.text)
    theirs, mine = rendered.text[at:][:SHOWN], rendering.text[at:][:SHOWN]
    return f"it trains on another text: {theirs!r} where the model's own template writes {mine!r}"


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of ids with which both begin."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _kept_by_axolotl(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in ("thinking", "reasoning")}


def _with_dummy(messages: Messages, i: int, dummy: str) -> Messages:
    return [*messages[:i], {"role": messages[i]["role"], "content": dummy}, *messages[i + 1 :]]


def _end_of_change(text: str, other: str) -> int:
    """Where the part of a text ends that is not in the other; what both begin with is not looked at again."""
    limit = min(len(text), len(other)) - common_prefix(text, other)
    return len(text) - min(limit, common_suffix(text, other))


def _made(trainer: str, trained: list[bool]) -> OtherMask:
    return OtherMask(trainer, SETTINGS[trainer], VERSIONS[trainer], trained)


def _cannot(trainer: str, reason: str) -> OtherMask:
    return OtherMask(trainer, SETTINGS[trainer], VERSIONS[trainer], None, reason)
