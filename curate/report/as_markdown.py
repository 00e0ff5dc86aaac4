"""The `markdown` output, made for a pull request or `$GITHUB_STEP_SUMMARY` (which takes 1 MiB)."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from curate.report.phrases import (
    count,
    extent,
    model_name,
    next_commands,
    not_checked,
    overlap_notes,
    overlap_table,
    short_spots,
    token_count,
    trainers_table,
)
from curate.report.safe import safe, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.report.report import Report

LISTED = 20  # findings of one rule
MESSAGE = 300  # characters
MARK = {"error": "🔴 error", "warning": "🟡 warning", "info": "🔵 info"}
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]|^[#+-]|(?<=^\d)[.)]")
# Entities for what would link by itself or begin a tag: addresses, mentions, issue numbers, hosts, HTML.
_ENTITY = re.compile(r"[<>&@]|#(?=\d)|:(?=//)|(?<=www)\.", re.IGNORECASE)


def to_markdown(report: Report) -> Iterator[str]:
    """A table of the rules, then the first findings of each behind a fold."""
    short_spot = short_spots(report)
    model = model_name(report)
    yield "## curate check\n\n"
    for info in report.inputs:
        rejected = f", {info.rejected:,} of them cannot be read" if info.rejected else ""
        tokens = f", {_inert(token_count(info.tokens, info.trained, model))}" if info.tokens is not None else ""
        facts = f"{count(info.rows, 'row')}{rejected}, {_inert(info.format or 'no format')}{tokens}"
        yield f"- **{_inert(info.path)}**: {facts}\n"
    groups = report.by_rule()
    flagged = f"{report.rows_flagged:,} of {count(report.rows, 'row')} flagged"
    yield f"\n**{flagged}.**\n\n" if groups else "\nNo findings.\n"
    if groups:
        yield "| | code | rule | where | for example |\n| --- | --- | --- | ---: | --- |\n"
    for group in groups:
        first = group[0]
        example = f"{_inert(short_spot(first.place))}: {_inert(first.message)}"
        yield f"| {MARK[first.severity]} | {first.code} | {_inert(first.rule)} | {extent(group)} | {example} |\n"
    for group in groups:
        if not report.speaks(group[0]):
            continue
        yield f"\n<details><summary>{group[0].code} {escape(safe(group[0].rule))}: {extent(group)}</summary>\n\n"
        for finding in group[:LISTED]:
            yield f"- {_inert(short_spot(finding.place))}: {_inert(finding.message)}\n"
        if len(group) > LISTED:
            yield f"- and {len(group) - LISTED:,} more\n"
        yield "\n</details>\n"
    yield from _overlap(report)
    yield from _trainers(report)
    for error in report.internal_errors[:LISTED]:
        spot = _inert(short_spot(error.place))
        yield f"\n**Internal error** of {_inert(error.code)} at {spot}: {_inert(error.error)}\n"
    if report.skipped:
        yield f"\nNot checked: {_inert(not_checked(report))}\n"
    if groups:
        yield "\n"
    for command, purpose in next_commands(report, listed=bool(groups) and len(groups[0]) <= LISTED):
        yield f"- `` {command} `` {purpose}\n"


def _trainers(report: Report) -> Iterator[str]:
    for i, line in enumerate(trainers_table(report)):
        if not i:
            yield "\nWhat other trainers would do with some of these rows:\n\n"
        yield "| " + " | ".join(map(_inert, line)) + " |\n"
        if not i:
            yield "|" + " --- |" * len(line) + "\n"


def _overlap(report: Report) -> Iterator[str]:
    table = overlap_table(report)
    for i, line in enumerate(table):
        yield ("" if i else "\n") + "| " + " | ".join(map(_inert, line)) + " |\n"
        if not i:
            yield "| --- | --- |" + " ---: |" * (len(line) - 2) + "\n"
    for note in overlap_notes(report):
        yield f"\n{_inert(note)}\n"


def _inert(text: str) -> str:
    """Text that no markdown reader takes for markup, a link or a mention."""
    text = _ENTITY.sub(lambda match: f"&#{ord(match.group())};", _SPECIAL.sub(r"\\\g<0>", shorten(text, MESSAGE)))
    return text.strip()
