"""What several rules mean by the answers of a row: texts without the stop token that some data carries in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curate.special_tokens import strip_stop_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


class FinalAnswer(NamedTuple):
    """The text a row ends with, without a literal stop token, and the index of its message."""

    message: int
    text: str


def final_answer(sample: Sample) -> FinalAnswer | None:
    """The last turn, if it is an answer in text: None for a tool call, a row without an answer, an empty answer."""
    if not sample.messages:
        return None
    last = sample.messages[-1]
    if last.role != "assistant" or last.tool_calls or last.weight == 0:
        return None
    text = strip_stop_token(last.text)
    return FinalAnswer(len(sample.messages) - 1, text) if text else None


def answer_texts(sample: Sample) -> Iterator[tuple[int, str]]:
    """The texts of the answers to be learned, without a stop token typed at their end: offsets are the content's."""
    return ((i, strip_stop_token(answer.text)) for i, answer in sample.answers())
