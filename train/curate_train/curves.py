"""The curves of a training as a picture that any browser shows, drawn from log.jsonl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate_train.log import Log

WIDTH, HEIGHT, MARGIN = 720, 360, 48
COLOURS = {"training": "#9aa5b1", "validation": "#0b6e4f"}


def svg(log: Log, kept: int) -> str:
    """Training loss a step, validation loss, and the step that was kept."""
    curves = {
        "training": [(line["step"], line["loss"]) for line in log.lines if "loss" in line],
        "validation": [(float(step), loss) for step, loss in log.validation],
    }
    points = [point for curve in curves.values() for point in curve]
    right = max((step for step, _ in points), default=1) or 1
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    high = high if high > low else low + 1

    def place(step: float, loss: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / right
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (loss - low) / (high - low)
        return round(x, 1), round(y, 1)

    parts = [_ticks(low, high, right, place)]
    for row, (name, curve) in enumerate(curves.items()):
        if curve:
            path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in curve))
            parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
            parts.append(
                f'<text x="{WIDTH - MARGIN}" y="{MARGIN + 16 * row}" text-anchor="end" fill="{COLOURS[name]}">'
                f"{name} loss</text>"
            )
    if (found := dict(log.validation).get(kept)) is not None:
        x, y = place(kept, found)
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{COLOURS["validation"]}"/>')
        parts.append(f'<text x="{x}" y="{y - 10}" text-anchor="middle">kept: step {kept}, {found:.3f}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _ticks(low: float, high: float, right: float, place: object) -> str:
    assert callable(place)
    step = 10 ** math.floor(math.log10(high - low))
    parts = []
    for loss in [low + (high - low) * part / 4 for part in range(5)]:
        _, y = place(0, loss)
        parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}" stroke="#e4e7eb"/>')
        digits = max(0, 1 - round(math.log10(step)))
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4}" text-anchor="end">{loss:.{digits}f}</text>')
    for part in range(5):
        number = round(right * part / 4)
        x, y = place(number, low)
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{number}</text>')
    return "".join(parts)
