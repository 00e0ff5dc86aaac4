"""Pictures of the report as SVG without text: words around them keep their size on any screen.

Only presentation attributes, no style: policies that admit no inline style admit these. The colours stand out from
white and from near-black alike (3:1 or more), as an image does not know which of them it stands on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

GREY, GREEN, RED, AMBER, BLUE = "#808a94", "#2b9a4e", "#d9504a", "#b47a12", "#3f83d8"
TEXT = "#737c85"
TONES = {"win": GREEN, "worse": RED, "equivalent": AMBER, "cannot tell": GREY}
WIDTH, HEIGHT, TICKS = 1000, 200, 4


def scale(differences: Sequence[Mapping[str, float]], margin: float) -> tuple[float, float]:
    """The ends of an axis that holds 0, the margin on both sides and each interval, with some room.

    Args:
        differences: with `low` and `high`.
        margin: in their units.
    """
    low = min(-margin, *(difference["low"] for difference in differences))
    high = max(margin, *(difference["high"] for difference in differences))
    room = 0.04 * (high - low)
    return low - room, high + room


def interval(difference: Mapping[str, float], ends: tuple[float, float], margin: float, verdict: str) -> str:
    """One difference with its interval, over the band of what does not matter and the line of no difference."""

    def x(value: float) -> float:
        return round(WIDTH * (value - ends[0]) / (ends[1] - ends[0]), 1)

    tone = TONES[verdict]
    low, high, value = x(difference["low"]), x(difference["high"]), x(difference["value"])
    return _svg(
        24,
        f'<rect x="{x(-margin)}" y="0" width="{round(x(margin) - x(-margin), 1)}" height="24" fill="{GREY}" '
        'fill-opacity="0.25"/>',
        _line([(x(0), 0), (x(0), 24)], GREY, 1),
        _line([(low, 12), (high, 12)], tone, 3),
        *(_line([(end, 7), (end, 17)], tone, 2) for end in (low, high)),
        # A line without a length and with round ends is a dot that keeps its shape when the picture is stretched.
        _line([(value, 12), (value, 12)], tone, 11),
    )


def axis(low: float, high: float) -> str:
    """The numbers below differences: round ones, 0 among them. Places are shares of the width, so that nothing is
    stretched."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    ticks = [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    places = [f"{100 * (tick - low) / (high - low):.1f}%" for tick in ticks]
    numbers = "".join(
        f'<text x="{place}" y="15" text-anchor="middle">{f"{tick:+g}" if tick else 0}</text>'
        for tick, place in zip(ticks, places, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="13" fill="{TEXT}">{numbers}</svg>'
    )


def losses(training: Points, validation: Points, kept: int | None, ends: tuple[float, float], last: float) -> str:
    """The curves of a training on a logarithmic axis of losses, and a dashed line at the step that was kept.

    Args:
        training: step and loss.
        validation: the same.
        kept: the step.
        ends: of the axis of losses.
        last: the end of the axis of steps, which begins at 0.
    """

    def place(step: float, loss: float) -> tuple[float, float]:
        share = math.log(ends[1] / loss) / math.log(ends[1] / ends[0])
        return round(8 + (WIDTH - 16) * step / last, 1), round(HEIGHT * share, 1)

    return _svg(
        HEIGHT,
        *(_line([(0, HEIGHT * i / TICKS), (WIDTH, HEIGHT * i / TICKS)], GREY, 1, "0.3") for i in range(TICKS + 1)),
        *([_line([place(kept, loss) for loss in ends], BLUE, 1, dashes="4 4")] if kept is not None else []),
        _line([place(*point) for point in training], GREY, 1.5),
        _line([place(*point) for point in validation], BLUE, 2.5),
        *(_line([place(*point)] * 2, BLUE, 7) for point in validation),
    )


def _line(points: Points, colour: str, width: float, opacity: str = "1", dashes: str = "none") -> str:
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-opacity="{opacity}" '
        f'stroke-dasharray="{dashes}" stroke-linecap="round" stroke-linejoin="round" '
        'vector-effect="non-scaling-stroke"/>'
    )


def _svg(height: int, *parts: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none">'
        f"{''.join(parts)}</svg>"
    )
