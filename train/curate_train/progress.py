"""How far a training is, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._bar: Bar | None = None
        self._validation = ""

    def start(self, step: int, steps: int) -> None:
        self._first, self._steps = step, steps
        self._started = self._said = time.perf_counter()
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("train"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[said]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("train", total=steps, completed=step, said="")
            self._bar.start()

    def step(self, line: dict[str, Any]) -> None:
        now, step = time.perf_counter(), line["step"]
        a_step = (now - self._started) / max(1, step - self._first)
        said = f"loss {line['loss']:.3f}{self._validation}, {a_step:.2f} s a step, {line['memory_bytes'] / 1e9:.1f} GB"
        if self._bar:
            self._bar.update(self._task, completed=step, said=said)
        elif now - self._said >= SECONDS_BETWEEN_LINES or step in (self._first + 1, self._steps):
            self._said = now
            left = a_step * (self._steps - step)
            self.say(f"train: step {step:,} of {self._steps:,}, {said}, {left:,.0f} s left")

    def validated(self, step: int, loss: float) -> None:
        self._validation = f" (validation {loss:.3f})"

    def say(self, line: str) -> None:
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
