"""The held-out examples: the rows of tokens/test.arrow with the text of their prompts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Example:
    """One row to answer. `prompt` is the rendered text before the last trained turn and `prompt_ids` its ids, the very
    ones that training saw; `answer` is that turn without its stop token, `answer_length` its ids with it."""

    sample_id: str
    line: int
    prompt: str
    prompt_ids: tuple[int, ...]
    answer: str
    answer_length: int

    @property
    def prompt_sha256(self) -> str:
        return ids_hash(self.prompt_ids)


def ids_hash(ids: tuple[int, ...]) -> str:
    """The sha256 of token ids, each as 4 bytes, little-endian."""
    return hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in ids)).hexdigest()


def read_examples(file: Path, tokenizer: PreTrainedTokenizerBase, stop_token: str) -> tuple[list[Example], list[str]]:
    """The examples of a tokens file, and a line for each row whose prompt cannot be had from its text."""
    examples: list[Example] = []
    faults: list[str] = []
    for row in read_rows(file):
        prompt_ids = tuple(row["input_ids"][: row["prompt_length"]])
        prompt = find_prompt(row["text"], row["answer"] + stop_token, prompt_ids, tokenizer)
        if prompt is None:
            faults.append(f"line {row['line']} ({row['sample_id']}): no prefix of its text gives its prompt's ids")
            continue
        answer_length = sum(label != -100 for label in row["labels"][row["prompt_length"] :])
        examples.append(Example(row["sample_id"], row["line"], prompt, prompt_ids, row["answer"], answer_length))
    return examples, faults


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    from arro3.io import read_ipc

    for batch in read_ipc(str(file)):
        names = batch.schema.names
        for values in zip(*(batch[name].to_pylist() for name in names), strict=True):
            yield dict(zip(names, values, strict=True))


def find_prompt(text: str, ending: str, prompt_ids: tuple[int, ...], tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The part of `text` before `ending` that has these ids; None where there is none.

    An answer may be said twice in a conversation, so each place is tried, the last first.
    """
    start = text.rfind(ending)
    while start >= 0:
        if tuple(tokenizer.encode(text[:start], add_special_tokens=False)) == prompt_ids:
            return text[:start]
        start = text.rfind(ending, 0, start + len(ending) - 1)
    return None
