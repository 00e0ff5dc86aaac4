"""Exact tokens: what one model sees of a row, which of its ids are trained, and the proof of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.template.form import to_messages
from curate.template.mask import Draft, Turns
from curate.template.note import UNVERIFIED, Note
from curate.template.probe import Vocabulary
from curate.template.prove import Prover, Rendering, TrainedTurn
from curate.template.worker import Row, Setup, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from curate.sample import Sample
    from curate.template.load import ChatTokenizer
    from curate.template.probe import Facts


class Exact:
    """Reads samples as one model sees them.

    The template runs in a process of its own (curate/template/worker.py), which ends with this object, and is started
    again in a process that is forked from this one.
    """

    def __init__(self, chat: ChatTokenizer, args: Mapping[str, Any], clock: date, *, turns: Turns = "all") -> None:
        """Learn what the template does.

        `args` is what every rendering gets (`enable_thinking`, ...), `clock` the day that a template sees which writes
        the date. `turns` are the trained answers: "all" of a row, its "last" one, or "each" in a rendering of its own.

        Raises:
            CurateError: a template that is no Jinja, that takes too long or too much memory, or arguments that the
                rendering itself gives.
        """
        self.chat = chat
        model = (chat.source, dict(chat.templates), dict(chat.special_tokens))
        self._worker = Worker(Setup(*model, dict(args), clock, vocabulary(chat), turns))
        self._prover = Prover(chat, self.facts.control_tokens)

    @property
    def facts(self) -> Facts:
        """What the template does in general."""
        return self._worker.facts

    def read(self, samples: Sequence[Sample]) -> list[list[Rendering]]:
        """The renderings of each sample: one, or with turns="each" one per trained turn with the context that inference
        gives it; in batches of hundreds, it is faster.

        Raises:
            CurateError: the template takes too long or too much memory on several rows.
        """
        form = self.facts.form
        seen = [not any(message.has_media for message in sample.messages) for sample in samples]
        rows = [
            Row(to_messages(sample, form), sample.tools, [i for i, _ in sample.answers()])
            for sample, is_seen in zip(samples, seen, strict=True)
            if is_seen
        ]
        read = iter(self._worker.read(rows))
        drafts = [next(read) if is_seen else [_unseen(sample)] for sample, is_seen in zip(samples, seen, strict=True)]
        ids = iter(self.chat.ids_of([draft.text for of_one in drafts for draft in of_one]))
        rendering = self._prover.rendering
        return [[rendering(draft, next(ids)) for draft in of_one] for of_one in drafts]

    def close(self) -> None:
        """End the template's process."""
        self._worker.close()


def vocabulary(chat: ChatTokenizer) -> Vocabulary:
    """The tokens of a tokenizer that cut a text."""
    added = chat.tokenizer.get_added_tokens_decoder().values()
    named = set(chat.special_tokens.values())
    special = {token.content for token in added if token.special or token.content in named}
    plain = {token.content for token in added} - special
    return Vocabulary(frozenset(special), frozenset(plain), chat.special_tokens.get("eos_token", ""))


def _unseen(sample: Sample) -> Draft:
    """What there is of a row with images or sound: a template writes marks for them, which are no ids yet."""
    i = next(i for i, message in enumerate(sample.messages) if message.has_media)
    said = f"images and audio cannot be verified: turn {i + 1} ({sample.messages[i].role})"
    return Draft("", [], [Note(UNVERIFIED, said, {"message": i})])


__all__ = ["Exact", "Note", "Rendering", "TrainedTurn"]
