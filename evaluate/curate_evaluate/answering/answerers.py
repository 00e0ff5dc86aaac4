"""Who answers the prompts of an arm. Each arm names its answerer; an evaluation has one of each name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from curate_evaluate.answering.render import Refused, render
from curate_evaluate.arms.cases import ids_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.model import Model
    from curate.sample import Message
    from curate_evaluate.answering.answers import Answer
    from curate_evaluate.answering.decode import Decoder

    # Its turns up to the answer, and the tools that it offers.
    Conversation = tuple[list[Message], list[dict[str, Any]] | None]


class Answerer(Protocol):
    """Whatever gives an answer to a prompt and keeps it, so that the same is never asked twice."""

    def texts(self, conversations: Sequence[Conversation]) -> list[str]:
        """What is sent for each conversation.

        Raises:
            Refused: a conversation that it cannot be sent.
        """

    def refuse_too_long(self, prompts: Sequence[str], max_new_tokens: int) -> None:
        """Raises:
        Refused: a prompt that leaves no room for its answer.
        """

    def sent_sha256(self, prompts: Sequence[str]) -> list[str]:
        """The hash of each prompt as it has to arrive: that of its answer is to be equal."""

    def answer(self, name: str, prompts: Sequence[str], *, max_new_tokens: int) -> list[Answer]:
        """The answer to each prompt; `name` is of the arm, for people."""


class Local:
    """A model on this machine, with the adapter or without; `room` is how many tokens it reads."""

    def __init__(self, model: Model, decoder: Decoder, *, tuned: bool, room: int) -> None:
        self.model, self.decoder, self.tuned, self.room = model, decoder, tuned, room

    def texts(self, conversations: Sequence[Conversation]) -> list[str]:
        return render(self.model, conversations)

    def refuse_too_long(self, prompts: Sequence[str], max_new_tokens: int) -> None:
        longest = max(map(len, self.model.chat.ids_of(prompts)))
        if longest + max_new_tokens > self.room:
            raise Refused(
                f"its longest prompt has {longest:,} tokens and an answer may have {max_new_tokens:,}, which is "
                f"more than the model reads ({self.room:,})"
            )

    def sent_sha256(self, prompts: Sequence[str]) -> list[str]:
        return [ids_hash(ids) for ids in self.model.chat.ids_of(prompts)]

    def answer(self, name: str, prompts: Sequence[str], *, max_new_tokens: int) -> list[Answer]:
        lengths = [len(ids) for ids in self.model.chat.ids_of(prompts)]
        return self.decoder.answer(name, prompts, lengths, tuned=self.tuned, max_new_tokens=max_new_tokens)
