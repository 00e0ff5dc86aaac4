"""What holds after all undos: the log of decisions replayed, entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.review.decisions import Decision


class Conflict(NamedTuple):
    """A sample of which the last words of two or more people differ: the last word of each, the newest last."""

    sample_id: str
    decisions: Sequence[Decision]


class Standing:
    """The decisions that were not undone. `current` has by sample id the last of them, which is the one that holds.

    An undo takes back the last decision of the same person on the same sample: of its batch, where it names one.
    """

    def __init__(self) -> None:
        self.current: dict[str, Decision] = {}
        self.conflicts: dict[str, Conflict] = {}
        self._of: dict[str, list[tuple[int, Decision]]] = {}
        self._by: dict[str, dict[int, Decision]] = {}
        self._count = 0

    def apply(self, entry: Decision) -> None:
        """Take the next entry of the log.

        Raises:
            CurateError: an undo without a decision to take back; nothing was changed.
        """
        stack = self._of.setdefault(entry.sample_id, [])
        if entry.action == "undo":
            place = next((i for i in reversed(range(len(stack))) if _takes_back(entry, stack[i][1])), None)
            if place is None:
                who = f"{entry.by} has" if entry.by else "there is"
                raise CurateError(f"{entry.sample_id}: {who} no decision left to undo")
            number, gone = stack.pop(place)
            del self._by[gone.by][number]
        else:
            self._count += 1
            stack.append((self._count, entry))
            self._by.setdefault(entry.by, {})[self._count] = entry
        self._settle(entry.sample_id, [decision for _, decision in stack])

    def last_action(self, by: str, batch: str | None = None) -> list[Decision]:
        """The decisions of a person's last action, or of a batch of theirs, the newest first."""
        mine = self._by.get(by, {})
        if batch is None and mine:
            newest = mine[next(reversed(mine))]
            if newest.batch is None:
                return [newest]
            batch = newest.batch
        return [mine[number] for number in reversed(mine) if mine[number].batch == batch] if batch else []

    def of(self, sample_id: str) -> list[Decision]:
        """The decisions on one sample, the newest last."""
        return [decision for _, decision in self._of.get(sample_id, ())]

    def _settle(self, sample_id: str, decisions: list[Decision]) -> None:
        if decisions:
            self.current[sample_id] = decisions[-1]
        else:
            self.current.pop(sample_id, None)
        last = {decision.by: decision for decision in decisions}
        words = sorted(last.values(), key=decisions.index)
        said = [decision for decision in words if decision.action != "skip"]
        if any((decision.action, decision.after) != (said[0].action, said[0].after) for decision in said):
            self.conflicts[sample_id] = Conflict(sample_id, said)
        else:
            self.conflicts.pop(sample_id, None)


def _takes_back(undo: Decision, decision: Decision) -> bool:
    return decision.by == undo.by and (undo.batch is None or decision.batch == undo.batch)
