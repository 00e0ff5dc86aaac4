"""Fine-tuning and not one adapter: pooled from fabricated trainings, and made of real ones."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from statistics import mean
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from curate.cli.main import cli
from curate.errors import CurateError
from curate.run import Run
from curate_evaluate import evaluation
from curate_evaluate.arms.arm import arms_for
from curate_evaluate.several.basis import differing
from curate_evaluate.several.pool_seeds import Trained, pool_seeds, said
from curate_evaluate.stats import compare, compare_seeds
from curate_evaluate.step import default_config
from curate_evaluate.verdict import Plan
from tests.evaluate import fabricate

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ARMS = arms_for(shots=2, nearest_shots=0, form=True, passages=0)
ROWS = 120
CONFIG = default_config() | {"metric": "exact_match"}
RIGHT = {"fine-tuned": 0.9, "zero-shot": 0.2, "few-shot": 0.6}


def plan(seeds: int) -> Plan:
    return Plan("exact_match", 1.0, ("fine-tuned", "zero-shot", "few-shot"), seeds=seeds)


def score(row: int, arm: str, seed: int) -> float:
    """The base model answers the same whatever the seed; a training sometimes otherwise."""
    key = f"{row} {arm} {seed if arm == 'fine-tuned' else ''}"
    return float(random.Random(key).random() < RIGHT[arm])


def trained(seed: int, *, leaked: tuple[int, ...] = (), **change: float) -> Trained:
    examples = [
        {
            "sample_id": f"v1:{row}",
            "arm": arm.name,
            "line": row + 1,
            "prompt_ids_sha256": f"{row} {arm.name}",
            "exact_match": change.get(arm.name.replace("-", "_"), score(row, arm.name, seed)),
        }
        for row in range(ROWS)
        for arm in ARMS
    ]
    facts = {"length_stops": seed, "tokens": 4.0 + seed, "prompt_tokens": 10.0, "seconds": 0.5}
    scores = {
        "n": ROWS,
        "arms": {arm.name: {"title": arm.title, **asdict(arm), **facts} for arm in ARMS},
        "differences": {"exact_match": {}},
        "fit": {"why": "they are short"},
        "contamination": {
            "rows": len(leaked),
            "found": [{"line": row + 1, "codes": ["LEAK001"]} for row in leaked],
        },
    }
    return Trained(seed, f"run/seeds/{seed}", scores, examples)


THREE = [trained(seed) for seed in range(3)]


def test_a_row_scores_its_mean_and_the_verdict_is_about_fine_tuning() -> None:
    found, lines = pool_seeds(THREE, plan(3), CONFIG)
    of_seed = [[score(row, "fine-tuned", seed) for row in range(ROWS)] for seed in range(3)]
    for name in ("zero-shot", "few-shot"):
        before = [score(row, name, 0) for row in range(ROWS)]
        expected = compare_seeds(before, of_seed, clusters=[str(row) for row in range(ROWS)])
        assert found["differences"]["exact_match"][name] == asdict(expected)
        assert found["arms"][name]["scores"]["exact_match"] == mean(before)
    assert [one["score"] for one in found["seeds"]] == pytest.approx(list(map(mean, of_seed)))
    assert found["arms"]["fine-tuned"]["scores"]["exact_match"] == pytest.approx(mean(map(mean, of_seed)))
    assert found["arms"]["fine-tuned"]["tokens"] == 5.0
    assert (found["verdict"]["verdict"], found["verdict"]["subject"]) == ("win", "fine-tuning (3 seeds)")
    assert said(found, []).startswith("evaluate: Fine-tuning (3 seeds) is worth it: ")
    assert " with seed 0, " in said(found, [])
    # The base model's answers once, those of each training beside them.
    assert len(lines) == ROWS * 5
    assert [line["seed"] for line in lines[:3]] == [0, None, None]


def test_two_seeds_speak_of_themselves_alone() -> None:
    found, _ = pool_seeds(THREE[:2], plan(2), CONFIG)
    means = [(score(row, "fine-tuned", 0) + score(row, "fine-tuned", 1)) / 2 for row in range(ROWS)]
    before = [score(row, "few-shot", 0) for row in range(ROWS)]
    assert found["differences"]["exact_match"]["few-shot"] == asdict(compare(before, means, clusters=list(range(ROWS))))
    assert "the mean of these 2 adapters" in said(found, []).lower()
    assert "--seeds 3 or more" in said(found, [])


def test_one_lucky_seed_is_no_win() -> None:
    lucky = [trained(seed, fine_tuned=value) for seed, value in enumerate((0.95, 0.75, 0.65))]
    found, _ = pool_seeds(lucky, plan(3), CONFIG)
    assert found["verdict"]["verdict"] == "cannot tell"
    assert found["verdict"]["needed"] > 100_000
    seeds = found["verdict"]["needed_seeds"]
    assert 3 < seeds <= 30
    assert f"About {seeds} training seeds (--seeds {seeds}) would settle it" in said(found, [])

    hopeless = [trained(seed, fine_tuned=value) for seed, value in enumerate((1.0, 0.6, 0.5))]
    found, _ = pool_seeds(hopeless, plan(3), CONFIG)
    assert found["verdict"]["needed_seeds"] is None
    assert "The seeds differ too much for any number of rows, or 30 seeds, to settle it." in said(found, [])


def test_the_difference_is_given_without_rows_that_resemble_training_rows() -> None:
    found, _ = pool_seeds([trained(seed, leaked=tuple(range(20))) for seed in range(3)], plan(3), CONFIG)
    without = found["contamination"]["without"]
    assert without["differences"]["few-shot"]["n"] == ROWS - 20
    assert "20 of 120 held-out rows resemble training rows" in said(found, [])


def test_trainings_that_were_not_asked_the_same_are_not_pooled() -> None:
    fewer = replace(THREE[2], examples=THREE[2].examples[:-3])
    with pytest.raises(
        CurateError, match=r"run/seeds/2: was evaluated with other rows .* evaluate run/seeds/2 --force"
    ):
        pool_seeds([*THREE[:2], fewer], plan(3), CONFIG)
    asked = [{**line, "sent": "another question"} for line in THREE[1].examples]
    with pytest.raises(CurateError, match="other prompts"):
        pool_seeds([THREE[0], replace(THREE[1], examples=asked), THREE[2]], plan(3), CONFIG)
    scores: dict[str, Any] = json.loads(json.dumps(THREE[1].scores))
    scores["arms"]["few-shot"]["shots"] = 5
    with pytest.raises(CurateError, match="other arms"):
        pool_seeds([THREE[0], replace(THREE[1], scores=scores), THREE[2]], plan(3), CONFIG)


def test_another_number_of_seeds_than_was_declared_is_no_secret() -> None:
    plans = [asdict(plan(seeds)) | {"at": "2026-01-01T00:00:00"} for seeds in (5, 3)]
    found, _ = pool_seeds(THREE, plan(3), CONFIG)
    assert "5 seeds, exact_match" in said(found, plans)
    assert "Changed 1 times since, last to 3 seeds" in said(found, plans)


class Killed(Exception):
    pass


def curate(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_what_cannot_be_trained_again_is_told_what_to_run(trained: Run) -> None:
    manifest = trained.manifest()
    manifest["steps"]["train"]["config"]["sweep"] = {"seed": [1, 2]}
    trained.save(manifest)
    result = curate("evaluate", str(trained.folder), "--seeds", "3")
    assert result.exit_code == 1 and "the best of several" in str(result.exception)
    del manifest["steps"]["train"]
    trained.save(manifest)
    result = curate("evaluate", str(trained.folder), "--seeds", "3")
    assert result.exit_code == 1 and f"curate train {trained.folder} --model" in str(result.exception)
    for words in (("--seeds", "3", "--folds"), ("--seeds", "3", "--force"), ("--seeds", "3", "--price-in", "1")):
        assert isinstance(curate("evaluate", str(trained.folder), *words).exception, CurateError)
    assert curate("evaluate", str(trained.folder), "--seeds", "1").exit_code == 2


def keys(run: Run) -> set[str]:
    return {json.loads(line)["key"] for line in (run / "answers.jsonl").read_bytes().splitlines()}


def test_real_trainings_differ_in_their_seed_alone_and_ask_the_base_model_once(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, folder = tmp_path / "data.jsonl", str(tmp_path / "run")
    data.write_text("".join(json.dumps(fabricate.row(*pair)) + "\n" for pair in fabricate.ROWS), encoding="utf-8")
    for words in (
        ("split", str(data), "-o", folder, "--val", "0.2", "--test", "0.4"),
        ("train", folder, "--model", str(model), "--max-steps", "1"),
    ):
        result = curate(*words)
        assert result.exit_code == 0, result.output
    evaluate = ("evaluate", folder, "--batch-size", "32", "--shots", "2", "--seeds")

    def declare(of: Run, declared: Plan) -> None:
        if of.folder.name == "1":
            raise Killed
        real(of, declared)

    real = evaluation.declare
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "declare", declare)
        killed = curate(*evaluate, "3")
    run = Run.open(tmp_path / "run")
    assert isinstance(killed.exception, Killed) and not (run / "evaluate-seeds").exists()
    assert [one["seeds"] for one in run.manifest()["plans"]] == [1, 3], "declared before a new seed answers"
    own = keys(run)

    result = curate(*evaluate, "3")
    assert result.exit_code == 0, result.output
    commands = [words.split("\n")[0] for words in (killed.stderr + result.stderr).split("$ curate ")[1:]]
    assert [(words.split()[0], words.split()[1].removeprefix(folder)) for words in commands] == [
        ("evaluate", ""),
        ("train", "/seeds/1"),
        ("evaluate", "/seeds/1"),
        ("evaluate", "/seeds/1"),
        ("train", "/seeds/2"),
        ("evaluate", "/seeds/2"),
    ]
    found = json.loads((run / "evaluate-seeds/scores.json").read_bytes())
    assert [one["seed"] for one in found["seeds"]] == [0, 1, 2]
    assert "Fine-tuning (3 seeds)" in result.stdout.replace("fine", "Fine") and "\\n" not in result.stdout
    adapters = {(run / "train/adapter/adapter_model.safetensors").read_bytes()}
    for seed in (1, 2):
        one = Run.open(run / f"seeds/{seed}")
        assert one.config("train") | {"seed": 0, "_sources": None} == run.config("train") | {"_sources": None}
        assert one.config("train")["seed"] == seed
        for file in ("split/train.jsonl", "split/test.jsonl", "tokens/train.arrow", "tokens/test.arrow"):
            assert (one / file).read_bytes() == (run / file).read_bytes()
        adapters.add((one / "train/adapter/adapter_model.safetensors").read_bytes())
        lines = (one / "evaluate/examples.jsonl").read_bytes().splitlines()
        asked = sum(json.loads(line)["arm"] == "fine-tuned" for line in lines)
        learned = json.loads((one / "evaluate/scores.json").read_bytes())["training"]["rows"]
        assert own <= keys(one) and len(keys(one) - own) == asked + learned
    assert len(adapters) == 3

    before = (run / "evaluate-seeds/scores.json").read_bytes()
    assert differing(run, found) == []
    again = curate(*evaluate, "3")
    assert again.exit_code == 0 and again.stderr == "", "nothing was to be made again"
    assert (run / "evaluate-seeds/scores.json").read_bytes() == before

    # A price is no reason to ask anything again.
    priced = curate(*evaluate, "3", "--gpu-hour", "2")
    assert priced.exit_code == 0 and "rows: " not in priced.stderr, priced.output
    assert own == keys(run)
    assert json.loads((run / "evaluate-seeds/scores.json").read_bytes())["prices"]["device"]
    assert "has paid after" in priced.stdout or "never pays" in priced.stdout
