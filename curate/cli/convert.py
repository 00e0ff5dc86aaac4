"""`curate convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from curate.convert import Reasons

EPILOG = """\b
Examples:
  curate convert chat.jsonl -o out.jsonl --to sharegpt
  curate convert alpaca.json -o chat.jsonl --to messages
  curate convert dpo.jsonl -o sft.jsonl --to messages --use chosen
  curate convert chat.jsonl -o - --to sharegpt | head -3
  curate convert chat.jsonl -o alpaca.jsonl --to alpaca --drop-unsupported
"""
SHOWN = 10


@click.command(epilog=EPILOG)
@click.argument("data", nargs=-1, required=True)
@click.option("-o", "--output", required=True, help="The file to write (JSON lines); - is standard output.")
@click.option("--to", required=True, metavar="FORMAT", help="The format to write; a wrong name lists them all.")
@click.option("--use", type=click.Choice(["chosen", "rejected"]), help="Take one answer of each preference pair.")
@click.option("--drop-unsupported", is_flag=True, help="Leave out rows that FORMAT cannot hold, and list them.")
@click.option(
    "--format", "data_format", metavar="FORMAT", help="Read the rows as this format, whatever they look like."
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def convert(
    data: tuple[str, ...],
    output: str,
    to: str,
    use: Literal["chosen", "rejected"] | None,
    drop_unsupported: bool,
    data_format: str | None,
    config: str | None,
    force: bool,
) -> int:
    """Write the samples of DATA in another format.

    Every row that is written reads back as the same sample. Where the format cannot hold a row, nothing is written and
    the row is named, unless --drop-unsupported is given.
    """
    from curate.config import resolve
    from curate.convert import STANDARD_OUTPUT, CannotHold
    from curate.convert import convert as run

    settings = resolve({"format": data_format}, config).config
    options: dict[str, Any] = {"format": settings.format, "columns": settings.columns}
    try:
        result = run(data, to, Path(output), use=use, drop_unsupported=drop_unsupported, force=force, **options)
    except CannotHold as refused:
        say("cannot be held", refused.lost)
        raise
    say("left out, cannot be held", result.lost)
    say("left out, cannot be read", result.unread)
    unused = f", {result.unused:,} without a {use} answer" if result.unused else ""
    left_out = len(result.lost) + len(result.unread)
    to_stdout = Path(output) in STANDARD_OUTPUT
    name = "standard output" if to_stdout else output
    said = f"{name}: {result.written:,} samples as {to}; {result.rows:,} rows read, {left_out:,} left out{unused}"
    click.echo(said, err=to_stdout)
    return 0


def say(what: str, rows: list[Reasons]) -> None:
    """Name the rows on standard error, the first of them with their reasons."""
    from curate.report.safe import safe

    for place, reasons in rows[:SHOWN]:
        click.echo(safe(f"{place.path}:{place.line}: {what}: {'; '.join(reasons)}"), err=True)
    if len(rows) > SHOWN:
        click.echo(f"... and {len(rows) - SHOWN:,} more rows", err=True)
