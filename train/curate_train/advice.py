"""What a curve of losses says, in words, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW_STEPS = 60
# Of the validation loss: what it has to rise above its lowest, and to fall in all, to be more than noise.
RISE, MOVE = 0.03, 0.01


def before(steps: int, rows: int, max_steps: int | None) -> list[str]:
    """What is to be said before the first step of `steps`, to which `max_steps` may have cut the training."""
    if steps >= FEW_STEPS:
        return []
    more = f"it without --max-steps {max_steps}" if max_steps else "--epochs 5, a smaller step (--accumulate 1)"
    return [
        f"only {steps:,} optimiser steps from {rows:,} rows: an adapter commonly needs {FEW_STEPS} or more to move; "
        f"try {more}, or more rows"
    ]


def after(validation: Sequence[tuple[int, float]], losses: Sequence[float], best_step: int) -> list[str]:
    """What is to be said of (step, validation loss), the loss of each step, and the step that was kept."""
    said = []
    tenth = max(1, len(losses) // 10)
    seen = [sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth]
    if len(validation) > 1:  # of the same rows each time, where each step has its own
        seen = [loss for _, loss in validation]
    first, end = seen[0], seen[-1]
    if first * (1 - MOVE) < min(seen) and end < first * (1 + RISE):
        said.append(
            f"the loss does not move ({first:.3f} at first, {end:.3f} at the end): try a higher --learning-rate (five "
            "times), more --epochs, or look whether the answers can be learned from the questions: curate render"
        )
    if len(validation) < 2:
        return said
    start, lowest, last = validation[0][1], min(loss for _, loss in validation[1:]), validation[-1][1]
    if lowest >= start and not said:
        said.append(
            f"the validation loss never fell below that of the base model ({start:.3f}; {last:.3f} at the end): the "
            "adapter is no better than none; try a lower --learning-rate, and see whether training and validation rows "
            "are of one kind"
        )
    elif last > lowest * (1 + RISE):
        said.append(
            f"overfitting: the validation loss was lowest at step {best_step:,} ({lowest:.3f}) and rose to {last:.3f}, "
            f"so step {best_step:,} was kept; try fewer --epochs, --recipe small-data, or more rows"
        )
    elif validation[-1][0] == best_step and len(validation) > 2 and validation[-2][1] > last * (1 + MOVE):
        said.append("the validation loss was still falling at the end: more --epochs may help")
    return said
