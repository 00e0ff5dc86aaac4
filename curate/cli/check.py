"""`curate check`."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.config import Settings
    from curate.io import Input
    from curate.pipeline import Progress
    from curate.report.report import Report

EPILOG = """\b
Examples:
  curate check data.jsonl
  curate check train.jsonl val.jsonl.gz shards/ --jobs 4
  curate check data.jsonl --select FMT,PII010 --fail-on warning
  curate check data.jsonl --output-format sarif -o curate.sarif
  curate check data.jsonl --output-format json -o known.json     then, later:
  curate check data.jsonl --baseline known.json                  fail only on what is new
  zcat data.jsonl.gz | curate check -
"""
OUTPUT_FORMATS = ("text", "json", "jsonl", "sarif", "github", "junit", "html", "markdown")
PARALLEL_FROM_BYTES = 4 << 20


def comma_separated(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> list[str] | None:
    words = [word.strip() for text in value for word in text.split(",") if word.strip()]
    if value and not words:
        raise click.BadParameter("names no rule (is a variable empty?)")
    return words or None


@click.command(epilog=EPILOG)
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--select", multiple=True, callback=comma_separated, help="Run only these rules: codes, prefixes or names."
)
@click.option("--ignore", multiple=True, callback=comma_separated, help="Leave these rules out.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info", "never"]),
    help="Exit with 1 on findings of this severity or worse.  [default: error]",
)
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the report to this file.")
@click.option("--baseline", metavar="FILE", help="An earlier JSON report: what it lists does not fail the check.")
@click.option(
    "--format", "data_format", metavar="FORMAT", help="Read the rows as this format, whatever they look like."
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
@click.option("--show-config", is_flag=True, help="Print each setting and where it came from, and stop.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: all cores, 1 for small files]")
def check(
    data: tuple[str, ...],
    data_format: str | None,
    config: str | None,
    show_config: bool,
    output_format: str,
    output: str | None,
    **flags: Any,
) -> int:
    """List every bad row of DATA with its line and its reason.

    DATA: JSONL, JSON, CSV, TSV or Parquet files (also .gz .bz2 .xz .zst), globs, folders, hf://dataset[:split], or -
    for standard input. The format of the rows is detected and said.
    """
    from curate.config import resolve

    settings = resolve({**flags, "format": data_format}, config)
    if show_config:
        print_config(settings)
        return 0

    from curate.io import find_inputs
    from curate.pipeline import run_check

    # A check makes millions of small objects and hardly a cycle: collecting as usual takes a tenth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    inputs = find_inputs(data)
    refuse_to_overwrite_input(output, inputs)
    if settings.config.jobs is None:
        large = sum(source.size for source in inputs) > PARALLEL_FROM_BYTES
        settings.config.jobs = (os.cpu_count() or 1) if large else 1
    with progress_on_stderr() as progress:
        report = run_check(inputs, settings.config, progress)
    write_report(report, output_format, output)
    say_internal_errors(report)
    return report.exit_code(settings.config.fail_on)


def say_internal_errors(report: Report) -> None:
    """Name the first crash of each rule, and how many there were."""
    from curate.report.safe import safe

    crashes = Counter(error.code for error in report.internal_errors)
    for error in report.internal_errors:
        if count := crashes.pop(error.code, 0):
            place = f"{error.place.path}:{error.place.line}"
            more = f" (and on {count - 1:,} more rows)" if count > 1 else ""
            click.echo(safe(f"curate: internal error of {error.code} at {place}: {error.error}{more}"), err=True)


def print_config(settings: Settings) -> None:
    for key, value in settings.config.model_dump().items():
        click.echo(f"{key} = {value!r}    # {settings.sources[key]}")


def refuse_to_overwrite_input(output: str | None, inputs: list[Input]) -> None:
    from curate.errors import CurateError

    if output and any(
        Path(source.path).exists() and Path(output).resolve() == Path(source.path).resolve() for source in inputs
    ):
        raise CurateError(f"-o {output} is one of the inputs; name another file (inputs are never changed)")


def write_report(report: Report, output_format: str, output: str | None) -> None:
    """Print the report, or write it to a file whole or not at all."""
    from curate.io.write import atomic_write
    from curate.report import OUTPUTS, write

    if output:
        with atomic_write(Path(output)) as file:
            for piece in OUTPUTS[output_format](report):
                file.write(piece.encode())
        click.echo(f"{output}: {len(report.findings)} findings", err=True)
    else:
        write(report, output_format, sys.stdout)


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """A progress line with rate and time left on standard error where that is a terminal, else nothing."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from curate.report.safe import safe

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda doing, done, total: bar.update(task, description=safe(doing), completed=done, total=total or None)
