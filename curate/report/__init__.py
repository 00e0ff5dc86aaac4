"""The outputs of a check: one result object, and one function from it to each format."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import IO

from curate.finding import InternalError
from curate.report.report import InputInfo, Report

__all__ = ["OUTPUTS", "InputInfo", "InternalError", "Report", "print_text", "write"]

Output = Callable[[Report], Iterator[str]]


def _output(module: str, function: str) -> Output:
    """The output's function, its module imported at the first call: text and html need heavy libraries."""

    def write_pieces(report: Report) -> Iterator[str]:
        pieces: Iterator[str] = getattr(import_module(f"curate.report.{module}"), function)(report)
        return pieces

    return write_pieces


OUTPUTS: dict[str, Output] = {
    "text": _output("text", "to_text"),
    "json": _output("as_json", "to_json"),
    "jsonl": _output("as_json", "to_jsonl"),
    "sarif": _output("as_sarif", "to_sarif"),
    "github": _output("as_github", "to_github"),
    "junit": _output("as_junit", "to_junit"),
    "html": _output("as_html", "to_html"),
    "markdown": _output("as_markdown", "to_markdown"),
}
"""From a report to the pieces of each output format, to be written one after the other."""


def write(report: Report, output_format: str, stream: IO[str]) -> None:
    """Write the report to a text stream such as standard output.

    The machine formats are UTF-8 with "\\n". Text adapts to the terminal and keeps the stream's encoding, with an
    escape for what that cannot hold.
    """
    if output_format == "text":
        print_text(report, stream)
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", newline="\n")
    stream.writelines(OUTPUTS[output_format](report))


def print_text(report: Report, stream: IO[str] | None = None) -> None:
    """Print the report for a person: colours and width are the terminal's, a pipe gets one line a finding."""
    from rich.console import Console

    from curate.report.text import write_text

    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    write_text(report, Console(file=stream))
