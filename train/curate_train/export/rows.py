"""The form that is rows: OpenAI's fine-tuning files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.api import read
from curate.errors import CurateError
from curate.formats.tools import dump_json
from curate_train.export import openai
from curate_train.export.made import SUMMARY, Made

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run


def for_openai(run: Run, config: dict[str, Any], folder: Path) -> Made:
    counts: dict[str, int] = {}
    left_out: list[dict[str, Any]] = []
    for split, name in (("train", "train.jsonl"), ("val", "validation.jsonl")):
        counts[name] = 0
        with (folder / name).open("wb") as file:
            source = run / "split" / f"{split}.jsonl"
            for sample in map(openai.with_call_ids, read(str(source)) if source.stat().st_size else ()):
                if found := list(openai.faults(sample)):
                    left_out.append({"split": split, "line": sample.line, "sample_id": sample.id, "why": found})
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
            f"{len(left_out):,} rows left out, as {SUMMARY} lists; the first: split/{first['split']}.jsonl:"
            f"{first['line']} {first['why'][0]}"
        )
    return Made(
        ", ".join(f"{rows:,} rows in {name}" for name, rows in counts.items()),
        {"rows": counts, "left_out": left_out},
        warnings,
    )
