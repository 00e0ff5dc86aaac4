"""The `text` output of `curate stats`: a table of percentiles and a histogram of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from curate.report.phrases import count
from curate.report.safe import safe
from curate.tokens.stats import ROWS, TRAINED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.tokens.stats import Series, Stats

HEADS = ("number", "min", "p5", "p50", "p95", "p99", "max", "total")
EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR = 40


def to_lines(stats: Stats, title: str, max_length: int | None, width: int) -> Iterator[Text]:
    """What is printed: a line about the data, the table, and the histograms of the rows and of what is trained."""
    yield Text(title, "bold")
    yield Text()
    series = stats.series()
    if not series:
        yield Text("  No text.")
        return
    table = [("", *HEADS), *((safe(name), *_cells(one)) for name, one in series.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for i, line in enumerate(table):
        first, *rest = line
        cells = "  ".join(cell.rjust(wide) for cell, wide in zip(rest, widths[1:], strict=True))
        yield Text(f"  {first.ljust(widths[0])}  {cells}", "" if i else "dim")
    for name in (ROWS, TRAINED):
        if name in series:
            yield Text()
            yield Text(f"  {stats.unit} of {'each row' if name == ROWS else 'each row that are trained'}", "dim")
            yield from _histogram(series[name], min(BAR, max(width - 36, 8)), max_length if name == ROWS else None)
    yield Text()
    yield from (Text(f"  {line}") for line in remarks(stats, max_length))


def remarks(stats: Stats, max_length: int | None) -> Iterator[str]:
    """What else there is to say, for all outputs."""
    if stats.unrendered:
        yield f"{count(stats.unrendered, 'row')} refused by the template: curate check says why."
    if stats.unit == "tokens" and (unsure := stats.rows - stats.unrendered - stats.verified):
        yield f"{count(unsure, 'row')} not verified, so that nothing is trained of them: curate check says why."
    if max_length and stats.unit == "tokens":
        yield f"{count(stats.over(max_length), 'row')} over {max_length:,} tokens."
    if padding := stats.padding(max_length):
        yield (
            f"Padding in batches of {padding['batch_size']} rows: {padding['at_random']:.0%} as they come, "
            f"{padding['grouped']:.0%} with rows of like length together, {padding['packed']:.0%} packed to "
            f"{padding['packed_to']:,} tokens."
        )


def _cells(series: Series) -> Iterator[str]:
    values = series.values
    shown = (series.percentile(percent) for percent in (5, 50, 95, 99))
    yield from (f"{number:,}" for number in (len(values), values[0], *shown, values[-1], series.total))


def _histogram(series: Series, width: int, limit: int | None) -> Iterator[Text]:
    bins = series.bins()
    most = max(found.rows for found in bins)
    labels = [f"{found.low:,} to {found.high:,}" if found.high > found.low else f"{found.low:,}" for found in bins]
    wide = max(map(len, labels))
    for found, label in zip(bins, labels, strict=True):
        eighths = round(found.rows / most * width * 8)
        bar = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
        is_over = limit is not None and found.low > limit
        yield Text.assemble(
            f"  {label.rjust(wide)}  ",
            (bar or ("▏" if found.rows else ""), "red" if is_over else "cyan"),
            f" {found.rows:,}",
        )
