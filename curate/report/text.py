"""The `text` output: on a terminal a summary to act on, through a pipe one greppable line a finding and the summary."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from curate.report.phrases import (
    count,
    extent,
    model_name,
    next_commands,
    not_checked,
    overlap_notes,
    overlap_table,
    short_spots,
    spot,
    token_count,
)
from curate.report.safe import safe, safe_path, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.finding import Finding
    from curate.report.report import InputInfo, Report

LISTED_IN_FULL = 20  # so few findings are shown one by one, without being asked
LISTED_ON_TERMINAL = 200  # findings of one rule on a terminal; a pipe gets all
FILES_SHOWN = 5
NARROW = 120  # columns; below this the reason stands on a line of its own
MESSAGE_LINES = 3  # of one finding in a list
REASON = 120  # characters of a message in the table of rules
COLOUR = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def to_text(report: Report) -> Iterator[str]:
    """The report for a file: no colours, no width."""
    stream = io.StringIO()
    write_text(report, Console(file=stream, force_terminal=False, color_system=None))
    yield stream.getvalue()


def write_text(report: Report, console: Console) -> None:
    """Print the report as the console can show it: its width, its colours, or plain lines where it is no terminal."""
    if not console.is_terminal:
        console.file.writelines(_plain_lines(report))
    for line in _screen(report, console):
        console.print(line, soft_wrap=True, highlight=False)


def _plain_lines(report: Report) -> Iterator[str]:
    """Each finding that speaks as `path:line: severity CODE message [rule]`, the form that editors and grep know."""
    spoken = [finding for finding in report.findings if report.speaks(finding)]
    for f in spoken:
        yield f"{spot(f)}: {f.severity} {f.code} {safe(f.message)} [{safe(f.rule)}]\n"
    if spoken:
        yield "\n"


def _cropped(line: Text, console: Console) -> Text:
    if console.is_terminal:
        line.truncate(console.width, overflow="ellipsis")
    return line


def _screen(report: Report, console: Console) -> Iterator[Text]:
    for line in _header(report, console):
        yield _cropped(line, console)
    groups = report.by_rule()
    listed = _listed_codes(report) if console.is_terminal else set()
    if groups:
        yield Text()
        firsts = [group[0] for group in groups]
        widths = _Widths(
            max(len(first.code) for first in firsts),
            max(len(safe(first.rule)) for first in firsts),
            max(len(extent(group)) for group in groups),
        )
        for group in groups:
            yield from _rule_lines(report, group, widths, console, group[0].code in listed)
        yield Text()
    if report.overlap:
        yield from (_cropped(line, console) for line in _overlap(report))
        yield Text()
    yield from _totals(report, console)
    if groups:
        yield Text()
        yield from _commands(report, not console.is_terminal or groups[0][0].code in listed, console)


def _overlap(report: Report) -> Iterator[Text]:
    table = overlap_table(report)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = [
            f"{cell:<{width}}" if i < 2 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield Text("  " + "  ".join(cells), "dim" if line is table[0] else "")
    for note in overlap_notes(report):
        yield Text(f"  {note}")


def _listed_codes(report: Report) -> set[str]:
    """The rules whose findings get a line each on a terminal: the one that was asked for, or all if there are few."""
    spoken = [finding.code for finding in report.findings if report.speaks(finding)]
    codes = set(spoken)
    return codes if len(spoken) <= LISTED_IN_FULL or (report.info_is_flagged and len(codes) == 1) else set()


def _commands(report: Report, listed: bool, console: Console) -> Iterator[Text]:
    """The next commands, never cropped, for they are there to be copied; and what each is for, where there is room."""
    commands = list(next_commands(report, listed))
    room = console.width - 5 if console.is_terminal else 1000
    fits = [len(command) + len(purpose) <= room for command, purpose in commands]
    width = max((len(command) for (command, _), fit in zip(commands, fits, strict=True) if fit), default=0)
    for (command, purpose), fit in zip(commands, fits, strict=True):
        yield Text.assemble(
            "  ", (command, "bold"), (f"{' ' * (width - len(command))}   {purpose}" if fit else "", "dim")
        )


def _header(report: Report, console: Console) -> Iterator[Text]:
    shown = report.inputs[:FILES_SHOWN]
    model = model_name(report)
    width = max((len(safe_path(info.path)) for info in shown), default=0)
    for info in shown:
        line = Text.assemble((safe_path(info.path).ljust(width), "bold"), "   ", _facts(info, model))
        if info is shown[0]:
            seconds = f"{report.seconds:.1f} s"
            gap = console.width - line.cell_len - len(seconds) if console.is_terminal else 3
            if gap >= 3:
                line.append(" " * gap).append(seconds, "dim")
        yield _cropped(line, console)
    if rest := report.inputs[FILES_SHOWN:]:
        rejected = sum(info.rejected for info in rest)
        lost = f" · {rejected:,} cannot be read" if rejected else ""
        yield Text(f"and {count(len(rest), 'more file')}   {count(sum(info.rows for info in rest), 'row')}{lost}")


def _facts(info: InputInfo, model: str) -> str:
    facts = [count(info.rows, "row")]
    if info.samples != info.rows - info.rejected:
        facts.append(count(info.samples, "sample"))
    if len(info.formats) > 1:
        facts.append(", ".join(f"{rows:,} {safe(name)}" for name, rows in info.formats.items()))
    elif info.format:
        facts.append(safe(info.format))
    if info.rejected:
        facts.append(f"{info.rejected:,} cannot be read")
    if info.tokens is not None:
        facts.append(token_count(info.tokens, info.trained, model))
    return " · ".join(facts)


class _Widths(NamedTuple):
    """The widths of the columns of the table of rules."""

    code: int
    rule: int
    extent: int


def _rule_lines(
    report: Report, group: list[Finding], widths: _Widths, console: Console, is_listed: bool
) -> Iterator[Text]:
    first = group[0]
    number, _, noun = extent(group).partition(" ")
    line = Text.assemble(
        "  ",
        (f"{first.severity:<8}", COLOUR[first.severity]),
        f" {first.code:<{widths.code}}  ",
        (safe(first.rule).ljust(widths.rule), "bold" if first.severity == "error" else ""),
        f"  {number.rjust(widths.extent - len(noun) - 1)} {noun}".ljust(widths.extent + 2),
    )
    if is_listed:
        yield _cropped(line, console)
        yield from _listing(report, group, console)
        return
    is_narrow = console.is_terminal and console.width < NARROW
    lines = "" if first.severity == "info" and is_narrow else _lines(report, group)
    reason = Text(lines).append(shorten(first.message, REASON), "dim")
    if first.severity == "info" or not is_narrow:
        yield _cropped(line.append("   ").append(reason), console)
    else:
        yield _cropped(line, console)
        yield _cropped(Text(" " * 11).append(reason), console)


def _listing(report: Report, group: list[Finding], console: Console) -> Iterator[Text]:
    shown = group[:LISTED_ON_TERMINAL]
    short_spot = short_spots(report)
    spots = [short_spot(finding.place) for finding in shown]
    width = max(map(len, spots))
    for place, finding in zip(spots, shown, strict=True):
        room = max(console.width - width - 6, 20)
        lines = Text(safe(finding.message)).wrap(console, room)
        if len(lines) > MESSAGE_LINES:
            lines[MESSAGE_LINES - 1].append("…")
        yield Text.assemble("    ", (place.ljust(width), "dim"), "  ", lines[0])
        for line in lines[1:MESSAGE_LINES]:
            # A build server that gives its programs a terminal would obey a line that begins with two colons.
            guard = "\\" if line.plain.lstrip().startswith("::") else " "
            yield Text(" " * (width + 5) + guard).append(line)
    if rest := len(group) - len(shown):
        yield Text(f"    and {rest:,} more: send the output through a pipe, or add --output-format jsonl")


def _lines(report: Report, group: list[Finding]) -> str:
    """Where the first findings are: `lines 41, 387, …: `."""
    if group[0].place.sample_id is None and len(report.inputs) == 1:
        return ""
    if group[0].place.sample_id is None or len(report.inputs) > 1:
        return f"{short_spots(report)(group[0].place)}{', …' if len(group) > 1 else ''}: "
    lines = list(dict.fromkeys(str(finding.place.line) for finding in group))
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(lines[:3])}{', …' if len(lines) > 3 else ''}: "


def _totals(report: Report, console: Console) -> Iterator[Text]:
    known, accepted = (sum(getattr(f, flag) for f in report.findings) for flag in ("known", "accepted"))
    flagged, rows = report.rows_flagged, report.rows
    share = f" ({flagged / rows:.0%})" if rows and flagged / rows >= 0.005 else ""
    about_files = sum(report.speaks(f) and f.place.sample_id is None for f in report.findings)
    if flagged:
        line = Text(f"  {flagged:,} of {count(rows, 'row')} flagged{share}.", "bold")
    elif about_files:
        line = Text(f"  No row flagged; {count(about_files, 'finding')} about the file.", "bold")
    else:
        new = "new " if known or accepted else ""
        line = Text(f"  No {new}errors, no {new}warnings.", "green")
    if known:
        line.append(f"   Not shown: {known:,} known from the baseline.", "not bold")
    if accepted:
        line.append(f"   Not shown: {accepted:,} accepted in review.", "not bold")
    yield line
    if skipped := not_checked(report):
        yield from Text(f"  Not checked: {skipped}", "dim").wrap(console, console.width)
    for error in report.internal_errors[:3]:
        place = short_spots(report)(error.place)
        yield Text(f"  internal error: {error.code} crashed at {place}: {safe(error.error)}", "bold red")
    if report.internal_errors:
        crashes = count(len(report.internal_errors), "check")
        yield Text(f"  {crashes} crashed: a bug of curate or of your own rule. All other checks were done.")
