"""The answers that models gave, one line each: what was answered once is not asked again.

A key is the hash of everything an answer depends on: the model, the adapter, the precision, the template with its
arguments, how it is decoded, and the prompt. lm-eval's own cache knows only the prompt, so that one model reads the
answers of another.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate_evaluate.answering.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: up to the stop token.
        stopped: "stop" where it came to one, "length" where it ran into the limit.
        tokens: how many it wrote, the stop token included.
        prompt_tokens: how many it got.
        sent_sha256: the hash of their ids, as the model got them.
        seconds: the time of its batch, by the number of answers in it.
        memory_bytes: the most that was in use during its batch: of the GPU where there is one, else of the process;
            None where nobody can tell.
        device: that answered, and on which seconds and memory were measured; None behind an endpoint.
    """

    text: str
    stopped: str
    tokens: int
    prompt_tokens: int
    sent_sha256: str
    seconds: float
    memory_bytes: int | None = None
    device: str | None = None


class Answers(Kept[Answer]):
    """The answers in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, Answer, asdict)

    def add_all(self, others: Answers) -> None:
        """Append those of another file, which holds answers of the same prompts."""
        self.add(others._known)


def key_of(identity: Mapping[str, Any], decoding: Mapping[str, Any], prompt: str) -> str:
    """The key of an answer.

    Args:
        identity: model, adapter, precision, template and its arguments.
        decoding: everything that was said of how to decode.
        prompt: the text that was sent.
    """
    return hashlib.sha256(json.dumps([identity, decoding, prompt], sort_keys=True).encode()).hexdigest()
