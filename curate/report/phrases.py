"""Words that several outputs share: places, counts, and what a person may run next."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING

from curate.report.as_json import dumps
from curate.report.safe import safe, safe_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from curate.finding import Finding, Place
    from curate.report.report import Report


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def model_name(report: Report) -> str:
    """What people call the model that tokens are counted for: its name without its folder or its owner."""
    return PurePath(report.model["name"].partition("@")[0]).name if report.model else ""


def token_count(tokens: int, trained: int | None, model: str) -> str:
    """`184,301 tokens, 96,412 of them trained (Qwen3-8B)`."""
    return f"{count(tokens, 'token')}, {trained or 0:,} of them trained ({safe(model)})"


def extent(findings: Sequence[Finding]) -> str:
    """How far the findings of a rule reach: `8 rows`, or `1 file` where they are about whole files."""
    rows = len({f.place[:2] for f in findings if f.place.sample_id is not None})
    return count(rows, "row") if rows else count(len({f.place.path for f in findings}), "file")


def spot(finding: Finding) -> str:
    """`path:line` and, for bytes that do not parse, `:column`; the path alone for a finding about the file."""
    path = safe_path(finding.place.path)
    if finding.place.sample_id is None:
        return path
    column = finding.where.column if finding.where else None
    return f"{path}:{finding.place.line}" + (f":{column}" if column else "")


def short_spots(report: Report) -> Callable[[Place], str]:
    """How to name a place for a person: `line 41`, or with several files the path below their common folder."""
    paths = [info.path for info in report.inputs]
    if len(paths) < 2:
        return lambda place: "the file" if place.sample_id is None else f"line {place.line}"
    parts = {path: path.split("/") for path in paths}
    shared = len(os.path.commonprefix([folders[:-1] for folders in parts.values()]))  # noqa: RUF071 (of lists)
    names = {path: safe_path("/".join(folders[shared:])) for path, folders in parts.items()}

    def short_spot(place: Place) -> str:
        name = names.get(place.path) or safe_path(place.path)
        return name if place.sample_id is None else f"{name}:{place.line}"

    return short_spot


def not_checked(report: Report) -> str:
    """The rules that a flag would unlock: `DUP004 (give --semantic DIR)`, or their number where a family has many;
    not those that are off by default."""
    codes: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in report.skipped:
        if entry["reason"] != "off by default":
            codes[entry["unlock"]][entry["code"].rstrip("0123456789")].append(entry["code"])
    return "; ".join(
        f"{', '.join(map(_named, families.items()))} (give {safe(unlock)})" for unlock, families in codes.items()
    )


def _named(family: tuple[str, list[str]]) -> str:
    name, codes = family
    return ", ".join(codes) if len(codes) <= CODES_NAMED else f"{len(codes)} rules of {name}"


OVERLAPS_SHOWN = 20
CODES_NAMED = 2


def overlap_table(report: Report) -> list[list[str]]:
    """What of each file is in which other one, for people: the headings and a line for each pair that overlaps.

    Empty where nothing does.
    """
    found = [entry for entry in report.overlap if entry["overlapping"]]
    kinds = list(_OVERLAPS)
    lines = [
        [
            safe_path(entry["path"]),
            safe_path(entry["against"]),
            *(f"{entry[kind]:,}" for kind in kinds),
            _part(entry["overlapping"], entry["samples"]),
            _part(entry["against_overlapping"], entry["against_samples"]),
        ]
        for entry in found[:OVERLAPS_SHOWN]
    ]
    return (
        [["rows of", "in", *(_OVERLAPS[kind] for kind in kinds), "in all", "rows found there"], *lines] if lines else []
    )


_OVERLAPS = {
    "exact": "exact",
    "normalised": "normalised",
    "near": "near",
    "conflicting": "conflicting",
    "prompt": "prompt",
    "ngram": "n-gram",
}


def trainers_table(report: Report) -> list[list[str]]:
    """What other trainers would do with some of the rows, for people: the headings and a line for each; or nothing."""
    if not report.other_trainers:
        return []
    keys = ("same", "wrong", "left_out", "cannot")
    heads = ["trainer", "setting", "rows", "the same tokens", "some wrong", "some left out", "cannot be said", "why"]
    lines = [
        [
            safe(of_one["trainer"]),
            safe(of_one["setting"]),
            *(f"{of_one[key]:,}" for key in ("rows", *keys)),
            of_one["reason"],
        ]
        for of_one in report.other_trainers
    ]
    return [heads, *lines]


def _part(number: int, whole: int) -> str:
    return f"{number:,} ({number / whole:.2%})" if whole else f"{number:,}"


def overlap_notes(report: Report) -> list[str]:
    """What the table of overlaps leaves out: the pairs of files without any, and rows that could not be compared."""
    found = sum(entry["overlapping"] > 0 for entry in report.overlap)
    notes = [f"and {found - OVERLAPS_SHOWN:,} more pairs of files"] if found > OVERLAPS_SHOWN else []
    free = [entry for entry in report.overlap if not entry["overlapping"]]
    if free and len(report.overlap) == 1:
        notes.append(f"No row of {safe_path(free[0]['path'])} is in {safe_path(free[0]['against'])}.")
    elif free:
        notes.append(f"No overlap in {count(len(free), 'pair')} of files out of {len(report.overlap):,}.")
    unread = {entry["against"]: entry for entry in report.overlap if entry["against_unread"]}
    for path, entry in unread.items():
        rows = f"{entry['against_unread']:,} of {count(entry['against_samples'], 'row')}"
        notes.append(f"{safe_path(path)}: no format reads {rows}; of these only words were compared.")
    return notes


def next_commands(report: Report, listed: bool = False) -> Iterator[tuple[str, str]]:
    """What a person may run next, and what for: the one place where the outputs name commands.

    `listed`: the output shows every finding of the worst rule already.
    """
    worst = next(iter(report.by_rule()), None)
    if worst is None:
        return
    code = worst[0].code
    paths = [safe(shlex.quote(info.path)) for info in report.inputs]
    data = " ".join(paths) if len(paths) <= 2 else "DATA..."
    yield f"curate rule {code}", "why it matters and how to fix it"
    check = f"curate check {data}{_model_flags(report, MODEL_KEYS)}"
    if not listed:
        yield f"{check} --select {code}", f"all {len(worst):,} findings of this rule"
    seen = next(
        (f for group in report.by_rule() for f in group if f.code in SHOWN_BY_RENDER and f.place.sample_id), None
    )
    if seen and report.model:
        place = f"{safe(shlex.quote(seen.place.path))}{_model_flags(report, MODEL_KEYS[:3])} --line {seen.place.line}"
        yield f"curate render {place}", "what the model sees of this row"
    yield f"{check} --output-format json -o report.json", "every finding, with its evidence"


MODEL_KEYS = ("model", "template_args", "chat_template", "max_length")
SHOWN_BY_RENDER = frozenset({"TPL002", "TPL003", "TPL005", "TPL006", "TPL007", "TPL008", "LEN004", "LEN005", "LEN006"})


def _model_flags(report: Report, keys: Sequence[str]) -> str:
    """The flags by which a command reads the model as this report did."""
    flags = ""
    for key in keys:
        if value := report.config.get(key) if report.model else None:
            word = value if isinstance(value, str) else dumps(value)
            flags += f" --{key.replace('_', '-')} {safe(shlex.quote(word))}"
    return flags
