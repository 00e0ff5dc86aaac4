"""Out-of-fold scores: every row of the data scored by an adapter that never saw it.

Each fold is a run folder of its own, RUN/folds/1 and so on: the data and the settings are the run's, and the rows of
the fold are its test. Their scores are pooled and compared as those of one test.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.review.decisions import Decisions
from curate.run import Run, ensure, why_stale
from curate.steps import before, defaults, step
from curate_evaluate.pool import Part, pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curate.run.step import Config

FOLDER = "evaluate-folds"
# The tokens too, though they are made anew: they keep the day that a template may write into prompts.
COPIED = ("check", "clean", "split", "tokens")


def evaluate_folds(run: Run, given: Config, say: Callable[[str], None]) -> dict[str, Any]:
    """Make what is missing or stale of each fold, pool the scores, and write evaluate-folds/.

    Args:
        run: one that was trained, with folds in its split.
        given: settings of the step evaluate; the others are those of the run's own evaluation.
        say: gets a line at a time: which step is made, and why.

    Returns:
        evaluate-folds/scores.json.

    Raises:
        CurateError: no folds, no training, or rows that were not scored exactly once.
    """
    for name in ("tokens", "train"):
        if run.record(name) is None:
            raise CurateError(
                f"{run.folder}: was not trained yet, and its folds are trained with its settings; run first: "
                f"curate train {run.folder} --model DIR"
            )
    for one, config in before(run, "tokens"):
        if why_stale(run, one, config):
            ensure(run, [(one, config)], say)
    document = json.loads((run / "split" / "split.json").read_bytes())
    if not document["folds"] or document.get("fold"):
        raise CurateError(f"{run.folder}: its rows are in no folds; run first: curate split {run.folder} --folds 5")
    record = run.record("evaluate")
    config = defaults("evaluate") | (record["config"] if record else {}) | given
    config |= {name: value for name, value in _settled(run).items() if config[name] is None}
    numbers = sorted({row["fold"] + 1 for row in document["rows"]})
    folds = {number: fold_run(run, number) for number in numbers}
    first = folds[numbers[0]]
    if config["shots"] is None or config["metric"] is None:
        if not _settled(first):
            _make(run, first, numbers[0], config, say)
        config |= {name: value for name, value in _settled(first).items() if config[name] is None}
    for number, fold in folds.items():
        _make(run, fold, number, config, say)
    found, lines = pool(document["rows"], [_part(fold, number) for number, fold in folds.items()], config)
    _write(run, found, lines)
    return found


def fold_run(run: Run, number: int) -> Run:
    """The run folder of a fold, with the data, findings, decisions and split of `run` as they are now.

    Later steps in it stay, and are stale where what they read is another now.
    """
    fold = Run(run / "folds" / str(number))
    records = {name: record for name in COPIED if (record := run.record(name))}
    manifest = fold.manifest() if fold.is_made else {**run.manifest(), "name": str(number), "steps": {}, "plans": []}
    if manifest.get("copied") == records:
        return fold
    fold.folder.mkdir(parents=True, exist_ok=True)
    for name in {file.partition("/")[0] for record in records.values() for file in record["writes"]}:
        if (run / name).is_dir():
            shutil.rmtree(fold / name, ignore_errors=True)
            shutil.copytree(run / name, fold / name)
        else:
            shutil.copy2(run / name, fold / name)
    manifest["steps"] |= records
    # Last: a copy that was interrupted is made again.
    fold.save({**manifest, "directory": run.manifest()["directory"], "copied": records})
    Decisions(fold).add_log(Decisions(run).log())
    return fold


def _settled(run: Run) -> Config:
    """How many examples and which metric an evaluation had, so that others have the same; {} where there is none."""
    file = run / "evaluate" / "scores.json"
    if run.record("evaluate") is None or not file.is_file():
        return {}
    scores = json.loads(file.read_bytes())
    return {"shots": scores["prompt"]["shots"], "metric": scores["plan"]["metric"]}


def _make(run: Run, fold: Run, number: int, config: Config, say: Callable[[str], None]) -> None:
    split = run.config("split") | {"fold": number}
    steps = {"split": split, "tokens": run.config("tokens"), "train": run.config("train"), "evaluate": config}
    for name, settings in steps.items():
        if why_stale(fold, step(name), settings):
            ensure(fold, [(step(name), settings)], say)


def _part(fold: Run, number: int) -> Part:
    scores = json.loads((fold / "evaluate" / "scores.json").read_bytes())
    examples = [json.loads(line) for line in (fold / "evaluate" / "examples.jsonl").read_bytes().splitlines()]
    rejected = [json.loads(line) for line in (fold / "tokens" / "rejected.jsonl").read_bytes().splitlines()]
    return Part(number, scores, examples, frozenset(row["sample_id"] for row in rejected if row["split"] == "test"))


def _write(run: Run, found: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / "examples.jsonl", mode=0o600) as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
    with atomic_write(folder / "scores.json") as file:
        file.write(json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n")
