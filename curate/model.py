"""The model that data are meant for: one object for the settings that name it, which reads samples as it sees them."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from curate.formats.turns import REASONING_KEYS
from curate.template.exact import Exact
from curate.template.form import content_of
from curate.template.load import load
from curate.template.note import IGNORED_REASONING, UNVERIFIED, Note
from curate.template.prove import Rendering
from curate.template.renders import Ask, render_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.config import Config
    from curate.sample import Message, Sample
    from curate.template.mask import Turns
    from curate.template.probe import Facts


# Keys of a turn that are likely to hold reasoning.
_MEANT = re.compile(r"reason|think|thought|rationale|^co?t$|scratchpad", re.IGNORECASE)


class Model:
    """A model's tokenizer and chat template, with the arguments and the day that every rendering gets."""

    def __init__(
        self,
        name: str | Path,
        *,
        chat_template: str | None = None,
        template_args: Mapping[str, Any] | None = None,
        turns: Turns = "all",
        clock: datetime.date | None = None,
        offline: bool = False,
        characters: int = 0,
    ) -> None:
        """Load the model's tokenizer and learn what its template does. `characters` is about how much there is to read,
        if that is known: a faster tokenizer is then loaded meanwhile.

        Raises:
            CurateError: no such model, or a tokenizer or template that cannot be used.
        """
        self.chat = load(name, chat_template=chat_template, offline=offline)
        self.args = dict(template_args or {})
        self.clock = clock or datetime.datetime.now(datetime.UTC).date()
        self.chat.encoder.expect(characters)
        self.exact = Exact(self.chat, self.args, self.clock, turns=turns)

    @classmethod
    def of(cls, config: Config, turns: Turns = "all", characters: int = 0) -> Model:
        """The model that the settings name.

        Raises:
            CurateError: no such model, or one whose tokenizer or template cannot be used.
        """
        assert config.model is not None
        return cls(
            config.model,
            chat_template=config.chat_template,
            template_args=config.template_args,
            turns=turns,
            offline=config.offline,
            characters=characters,
        )

    @property
    def facts(self) -> Facts:
        """What the template does in general."""
        return self.exact.facts

    @property
    def name(self) -> str:
        """The model's name for people: without its folder, its owner on the hub, or its revision."""
        return PurePath(self.chat.source.partition("@")[0]).name or self.chat.source

    def read(self, samples: Sequence[Sample]) -> list[list[Rendering]]:
        """The renderings of each sample; of preference data, the answer that a trainer compares is what is trained."""
        of_chats = iter(self.exact.read([_as_compared(sample) for sample in samples if not is_raw(sample)]))
        read = [[self._raw(sample)] if is_raw(sample) else next(of_chats) for sample in samples]
        for sample, renderings in zip(samples, read, strict=True):
            for i, message in enumerate(sample.messages):
                if message.role == "assistant" and (said := self._unread_reasoning(message)):
                    note = Note(IGNORED_REASONING, f"{said}: that of turn {i + 1} (assistant)", {"message": i})
                    for rendering in renderings:
                        rendering.notes.append(note)
        return read

    def _raw(self, sample: Sample) -> Rendering:
        """A text as it is: nothing says what of it is an answer."""
        text = sample.messages[0].text
        said = "raw text is no conversation: nothing in it is a prompt or an answer"
        return Rendering(text, self.chat.ids(text) if text else [], [], [Note(UNVERIFIED, said)])

    def _unread_reasoning(self, message: Message) -> str:
        """Why a template that gets the turn as the row has it would not see its reasoning, where that is so."""
        keys = self.reasoning_keys
        if not self.facts.reasoning_end:
            return ""  # it has no place for any, and says so itself
        if message.reasoning_key and keys and message.reasoning_key not in keys:
            return f"the rows call it {message.reasoning_key}, the template reads {' or '.join(keys)}"
        if not message.reasoning and message.extra:
            named = (
                key for key, value in message.extra.items() if isinstance(value, str) and value and _MEANT.search(key)
            )
            if key := next(named, None):
                return f"the key {key} is none that is read as reasoning"
        return ""

    def choose_engine(self, texts: Sequence[str], characters: int) -> None:
        """Decide what makes the ids, by a sample of the texts and the number of characters that there are in all.

        Once for all, and before processes are forked from this one, which then share it.
        """
        self.chat.encoder.decide(texts, characters)

    @cached_property
    def clock_is_written(self) -> bool:
        """Whether a plain conversation is another text on another day."""
        if not self.facts.reads_clock:
            return False
        another = self.clock.replace(year=self.clock.year - 7, month=1, day=23)
        return self.plain_text(self.clock) != self.plain_text(another)

    def plain_text(self, clock: datetime.date | None = None) -> str:
        """A question and its answer as the template writes them, on this day or another; nothing where it refuses."""
        form = self.facts.form
        turns = [{"role": role, "content": content_of("Hm", form)} for role in ("user", "assistant")]
        return render_all(self.chat, self.args, clock or self.clock, [Ask(turns)])[0].text

    @cached_property
    def reasoning_keys(self) -> tuple[str, ...]:
        """The keys of a turn in which the template looks for reasoning."""
        sources = "\n".join(self.chat.templates.values())
        return tuple(key for key in REASONING_KEYS if re.search(rf"\b{key}\b", sources))

    def as_json(self) -> dict[str, Any]:
        """What the ids of a rendering depend on, and what made them."""
        facts: dict[str, Any] = {
            "name": self.chat.source,
            "revision": self.chat.revision,
            "tokenizer_sha256": self.chat.tokenizer_sha256,
            "template_sha256": self.chat.template_sha256,
            "template_from": self.chat.template_from,
            "template_args": self.args,
            "clock": self.clock.isoformat() if self.clock_is_written else None,
            "stop_token": self.facts.stop or None,
            "engine": self.chat.engine,
        }
        return facts

    def close(self) -> None:
        """End the template's process."""
        self.exact.close()


def is_raw(sample: Sample) -> bool:
    """Whether the sample is a text that no layout of a conversation was found in."""
    return sample.format == "text" and [message.role for message in sample.messages] == ["assistant"]


def _as_compared(sample: Sample) -> Sample:
    """Preference data as its trainers see it: the turns before the last answer are its prompt, and it is trained
    whatever its label says, towards it or away from it."""
    if sample.rejected is None and sample.label is None:
        return sample
    last = max((i for i, message in enumerate(sample.messages) if message.role == "assistant"), default=-1)
    messages = [
        replace(message, weight=0.0) if message.role == "assistant" and i < last else message
        for i, message in enumerate(sample.messages)
    ]
    return replace(sample, messages=messages, label=None)
