"""What cleaning writes: the rows that stay, those left out and those changed, each with its reason."""

from __future__ import annotations

import base64
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import orjson
from rapidfuzz.distance import Postfix, Prefix

from curate.io.write import atomic_write
from curate.report.safe import safe, safe_path, shorten
from curate.run.data import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.cleaning.plan import Plan
    from curate.cleaning.rows import Reason, Rows
    from curate.finding import Place

LONGEST_SHOWN = 240  # characters of a row
AROUND = 40


def write(rows: Rows, folder: Path) -> None:
    """Write kept.jsonl, rejected.jsonl and changed.jsonl."""
    with ExitStack() as files:
        kept = files.enter_context(atomic_write(folder / "kept.jsonl"))
        rejected = files.enter_context(atomic_write(folder / "rejected.jsonl", mode=0o600))
        changed = files.enter_context(atomic_write(folder / "changed.jsonl", mode=0o600))
        for number in range(len(rows.places)):
            if number in rows.rejected:
                rejected.write(rejected_line(rows, number))
                continue
            kept.write(rows.now(number) + b"\n")
            if number in rows.changed:
                changed.write(changed_line(rows, number))


def rejected_line(rows: Rows, number: int, **more: Any) -> bytes:
    """A line of rejected.jsonl; `more` are further keys of it."""
    data = rows.before(number)
    entry = _placed(rows.places[number]) | rows.rejected[number]._asdict() | more
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return _dumped(entry | {"raw_base64": base64.b64encode(data).decode()})
    return _dumped(entry | {"row": orjson.Fragment(one_line(data))})


def changed_line(rows: Rows, number: int) -> bytes:
    place, change = rows.places[number], rows.changed[number]
    return _dumped(
        _placed(place)
        | {
            "sample_id": change.sample_id,
            "parent": place.sample_id,
            "codes": change.codes,
            "reason": change.reason,
            "by": change.by,
            "before": orjson.Fragment(one_line(rows.before(number))),
            "after": orjson.Fragment(change.data),
        }
    )


def diff(rows: Rows) -> Iterator[str]:
    """What cleaning would do, row by row: `-` is left out, `-` and `+` is changed. Safe to print."""
    for number, place in enumerate(rows.places):
        where = f"{safe_path(place.path)}:{place.line}" + (f", part {place.part}" if place.part else "")
        before = rows.before(number).decode("utf-8", "backslashreplace")
        if number in rows.rejected:
            reason = rows.rejected[number]
            yield f"@@ {where} rejected by {_who(reason.by)}: {_because((reason.code or '',), reason.reason)}"
            yield f"-{_ends(before)}"
        elif number in rows.changed:
            change = rows.changed[number]
            yield f"@@ {where} changed by {_who(change.by)}: {_because(change.codes, change.reason)}"
            yield from _difference(before, change.data.decode("utf-8", "backslashreplace"))


def _who(by: str) -> str:
    return safe(by) or "somebody"


def _ends(row: str) -> str:
    """A row on one line: of a long one the beginning and the end, where the answer is."""
    if len(row) <= LONGEST_SHOWN:
        return safe(row)
    return f"{safe(row[: LONGEST_SHOWN // 3])} … {safe(row[-2 * LONGEST_SHOWN // 3 :])}"


def _difference(before: str, after: str) -> Iterator[str]:
    """The stretch from the first to the last difference, with a little of what stands around it."""
    start = Prefix.similarity(before, after)
    same_end = min(Postfix.similarity(before, after), len(before) - start, len(after) - start)
    first = max(0, start - AROUND)
    for sign, text in (("-", before), ("+", after)):
        last = min(len(text), len(text) - same_end + AROUND)
        piece = shorten(text[first:last], LONGEST_SHOWN)
        yield f"{sign}{'…' if first else ''}{piece}{'…' if last < len(text) else ''}"


def said(plan: Plan) -> str:
    """What cleaning did, in numbers that add up."""
    rows = plan.rows
    counts = rows.counts()
    why = Counter(group_of(rows.places[number], reason) for number, reason in rows.rejected.items())
    changes = Counter(
        code
        for number, change in rows.changed.items()
        if number not in rows.rejected
        for code in (change.codes if change.by.startswith("curate clean") else ("edited in review",))
    )
    line = (
        f"clean: {counts['read']:,} rows read: {counts['kept']:,} kept, "
        f"{counts['changed']:,} changed{_detail(changes)}, {counts['rejected']:,} rejected{_detail(why)}"
    )
    return "; ".join([line, *_notes(plan)])


def _notes(plan: Plan) -> Iterator[str]:
    rows = plan.rows
    if len(rows.places) != len(rows.sizes):
        gone = len(rows.rejected)
        yield f"in samples: {len(rows.places):,} read, {len(rows.places) - gone:,} kept, {gone:,} rejected"
    if left := sum(number not in rows.rejected for number in plan.unmended):
        yield f"{left:,} with a text that could not be mended"
    if plan.without_row:
        yield f"{plan.without_row:,} {'decision' if plan.without_row == 1 else 'decisions'} about no row of the data"


def group_of(place: Place, reason: Reason) -> str:
    if not str(place.sample_id).startswith("v1:"):
        return "cannot be read"
    return str(reason.code) if reason.by.startswith("curate clean") else "dropped in review"


def _detail(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{count:,} {what}' for what, count in counts.most_common())})" if counts else ""


def _because(codes: Sequence[str], reason: str) -> str:
    return safe(" ".join((*(code for code in codes if code), reason)))


def _placed(place: Place) -> dict[str, Any]:
    return {"path": place.path, "line": place.line, "part": place.part}


def _dumped(entry: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair in the message, or in the name of a file
        entry |= {key: str(entry[key]).encode("utf-8", "replace").decode() for key in ("path", "reason", "by")}
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
