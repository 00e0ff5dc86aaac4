"""The losses of a training as two lines, drawn by numbers alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from curate.review.screens.nodes import Node, el

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_POINTS = 300
"""Of the training loss: of longer trainings, each point is the mean of some steps."""

Point = tuple[float, float]


def curves(log: Sequence[Mapping[str, Any]], *, steps: int | None = None, kept: int | None = None) -> Node | None:
    """Training and validation loss over the `steps` there will be, and the one that was `kept`; None before any."""
    training = [(line["step"], line["loss"]) for line in log if math.isfinite(line.get("loss", math.nan))]
    validation = [(line["step"], line["val_loss"]) for line in log if math.isfinite(line.get("val_loss", math.nan))]
    together = max(1, math.ceil(len(training) / MOST_POINTS))
    shown = [mean(training[at : at + together]) for at in range(0, len(training), together)]
    if not training:
        return None
    points = [*shown, *validation]
    right = max(steps or 1, *(step for step, _ in points))
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    height = (high - low) or 1.0

    def place(point: Point) -> Point:
        return 100 * point[0] / right, 96 - 92 * (point[1] - low) / height

    ticks = [low, low + height / 2, low + height]
    said = "; ".join(
        f"{name} loss {curve[0][1]:.3f} at step {curve[0][0]:.0f}, {curve[-1][1]:.3f} at step {curve[-1][0]:.0f}"
        for name, curve in (("training", shown), ("validation", validation))
        if curve
    )
    kept_points = [point for point in validation if point[0] == kept]
    return el(
        "section",
        el("h2", "Loss"),
        el(
            "div",
            el("div", *[el("span", f"{tick:.{digits(height)}f}") for tick in reversed(ticks)], cls="plot-side number"),
            el(
                "svg",
                *[polyline([(0, tick), (right, tick)], place, "grid") for tick in ticks],
                polyline(shown, place, "training"),
                polyline(validation, place, "validation"),
                *[polyline([point], place, "validation dot-like") for point in [*validation[-1:], *kept_points]],
                cls="plot-field",
                role="img",
                aria_label=said,
            ),
            el("div", *[el("span", f"{right * part / 2:.0f}") for part in range(3)], cls="plot-below number"),
            cls="plot",
        ),
        el(
            "p",
            el("span", f"training (mean of {together} steps)" if together > 1 else "training", cls="training"),
            el("span", "validation" + (f" (kept: step {kept:,})" if kept_points and kept else ""), cls="validation")
            if validation
            else None,
            cls="plot-names small",
        ),
        cls="section",
    )


def mean(points: Sequence[Point]) -> Point:
    """The last step of some, with the mean of their losses."""
    return points[-1][0], sum(loss for _, loss in points) / len(points)


def polyline(points: Sequence[Point], place: Any, kind: str) -> Node | None:
    if not points:
        return None
    drawn = [place(point) for point in (points if len(points) > 1 else [*points, *points])]
    return el("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in drawn), cls=kind)


def digits(height: float) -> int:
    return max(1, min(6, 2 - math.floor(math.log10(height))))
