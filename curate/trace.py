"""Following one row through a run, from its score back to its line in the data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate.mixing.origins import origins
from curate.review.decisions import read_decisions
from curate.run import Run, file_hash
from curate.run.data import Part, run_inputs, run_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

TEXT_SHOWN = 300


class Stage(NamedTuple):
    """What one part of a run says of the row; `words` holds several lines where it says several things."""

    name: str
    words: list[str]


def trace(run: Run, prefix: str) -> list[Stage]:
    """Everything a run holds about the one sample whose id starts with `prefix`, the last step first.

    Raises:
        CurateError: no row has such an id, or several have.
    """
    changed = _changed(run)
    sample_id, places = _places(run, prefix, changed)
    before = list(dict.fromkeys(str(part.place.sample_id) for part in places))
    after = {str(changed.get(part.place[:3], {}).get("sample_id", part.place.sample_id)) for part in places}
    said: dict[str, Callable[[], Iterator[str]]] = {
        "evaluate": lambda: _evaluate(run, after),
        "tokens": lambda: _tokens(run, after),
        "split": lambda: _split(run, after),
        "clean": lambda: _clean(run, places, changed),
        "decision": lambda: _decision(run, before),
        "check": lambda: _check(run, before),
        "data": lambda: _data(run, places),
    }
    return [Stage("id", [sample_id]), *(Stage(name, list(words())) for name, words in said.items())]


def _changed(run: Run) -> dict[Any, dict[str, Any]]:
    """What cleaning changed, by path, line and part."""
    entries = _json_lines(run / "clean" / "changed.jsonl")
    return {(entry["path"], entry["line"], entry["part"]): entry for entry in entries}


def _places(run: Run, prefix: str, changed: dict[Any, dict[str, Any]]) -> tuple[str, list[Part]]:
    """The id, and the parts of the data that have it or got it when they were changed: several for equal rows."""
    found: dict[str, list[Part]] = {}
    starts = (prefix, f"v1:{prefix}", f"raw-{prefix}")
    for row in run_rows(run):
        for part in row.parts:
            change = changed.get(part.place[:3])
            ids = [str(change["sample_id"])] if change else []
            for sample_id in [*ids, str(part.place.sample_id)]:
                if sample_id.startswith(starts):
                    found.setdefault(sample_id, []).append(part)
                    break
    if len(found) == 1:
        return next(iter(found.items()))
    data = ", ".join(source.path for source in run_inputs(run, run.config("check")))
    if not found:
        for split in _rows_of_split(run):
            if split["sample_id"].startswith(starts):
                place = f"split/{split['split']}.jsonl:{split['line']}"
                raise CurateError(f"{split['sample_id']}: in {place}, and in {data} no more, which changed since")
        raise CurateError(f"no row of {data} has an id that starts with {prefix!r}; ids are in split/split.json")
    some = ", ".join(sorted(found)[:4])
    raise CurateError(f"{len(found):,} rows have an id that starts with {prefix!r} ({some}, ...); give more of it")


def _evaluate(run: Run, ids: Collection[str]) -> Iterator[str]:
    file = run / "evaluate" / "examples.jsonl"
    if run.record("evaluate") is None:
        yield "not made yet"
        return
    scores = json.loads((run / "evaluate" / "scores.json").read_bytes())
    # The metric that the verdict rests on first.
    shown = {scores["plan"]["metric"]: scores["fit"]["title"], "exact_match": "exact match", "chrf": "chrF"}
    mine = [entry for entry in _json_lines(file) if entry["sample_id"] in ids]
    for entry in mine:
        yield f"{entry['arm']}: {', '.join(f'{title} {entry[name]:.4g}' for name, title in shown.items())}"
        yield f"  reference {_quoted(entry['reference'])}"
        yield f"  output    {_quoted(entry['output'])}"
    if not mine:
        yield "not scored"


def _tokens(run: Run, ids: Collection[str]) -> Iterator[str]:
    if run.record("tokens") is None:
        yield "not made yet"
        return
    from arro3.io import read_ipc

    found = False
    for name in ("train", "val", "test"):
        row = 0
        for batch in read_ipc(run / "tokens" / f"{name}.arrow"):
            labels = batch["labels"]
            for i, sample_id in enumerate(batch["sample_id"].to_pylist()):
                row += 1
                if sample_id in ids:
                    found = True
                    mask = labels[i].as_py()
                    trained = sum(label != -100 for label in mask)
                    yield f"tokens/{name}.arrow row {row}: {len(mask):,} tokens, {trained:,} of them trained"
    for entry in _json_lines(run / "tokens" / "rejected.jsonl"):
        if entry["sample_id"] in ids:
            found = True
            yield f"rejected ({entry['code']}): {entry['reason']}"
    if not found:
        yield "no tokens"


def _split(run: Run, ids: Collection[str]) -> Iterator[str]:
    if run.record("split") is None:
        yield "not made yet"
        return
    mine = [row for row in _rows_of_split(run) if row["sample_id"] in ids]
    for row in mine:
        yield f"split/{row['split']}.jsonl:{row['line']}"
    if not mine:
        yield "in no split"


def _rows_of_split(run: Run) -> list[dict[str, Any]]:
    """Each row that was split: its id, split and line; none where there is no split."""
    file = run / "split" / "split.json"
    rows: list[dict[str, Any]] = json.loads(file.read_bytes())["rows"] if file.exists() else []
    return rows


def _clean(run: Run, places: list[Part], changed: Mapping[Any, dict[str, Any]]) -> Iterator[str]:
    if run.record("clean") is None:
        yield "not made yet"
        return
    why = {
        (entry["path"], entry["line"], entry["part"]): entry for entry in _json_lines(run / "clean" / "rejected.jsonl")
    }
    for part in places:
        path, line, number, _ = part.place
        rejected = why.get((path, line, number))
        if rejected is None and (change := changed.get((path, line, number))):
            codes = f" ({', '.join(change['codes'])})" if change["codes"] else ""
            yield f"{path}:{line} changed to {change['sample_id']} by {change['by']}{codes}: {change['reason']}"
        elif rejected is None:
            yield f"{path}:{line} kept"
        else:
            code = f" ({rejected['code']})" if rejected["code"] else ""
            yield f"{path}:{line} rejected by {rejected['by']}{code}: {rejected['reason']}"


def _decision(run: Run, ids: Collection[str]) -> Iterator[str]:
    decisions = read_decisions(run)
    made = [decisions[sample_id] for sample_id in ids if sample_id in decisions]
    if not made:
        yield "none"
    for decision in made:
        reason = f": {decision.reason}" if decision.reason else ""
        sight = f" in sight of {', '.join(decision.codes)}" if decision.codes else ""
        yield f"{decision.action} by {decision.by} at {decision.at}{sight}{reason}"


def _check(run: Run, ids: Collection[str]) -> Iterator[str]:
    found = json.loads((run / "check.json").read_bytes())["findings"]
    mine = [finding for finding in found if finding["sample_id"] in ids]
    for finding in mine:
        place = f"{finding['path']}:{finding['line']}"
        yield f"{place} {finding['severity']} {finding['code']} {finding['rule']}: {finding['message']}"
    if not mine:
        yield "no findings"


def _data(run: Run, places: list[Part]) -> Iterator[str]:
    record = run.record("check")
    hashes = record["reads"] if record else {}
    for part in places:
        path = part.place.path
        is_same = hashes.get(path) == file_hash(run.source(path))
        yield f"{path}:{part.place.line}{'' if is_same else '  (the file changed since it was checked)'}"
        for place in origins(run.source(path), str(part.place.sample_id)):
            yield f"mixed from {place.path}:{place.line}"
        yield part.data.decode("utf-8", "backslashreplace")


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        with file.open("rb") as lines:
            yield from (json.loads(line) for line in lines)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…", ensure_ascii=False)
