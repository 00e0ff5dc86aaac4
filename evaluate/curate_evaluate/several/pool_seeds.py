"""The scores of several trainings that differ in their seed, as those of fine-tuning. Pure: nothing here trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate import scoring
from curate_evaluate.arms.arm import TUNED
from curate_evaluate.metrics import METRICS
from curate_evaluate.prices import pooled_costs
from curate_evaluate.report.words import contamination, costs, declared, headline, shown
from curate_evaluate.several.pool import arm_of, as_dicts
from curate_evaluate.stats import OverSeeds, compare, compare_seeds, seeds_to_show
from curate_evaluate.verdict import SEEDS, Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.run.step import Config
    from curate_evaluate.stats import Difference

SCHEMA = "curate.evaluate-seeds/1"
MEANS = ("length_stops", "tokens", "prompt_tokens", "seconds", "macro_f1")


@dataclass(frozen=True)
class Trained:
    """One training: its seed, where it is, and what its evaluation wrote: scores.json, the lines of examples.jsonl."""

    seed: int
    run: str
    scores: Mapping[str, Any]
    examples: Sequence[dict[str, Any]]

    @property
    def again(self) -> str:
        return f"evaluate it again: curate evaluate {self.run} --force"


def pool_seeds(trained: Sequence[Trained], plan: Plan, config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The scores of all trainings as one: what scores.json says, and the lines of examples.jsonl with their seed.

    A row's score is its mean over the seeds. From SEEDS of them on, the intervals hold for other seeds too; of two they
    are those of just these two.

    Args:
        trained: each training, all of them evaluated on the same rows.
        plan: metric, margin and arms, as they were declared.
        config: of the evaluations.

    Raises:
        CurateError: a training whose evaluation has other arms, rows or metrics than the first one's.
    """
    first = trained[0]
    rows = [line for line in first.examples if line["arm"] == TUNED]
    for one in trained:
        _refuse_another(first, one)
    arms = {name: arm_of(facts) for name, facts in first.scores["arms"].items()}
    metrics = list(first.scores["differences"])
    of_arm = {
        name: {
            metric: [[line[metric] for line in one.examples if line["arm"] == name] for one in trained]
            for metric in metrics
        }
        for name in arms
    }
    scores = {
        name: {metric: _means(by_seed) for metric, by_seed in of_metric.items()} for name, of_metric in of_arm.items()
    }
    baselines = plan.arms[1:]

    def differences(metric: str, places: Sequence[int]) -> dict[str, Difference]:
        shared = {
            "clusters": [rows[i]["sample_id"] for i in places],
            "full": METRICS[metric].full,
            "seed": config["seed"],
        }
        by_seed = [[values[i] for i in places] for values in of_arm[TUNED][metric]]
        compared: dict[str, Difference] = {}
        for name in baselines:
            before = [scores[name][metric][i] for i in places]
            if len(trained) >= SEEDS:
                compared[name] = compare_seeds(before, by_seed, **shared)
            else:
                compared[name] = compare(before, _means(by_seed), **shared)
        return compared

    everywhere = range(len(rows))
    by_metric = {metric: differences(metric, everywhere) for metric in metrics}
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "n": len(rows),
        "clusters": len({line["sample_id"] for line in rows}),
        "seeds": [
            {
                "seed": one.seed,
                "run": one.run,
                "n": len(rows),
                "score": sum(values) / len(values),
            }
            for one, values in zip(trained, of_arm[TUNED][plan.metric], strict=True)
        ],
        "fit": first.scores["fit"],
        "plan": asdict(plan),
        "verdict": _verdict(by_metric[plan.metric], plan),
        "arms": {
            name: {
                "title": arm.title,
                **asdict(arm),
                "scores": {metric: sum(values) / len(values) for metric, values in scores[name].items()},
                **{
                    key: sum(one.scores["arms"][name][key] for one in trained) / len(trained)
                    for key in MEANS
                    if key in first.scores["arms"][name]
                },
            }
            for name, arm in arms.items()
        },
        "differences": as_dicts(by_metric),
        "detectable": scoring.can_be_found(len(rows)),
        "contamination": dict(first.scores["contamination"]),
    }
    if prices := pooled_costs([one.scores.get("prices") for one in trained], found["arms"]):
        found["prices"] = prices
    leaked = {entry["line"] for entry in first.scores["contamination"]["found"]}
    clean = [i for i in everywhere if rows[i]["line"] not in leaked]
    if 0 < len(clean) < len(rows):
        without = differences(plan.metric, clean)
        found["contamination"]["without"] = {
            "differences": {name: asdict(one) for name, one in without.items()},
            **_verdict(without, plan),
        }
    lines = [
        {"seed": one.seed if arms[line["arm"]].tuned else None, **line}
        for one in trained
        for line in one.examples
        if arms[line["arm"]].tuned or one is first
    ]
    return found, lines


def _refuse_another(first: Trained, other: Trained) -> None:
    """Raises:
    CurateError: the two were not asked the same.
    """
    for what, asked in (
        ("arms", lambda one: {name: asdict(arm_of(facts)) for name, facts in one.scores["arms"].items()}),
        ("metrics", lambda one: list(one.scores["differences"])),
        ("rows", lambda one: [(line["arm"], line["line"], line["prompt_ids_sha256"]) for line in one.examples]),
        ("prompts", lambda one: [line.get("sent") for line in one.examples]),
    ):
        if asked(other) != asked(first):
            raise CurateError(f"{other.run}: was evaluated with other {what} than {first.run}; {other.again}")


def _means(by_seed: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each row; exactly the value that all have, where they have one."""
    return [
        values[0] if min(values) == max(values) else sum(values) / len(values) for values in zip(*by_seed, strict=True)
    ]


def _verdict(differences: Mapping[str, Difference], plan: Plan) -> dict[str, Any]:
    facts = scoring.verdict_facts(differences, plan)
    open_ones = [differences[name] for name, verdict in facts["by_baseline"].items() if verdict == Verdict.CANNOT_TELL]
    over_seeds = [one for one in open_ones if isinstance(one, OverSeeds)]
    needed = [seeds_to_show(one, plan.units) for one in over_seeds]
    enough = [count for count in needed if count is not None]
    return facts | {"needed_seeds": max(enough) if enough and len(enough) == len(open_ones) else None}


def said(found: Mapping[str, Any], plans: Sequence[Mapping[str, Any]]) -> str:
    """The result in a few lines: the verdict, what each seed scored, and what else a reader has to know."""
    metric = found["plan"]["metric"]
    scores = ", ".join(f"{shown(metric, one['score'])} with seed {one['seed']}" for one in found["seeds"])
    notes = [f"{METRICS[metric].title} of the {len(found['seeds'])} trainings: {scores}"]
    if len(found["seeds"]) < SEEDS:
        notes.append(f"two seeds say little of others: the interval is that of these two (--seeds {SEEDS} or more)")
    notes += [*costs(found), contamination(found)]
    if len(plans) > 1:
        notes.append(declared(plans))
    return "\n".join([f"evaluate: {headline(found)}", *notes])
