"""The rows of a split as the other steps read them, and the form that is rows: OpenAI's fine-tuning files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.formats import survey
from curate.formats.tools import dump_json
from curate.io import find_inputs, parse_row
from curate.report.phrases import count
from curate.run.data import Part, rows_of
from curate_train.export import openai
from curate_train.export.made import SUMMARY, Made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from curate.run import Run


def read_split(run: Run, split: str) -> Iterator[Part]:
    """What a split holds, row by row, with the format and the columns of the check; rows that cannot be read too.

    Raises:
        CurateError: there is no such split.
    """
    file = run / "split" / f"{split}.jsonl"
    if not file.is_file():
        raise CurateError(f"{file}: is missing; make it: curate split {run.folder}")
    check = run.config("check")
    if not file.stat().st_size:
        return
    (source,) = find_inputs([str(file)])
    values = (value for row in source.rows() if row.data for value in parse_row(row.data).values)
    layout = survey(values, forced=check["format"], columns=check["columns"])
    for row in rows_of(source, layout):
        yield from row.parts


def for_openai(run: Run, config: dict[str, Any], folder: Path) -> Made:
    counts: dict[str, int] = {}
    left_out: list[dict[str, Any]] = []
    for split, name in (("train", "train.jsonl"), ("val", "validation.jsonl")):
        counts[name] = 0
        with (folder / name).open("wb") as file:
            for part in read_split(run, split):
                sample = part.sample and openai.with_call_ids(part.sample)
                found = list(openai.faults(sample)) if sample else [f"cannot be read ({part.faults[0].message})"]
                if sample is None or found:
                    place = part.place
                    left_out.append({"split": split, "line": place.line, "sample_id": place.sample_id, "why": found})
                    continue
                file.write(dump_json(openai.as_row(sample)).encode() + b"\n")
                counts[name] += 1
    if not counts["train.jsonl"]:
        why = f": line {left_out[0]['line']} of train {left_out[0]['why'][0]}" if left_out else ""
        raise CurateError(f"{run / 'split'}: no row can be written for OpenAI{why}")
    warnings = []
    if counts["train.jsonl"] < openai.LEAST_ROWS:
        warnings.append(f"{counts['train.jsonl']} rows to train on, and the API wants {openai.LEAST_ROWS} at least")
    if left_out:
        first = left_out[0]
        warnings.append(
            f"{count(len(left_out), 'row')} left out, as {SUMMARY} lists; the first: split/{first['split']}.jsonl:"
            f"{first['line']} {first['why'][0]}"
        )
    return Made(
        ", ".join(f"{count(rows, 'row')} in {name}" for name, rows in counts.items()),
        {"rows": counts, "left_out": left_out},
        warnings,
    )
