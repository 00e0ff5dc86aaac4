"""Fine-tuning and not one adapter: the settings of a run trained with several seeds, evaluated on the same rows.

Each seed is a run folder of its own, RUN/seeds/1 and so on, with the data, the split and the tokens of the run; its own
adapter is the first of them. What the base model answered is shared: it is asked once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run import ensure
from curate.steps import before, defaults
from curate_evaluate.answering.answers import Answers
from curate_evaluate.metrics import METRICS
from curate_evaluate.outputs import EVALUATION, read_examples, read_scores, write_outputs
from curate_evaluate.several.basis import OF_SEEDS, basis
from curate_evaluate.several.inner import inner_run, make_steps, refuse_untrained
from curate_evaluate.several.pool_seeds import Trained, pool_seeds
from curate_evaluate.verdict import Plan, declare

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.run import Run
    from curate.run.step import Config

FOLDER = "evaluate-seeds"
ANSWERS = "answers.jsonl"


def evaluate_seeds(run: Run, count: int, given: Config, say: Callable[[str], None]) -> dict[str, Any]:
    """Make what is missing or stale of each training, pool the scores, and write evaluate-seeds/.

    Args:
        run: one that was trained; its own seed counts as one.
        count: how many seeds, 2 or more.
        given: settings of the step evaluate; the others are those of the run's own evaluation.
        say: gets a line at a time: which step is made, and why.

    Returns:
        evaluate-seeds/scores.json.

    Raises:
        CurateError: no training, one that failed or was chosen among seeds, or evaluations that differ in more.
    """
    if given.get("adapter"):
        raise CurateError("--adapter with --seeds: each seed is answered by an adapter of its own, made for it")
    refuse_untrained(run, "seeds")
    train = run.config("train")
    if "seed" in (train["sweep"] or ()):
        raise CurateError(
            f"{run.folder}: was trained with a sweep over seeds, and the best of several says nothing of the others; "
            f"train it with one: curate train {run.folder} --seed 0 --force"
        )
    ensure(run, before(run, "evaluate"), say)
    record = run.record("evaluate")
    config = defaults("evaluate") | (record["config"] if record else {}) | given | {"adapter": None}
    make_steps(run, {"evaluate": config}, say)
    of = basis(run, OF_SEEDS)
    first = _trained(train["seed"], run)
    of_one = first.scores["plan"]
    plan = Plan(
        metric=of_one["metric"],
        full=METRICS[of_one["metric"]].full,
        arms=tuple(of_one["arms"]),
        margin=of_one["margin"],
        seeds=count,
    )
    declare(run, plan)
    trained = [first]
    for seed in range(train["seed"] + 1, train["seed"] + count):
        inner = inner_run(run, "seeds", seed)
        settings = train | {"seed": seed, "_sources": {**train["_sources"], "seed": "flag"}}
        make_steps(inner, {"train": settings}, say)
        Answers(inner / ANSWERS).add_all(Answers(run / ANSWERS))
        make_steps(inner, {"evaluate": config}, say)
        trained.append(_trained(seed, inner))
    found, lines = pool_seeds(trained, plan, config)
    found["of"] = of
    write_outputs(run / FOLDER, found, lines)
    return found


def _trained(seed: int, run: Run) -> Trained:
    return Trained(seed, str(run.folder), read_scores(run / EVALUATION), read_examples(run / EVALUATION))


def plans_of(run: Run) -> list[dict[str, Any]]:
    """The declared plans about several seeds."""
    return [plan for plan in run.manifest().get("plans", []) if plan["seeds"] > 1]
