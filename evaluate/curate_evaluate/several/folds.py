"""Out-of-fold scores: every row of the data scored by an adapter that never saw it.

Each fold is a run folder of its own, RUN/folds/1 and so on: the data and the settings are the run's, and the rows of
the fold are its test. Their scores are pooled and compared as those of one test.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run import ensure
from curate.steps import before, defaults
from curate_evaluate.arms.cases import read_rows
from curate_evaluate.outputs import EVALUATION, SCORES, read_examples, read_scores, write_outputs
from curate_evaluate.several.basis import OF_FOLDS, basis
from curate_evaluate.several.inner import inner_run, make_steps, refuse_untrained
from curate_evaluate.several.pool import Part, pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.run import Run
    from curate.run.step import Config

FOLDER = "evaluate-folds"


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
    if given.get("adapter"):
        raise CurateError("--adapter with --folds: each fold is answered by an adapter that never saw it, made for it")
    refuse_untrained(run, "folds")
    ensure(run, before(run, "tokens"), say)
    document = json.loads((run / "split" / "split.json").read_bytes())
    if not document["folds"] or document.get("fold"):
        raise CurateError(f"{run.folder}: its rows are in no folds; run first: curate split {run.folder} --folds 5")
    record = run.record("evaluate")
    config = defaults("evaluate") | (record["config"] if record else {}) | given | {"adapter": None}
    config |= {name: value for name, value in _settled(run).items() if config[name] is None}
    numbers = sorted({row["fold"] + 1 for row in document["rows"]})
    of = basis(run, OF_FOLDS)
    folds = {number: inner_run(run, "folds", number) for number in numbers}
    first = folds[numbers[0]]
    if config["shots"] is None or config["metric"] is None:
        if not _settled(first):
            _make(run, first, numbers[0], config, say)
        config |= {name: value for name, value in _settled(first).items() if config[name] is None}
    for number, fold in folds.items():
        _make(run, fold, number, config, say)
    found, lines = pool(document["rows"], [_part(fold, number) for number, fold in folds.items()], config)
    found["of"] = of
    write_outputs(run / FOLDER, found, lines)
    return found


def _settled(run: Run) -> Config:
    """How many examples and which metric an evaluation had, so that others have the same; {} where there is none."""
    folder = run / EVALUATION
    if run.record("evaluate") is None or not (folder / SCORES).is_file():
        return {}
    scores = read_scores(folder)
    return {"shots": scores["prompt"]["shots"], "metric": scores["plan"]["metric"]}


def _make(run: Run, fold: Run, number: int, config: Config, say: Callable[[str], None]) -> None:
    split = run.config("split") | {"fold": number}
    steps = {"split": split, "tokens": run.config("tokens"), "train": run.config("train"), "evaluate": config}
    make_steps(fold, steps, say)


def _part(fold: Run, number: int) -> Part:
    rejected = [json.loads(line) for line in (fold / "tokens" / "rejected.jsonl").read_bytes().splitlines()]
    ids = frozenset(row["sample_id"] for row in rejected if row["split"] == "test")
    answers = Counter(row["sample_id"] for row in read_rows(fold / "tokens" / "test.arrow", ("sample_id",)))
    return Part(number, read_scores(fold / EVALUATION), read_examples(fold / EVALUATION), answers, ids)
