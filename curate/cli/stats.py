"""`curate stats`."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import click

from curate.cli.model_options import model_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.io import Input
    from curate.model import Model
    from curate.tokens.stats import Stats

EPILOG = """\b
Examples:
  curate stats data.jsonl                                     in characters
  curate stats data.jsonl --model models/Qwen3-8B             in this model's tokens, and what is trained
  curate stats data.jsonl --model M --max-length 2048 --output-format html -o stats.html
"""


@click.command(epilog=EPILOG)
@click.argument("data", metavar="DATA...", nargs=-1, required=True)
@model_options(required=False)
@click.option("--max-length", type=click.IntRange(min=1), metavar="N", help="Say how many rows have more tokens.")
@click.option("--output-format", type=click.Choice(["text", "html", "json"]), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file.")
@click.option(
    "--format", "data_format", metavar="FORMAT", help="Read the rows as this format, whatever they look like."
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
def stats(
    data: tuple[str, ...],
    output_format: str,
    output: str | None,
    data_format: str | None,
    config: str | None,
    **flags: Any,
) -> int:
    """Show how long rows and turns are: percentiles by role, and histograms.

    With a model in its tokens, else in characters.
    """
    from curate.cli.check import refuse_to_overwrite_input
    from curate.cli.render import write
    from curate.config import resolve
    from curate.io import find_inputs
    from curate.model import Model
    from curate.tokens.rows import samples_of
    from curate.tokens.stats import measure

    settings = resolve({"format": data_format, **flags}, config).config
    settings.refuse_lone_settings()
    inputs = find_inputs(data)
    refuse_to_overwrite_input(output, inputs)
    with closing(Model.of(settings)) if settings.model else nullcontext() as model:
        found = measure(samples_of(inputs, format=settings.format, columns=settings.columns), model)
        title = title_of(found, inputs, model)
        if output_format == "text" and not output and sys.stdout.isatty():
            print_text(found, title, settings.max_length)
        else:
            written = pieces_of(output_format, found, title, settings.max_length, model)
            write(written, output, is_for_people=output_format == "text")
    return 0


def title_of(found: Stats, inputs: Sequence[Input], model: Model | None) -> str:
    from curate.report.phrases import count
    from curate.report.safe import safe, safe_path

    names = safe_path(inputs[0].path) + (f" and {count(len(inputs) - 1, 'more file')}" if len(inputs) > 1 else "")
    return f"{names}   {count(found.rows, 'sample')}, in {found.unit}" + (f" of {safe(model.name)}" if model else "")


def pieces_of(
    output_format: str, found: Stats, title: str, max_length: int | None, model: Model | None
) -> Iterator[str]:
    """What is written, piece by piece."""
    if output_format == "json":
        from curate.report.as_json import dumps
        from curate.tokens.stats import as_json

        return iter([dumps(as_json(found, model, max_length), indent=True) + "\n"])
    if output_format == "html":
        from curate.tokens.stats_html import to_html

        return to_html(found, title, max_length, model)
    from curate.tokens.stats_text import to_lines

    return (f"{line}\n" for line in to_lines(found, title, max_length, width=100))


def print_text(found: Stats, title: str, max_length: int | None) -> None:
    from rich.console import Console

    from curate.tokens.stats_text import to_lines

    console = Console()
    for line in to_lines(found, title, max_length, console.width):
        console.print(line, soft_wrap=True, highlight=False)
