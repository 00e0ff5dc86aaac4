"""What the rules about personal data and secrets share: which texts they read, and how a value is shown."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from curate.finding import Where
from curate.sample import Sample, TextField

if TYPE_CHECKING:
    from collections.abc import Iterator


def searched_texts(sample: Sample) -> list[TextField]:
    """Every text of a sample, the arguments of its tool calls included."""
    texts = sample.texts()
    if any(message.tool_calls for message in sample.messages):
        texts = [*texts, *_arguments(sample)]
    return texts


def _arguments(sample: Sample) -> Iterator[TextField]:
    for i, message in enumerate(sample.messages):
        for k, call in enumerate(message.tool_calls):
            if call.arguments:
                arguments = call.arguments
                text = (
                    arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
                )
                yield TextField(i, f"tool_calls.{k}.arguments", message.role, text)


def where_in(sample: Sample, text: TextField, start: int, end: int) -> Where:
    """The place of a value; without its span in arguments that are an object, for these have no text of their own."""
    if text.field.startswith("tool_calls."):
        call = sample.messages[text.message].tool_calls[int(text.field.split(".")[1])]
        if not isinstance(call.arguments, str):
            return Where(text.message, text.field)
    return Where(text.message, text.field, start, end)


def masked_secret(value: str) -> str:
    """Show enough of a secret to find it again, and no more: `sk-p… (51 characters, #a1b2c3)`.

    The hash tells whether two rows leak the same key. A key is too long to be guessed from it.
    """
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{value[:4]}… ({len(value)} characters, #{digest})"


def masked_email(value: str) -> str:
    """Show the start of a mailbox and its domain, by which a reader can tell an office from a person."""
    person, _, domain = value.rpartition("@")
    return f"{person[: min(3, len(person) // 2)]}…@{domain}"


def masked(value: str) -> str:
    """Show the start and the length of personal data: `+49 … (16 characters)`.

    There is no hash: a phone number or a national id has so few possible values that a hash gives it away.
    """
    return f"{value[: min(4, len(value) // 3)]}… ({len(value)} characters)"
