"""What the prompts of the base model are to be, chosen on validation rows: fair to the baseline, blind to the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from curate_evaluate.arms.arm import FEW, NEAREST, ZERO, Arm

if TYPE_CHECKING:
    from collections.abc import Callable

# So many rows are asked beside the test, and these numbers of examples: each costs an answer more per row.
ROWS = 24
SHOTS = (2, 5)
UNCHOSEN = 3


@dataclass(frozen=True)
class Choice:
    """The prompts of the base model.

    Attributes:
        form: whether they have the format line.
        shots: examples of the few-shot arm.
        nearest_shots: examples of the arm that picks them by question.
        tried: what each candidate scored on validation rows, for the report.
    """

    form: bool
    shots: int
    nearest_shots: int
    tried: list[dict[str, Any]] = field(default_factory=list)


def drawn(rows: int, seed: int) -> list[int]:
    """The places of ROWS of so many rows, at random and in ascending order; all where there are no more. The first ones
    would be of one kind where the data is sorted."""
    return sorted(Random(seed).sample(range(rows), min(ROWS, rows)))


def choose(measure: Callable[[Arm], float | None], *, shots: int | None, rows: int, examples: int) -> Choice:
    """Choose by score; of equal ones, the shorter prompt.

    Args:
        measure: the score of an arm on validation rows; None where its prompts cannot be made or are too long.
        shots: a number of examples that is given; None to choose it. The format line is tried all the same.
        rows: how many validation rows there are. Without any, prompts have the format line and UNCHOSEN examples.
        examples: how many training rows there are to take.
    """
    given = min(UNCHOSEN if shots is None else shots, examples)
    if not rows:
        return Choice(True, given, given)
    counts = [count for count in (SHOTS if shots is None else (shots,)) if count <= examples] or [given]
    tried: list[dict[str, Any]] = []

    def best(candidates: list[Arm]) -> Arm | None:
        scored = [(measure(arm), arm) for arm in candidates]
        tried.extend({"arm": arm.name, "shots": arm.shots, "form": arm.form, "score": found} for found, arm in scored)
        possible = [(found, arm) for found, arm in scored if found is not None]
        return max(possible, key=lambda pair: pair[0])[1] if possible else None

    zero = best([Arm(ZERO), Arm(ZERO, form=True)])
    form = zero is None or zero.form
    if len(counts) == 1:
        return Choice(form, counts[0], counts[0], tried)
    few = best([Arm(FEW, shots=count, form=form) for count in counts])
    nearest = best([Arm(NEAREST, shots=count, nearest=True, form=form) for count in counts])
    return Choice(form, few.shots if few else 0, nearest.shots if nearest else 0, tried)
