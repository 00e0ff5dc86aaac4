"""Which process trains in a run: it holds a lock, which the kernel lets go of when the process ends, however it does.

So a number of a process that was left behind is never taken for one that trains.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TextIO

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from curate.run import Run

LOCK = ".training.lock"
PATIENCE = 1.0
"""Seconds: who looks whether a training runs holds the lock for a moment, too."""


class Running(NamedTuple):
    """The process that trains (0: it does not say so yet), its command, and since when (seconds since the epoch)."""

    pid: int
    command: str
    since: float


# By this process. What it holds it must not open again: the kernel lets go of the lock when any of them is closed.
_held: dict[Path, Running] = {}


@contextmanager
def alone(run: Run) -> Iterator[None]:
    """Have no other process train in a run meanwhile.

    Raises:
        CurateError: one does.
    """
    file = (run / LOCK).resolve()
    if file in _held:
        yield
        return
    with file.open("a+", encoding="utf-8") as opened:
        tried_until = time.monotonic() + PATIENCE
        while not _lock(opened, fcntl.LOCK_EX):
            if time.monotonic() > tried_until:
                pid, command, _ = _read(opened)
                raise CurateError(
                    f"{run.folder}: a training is running here (process {pid}: {command}); wait for it, or have it "
                    f"save its step and stop: kill {pid}"
                )
            time.sleep(PATIENCE / 50)
        _held[file] = Running(os.getpid(), shlex.join(["curate", *sys.argv[1:]]), time.time())
        try:
            opened.truncate(0)
            opened.write(json.dumps(_held[file]._asdict()))
            opened.flush()
            yield
        finally:
            del _held[file]


def running(run: Run) -> Running | None:
    """The process that trains in a run, if one does."""
    file = (run / LOCK).resolve()
    if file in _held or not file.exists():
        return _held.get(file)
    with file.open(encoding="utf-8") as opened:
        return None if _lock(opened, fcntl.LOCK_SH) else _read(opened)


def latest(run: Run) -> Running | None:
    """The process that trained last, whether it still does or not; None where none ever did."""
    file = (run / LOCK).resolve()
    if file in _held or not file.exists():
        return _held.get(file)
    with file.open(encoding="utf-8") as opened:
        return _read(opened)


def _lock(opened: TextIO, kind: int) -> bool:
    try:
        fcntl.lockf(opened, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # some network drives know no locks
        return True
    return True


def _read(opened: TextIO) -> Running:
    tried_until = time.monotonic() + PATIENCE
    while True:
        opened.seek(0)
        try:
            return Running(**json.loads(opened.read()))
        except (ValueError, TypeError):  # it took the lock this moment, and did not write yet
            if time.monotonic() > tried_until:
                return Running(0, "curate train", time.time())
            time.sleep(PATIENCE / 50)
