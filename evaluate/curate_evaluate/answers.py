"""The answers that models gave, one line each, only ever appended to: what was answered once is not asked again.

A key is the hash of everything an answer depends on: the model, the adapter, the precision, the template with its
arguments, how it is decoded, and the prompt. lm-eval's own cache knows only the prompt, so that one model reads the
answers of another.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

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
    """

    text: str
    stopped: str
    tokens: int
    prompt_tokens: int
    sent_sha256: str
    seconds: float


class Answers:
    """The answers in a file. Lines of a process that was killed while it wrote are left out."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: dict[str, Answer] = {}
        data = file.read_bytes() if file.exists() else b""
        # Without its line feed the last line was never finished; the next one must not be joined to it.
        self._torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            try:
                entry = json.loads(line)
                key: str = entry.pop("key")
                self._known[key] = Answer(**entry)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Answer | None:
        """The answer with this key; None where it was never given."""
        return self._known.get(key)

    def add(self, answers: Mapping[str, Answer]) -> None:
        """Append what is new, and have the disk hold it before anything goes on."""
        new = {key: answer for key, answer in answers.items() if key not in self._known}
        if not new:
            return
        lines = "".join(f"{json.dumps({'key': key, **asdict(answer)})}\n" for key, answer in new.items())
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(f"{chr(10) * self._torn}{lines}".encode())
            file.flush()
            os.fsync(descriptor)
        self._torn = False
        self._known |= new

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
