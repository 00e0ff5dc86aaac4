"""The `html` output of `curate stats`: the table and a picture of each kind of length, drawn as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.tokens.as_html import page
from curate.tokens.stats import PERCENTS, ROWS, TRAINED
from curate.tokens.stats_text import remarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.model import Model
    from curate.tokens.stats import Bin, Series, Stats

WIDTH, HEIGHT, TOP = 720, 160, 20
GAP = 2


def to_html(stats: Stats, title: str, max_length: int | None, model: Model | None) -> Iterator[str]:
    """The page of a data set's lengths."""
    series = stats.series()
    return page(
        "stats.html",
        title=title,
        unit=stats.unit,
        heads=["number", "min", *(f"p{percent}" for percent in PERCENTS), "max", "mean", "total"],
        table=[(name, _cells(one)) for name, one in series.items()],
        remarks=list(remarks(stats, max_length)),
        charts=[_chart(name, one, stats.unit, max_length if name == ROWS else None) for name, one in series.items()],
        engine=model.chat.engine if model else "",
    )


def _cells(series: Series) -> list[str]:
    percentiles = [series.percentile(percent) for percent in PERCENTS]
    numbers = [len(series.values), series.values[0], *percentiles, series.values[-1]]
    return [*(f"{number:,}" for number in numbers), f"{series.mean:,.1f}", f"{series.total:,}"]


def _chart(name: str, series: Series, unit: str, limit: int | None) -> dict[str, Any]:
    bins = series.bins()
    most = max(found.rows for found in bins)
    step = WIDTH / len(bins)
    what = {ROWS: "each row", TRAINED: "each row that are trained"}.get(name, f"each text: {name}")
    return {
        "title": f"{unit} of {what}",
        "label": f"histogram: {len(series.values):,} from {series.values[0]:,} to {series.values[-1]:,} {unit}",
        "bars": [_bar(found, i, step, most) for i, found in enumerate(bins)],
        "limit": _place(limit, bins, step) if limit else None,
    }


def _bar(found: Bin, i: int, step: float, most: int) -> dict[str, Any]:
    height = (HEIGHT - TOP) * found.rows / most
    return {
        "x": round(i * step + GAP / 2, 2),
        "y": round(HEIGHT - height, 2),
        "width": round(step - GAP, 2),
        "height": round(height, 2),
        "middle": round((i + 0.5) * step, 2),
        "above": round(HEIGHT - height - 5, 2),
        "count": f"{found.rows:,}" if found.rows else "",
        "name": f"{found.low:,}",
        "title": f"{found.low:,} to {found.high:,}: {found.rows:,}",
    }


def _place(limit: int, bins: list[Bin], step: float) -> float | None:
    """Where a limit lies among the bars; None behind them."""
    for i, found in enumerate(bins):
        if found.low <= limit <= found.high:
            return round((i + (limit - found.low + 1) / (found.high - found.low + 1)) * step, 2)
    return None
