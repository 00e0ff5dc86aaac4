"""The step report: what the scores allow to say, the examples side by side, and where each came from."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from curate.io.write import atomic_write
from curate.review.decisions import decisions_file
from curate.run import Run, Step
from curate_evaluate.history import histories
from curate_evaluate.judging.pairs import PLAN
from curate_evaluate.judging.report import judged
from curate_evaluate.judging.votes import VOTES
from curate_evaluate.outputs import EVALUATION, EXAMPLES, SCORES, read_examples, read_scores, side_by_side
from curate_evaluate.report.page import to_html
from curate_evaluate.report.words import headline, notes
from curate_evaluate.several.basis import differing
from curate_evaluate.several.folds import FOLDER as FOLDS
from curate_evaluate.several.seeds import FOLDER as SEEDS
from curate_train.log import read_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.run.step import Config

SCHEMA = "curate.report/1"
# Several evaluations as one, by the folder of their scores, and what each of them is.
POOLED = {FOLDS: "fold", SEEDS: "seed"}
# A curve of more points looks the same.
MOST_POINTS = 300


def reads(run: Run, config: Config) -> Sequence[Path]:
    more = ["train/log.jsonl", "train/train.json", "clean/changed.jsonl", PLAN, VOTES]
    if kept := [file for folder in POOLED if (run / (file := f"{folder}/{SCORES}")).is_file()]:
        more += [*kept, "split/split.json", "tokens/tokens.json"]
    return [
        *(run / EVALUATION / name for name in (SCORES, EXAMPLES)),
        run / "check.json",
        *(file for file in (*(run / name for name in more), decisions_file(run)) if file.is_file()),
    ]


def make(run: Run, config: Config, out: Path) -> str:
    report = build(run)
    with atomic_write(out / "report.json", mode=0o600) as file:
        file.write(json.dumps(report, indent=2, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
    with atomic_write(out / "report.html", mode=0o600) as file:
        file.write(to_html(report, run.folder.name).encode(errors="replace"))
    return f"report: {report['headline']}"


def build(run: Run) -> dict[str, Any]:
    """The report as report.json holds it."""
    scores, lines = read_scores(run / EVALUATION), read_examples(run / EVALUATION)
    scores["judging"] = judged(run)
    several = {folder: read_scores(run / folder) for folder in POOLED if (run / folder / SCORES).is_file()}
    others = {folder: said for folder, found in several.items() if (said := of_another(run, folder, found))}
    scores["not_tested"] = [*scores["not_tested"], *others.values()]
    known = histories(run, {line["sample_id"] for line in lines})
    return {
        **scores,
        "schema": SCHEMA,
        "headline": headline(scores, shlex.quote(str(run.folder))),
        "notes": notes(scores),
        "plans": [plan for plan in run.manifest().get("plans", []) if plan["seeds"] == scores["plan"]["seeds"]],
        "pooled": [pooled(folder, found) for folder, found in several.items() if folder not in others],
        "curves": curves(run),
        "examples": [
            {**example, "row": known[example["sample_id"]].as_json()} for example in named(side_by_side(lines))
        ],
        "provenance": provenance(run),
    }


def named(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each example with the name by which links point at it: of its content, so that it outlives another evaluation."""
    times: Counter[str] = Counter()
    found = []
    for example in examples:
        name = f"{example['sample_id'].removeprefix('v1:')[:12]}-{example['prompt_ids_sha256'][:6]}"
        times[name] += 1
        found.append({"name": name if times[name] == 1 else f"{name}-{times[name]}", **example})
    return found


def curves(run: Run) -> dict[str, Any] | None:
    """The losses of the training by step, of long ones averages; None where its log is gone."""
    log = read_log(run / "train/log.jsonl")
    if not log:
        return None
    training = json.loads((run / "train/train.json").read_bytes())
    return {
        "training": thinned([(line["step"], line["loss"]) for line in log if "loss" in line]),
        "validation": [(line["step"], line["val_loss"]) for line in log if "val_loss" in line],
        "kept": training.get("best_step"),
        "advice": training.get("advice", []),
    }


def thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def of_another(run: Run, folder: str, scores: Mapping[str, Any]) -> str | None:
    """Why an evaluation over several folds or seeds says nothing of the run as it is now, and what to do; None where it
    is of the same data and settings."""
    by = POOLED[folder]
    if "of" not in scores:
        why = "it does not say of which data it is"
    elif found := differing(run, scores):
        why = f"the {' and the '.join(found)} changed since"
    else:
        return None
    again = "--folds" if by == "fold" else f"--seeds {len(scores['seeds'])}"
    command = f"curate evaluate {shlex.quote(str(run.folder))} {again}"
    return f"Over several {by}s: {folder}/{SCORES} is left out, as {why}; make it again: {command}."


def pooled(folder: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation over several folds or seeds that stands beside this one: its verdict and its parts."""
    by = POOLED[folder]
    return {
        "folder": folder,
        "by": by,
        "headline": headline(scores),
        "metric": scores["plan"]["metric"],
        "n": scores["n"],
        "verdict": scores["verdict"]["verdict"],
        "parts": [
            {"name": str(part[by]), **{key: part[key] for key in ("run", "n", "score")}} for part in scores[f"{by}s"]
        ],
    }


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


STEP = Step(
    name="report",
    reads=reads,
    writes=("report.json", "report.html"),
    make=make,
    command=lambda run, config: f"curate report {run.folder}",
    after="evaluate",
)
