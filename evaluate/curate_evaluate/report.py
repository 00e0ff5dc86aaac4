"""The step report: what the scores allow to say, the examples side by side, and where each came from."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from curate.io.write import atomic_write
from curate.run import Run, Step
from curate_evaluate.judging.pairs import PLAN
from curate_evaluate.judging.report import judged
from curate_evaluate.judging.votes import VOTES
from curate_evaluate.page import to_html
from curate_evaluate.words import headline, notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.run.step import Config

SCHEMA = "curate.report/1"


def make(run: Run, config: Config, out: Path) -> str:
    report = build(run)
    with atomic_write(out / "report.json", mode=0o600) as file:
        file.write(json.dumps(report, indent=2, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
    with atomic_write(out / "report.html", mode=0o600) as file:
        file.write(to_html(report, run.folder.name).encode(errors="replace"))
    return f"report: {report['headline']}"


def build(run: Run) -> dict[str, Any]:
    """The report as report.json holds it."""
    scores = json.loads((run / "evaluate/scores.json").read_bytes())
    lines = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    scores["judging"] = judged(run)
    return {
        **scores,
        "schema": SCHEMA,
        "headline": headline(scores, shlex.quote(str(run.folder))),
        "notes": notes(scores),
        "plans": [plan for plan in run.manifest().get("plans", []) if plan["seeds"] == scores["plan"]["seeds"]],
        "examples": side_by_side(lines),
        "provenance": provenance(run),
    }


def side_by_side(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
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


def provenance(run: Run) -> dict[str, Any]:
    steps = {name: record for name, record in run.manifest()["steps"].items() if name != "report"}
    return {"steps": steps, "breaks": breaks(steps)}


def breaks(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the steps do not follow from each other: a step read a file that was written anew since.

    Without breaks each score leads back, from file to file, to the rows that were read first.
    """
    written = {file: (name, sha256) for name, step in steps.items() for file, sha256 in step["writes"].items()}
    return [
        f"{name} read an earlier {file}: {written[file][0]} has written another since"
        for name, step in steps.items()
        for file, sha256 in step["reads"].items()
        if file in written and written[file][1] != sha256
    ]


def reads(run: Run, config: Config) -> list[Path]:
    files = [run / "evaluate/scores.json", run / "evaluate/examples.jsonl"]
    return [*files, *(file for name in (PLAN, VOTES) if (file := run / name).is_file())]


STEP = Step(
    name="report",
    reads=reads,
    writes=("report.json", "report.html"),
    make=make,
    command=lambda run, config: f"curate report {run.folder}",
    after="evaluate",
)
