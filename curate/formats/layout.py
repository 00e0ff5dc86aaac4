"""The layout of a file: which format its rows have, decided from all of them, and reading each row by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.finding import Fault, Where
from curate.formats.chat import container
from curate.formats.columns import ANSWERS, PROMPTS, columns_of
from curate.formats.flat import read_pair
from curate.formats.format import FORMATS, NO_COLUMNS, Row, Unreadable, detect, rename_columns
from curate.formats.named import NamedColumns
from curate.formats.trees import gather_trees, is_flat
from curate.formats.turns import is_conversation, kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from curate.io import RawRow
    from curate.sample import Sample

UNKNOWN = "unknown"
_NO_ANSWERS = frozenset({"prompts", "pretokenised", UNKNOWN})
# Formats with more columns than a pair: a pair of some of them is one of their rows with a part missing.
_FLAT = frozenset({"alpaca", "dolly", "context-qa"})
_CHAT = frozenset({"messages", "sharegpt", "prompts"})


@dataclass(frozen=True)
class Layout:
    """What a file is read as.

    `counts` says how many rows are complete in each format ("unknown" for none), `forced` that the user named the
    format, `gathers` that rows are messages of trees and must pass `gather` first. `names` are the columns that most
    rows of the format use where it has several names for them: of the conversation, or of prompt and answer.
    """

    format: str
    counts: Mapping[str, int] = field(default_factory=dict)
    evidence: str = ""
    forced: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    gathers: bool = False
    names: tuple[str, ...] = ()


def survey(values: Iterable[object], forced: str | None = None, columns: Mapping[str, str] = NO_COLUMNS) -> Layout:
    """Decide a file's format from all of its rows: the most frequent one that has answers, else `prompts`.

    Raises:
        CurateError: `forced` is no known format, or `columns` has a role that is not known or a column of no row.
    """
    if forced is not None and forced not in FORMATS:
        raise CurateError(_no_such_format(forced))
    named = NamedColumns(columns)
    counts: Counter[str] = Counter()
    first: dict[str, object] = {}
    used: Counter[tuple[str, ...]] = Counter()
    flat = 0
    for value in values:
        if columns and isinstance(value, (dict, list)):
            row = value if isinstance(value, dict) else {"messages": value}
            named.see(row)
            value, _ = rename_columns(row, columns)
        name = detect(value) or UNKNOWN
        if name not in first:
            first[name] = value
        counts[name] += 1
        if name in _NAMES and isinstance(value, dict):
            used[(name, *_NAMES[name](value))] += 1
        elif name == "oasst" and isinstance(value, dict) and is_flat(value):
            flat += 1
    named.check()
    main = forced or _main(counts)
    return Layout(
        main,
        dict(counts.most_common()),
        _evidence(main, counts, first.get(main), forced is not None),
        forced is not None,
        dict(columns),
        flat > 0 and main == "oasst",
        next((tuple(names) for (name, *names), _ in used.most_common() if name == main), ()),
    )


def _pair_names(row: Row) -> tuple[str, ...]:
    columns = columns_of(row)
    return (columns.prompt or "", *columns.answers[:1])


def _container_name(row: Row) -> tuple[str, ...]:
    return (container(row) or "",)


_NAMES = {"prompt-completion": _pair_names, "messages": _container_name, "sharegpt": _container_name}


def _main(counts: Counter[str]) -> str:
    order = {name: i for i, name in enumerate(FORMATS)}
    found = sorted(counts, key=lambda name: (-counts[name], order.get(name, len(order))))
    answered = [name for name in found if name not in _NO_ANSWERS]
    known = [name for name in found if name != UNKNOWN]
    return (answered or known or [UNKNOWN])[0]


def _evidence(main: str, counts: Counter[str], example: object, forced: bool) -> str:
    total = counts.total()
    if forced:
        return f"asked for; {counts[main]:,} of {total:,} rows are complete in it"
    if main == UNKNOWN or not isinstance(example, (dict, list)):
        return "no row has a known format" if total else "no rows"
    names = "a list of turns"
    if isinstance(example, dict):
        try:
            metadata = FORMATS[main].read_row(example)[0].metadata
        except Unreadable:
            metadata = {}
        names = ", ".join(str(name) for name in example if name not in metadata)
    return f"{names} in {counts[main]:,} of {total:,} rows"


def read_value(value: object, layout: Layout) -> list[Sample]:
    """Read one row into its samples, by the file's layout or, where it fits another format, by that one.

    Raises:
        Unreadable: the row gives no sample.
    """
    if type(value) is not dict:
        if not is_conversation(value):
            said = f"the row is {kind(value)}, not an object"
            raise Unreadable([Fault(said, rule="row-not-an-object")])
        value = {"messages": value}
    row: Row = value
    displaced: Row = {}
    if layout.columns:
        row, displaced = rename_columns(row, layout.columns)
    main = layout.format
    name = main if layout.forced else detect(row)
    fits = name == main and not layout.forced
    if not fits:
        samples = _read_other(row, name, layout)
    elif layout.names and layout.names != _NAMES[main](row):
        samples = _read_renamed(row, layout)
    else:
        samples = FORMATS[main].read_row(row)
    if displaced:
        for sample in samples:
            sample.metadata.update(displaced)
    return samples


def gather(rows: Iterable[RawRow], layout: Layout) -> Iterator[RawRow]:
    """The rows as `read_value` takes them: as they are, or, where rows are messages of trees, one row a tree."""
    return gather_trees(rows) if layout.gathers else iter(rows)


def _read_renamed(row: Row, layout: Layout) -> list[Sample]:
    """Read a row of the file's format that has other names of columns than most rows."""
    if all(name in row for name in layout.names):
        if layout.format == "prompt-completion":
            return read_pair(row, columns_of(row).led_by(*layout.names))
        return FORMATS[layout.format].read_row(row)
    samples = FORMATS[layout.format].read_row(row)
    names = _NAMES[layout.format](row)
    said = f"the row has {' and '.join(names)}, the file {' and '.join(layout.names)} ({_share(layout)})"
    for sample in samples:
        sample.faults.append(Fault(said, Where(field=names[-1]), {"columns": list(names)}, "mixed-formats"))
    return samples


def _read_other(row: Row, name: str | None, layout: Layout) -> list[Sample]:
    main = layout.format
    if main in FORMATS and (layout.forced or _is_incomplete(row, name, main)):
        if layout.forced and FORMATS[main].columns.isdisjoint(row) and not FORMATS[main].detect(row):
            raise Unreadable([_unknown(row, main)])
        return FORMATS[main].read_row(row)
    if name is None:
        name = _nearest(row)
        if name is None:
            raise Unreadable([_unknown(row, None)])
    samples = FORMATS[name].read_row(row)
    fault = Fault(
        f"the row is {name}, the file is {main} ({_share(layout)})",
        evidence={"format": name, "file": main},
        rule="mixed-formats",
    )
    for sample in samples:
        sample.faults.append(fault)
        if name == "prompts" and FORMATS[main].has_answers and not is_conversation(row.get("messages")):
            sample.faults.append(Fault("no answer", rule="missing-answer"))
    return samples


def _is_incomplete(row: Row, name: str | None, main: str) -> bool:
    """Whether a row that is not complete in the file's format should be read as one that lacks a part of it."""
    columns = FORMATS[main].columns
    if name in (None, "prompts"):
        return not columns.isdisjoint(row)
    if main == "kto":
        return name in ("prompt-completion", "messages", "sharegpt")
    if name == "prompt-completion" and main in _FLAT:
        return columns.issuperset(row)
    return main == "prompts" and name in _CHAT


def _nearest(row: Row) -> str | None:
    """The format that a row was meant to have, by one column that no other format uses."""
    if "messages" in row or "interactions" in row or "messages_json" in row:
        return "messages"
    if "conversations" in row or "conversation" in row:
        return "messages" if is_conversation(row.get("conversations")) else "sharegpt"
    columns = columns_of(row)
    if columns.prompt and columns.answers:
        return "prompt-completion"
    return None


def _share(layout: Layout) -> str:
    total = sum(layout.counts.values())
    return f"{layout.counts.get(layout.format, 0):,} of {total:,} rows" if total else "by the layout given"


def _unknown(row: Row, wanted: str | None) -> Fault:
    found = ", ".join(str(name) for name in row)
    found = (found if len(found) <= 80 else found[:77] + "...") or "none"
    reason = f"no column of {wanted} ({FORMATS[wanted].summary.split(';')[0]})" if wanted else _missing(row)
    return Fault(
        f"{reason}; columns: {found}",
        Where(field=next(map(str, row), None)),
        {"columns": list(row)[:50]},
        "unknown-format",
    )


def _missing(row: Row) -> str:
    names = tuple(row)
    columns = columns_of(names)
    if columns.prompt:
        return f"nearest format prompt-completion: has {columns.prompt} but no answer that is text"
    if columns.answers:
        return f"nearest format prompt-completion: has {columns.answers[0]} but no prompt"
    if "role" in names and ("content" in names or "text" in names):
        return "a single turn: the turns of one conversation belong in one row, in messages"
    return _meant(names[:20])


@lru_cache(maxsize=64)
def _meant(names: tuple[object, ...]) -> str:
    known = {name for each in FORMATS.values() for name in each.columns} | {*PROMPTS, *ANSWERS}
    for name in names:
        if name in known:
            continue
        close = get_close_matches(str(name)[:40].lower(), known, n=1, cutoff=0.85)
        if close:
            return f"no known format: is {str(name)[:40]!r} meant to be {close[0]!r}?"
    return "no known format (name the columns under [columns])"


def _no_such_format(name: str) -> str:
    close: list[Any] = get_close_matches(name, FORMATS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(FORMATS)}"
    return f"--format {name}: no such format; {hint}"
