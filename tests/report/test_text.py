from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import given, settings
from rich.console import Console

from curate.finding import InternalError, Place
from curate.report import OUTPUTS, Report, print_text, write
from curate.report.text import write_text
from tests.report.findings import (
    a_finding,
    a_report,
    a_warning,
    about_the_file,
    an_info,
    an_overlap,
    hostile_report,
    reports,
)
from tests.report.test_safe import acts


def on_terminal(report: Report, width: int = 80, colour: bool = False) -> str:
    stream = io.StringIO()
    system = "standard" if colour else None
    write_text(report, Console(file=stream, force_terminal=True, width=width, color_system=system, no_color=not colour))
    return stream.getvalue() if colour else re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def in_pipe(report: Report) -> str:
    return "".join(OUTPUTS["text"](report))


def many(count: int, **fields: object) -> list:
    return [a_warning(f"the same as line {i}", i + 1, **fields) for i in range(count)]


def test_clean_data_is_two_short_lines():
    for shown in (on_terminal(a_report()), in_pipe(a_report())):
        lines = shown.splitlines()
        assert len(lines) == 2
        assert "612 rows" in lines[0]
        assert "No errors, no warnings" in lines[1]


def test_the_worst_comes_first():
    shown = on_terminal(a_report([*many(30), *(an_info(line=i) for i in range(1, 90)), a_finding()]))
    assert shown.index("FMT104") < shown.index("DUP001") < shown.index("LEN003")


def test_many_findings_are_one_entry_a_rule_with_the_first_lines_and_where_the_rest_is():
    shown = on_terminal(a_report(many(30)))
    assert shown.count("DUP001") == 3  # the entry and two of the commands
    assert "30 rows" in shown
    assert "lines 1, 2, 3, …: the same as line 0" in shown
    assert "curate check data.jsonl --select DUP001" in shown
    assert "--output-format json" in shown


def test_few_findings_are_listed_one_by_one():
    shown = on_terminal(a_report([a_finding(line=41), a_finding("message 4 (assistant) has no text", line=387)]))
    assert re.search(r"line 41 +message 2 \(assistant\) has no text\n", shown)
    assert re.search(r"line 387 +message 4 \(assistant\) has no text\n", shown)


def test_a_selected_rule_is_listed_in_full_up_to_what_a_terminal_can_hold():
    report = a_report(many(300), info_is_flagged=True)
    shown = on_terminal(report)
    assert len(re.findall(r"^ +line \d+ ", shown, re.MULTILINE)) == 200
    assert "and 100 more" in shown
    assert len(re.findall(r"^data\.jsonl:\d+: ", in_pipe(report), re.MULTILINE)) == 300


def test_info_is_one_line_a_rule_and_never_listed():
    report = a_report([*(an_info(line=i) for i in range(1, 9)), about_the_file()])
    assert len([line for line in on_terminal(report).splitlines() if "LEN003" in line and "info" in line]) == 1
    assert "data.jsonl:" not in in_pipe(report)


def test_a_pipe_gets_one_greppable_line_a_finding_and_then_the_summary():
    lines = in_pipe(a_report([a_finding(), a_warning(), an_info()])).splitlines()
    assert lines[0] == "data.jsonl:41: error FMT104 message 2 (assistant) has no text [empty-answer]"
    assert lines[1] == "data.jsonl:7: warning DUP001 the same as line 3 [duplicate]"
    assert lines[2] == ""
    assert any("2 of 612 rows flagged" in line for line in lines)


def test_several_files_are_named_in_each_place():
    shown = on_terminal(a_report([a_finding(path="b.jsonl"), a_finding()], rows=10))
    assert "b.jsonl:41" in shown
    assert "data.jsonl:41" in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_but_a_command_is_wider_than_the_terminal(width: int):
    for report in (a_report(many(30)), a_report([a_finding("word " * 80)]), a_report([*many(3), an_info("x" * 300)])):
        lines = [line for line in on_terminal(report, width).splitlines() if not line.startswith("  curate ")]
        assert max(map(len, lines)) <= width


def test_what_the_baseline_knows_is_not_shown_but_said():
    shown = in_pipe(a_report([a_finding(known=True), a_warning(accepted=True)]))
    assert "FMT104" not in shown
    assert "1 known from the baseline" in shown
    assert "1 accepted in review" in shown


def test_what_was_not_checked_names_the_flag_that_unlocks_it():
    skipped = [
        {"code": "TPL001", "reason": "no --model", "unlock": "--model NAME"},
        {"code": "PII021", "reason": "off by default", "unlock": "--select ALL,PII021"},
    ]
    shown = on_terminal(a_report(skipped=skipped))
    assert "Not checked: TPL001 (give --model NAME)" in shown
    assert "PII021" not in shown


def test_a_crashed_rule_is_shown():
    crash = InternalError("TXT004", Place("data.jsonl", 3, 0, "v1:0"), "ValueError: bad \x1b[31m")
    shown = on_terminal(a_report(internal_errors=[crash]))
    assert "internal error: TXT004 crashed at line 3: ValueError: bad \\x1b[31m" in shown


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_data_is_inert(width: int):
    for shown in (on_terminal(hostile_report(), width), in_pipe(hostile_report())):
        assert not [char for char in shown if acts(char) and char != "\n"]
        assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
        assert "##[" not in shown


def test_markup_in_data_is_text():
    shown = on_terminal(
        a_report([a_finding("[bold]x[/nonsense] [link=http://evil.example]y[/link] :smile:")]), 120, True
    )
    assert "[bold]x[/nonsense] [link=http://evil.example]y[/link] :smile:" in shown
    assert "\x1b]8;" not in shown


@settings(max_examples=60, deadline=None)
@given(reports)
def test_any_report_can_be_printed(report: Report):
    for shown in (on_terminal(report, 60), in_pipe(report)):
        assert not [char for char in shown if acts(char) and char != "\n"]
        assert not [line for line in shown.split("\n") if line.lstrip().startswith("::")]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_that_cannot_hold_the_text_gets_escapes(encoding: str):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_text(a_report([a_finding("你好 \ud800")]), stream)
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("output_format", ["json", "jsonl", "sarif", "github", "junit", "html", "markdown"])
def test_machine_formats_are_utf_8_on_any_stream(output_format: str):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    write(a_report([a_finding("你好")]), output_format, stream)
    stream.flush()
    content = stream.buffer.getvalue()
    assert "你好" in content.decode("utf-8")
    assert b"\r" not in content


def test_the_default_stream_is_standard_output(capsys: pytest.CaptureFixture[str]):
    print_text(a_report())
    assert "612 rows" in capsys.readouterr().out
    assert sys.stdout is not None


def test_files_of_one_folder_are_named_without_it_but_in_full_for_a_pipe():
    report = a_report(
        [a_warning(line=i, path=f"/data/sets/{name}") for i in range(1, 30) for name in ("a.jsonl", "x/b.jsonl")]
    )
    report.inputs = report.inputs[1:]
    shown = on_terminal(report)
    assert " a.jsonl:1, …: the same as line 3" in shown
    assert "/data/sets/x/b.jsonl:29: warning DUP001" in in_pipe(report)


def test_rows_that_cannot_be_read_are_said_for_the_files_that_are_not_shown():
    report = a_report([a_warning(path=f"{name}.jsonl") for name in "abcdefg"])
    report.inputs[-1].rejected = 600
    assert "and 3 more files   1,836 rows · 600 cannot be read" in on_terminal(report)


def test_a_wrapped_message_never_begins_a_line_as_a_command():
    report = a_report([a_finding("an answer that says ::add-mask::secret ::error::more of it")])
    for width in range(30, 90):
        assert not [line for line in on_terminal(report, width).splitlines() if line.lstrip().startswith("::")]


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_what_of_each_file_is_in_which_other_one_is_a_table(output_format: str):
    overlap = [an_overlap(found=3), an_overlap(against="val.jsonl", found=0, unread=5)]
    shown = "".join(OUTPUTS[output_format](a_report([a_finding()], overlap=overlap)))
    for words in ("conflicting", "3 (0.49%)", "3 (7.50%)", "No overlap in 1 pair of files out of 2", "5 of 40 rows"):
        assert words in shown


@pytest.mark.parametrize("output_format", ["text", "markdown", "html"])
def test_no_overlap_is_said_and_no_comparison_is_not(output_format: str):
    shown = ("".join(OUTPUTS[output_format](a_report(overlap=each))) for each in ([an_overlap(found=0)], []))
    said, unsaid = ("is in test.jsonl" in text for text in shown)
    assert said
    assert not unsaid
