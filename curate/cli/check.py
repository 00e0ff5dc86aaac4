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

from curate.cli.model_options import model_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.config import Config, Settings
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
  curate check data.jsonl --against eval.jsonl --against tests/  what of it is in the test data
  curate check train.jsonl val.jsonl test.jsonl --select LEAK    what of one split is in another
  curate check data.jsonl --model models/Qwen3-8B --max-length 2048   what this model sees, and what is trained
  curate check data.jsonl --run runs/data                        keep the findings: the start of a run
  curate check runs/data                                         check the data of a run again
"""
WITH_TRAINERS = ("html", "markdown")
"""The outputs that have room for what other trainers would do."""
OUTPUT_FORMATS = ("text", "json", "jsonl", "sarif", "github", "junit", "html", "markdown")


def comma_separated(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> list[str] | None:
    words = [word.strip() for text in value for word in text.split(",") if word.strip()]
    if value and not words:
        raise click.BadParameter("names no rule (is a variable empty?)")
    return words or None


def all_given(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> list[str] | None:
    return list(value) or None


@click.command(epilog=EPILOG)
@click.argument("data", metavar="DATA...|RUN", nargs=-1, required=True)
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
    "--against",
    metavar="FILE",
    multiple=True,
    callback=all_given,
    help="Test data (also a folder or a glob) that no row may be in; give it once for each.",
)
@click.option(
    "--keep",
    type=click.Choice(["first", "longest", "reviewed"]),
    help="Which row of a group of duplicates stays; reviewed: one that a person kept in the run.  [default: first]",
)
@click.option("--semantic", metavar="DIR", help="Compare meanings, by the sentence-embedding model in this folder.")
@click.option(
    "--nli", metavar="DIR", help="Compare free answers, by the natural-language-inference model in this folder."
)
@model_options(required=False)
@click.option(
    "--max-length", type=click.IntRange(min=1), metavar="N", help="The tokens after which a trainer cuts a row."
)
@click.option(
    "--engine",
    type=click.Choice(["sketch", "datasketch"]),
    help="What proposes the rows that may be duplicates; datasketch is the slow reference.  [default: sketch]",
)
@click.option(
    "--format", "data_format", metavar="FORMAT", help="Read the rows as this format, whatever they look like."
)
@click.option("--config", metavar="FILE", help="Settings instead of the nearest curate.toml or [tool.curate].")
@click.option("--show-config", is_flag=True, help="Print each setting and where it came from, and stop.")
@click.option("--run", "run_folder", metavar="DIR", help="Keep the findings in this run folder.")
@click.option("--force", is_flag=True, help="With a run: replace findings that were edited, too.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: all cores, 1 for small files]")
def check(
    data: tuple[str, ...],
    data_format: str | None,
    config: str | None,
    show_config: bool,
    output_format: str,
    output: str | None,
    run_folder: str | None,
    force: bool,
    **flags: Any,
) -> int:
    """List every bad row of DATA with its line and its reason.

    DATA: JSONL, JSON, CSV, TSV or Parquet files (also .gz .bz2 .xz .zst), globs, folders, hf://dataset[:split], or -
    for standard input. The format of the rows is detected and said.

    RUN: a folder that --run made: its data is checked again, with the same settings but for those given here.
    """
    from curate.config import resolve
    from curate.run.data import is_run

    flags["format"] = data_format
    settings = resolve(flags, config)
    if show_config:
        print_config(settings)
        return 0
    # A check makes millions of small objects and hardly a cycle: collecting as usual takes a tenth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    if run_folder or is_run(data):
        given = {key for key, source in settings.sources.items() if source == "flag" or (config and source == config)}
        report = check_in_run(data, run_folder, settings.config, given, output, force)
    else:
        report = check_alone(data, settings.config, output, with_trainers=output_format in WITH_TRAINERS)
    write_report(report, output_format, output)
    say_internal_errors(report)
    return report.exit_code(settings.config.fail_on)


def check_alone(data: Sequence[str], config: Config, output: str | None, *, with_trainers: bool) -> Report:
    from curate.io import find_inputs
    from curate.pipeline import run_check
    from curate.steps.check import processes

    inputs = find_inputs(data)
    refuse_to_overwrite_input(output, inputs)
    config.jobs = config.jobs or processes(inputs)
    with progress_on_stderr() as progress:
        report = run_check(inputs, config, progress)
    if config.model and with_trainers:
        from curate.tokens.others import of_some_rows

        report.other_trainers = of_some_rows(inputs, config)
    return report


def check_in_run(
    data: Sequence[str], folder: str | None, config: Config, given: set[str], output: str | None, force: bool
) -> Report:
    """Make the step check of a run and give its report. `given` are the settings that this command line names."""
    import json

    from curate.report.report import Report
    from curate.run import make
    from curate.run.data import is_run, open_run, run_inputs
    from curate.steps.check import config as config_of
    from curate.steps.check import step

    run = open_run(data, folder)
    wanted = config_of(run, data, config)
    if is_run(data):
        kept = {key: value for key, value in run.config("check").items() if key not in given}
        wanted = kept | {key: value for key, value in wanted.items() if key in given}
    refuse_to_overwrite_input(output, run_inputs(run, wanted))
    with progress_on_stderr() as progress:
        make(run, step(config.jobs, progress), wanted, force=force)
    report = Report.from_json(json.loads((run / "check.json").read_bytes()))
    record = run.record("check")
    report.seconds = record["seconds"] if record else 0.0
    return report


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
