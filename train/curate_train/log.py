"""log.jsonl: one line a step, and one a validation, as they happen."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from curate.io.write import atomic_write

if TYPE_CHECKING:
    from pathlib import Path


class Log:
    """The lines of a training. Opened again, it forgets what was written after the step `last`, which is done anew."""

    def __init__(self, file: Path, last: int) -> None:
        self.lines = [line for line in read_log(file) if line["step"] <= last]
        with atomic_write(file) as kept:  # there is no moment at which a kill would lose them
            kept.writelines(json.dumps(line).encode() + b"\n" for line in self.lines)
        self._file = file.open("a", encoding="utf-8")

    def add(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    @property
    def losses(self) -> list[float]:
        return [line["loss"] for line in self.lines if "loss" in line]

    @property
    def validation(self) -> list[tuple[int, float]]:
        return [(line["step"], line["val_loss"]) for line in self.lines if "val_loss" in line]

    @property
    def seconds(self) -> float:
        return float(self.lines[-1]["seconds"]) if self.lines else 0.0


def read_log(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; one that was cut off when the process was killed is none."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
