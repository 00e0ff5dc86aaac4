"""From answers to scores, differences and the verdict. Pure: nothing here asks a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate_evaluate.metrics import METRICS, macro_f1, score
from curate_evaluate.stats import compare, detectable
from curate_evaluate.thoughts import without_thoughts
from curate_evaluate.verdict import Verdict, decide

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from curate_evaluate.answering.answers import Answer
    from curate_evaluate.arms import Arm
    from curate_evaluate.metrics import Fit
    from curate_evaluate.stats import Difference
    from curate_evaluate.verdict import Decision, Plan

# The shares of differing examples for which it is said, before a run, what can be found.
CHANGED = (0.1, 0.2, 0.3)
# Scores that are permuted at once, which bounds the memory: 8 bytes each, and as many for their order.
PERMUTED = 1_000_000


@dataclass(frozen=True)
class Scored:
    """One arm on all examples, in their order."""

    arm: Arm
    answers: Sequence[Answer]
    scores: Mapping[str, Sequence[float]]

    def mean(self, metric: str) -> float:
        values = self.scores[metric]
        return sum(values) / len(values)


def score_arm(arm: Arm, answers: Sequence[Answer], references: Sequence[str], fit: Fit) -> Scored:
    """Every metric of `fit` for each answer of an arm."""
    rows = [
        score(
            without_thoughts(answer.text),
            without_thoughts(reference),
            fit.metrics,
            labels=fit.labels,
            encoder=fit.encoder,
        )
        for answer, reference in zip(answers, references, strict=True)
    ]
    return Scored(arm, answers, {name: [row[name] for row in rows] for name in fit.metrics})


def part(scored: Scored, rows: Sequence[int], metric: str) -> Scored:
    """Some of the examples, on one metric."""
    values = scored.scores[metric]
    return Scored(scored.arm, [scored.answers[i] for i in rows], {metric: [values[i] for i in rows]})


def differences(
    tuned: Scored, baselines: Sequence[Scored], clusters: Sequence[Hashable], *, seed: int
) -> dict[str, dict[str, Difference]]:
    """The comparison of the fine-tuned arm with each baseline, by metric and then by the baseline's name."""
    return {
        metric: {
            other.arm.name: compare(
                other.scores[metric], values, clusters=clusters, full=METRICS[metric].full, seed=seed
            )
            for other in baselines
        }
        for metric, values in tuned.scores.items()
    }


def arm_facts(scored: Scored, references: Sequence[str], fit: Fit) -> dict[str, Any]:
    """What scores.json says of an arm: means over the examples, and what an answer costs."""
    n = len(scored.answers)
    facts: dict[str, Any] = {
        "title": scored.arm.title,
        **asdict(scored.arm),
        "scores": {name: scored.mean(name) for name in scored.scores},
        "length_stops": sum(answer.stopped == "length" for answer in scored.answers),
        "tokens": sum(answer.tokens for answer in scored.answers) / n,
        "prompt_tokens": sum(answer.prompt_tokens for answer in scored.answers) / n,
        "seconds": sum(answer.seconds for answer in scored.answers) / n,
        "memory_bytes": max((answer.memory_bytes for answer in scored.answers if answer.memory_bytes), default=None),
    }
    if fit.kind == "labels":
        facts["macro_f1"] = macro_f1(
            [without_thoughts(answer.text) for answer in scored.answers],
            [without_thoughts(reference) for reference in references],
            fit.labels,
        )
    return facts


def training_facts(learned: Scored, tuned: Scored, metric: str, *, seed: int) -> dict[str, Any]:
    """The mean on training rows; `p` is how likely so large an advantage over the held-out rows is by chance alone (a
    permutation test of the rows, one-sided)."""
    import numpy as np
    from scipy.stats import permutation_test

    rows = len(learned.scores[metric]) + len(tuned.scores[metric])
    found = permutation_test(
        (learned.scores[metric], tuned.scores[metric]),
        lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
        vectorized=True,
        batch=max(1, PERMUTED // rows),
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return {"rows": len(learned.answers), "score": learned.mean(metric), "p": float(found.pvalue)}


def can_be_found(n: int) -> list[dict[str, float | None]]:
    """The smallest gain that so many examples would show, by the share of examples on which the arms may differ."""
    return [{"changed": changed, "gain": detectable(n, changed)} for changed in CHANGED]


def verdict_facts(found: Mapping[str, Difference], plan: Plan) -> dict[str, Any]:
    """The decision as scores.json holds it. On a metric that does not tell right from wrong no verdict can rest."""
    decision: Decision = decide(found, plan)
    decides = METRICS[plan.metric].decides
    return {
        "verdict": str(decision.verdict if decides else Verdict.CANNOT_TELL),
        "by_baseline": {name: str(verdict) for name, verdict in decision.by_baseline.items()},
        "decisive": decision.decisive,
        "needed": decision.needed if decides else None,
        "subject": plan.subject,
    }
