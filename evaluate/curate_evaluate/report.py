"""The step report: what the scores allow to say, the examples side by side, and where each came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.io.write import atomic_write
from curate.run import Run, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.run.step import Config

SCHEMA = "curate.report/1"
# Below this a resampled interval is too narrow to claim anything from: with 10 rows of equal arms, 10 to 20 of 100
# intervals of 95% leave out zero, with 20 rows 6 to 11 (simulated, even and skewed differences).
FEWEST_ROWS = 20
LARGEST_P = 0.05
NAMES = {"exact_match": "exact match", "chrf": "chrF"}
NOT_TESTED = (
    "The base model was asked without examples: few-shot prompting and retrieval were not tested.",
    "Whether held-out rows resemble training rows was not checked: such rows are scored too well.",
    "Whether the adapter forgot anything else was not tested.",
)


def make(run: Run, config: Config, out: Path) -> str:
    report = build(run)
    with atomic_write(out / "report.json", mode=0o600) as file:
        file.write(json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n")
    return f"report: {headline(report['verdict'], report['n'])}"


def build(run: Run) -> dict[str, Any]:
    """The report as report.json holds it."""
    scores = json.loads((run / "evaluate/scores.json").read_bytes())
    lines = [json.loads(line) for line in (run / "evaluate/examples.jsonl").read_bytes().splitlines()]
    return {
        "schema": SCHEMA,
        "verdict": [verdict(name, scores) for name in scores["difference"]],
        "not_tested": list(NOT_TESTED),
        **{key: scores[key] for key in ("n", "arms", "difference", "decoding", "prompts")},
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


def verdict(metric: str, scores: Mapping[str, Any]) -> dict[str, str]:
    """What a metric allows to say: `state` is better, worse or unclear (of the adapter against the base model)."""
    difference = scores["difference"][metric]
    base, adapter = (scores["arms"][arm][metric] for arm in ("base", "adapter"))
    state = state_of(difference)
    claim = {
        "better": "the adapter is better than the base model",
        "worse": "the adapter is worse than the base model",
        "unclear": f"cannot tell at {difference['n']:,} rows",
    }[state]
    if not difference["won"] + difference["lost"]:
        said = f"cannot tell: no score differs, {shown(metric, base)} in both arms (n = {difference['n']:,})."
        return {"metric": metric, "state": state, "words": f"{NAMES[metric]}: {said}"}
    p = "" if difference["p"] is None else f"; exact McNemar p = {probability(difference['p'])}"
    words = (
        f"{claim}: {shown(metric, adapter)} against {shown(metric, base)}, {signed(metric, difference['value'])} "
        f"points (95% CI {signed(metric, difference['low'])} to {signed(metric, difference['high'])}, "
        f"n = {difference['n']:,}; {difference['won']:,} won, {difference['lost']:,} lost{p})."
    )
    return {"metric": metric, "state": state, "words": f"{NAMES[metric]}: {words}"}


def state_of(difference: Mapping[str, Any]) -> str:
    """Better or worse only where the interval leaves out zero, and the exact test, where there is one, agrees."""
    if difference["n"] < FEWEST_ROWS or (difference["p"] is not None and difference["p"] > LARGEST_P):
        return "unclear"
    return "better" if difference["low"] > 0 else "worse" if difference["high"] < 0 else "unclear"


def headline(verdicts: Sequence[Mapping[str, str]], n: int) -> str:
    """One sentence over all metrics."""
    named = {
        state: " and ".join(NAMES[verdict["metric"]] for verdict in verdicts if verdict["state"] == state)
        for state in ("better", "worse", "unclear")
    }
    claims = [f"{state} than the base model in {named[state]}" for state in ("better", "worse") if named[state]]
    if not claims:
        return f"On {n:,} held-out rows, {named['unclear']} cannot tell the adapter from the base model."
    rest = f"; {named['unclear']} cannot tell" if named["unclear"] else ""
    return f"On {n:,} held-out rows the adapter is {' and '.join(claims)}{rest}."


def shown(metric: str, value: float) -> str:
    """A score as people write it: exact match in percent, chrF from 0 to 100."""
    return f"{value:.1%}" if metric == "exact_match" else f"{value:.1f}"


def signed(metric: str, value: float) -> str:
    """A difference in points, with two digits where one would hide on which side of zero it is."""
    points = 100 * value if metric == "exact_match" else value
    if abs(points) < 1e-9:
        return "0"
    return f"{points:+.1f}" if abs(points) >= 0.1 else f"{points:+.2g}"


def probability(p: float) -> str:
    return f"{p:.2g}" if p >= 0.0001 else "under 0.0001"


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
    reads=lambda run, config: [run / "evaluate/scores.json", run / "evaluate/examples.jsonl"],
    writes=("report.json",),
    make=make,
    command=lambda run, config: f"curate report {run.folder}",
    after="evaluate",
)
