"""An evaluated run whose answers are given: real rows, split and tokens, real scores of them, and no model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from curate.cli.main import cli
from curate.run import Run, make
from curate.steps import tokens
from curate_evaluate import scoring
from curate_evaluate.answering.answers import Answer
from curate_evaluate.arms import Arm, read_cases
from curate_evaluate.metrics import METRICS, Fit
from curate_evaluate.stats import compare
from curate_evaluate.step import example_lines
from curate_evaluate.verdict import Plan, declare
from tests.evaluate.fabricate import row
from tests.template.byte_model import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from curate_evaluate.arms import Case

FIT = Fit("free", "chrf", ("chrf", "token_f1"), (), "the answers are free text")
ARMS = (
    Arm("fine-tuned", tuned=True, answered_by="adapter"),
    Arm("zero-shot", form=True),
    Arm("few-shot", shots=2, form=True),
)
THINGS = ("tent", "stove", "rope", "lamp", "boot", "mat", "knife", "map", "filter", "pack")
PAIRS = [
    (f"Do you have a {thing} of kind {k}?", f"Yes, the {thing} {k} is on shelf {k}.")
    for k in range(8)
    for thing in THINGS
]
BEFORE = [3.0 + 0.01 * i for i in range(40)]
GENERIC = {
    "rows": 40,
    "tokens": 4000,
    "before": 3.195,
    "after": 3.195,
    "difference": asdict(compare(BEFORE, BEFORE[::-1], full=None)),
}


def wrote(case: Case, arm: str) -> str:
    """The tuned arm is right but for every fourth row; of these arms, two say the same on every eighth."""
    which = case.line
    if which % 8 == 0:
        return "I do not know."
    if arm == "fine-tuned":
        return case.reference if which % 4 else f"No, we do not have that.\nLine {which}."
    return f"Thank you for asking! ({arm})" if which % 3 else f"**Yes**, we do. <b>{arm}</b> {which}"


def answered_run(
    folder: Path,
    pairs: Sequence[tuple[str, str]] = PAIRS,
    answer: Callable[[Case, str], str] = wrote,
    fit: Fit = FIT,
) -> Run:
    """A run on these questions and answers, half of them held out, whose arms wrote what `answer` says."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row(*pair)) + "\n" for pair in pairs), encoding="utf-8")
    words = ["split", str(data), "-o", str(folder / "run"), "--val", "0", "--test", "0.5", "--seed", "3"]
    ran = CliRunner().invoke(cli, words)
    assert ran.exit_code == 0, ran.output
    run = Run.open(folder / "run")
    model = write_model(folder / "model", eos_token="<|im_end|>")
    make(run, tokens.STEP, {**tokens.default_config(), "model": tokens.model_of(run, model)})
    cases = read_cases(run, "test")
    references = [case.reference for case in cases]
    scored = [
        scoring.score_arm(
            arm, [Answer(answer(case, arm.name), "stop", 9, 40, "", 0.1) for case in cases], references, fit
        )
        for arm in ARMS
    ]
    plan = Plan(fit.primary, METRICS[fit.primary].full, tuple(arm.name for arm in ARMS))
    declare(run, plan)
    found = scoring.differences(scored[0], scored[1:], [case.sample_id for case in cases], seed=0)
    (run / "evaluate").mkdir()
    prompts = {arm.name: [case.prompt for case in cases] for arm in ARMS}
    lines = example_lines(cases, prompts, scored)
    (run / "evaluate/examples.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    scores: dict[str, Any] = {
        "schema": "curate.evaluate/1",
        "n": len(cases),
        "clusters": len(cases),
        "fit": {**asdict(fit), "title": METRICS[fit.primary].title, "decides": METRICS[fit.primary].decides},
        "plan": asdict(plan),
        "verdict": scoring.verdict_facts(found[fit.primary], plan),
        "losses": {"answers": None, "generic": GENERIC},
        "tasks": [],
        "prices": None,
        "arms": {of.arm.name: scoring.arm_facts(of, references, fit) for of in scored},
        "differences": {
            metric: {name: asdict(one) for name, one in by_name.items()} for metric, by_name in found.items()
        },
        "contamination": {"rows": 0, "found": []},
        "training": None,
        "slices": [],
        "detectable": scoring.can_be_found(len(cases)),
        "prompt": {"line": "", "form": True, "shots": 2, "nearest_shots": 0, "tried": []},
        "decoding": {"method": "greedy", "stop_token_id": 257, "batch_size": 8, "max_new_tokens": 32},
        "prompts": {"compared": 3 * len(cases), "equal": 3 * len(cases), "as_messages": 0},
        "not_tested": [],
        "passages": 0,
    }
    (run / "evaluate/scores.json").write_text(json.dumps(scores))
    return run
