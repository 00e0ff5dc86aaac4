"""The votes on pairs: lines of judge/votes.jsonl, only ever added. Several people at once lose nothing."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate.judging.pairs import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.run import Run

VOTES = f"{FOLDER}/votes.jsonl"
TIE, BOTH_BAD = "tie", "both bad"


@dataclass(frozen=True)
class Vote:
    """What one voter said of one pair.

    Attributes:
        pair: its id.
        arms: the two, in the order of their names.
        preferred: the name of one of them, or TIE or BOTH_BAD.
        first: the arm whose answer stood first.
        by: the name of a person, or the address of a model.
        judge: whether it is a model.
        orders: of a model, what it said with either arm first, in the order of `arms`; None where that was unclear.
        at: when.
    """

    pair: str
    arms: tuple[str, str]
    preferred: str
    first: str
    by: str
    judge: bool = False
    orders: tuple[str | None, str | None] | None = None
    at: str = ""


class Votes:
    """The votes of a run, which hold until they are taken back."""

    def __init__(self, run: Run) -> None:
        self.file = run / VOTES

    def add(self, vote: Vote) -> None:
        self._append(asdict(vote))

    def undo(self, by: str, arms: tuple[str, str]) -> Vote | None:
        """Take back the last vote of a person on pairs of these arms; returns it, or None where there is none left."""
        held = [vote for vote in self._held() if vote.by == by and not vote.judge and set(vote.arms) == set(arms)]
        if not held:
            return None
        last = held[-1]
        self._append({"undo": last.at, "pair": last.pair, "by": by})
        return last

    def standing(self) -> list[Vote]:
        """The votes that hold, in the order in which they were given: of each voter the last one on a pair."""
        return list({(vote.judge, vote.by, vote.pair): vote for vote in self._held()}.values())

    def _held(self) -> list[Vote]:
        held: list[Vote] = []
        for entry in self._entries():
            try:
                if "undo" not in entry:
                    held.append(Vote(**{**entry, "arms": tuple(entry["arms"]), "orders": _pair(entry["orders"])}))
                    continue
                taken = (entry["pair"], entry["by"], entry["undo"])
            except (TypeError, KeyError) as error:
                raise CurateError(
                    f"{self.file}: holds a line that is no vote: {str(entry)[:80]}; take it out"
                ) from error
            held = [vote for vote in held if vote.judge or (vote.pair, vote.by, vote.at) != taken]
        return held

    def _entries(self) -> Iterator[dict[str, Any]]:
        """The lines that are whole: that of a process which was killed while it wrote is left out."""
        with suppress(FileNotFoundError):
            for line in self.file.read_bytes().splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def _append(self, entry: dict[str, Any]) -> None:
        self.file.parent.mkdir(exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            with suppress(OSError):  # some network drives know no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            # A line that was never finished must not swallow this one.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            if "at" in entry:
                entry = {**entry, "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")}
            file.write(f"{chr(10) * torn}{json.dumps(entry)}\n".encode())
            os.fsync(descriptor)


def _pair(words: list[str | None] | None) -> tuple[str | None, str | None] | None:
    return None if words is None else (words[0], words[1])
