"""The scores of several folds as those of one test. Pure: nothing here runs a fold."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate import scoring
from curate_evaluate.arms import Arm
from curate_evaluate.arms.arm import TUNED
from curate_evaluate.metrics import METRICS
from curate_evaluate.prices import pooled_costs
from curate_evaluate.report.words import headline, prices_in_words
from curate_evaluate.scoring import Scored
from curate_evaluate.verdict import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.run.step import Config
    from curate_evaluate.stats import Difference

SCHEMA = "curate.evaluate-folds/1"
NAMED = 5


@dataclass(frozen=True)
class Part:
    """What the evaluation of one fold wrote: scores.json and the lines of examples.jsonl; how many answers its tokens
    have by sample id, and the ids without tokens."""

    fold: int
    scores: Mapping[str, Any]
    examples: Sequence[dict[str, Any]]
    answers: Mapping[str, int]
    rejected: frozenset[str] = frozenset()


def pool(
    rows: Sequence[Mapping[str, Any]], parts: Sequence[Part], config: Config
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The scores of all folds as one test: what scores.json says, and the lines of examples.jsonl with their fold.

    Args:
        rows: those of split.json; `fold` counts from 0 there.
        parts: of each fold.
        config: of the evaluations.

    Raises:
        CurateError: a row (a copy of it, an answer of it) that was not scored exactly once, or an arm that did not
            answer every row.
    """
    missing = _refuse_others(rows, parts)
    arms = {name: arm_of(facts) for name, facts in parts[0].scores["arms"].items()}
    shared = [
        name
        for name, arm in arms.items()
        if all(name in part.scores["arms"] and _same(arm, arm_of(part.scores["arms"][name])) for part in parts)
    ]
    every = dict.fromkeys(name for part in parts for name in part.scores["arms"])
    metrics = [name for name in parts[0].scores["differences"] if all(name in p.scores["differences"] for p in parts)]
    lines = [{"fold": part.fold, **line} for part in parts for line in part.examples if line["arm"] in shared]
    of_arm: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        of_arm[line["arm"]].append(line)
    tuned, n = of_arm[TUNED], len(of_arm[TUNED])
    asked = [(line["fold"], line["line"], line["prompt"]) for line in tuned]
    for name, answered in of_arm.items():
        if [(line["fold"], line["line"], line["prompt"]) for line in answered] != asked:
            raise CurateError(f"{name}: did not answer the rows that {TUNED} answered; {_again(parts[0].fold)}")
    scored = {
        name: Scored(arms[name], (), {metric: [line[metric] for line in of_arm[name]] for metric in metrics})
        for name in shared
    }
    baselines = [of for of in scored.values() if not of.arm.tuned]
    plan = Plan(
        metric=config["metric"],
        full=METRICS[config["metric"]].full,
        arms=(TUNED, *(of.arm.name for of in baselines)),
        margin=config["margin"],
    )
    clusters = [line["sample_id"] for line in tuned]
    differences = scoring.differences(scored[TUNED], baselines, clusters, seed=config["seed"])
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "n": n,
        "clusters": len(set(clusters)),
        "folds": [_facts(part, scored[TUNED], config["metric"], lines) for part in parts],
        "fit": parts[0].scores["fit"],
        "plan": asdict(plan),
        # No single adapter answered all rows.
        "verdict": scoring.verdict_facts(differences[plan.metric], plan)
        | {"subject": f"fine-tuning ({len(parts)} folds)"},
        "arms": {name: _pooled(of, parts, n) for name, of in scored.items()},
        "differences": as_dicts(differences),
        "detectable": scoring.can_be_found(n),
        "left_out": [name for name in every if name not in shared],
        "not_scored": sorted(missing),
        "contaminated": sum(part.scores["contamination"]["rows"] for part in parts),
    }
    if prices := pooled_costs([part.scores.get("prices") for part in parts], found["arms"]):
        found["prices"] = prices
    return found, lines


def _refuse_others(rows: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> set[str]:
    """Refuse rows, of equal ones each copy, of which not every answer was scored exactly once, in their fold; returns
    those that have no tokens.

    Raises:
        CurateError: naming the first of them.
    """
    fold_of = {row["sample_id"]: row["fold"] + 1 for row in rows}
    copies = Counter(row["sample_id"] for row in rows)
    rejected = {id_ for part in parts for id_ in part.rejected}
    tuned = [(part.fold, line) for part in parts for line in part.examples if line["arm"] == TUNED]
    times = Counter((fold, line["sample_id"], line["line"], line["prompt"]) for fold, line in tuned)
    answers = Counter(line["sample_id"] for _, line in tuned)
    found = Counter(id_ for _, id_, _ in {(fold, line["sample_id"], line["line"]) for fold, line in tuned})
    elsewhere = [
        (line["sample_id"], part.fold)
        for part in parts
        for line in part.examples
        if fold_of.get(line["sample_id"]) != part.fold
    ]
    if elsewhere:
        id_, fold = elsewhere[0]
        raise CurateError(f"{id_}: scored in fold {fold}, and split.json does not have it there; {_again(fold)}")
    twice = [id_ for (_, id_, _, _), count in times.items() if count > 1]
    if often := twice + [id_ for id_, count in found.items() if count > copies[id_]]:
        raise CurateError(f"{often[0]}: scored more than once; {_again(fold_of[often[0]])}")
    missing = fold_of.keys() - found.keys()
    if lost := sorted(missing - rejected)[:NAMED]:
        raise CurateError(f"rows of split.json that no fold scored: {', '.join(lost)}; {_again(fold_of[lost[0]])}")
    for what, scored, wanted in (
        ("copies", found, copies),
        ("answers", answers, Counter({id_: count for part in parts for id_, count in part.answers.items()})),
    ):
        if fewer := sorted(id_ for id_ in found if scored[id_] != wanted[id_]):
            id_ = fewer[0]
            raise CurateError(f"{id_}: {scored[id_]} of its {wanted[id_]} {what} scored; {_again(fold_of[id_])}")
    return missing


def _again(fold: int) -> str:
    return f"remove RUN/folds/{fold} and run this again: what the other folds answered is kept"


def arm_of(facts: Mapping[str, Any]) -> Arm:
    """The arm of which scores.json says this."""
    return Arm(**{field.name: facts[field.name] for field in fields(Arm)})


def as_dicts(differences: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Comparisons by metric and baseline, as scores.json holds them."""
    return {metric: {name: asdict(one) for name, one in by_name.items()} for metric, by_name in differences.items()}


def _same(one: Arm, other: Arm) -> bool:
    """Whether two arms are one: the line about the form of the answers is chosen in each fold, without its rows."""
    return (one.shots, one.passages) == (other.shots, other.passages)


def _pooled(of: Scored, parts: Sequence[Part], n: int) -> dict[str, Any]:
    """What scores.json says of an arm: means over the rows of all folds."""
    own = [(part.scores["n"], part.scores["arms"][of.arm.name]) for part in parts]
    return {
        "title": of.arm.title,
        **asdict(of.arm),
        "form": [facts["form"] for _, facts in own],
        "scores": {name: of.mean(name) for name in of.scores},
        "length_stops": sum(facts["length_stops"] for _, facts in own),
        **{name: sum(rows * facts[name] for rows, facts in own) / n for name in ("tokens", "prompt_tokens", "seconds")},
    }


def _facts(part: Part, tuned: Scored, metric: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A fold: how many rows it tested, and what its adapter scored on them."""
    of_tuned = [line["fold"] for line in lines if line["arm"] == TUNED]
    values = [value for fold, value in zip(of_tuned, tuned.scores[metric], strict=True) if fold == part.fold]
    return {"fold": part.fold, "run": f"folds/{part.fold}", "n": len(values), "score": sum(values) / len(values)}


def said(found: Mapping[str, Any]) -> str:
    """The result in a few lines: the verdict, and what it does not rest on."""
    notes = [f"{found['n']:,} rows in {len(found['folds'])} folds, each scored by an adapter that never saw it"]
    if found["left_out"]:
        notes.append(f"not in every fold, so left out: {', '.join(found['left_out'])}")
    if found["not_scored"]:
        count = len(found["not_scored"])
        rows = "1 row without tokens was" if count == 1 else f"{count:,} rows without tokens were"
        notes.append(f"{rows} not scored: see tokens/rejected.jsonl of its fold")
    if found["contaminated"]:
        notes.append(f"{found['contaminated']:,} of them resemble rows that their adapter was trained on (LEAK rules)")
    return "\n".join([f"evaluate: {headline(found)}", *notes, *prices_in_words(found)])
