"""`curate render`."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.cli.model_options import model_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.model import Model
    from curate.tokens.others import Other
    from curate.tokens.rows import Row

EPILOG = """\b
Examples:
  curate render data.jsonl --model models/Qwen3-8B --line 12       one row, token by token
  curate render data.jsonl --model Qwen/Qwen3-8B | less            all of them, the trained text in brackets
  curate render data.jsonl --model M --output-format html -o rows.html
  curate render data.jsonl --model M --output-format json          one object a line, for scripts
"""


@click.command(epilog=EPILOG)
@click.argument("data", metavar="DATA...", nargs=-1, required=True)
@model_options(required=True)
@click.option("--line", type=click.IntRange(min=1), metavar="N", help="Only the row that begins on this line.")
@click.option(
    "--turns",
    type=click.Choice(["all", "last", "each"]),
    default="all",
    show_default=True,
    help="Which answers are trained; each: every one in a rendering of its own.",
)
@click.option("--output-format", type=click.Choice(["text", "html", "json"]), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file.")
@click.option(
    "--format", "data_format", metavar="FORMAT", help="Read the rows as this format, whatever they look like."
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
def render(
    data: tuple[str, ...],
    line: int | None,
    turns: Any,
    output_format: str,
    output: str | None,
    data_format: str | None,
    config: str | None,
    **flags: Any,
) -> int:
    """Show rows as the model sees them: the exact tokens, and which of them are trained.

    Below each row stands what other trainers would train of it.
    """
    from curate.cli.check import refuse_to_overwrite_input
    from curate.config import resolve
    from curate.io import find_inputs
    from curate.model import Model
    from curate.tokens.rows import rendered, samples_of

    settings = resolve({"format": data_format, **flags}, config).config
    inputs = find_inputs(data)
    refuse_to_overwrite_input(output, inputs)
    samples = samples_of(inputs, format=settings.format, columns=settings.columns, line=line)
    with closing(Model.of(settings, turns=turns)) as model:
        batches = rendered(samples, model)
        if output_format == "text" and not output:
            print_text(batches, model)
        else:
            write(pieces_of(output_format, batches, model), output, is_for_people=output_format == "text")
    return 0


def pieces_of(output_format: str, batches: Iterator[list[Row]], model: Model) -> Iterator[str]:
    """What is written, piece by piece."""
    from curate.tokens.others import others_of

    if output_format == "json":
        from curate.tokens.as_json import to_json

        return to_json(chain.from_iterable(batches))
    if output_format == "html":
        from curate.tokens.as_html import ROWS, to_html

        rows = list(islice(chain.from_iterable(batches), ROWS + 1))
        left_out = f"Shown are the first {ROWS} rows; for another, --line N." if len(rows) > ROWS else ""
        rows = rows[:ROWS]
        return to_html(zip(rows, others_of(rows, model), strict=True), left_out, model)
    return _text(batches, model)


def _text(batches: Iterator[list[Row]], model: Model) -> Iterator[str]:
    """The text without colours."""
    from rich.console import Console

    from curate.tokens.as_text import legend, lines_of

    console = Console(color_system=None)
    yield f"{legend(console)}\n\n"
    for row, others in with_others(batches, model):
        yield from (f"{line}\n" for line in lines_of(row, others, model.chat.tokenizer, console))


def print_text(batches: Iterator[list[Row]], model: Model) -> None:
    """Print rows as the terminal can show them, or plain where it is none."""
    from rich.console import Console

    from curate.tokens.as_text import legend, lines_of

    if not sys.stdout.isatty():
        write(_text(batches, model), None, is_for_people=True)
        return
    console = Console()
    console.print(legend(console))
    console.print()
    for row, others in with_others(batches, model):
        for line in lines_of(row, others, model.chat.tokenizer, console):
            console.print(line, soft_wrap=True, highlight=False)


def with_others(batches: Iterator[list[Row]], model: Model) -> Iterator[tuple[Row, list[Other]]]:
    from curate.tokens.others import others_of

    for rows in batches:
        yield from zip(rows, others_of(rows, model), strict=True)


def write(pieces: Iterator[str], output: str | None, *, is_for_people: bool) -> None:
    """Write to a file whole or not at all, or to standard output: UTF-8, or for people what that can show."""
    from curate.io.write import atomic_write

    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            if is_for_people:
                sys.stdout.reconfigure(errors="backslashreplace")
            else:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        sys.stdout.writelines(pieces)
        return
    with atomic_write(Path(output)) as file:
        for piece in pieces:
            file.write(piece.encode())
