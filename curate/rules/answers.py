"""What several rules mean by the answer of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from curate.sample import Sample

_LONGEST_STOP_TOKEN = 34


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
    text = without_stop_tokens(last.text)
    return FinalAnswer(len(sample.messages) - 1, text) if text else None


def without_stop_tokens(text: str) -> str:
    """Cut the stop tokens that rows prepared for another trainer end in: <|endoftext|>, <|im_end|>, </s>, <eos>."""
    kept = text.rstrip()
    if not kept.endswith(">"):
        return text
    while kept.endswith(("|>", "</s>", "<eos>")):
        start = kept.rfind("<|" if kept.endswith("|>") else "<")
        if start < 0 or len(kept) - start > _LONGEST_STOP_TOKEN:
            break
        text = kept[:start]
        kept = text.rstrip()
    return text
