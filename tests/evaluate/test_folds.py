"""Every row scored once, by an adapter that never saw it: pooled from fabricated folds, and made of real ones."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from curate.cli.main import cli
from curate.errors import CurateError
from curate.review.decisions import Decisions
from curate.run import Run
from curate_evaluate import evaluation
from curate_evaluate.arms.arm import arms_for
from curate_evaluate.several.basis import differing
from curate_evaluate.several.inner import inner_run
from curate_evaluate.several.pool import Part, pool, said
from curate_evaluate.stats import compare
from curate_evaluate.step import default_config
from tests.evaluate import fabricate

if TYPE_CHECKING:
    from pathlib import Path

    from curate_evaluate.verdict import Plan

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CONFIG = default_config() | {"metric": "exact_match", "shots": 2}
ARMS = arms_for(shots=2, nearest_shots=2, form=True, passages=0)


def split_rows(count: int, folds: int) -> list[dict[str, Any]]:
    return [{"sample_id": f"v1:{n}", "split": "train", "line": n + 1, "fold": n % folds} for n in range(count)]


def scored(id_: str, arm: str) -> float:
    chance = {"fine-tuned": 0.9, "zero-shot": 0.2}.get(arm, 0.5)
    return float(random.Random(f"{id_} {arm}").random() < chance)


def part(rows: list[dict[str, Any]], fold: int) -> Part:
    mine = [row["sample_id"] for row in rows if row["fold"] == fold - 1]
    examples = [
        {"sample_id": id_, "arm": arm.name, "line": line, "prompt": id_, "exact_match": scored(id_, arm.name)}
        for line, id_ in enumerate(mine, 1)
        for arm in ARMS
    ]
    facts = {"length_stops": 1, "tokens": float(fold), "prompt_tokens": 10.0, "seconds": 0.5}
    return Part(
        fold,
        {
            "n": len(mine),
            "arms": {arm.name: {"title": arm.title, **asdict(arm), **facts} for arm in ARMS},
            "differences": {"exact_match": {}},
            "fit": {"why": "they are short"},
            "contamination": {"rows": 0},
        },
        examples,
        dict.fromkeys(mine, 1),
    )


ROWS = split_rows(100, 3)
PARTS = [part(ROWS, fold) for fold in (1, 2, 3)]


def without(changed: Part, arm: str) -> Part:
    arms = {name: facts for name, facts in changed.scores["arms"].items() if name != arm}
    examples = [line for line in changed.examples if line["arm"] != arm]
    return replace(changed, scores={**changed.scores, "arms": arms}, examples=examples)


def test_the_folds_are_compared_as_one_test_of_all_rows() -> None:
    found, lines = pool(ROWS, PARTS, CONFIG)
    ids = [row["sample_id"] for fold in range(3) for row in ROWS if row["fold"] == fold]
    assert [line["sample_id"] for line in lines if line["arm"] == "fine-tuned"] == ids
    assert found["n"] == found["clusters"] == 100
    for arm in ("zero-shot", "few-shot", "few-shot-nearest"):
        before, after = ([scored(id_, name) for id_ in ids] for name in (arm, "fine-tuned"))
        assert found["differences"]["exact_match"][arm] == asdict(compare(before, after, clusters=ids, full=1.0))
        assert found["arms"][arm]["scores"]["exact_match"] == pytest.approx(sum(before) / 100)
    assert found["verdict"]["verdict"] == "win"
    assert found["arms"]["fine-tuned"]["tokens"] == pytest.approx((34 * 1 + 33 * 2 + 33 * 3) / 100)
    assert [fold["n"] for fold in found["folds"]] == [34, 33, 33]
    assert said(found).startswith("evaluate: Fine-tuning (3 folds) is worth it: ")
    assert said(found).endswith("\n100 rows in 3 folds, each scored by an adapter that never saw it")


def test_an_arm_that_one_fold_lacks_or_has_otherwise_is_left_out_and_named() -> None:
    other = json.loads(json.dumps(PARTS[2].scores))
    other["arms"]["few-shot"]["shots"] = 5
    found, lines = pool(
        ROWS, [PARTS[0], without(PARTS[1], "few-shot-nearest"), replace(PARTS[2], scores=other)], CONFIG
    )
    assert list(found["arms"]) == ["fine-tuned", "zero-shot"] == list(dict.fromkeys(line["arm"] for line in lines))
    assert found["left_out"] == ["few-shot", "few-shot-nearest"]
    assert "left out: few-shot, few-shot-nearest" in said(found)


def test_a_row_is_scored_exactly_once_or_it_is_said_which_is_not() -> None:
    lost = replace(PARTS[0], examples=[line for line in PARTS[0].examples if line["sample_id"] != "v1:3"])
    with pytest.raises(CurateError, match=r"that no fold scored: v1:3; remove RUN/folds/1"):
        pool(ROWS, [lost, *PARTS[1:]], CONFIG)
    found, _ = pool(ROWS, [replace(lost, rejected=frozenset({"v1:3"})), *PARTS[1:]], CONFIG)
    assert (found["n"], found["not_scored"]) == (99, ["v1:3"])
    assert "1 rows without tokens" not in said(found) and "1 row without tokens was not scored" in said(found)

    twice = replace(PARTS[1], examples=[*PARTS[1].examples, *PARTS[1].examples[:4]])
    with pytest.raises(CurateError, match=r"v1:1: scored more than once; remove RUN/folds/2"):
        pool(ROWS, [PARTS[0], twice, PARTS[2]], CONFIG)
    elsewhere = replace(PARTS[2], examples=[*PARTS[2].examples, *PARTS[0].examples[:4]])
    with pytest.raises(CurateError, match=r"v1:0: scored in fold 3, and split.json does not have it there"):
        pool(ROWS, [*PARTS[:2], elsewhere], CONFIG)

    # Equal rows are rows of their own, and of a row may be several answers.
    copy = {**ROWS[0], "line": 101}
    with pytest.raises(CurateError, match=r"v1:0: 1 of its 2 copies scored; remove RUN/folds/1"):
        pool([*ROWS, copy], PARTS, CONFIG)
    second = [{**line, "line": 35} for line in PARTS[0].examples if line["sample_id"] == "v1:0"]
    both = replace(PARTS[0], examples=[*PARTS[0].examples, *second], answers={**PARTS[0].answers, "v1:0": 2})
    assert pool([*ROWS, copy], [both, *PARTS[1:]], CONFIG)[0]["n"] == 101
    with pytest.raises(CurateError, match="v1:0: scored more than once"):
        pool(ROWS, [both, *PARTS[1:]], CONFIG)
    later = [{**line, "prompt": f"{line['prompt']} and then"} for line in PARTS[1].examples]
    each = replace(PARTS[1], examples=[*PARTS[1].examples, *later], answers=dict.fromkeys(PARTS[1].answers, 2))
    assert pool(ROWS, [PARTS[0], each, PARTS[2]], CONFIG)[0]["n"] == 133
    lost = replace(each, examples=[line for line in each.examples if line["prompt"] != "v1:4 and then"])
    with pytest.raises(CurateError, match=r"v1:4: 1 of its 2 answers scored; remove RUN/folds/2"):
        pool(ROWS, [PARTS[0], lost, PARTS[2]], CONFIG)
    fewer = replace(PARTS[0], examples=PARTS[0].examples[:-1])
    with pytest.raises(CurateError, match="few-shot-nearest: did not answer the rows that fine-tuned answered"):
        pool(ROWS, [fewer, *PARTS[1:]], CONFIG)


class Killed(Exception):
    pass


@pytest.mark.parametrize("where", ["before the decisions", "after them"])
def test_a_copy_that_was_killed_is_made_again_with_the_decisions(
    trained: Run, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    made = Decisions(trained).record("v1:0", "keep", ("TXT001",), "as it was said")
    with monkeypatch.context() as patch:

        def die(*_: Any) -> None:
            raise Killed

        patch.setattr(Decisions, "add_log", die) if where.startswith("before") else patch.setattr(Run, "save", die)
        with pytest.raises(Killed):
            inner_run(trained, "seeds", 1)
    for _ in range(2):
        assert [one.sample_id for one in Decisions(inner_run(trained, "seeds", 1)).log()] == [made.sample_id]


def curate(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_a_run_without_folds_or_training_is_told_what_to_run(trained: Run) -> None:
    result = curate("evaluate", str(trained.folder), "--folds")
    assert result.exit_code == 1 and f"curate split {trained.folder} --folds 5" in str(result.exception)
    manifest = trained.manifest()
    del manifest["steps"]["train"]
    trained.save(manifest)
    result = curate("evaluate", str(trained.folder), "--folds")
    assert result.exit_code == 1 and f"curate train {trained.folder} --model" in str(result.exception)


def test_real_folds_score_every_row_by_an_adapter_that_never_saw_it(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, folder = tmp_path / "data.jsonl", str(tmp_path / "run")
    data.write_text("".join(json.dumps(fabricate.row(*pair)) + "\n" for pair in fabricate.ROWS), encoding="utf-8")
    for words in (
        ("split", str(data), "-o", folder, "--folds", "2", "--val", "0.2"),
        ("train", folder, "--model", str(model), "--max-steps", "1"),
    ):
        result = curate(*words)
        assert result.exit_code == 0, result.output
    evaluate = ("evaluate", folder, "--folds", "--batch-size", "32")

    def declare(of: Run, plan: Plan) -> None:
        if of.folder.name == "2":
            raise Killed
        real(of, plan)

    real = evaluation.declare
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "declare", declare)
        killed = curate(*evaluate)
    assert isinstance(killed.exception, Killed) and not (tmp_path / "run/evaluate-folds").exists()
    result = curate(*evaluate)
    assert result.exit_code == 0, result.output
    run = Run.open(tmp_path / "run")
    rows = json.loads((run / "split/split.json").read_bytes())["rows"]
    assert f"{len(rows)} rows in 2 folds, each scored by an adapter that never saw it" in result.stdout
    for fold in (1, 2):
        commands = (killed.stderr + result.stderr).split("$ curate ")[1:]
        made = [words.split()[0] for words in commands if f"{folder}/folds/{fold} " in words.split("\n")[0]]
        # Fold 1 once with the number of examples to be chosen, and with the one that was; fold 2 was killed once.
        assert made == ["split", "tokens", "train", "evaluate", "evaluate"]
    lines = [json.loads(line) for line in (run / "evaluate-folds/examples.jsonl").read_bytes().splitlines()]
    tuned = {line["sample_id"]: line["fold"] for line in lines if line["arm"] == "fine-tuned"}
    assert tuned == {row["sample_id"]: row["fold"] + 1 for row in rows}
    for fold in (1, 2):
        one = Run.open(run / f"folds/{fold}")
        placed = json.loads((one / "split/split.json").read_bytes())
        tested = {row["sample_id"] for row in placed["rows"] if row["split"] == "test"}
        assert tested == {id_ for id_, number in tuned.items() if number == fold}
        assert one.config("train") == run.config("train")

    shots = {Run(run / f"folds/{fold}").config("evaluate")["shots"] for fold in (1, 2)}
    assert len(shots) == 1 and shots <= {2, 5}
    before = (run / "evaluate-folds/scores.json").read_bytes()
    assert differing(run, json.loads(before)) == []
    again = curate(*evaluate)
    assert again.exit_code == 0 and again.stderr == "", "nothing was to be made again"
    assert (run / "evaluate-folds/scores.json").read_bytes() == before
