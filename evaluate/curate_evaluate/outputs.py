"""What an evaluation leaves in its folder: its scores, and what every arm wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.io.write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Of a run's own evaluation; several as one have folders of their own.
EVALUATION = "evaluate"
SCORES, EXAMPLES = "scores.json", "examples.jsonl"


def write_outputs(folder: Path, scores: Mapping[str, Any], examples: Iterable[Mapping[str, Any]]) -> None:
    """Write both files; `examples` are lines, one an example and arm."""
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / EXAMPLES, mode=0o600) as file:
        for line in examples:
            file.write(json.dumps(line, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
    with atomic_write(folder / SCORES) as file:
        file.write(json.dumps(scores, indent=2, ensure_ascii=False).encode() + b"\n")


def read_scores(folder: Path) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads((folder / SCORES).read_bytes())
    return scores


def read_examples(folder: Path) -> list[dict[str, Any]]:
    """The lines, one an example and arm."""
    return [json.loads(line) for line in (folder / EXAMPLES).read_bytes().splitlines()]


def side_by_side(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One record an example, with the outputs by arm. Equal rows share a sample id: their lines tell them apart, and
    the answers of one row their prompts."""
    shared = ("sample_id", "line", "prompt", "prompt_ids_sha256", "reference")
    examples: dict[tuple[str, int, str], dict[str, Any]] = {}
    for line in lines:
        example = examples.setdefault(
            (line["sample_id"], line["line"], line["prompt_ids_sha256"]),
            {key: line[key] for key in shared} | {"outputs": {}},
        )
        example["outputs"][line["arm"]] = {
            key: value for key, value in line.items() if key not in shared and key != "arm"
        }
    return list(examples.values())
