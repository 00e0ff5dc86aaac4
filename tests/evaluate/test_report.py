from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.run import Run, make, why_stale
from curate_evaluate.outputs import side_by_side
from curate_evaluate.report import page, plots, view, words
from curate_evaluate.report.step import STEP, breaks, build, named
from curate_evaluate.several.basis import OF_FOLDS, OF_SEEDS, basis
from tests.evaluate.test_step import ARMS


def test_a_step_that_read_an_earlier_file_breaks_the_chain() -> None:
    steps: dict[str, Any] = {
        "tokens": {"reads": {"split/test.jsonl": "a"}, "writes": {"tokens/test.arrow": "b"}},
        "evaluate": {"reads": {"tokens/test.arrow": "b"}, "writes": {"evaluate/scores.json": "c"}},
    }
    assert breaks(steps) == []
    steps["tokens"]["writes"]["tokens/test.arrow"] = "new"
    assert breaks(steps) == ["evaluate read an earlier tokens/test.arrow: tokens has written another since"]


def test_the_report_holds_both_arms_each_example_and_the_steps(evaluated: Run) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    assert report["schema"] == "curate.report/1"
    assert set(report["arms"]) == set(ARMS)
    assert [set(example["outputs"]) for example in report["examples"]] == [set(ARMS)] * report["n"]
    assert {"train", "evaluate"} <= set(report["provenance"]["steps"])
    assert report["provenance"]["breaks"] == []
    assert report["verdict"]["verdict"] == "cannot tell"  # a handful of rows
    assert report["headline"].startswith("Cannot tell")
    assert oct((evaluated / "report.json").stat().st_mode)[-3:] == "600"


SCHEMA = json.loads(resources.files("curate_evaluate.report").joinpath("report.schema.json").read_bytes())


def faults(report: dict[str, Any]) -> list[str]:
    """What is not as the schema says, in the report as it would be written."""
    from jsonschema import Draft202012Validator

    written = json.loads(json.dumps(report))
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(written)]


def test_the_report_is_as_its_schema_says(evaluated: Run) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(SCHEMA)
    report = json.loads((evaluated / "report.json").read_bytes())
    assert faults(report) == []
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == set(report)
    report["verdict"]["verdict"] = "better"
    assert faults(report)


def test_the_report_is_stale_when_the_scores_change_and_says_so(evaluated: Run) -> None:
    assert why_stale(evaluated, STEP, {}) == []
    file = evaluated / "evaluate/scores.json"
    file.write_text(file.read_text() + "\n")
    assert why_stale(evaluated, STEP, {}) == ["evaluate/scores.json changed"]


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</pre></section><style>*{display:none}</style>",
    "![](http://evil.example/beacon)",
    "safe\u202etxt.exe\x1b[31m\x00",
    "`code` [link](javascript:alert(1)) $x$ :smile:",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_a_row_stays_text(hostile: str) -> None:
    from html.parser import HTMLParser

    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found.add(tag)
            assert not [name for name, _ in attributes if name.startswith("on")]

    output = {"output": hostile, "sent": hostile, "chrf": 1.0, "exact_match": 0.0, "stopped": "stop"}
    said = {"code": hostile, "severity": hostile, "message": hostile}
    row = {
        "data": [{"path": hostile, "line": 3}],
        "findings": [said],
        "decision": {"action": "keep", "by": hostile, "at": hostile, "reason": hostile, "codes": [hostile]},
        "change": {"by": hostile, "codes": [hostile], "reason": hostile},
    }
    entry = {
        "reference": hostile, "prompt": hostile, "outputs": {"fine-tuned": output, "zero-shot": output},
        "line": 1, "sample_id": hostile, "row": row,
    }  # fmt: skip
    drawn = view.example(entry, "exact_match") + view.came_from(entry)
    tags = Tags()
    tags.feed(drawn)
    assert tags.found == {"div", "section", "h4", "pre", "details", "summary", "ul", "li"}
    assert not set(drawn) & set("\u202e\x1b\x00")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_page_of_hostile_rows_holds_no_script_and_asks_nobody(evaluated: Run, hostile: str) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    for example in report["examples"]:
        example["prompt"] = example["reference"] = hostile
        for output in example["outputs"].values():
            output["output"] = output["sent"] = hostile
    drawn = page.to_html(report, hostile)
    assert "<script" not in drawn and "<img" not in drawn and "\u202e" not in drawn
    assert drawn.count("<style>") == 1
    policy = re.search(r"default-src 'none'; style-src 'sha256-([^']+)'", drawn)
    style = re.search(r"<style>(.*?)</style>", drawn, re.DOTALL)
    assert policy and style
    assert base64.b64decode(policy[1]) == hashlib.sha256(style[1].encode()).digest()


def test_the_written_page_holds_every_example_under_its_anchor(evaluated: Run) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    drawn = (evaluated / "report.html").read_text(encoding="utf-8")
    anchors = re.findall(r'<article id="([^"]+)"', drawn)
    assert len(set(anchors)) == len(anchors) == report["n"]
    assert set(anchors) == {example["name"] for example in report["examples"]}
    assert report["headline"].split(":")[0] in drawn
    assert oct((evaluated / "report.html").stat().st_mode)[-3:] == "600"


def test_an_example_leads_back_to_its_line_in_the_data(evaluated: Run) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    (data,) = evaluated.config("check")["data"]
    lines = Path(data).read_text(encoding="utf-8").splitlines()
    for example in report["examples"]:
        (place,) = example["row"]["data"]
        assert place["path"] == data
        assert json.loads(lines[place["line"] - 1])["messages"][-1]["content"] == example["reference"]
    drawn = (evaluated / "report.html").read_text(encoding="utf-8")
    assert f"from {html.escape(data)}:{place['line']} · split/test.jsonl:{example['line']}" in drawn


def test_a_report_without_its_data_has_no_lines_and_is_made_all_the_same(evaluated: Run) -> None:
    Path(evaluated.config("check")["data"][0]).rename(evaluated / "gone.jsonl")
    try:
        assert {len(example["row"]["data"]) for example in build(evaluated)["examples"]} == {0}
    finally:
        (evaluated / "gone.jsonl").rename(evaluated.config("check")["data"][0])


def test_equal_examples_have_names_of_their_own() -> None:
    twins = [{"sample_id": "v1:0123456789abcdef", "prompt_ids_sha256": "fedcba98"}] * 2
    assert [example["name"] for example in named(twins)] == ["0123456789ab-fedcba", "0123456789ab-fedcba-2"]


LOG = [{"step": 0, "val_loss": 4.0}, *({"step": step, "loss": 4.0 / step} for step in range(1, 1001))]


def test_the_curves_of_the_training_are_in_the_report_and_drawn(evaluated: Run) -> None:
    assert json.loads((evaluated / "report.json").read_bytes())["curves"] is None
    lines = [*LOG, {"step": 500, "val_loss": 0.5}, {"step": 1000, "val_loss": 0.9}]
    (evaluated / "train/log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    training = json.loads((evaluated / "train/train.json").read_bytes())
    (evaluated / "train/train.json").write_text(json.dumps(training | {"best_step": 500, "advice": ["overfitting: x"]}))
    assert "train/log.jsonl is new" in why_stale(evaluated, STEP, {})
    report = build(evaluated)
    assert faults(report) == []
    found = report["curves"]
    assert found["validation"] == [(0, 4.0), (500, 0.5), (1000, 0.9)]
    assert len(found["training"]) == 250 and found["training"][-1] == (1000, pytest.approx(4 / 998.5, rel=1e-3))
    drawn = page.to_html(report, "run")
    assert "Kept: step 500 of 1,000, with a validation loss of 0.500." in drawn
    assert "Overfitting: x." in drawn
    assert drawn.count("<svg") == len(report["verdict"]["by_baseline"]) + 2  # each gain, their axis, the curves


def over_several(run: Run, folder: str, by: str, **of: Any) -> None:
    """Scores over two folds or seeds, as if they were made of the run's own data."""
    scores = json.loads((run / "evaluate/scores.json").read_bytes())
    parts = [{by: k, "run": f"{by}s/{k}", "n": 20, "score": k / 10} for k in (1, 2)]
    verdict = {**scores["verdict"], "subject": "fine-tuning"}
    (run / folder).mkdir(exist_ok=True)
    (run / folder / "scores.json").write_text(json.dumps({**scores, "verdict": verdict, f"{by}s": parts, **of}))


SEVERAL = [("evaluate-folds", "fold", OF_FOLDS), ("evaluate-seeds", "seed", OF_SEEDS)]


@pytest.mark.parametrize(("folder", "by", "names"), SEVERAL)
def test_scores_over_folds_or_seeds_stand_beside_the_verdict(
    evaluated: Run, folder: str, by: str, names: tuple[str, ...]
) -> None:
    over_several(evaluated, folder, by, of=basis(evaluated, names))
    report = build(evaluated)
    assert faults(report) == []
    (found,) = report["pooled"]
    assert found["headline"].startswith("Cannot tell whether fine-tuning is worth it")
    assert found["parts"][1] == {"name": "2", "run": f"{by}s/2", "n": 20, "score": 0.2}
    drawn = page.to_html(report, "run")
    assert "\n- Cannot tell whether fine-tuning is worth it" in page.to_markdown(report)
    assert f"<dt>over 2 {by}s</dt><dd>cannot tell</dd>" in drawn and f"{by}s/2</td>" in drawn


@pytest.mark.parametrize(("folder", "by", "names"), SEVERAL)
def test_scores_over_folds_or_seeds_of_other_data_are_left_out_and_that_is_said(
    evaluated: Run, folder: str, by: str, names: tuple[str, ...]
) -> None:
    over_several(evaluated, folder, by)
    assert "it does not say of which data it is" in left_out(evaluated)
    over_several(evaluated, folder, by, of=basis(evaluated, names))
    make(evaluated, STEP, {}, force=True)
    manifest = evaluated.manifest()
    manifest["steps"]["train"]["config"]["rank"] = 8
    evaluated.save(manifest)
    assert "as the training settings changed since; make it again: curate evaluate" in left_out(evaluated)
    over_several(evaluated, folder, by, of=basis(evaluated, names))

    split_again(evaluated, "--test", "0.3")
    assert "split/split.json changed" in why_stale(evaluated, STEP, {})
    said = left_out(evaluated)
    assert f"as the {'split' if by == 'fold' else 'tokens'} changed since" in said
    assert said.endswith(f"curate evaluate {evaluated.folder} {'--folds' if by == 'fold' else '--seeds 2'}.")


def test_seeds_outlive_a_split_into_folds_that_moves_no_row(evaluated: Run) -> None:
    over_several(evaluated, "evaluate-seeds", "seed", of=basis(evaluated, OF_SEEDS))
    over_several(evaluated, "evaluate-folds", "fold", of=basis(evaluated, OF_FOLDS))
    split_again(evaluated, "--test", "0.4", "--seed", "3", "--folds", "2")
    assert [one["by"] for one in build(evaluated)["pooled"]] == ["seed"]


def split_again(run: Run, *words: str) -> None:
    model = run.config("tokens")["model"]
    for command in (["split", str(run.folder), "--val", "0.2", *words], ["tokens", str(run.folder), "--model", model]):
        assert CliRunner().invoke(cli, command).exit_code == 0


def left_out(run: Run) -> str:
    """What the report says of the scores that it leaves out."""
    report = build(run)
    assert report["pooled"] == [] and faults(report) == []
    (said,) = (note for note in report["notes"] if note.startswith("Over several "))
    assert html.escape(said) in page.to_html(report, "run")
    return said


def test_only_a_metric_that_decides_has_colours_of_a_verdict(evaluated: Run) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    metric = report["plan"]["metric"]
    won = dict.fromkeys(report["verdict"]["by_baseline"], "win")
    report["verdict"]["by_baseline"] = won
    assert view.gains(report, view.inline).count(f'stroke="{plots.GREEN}"') == 4 * len(won)
    report["plan"]["metric"] = "chrf"
    report["differences"]["chrf"] = report["differences"][metric]
    assert plots.GREEN not in view.gains(report, view.inline)


def test_the_axis_of_gains_holds_round_numbers_with_0_among_them() -> None:
    for low, high, wanted in ((-10.2, 50.2, ["0", "+20", "+40"]), (-2.1, 2.1, ["-2", "-1", "0", "+1", "+2"])):
        assert re.findall(r">([-+\d.]+)</text>", plots.axis(low, high)) == wanted


def test_every_note_has_one_place_among_the_topics(evaluated: Run) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    found = words.topics(report)
    assert sorted(note for notes in found.values() for note in notes) == sorted(report["notes"])
    assert found["Not tested"] == ["Retrieval over documents: not tested (--docs DIR)."]


def test_the_markdown_holds_the_verdict_and_each_arm_and_no_row(evaluated: Run) -> None:
    result = CliRunner().invoke(cli, ["report", str(evaluated.folder), "--markdown"], standalone_mode=False)
    assert result.exception is None, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("**Cannot tell whether this adapter is worth it")
    assert [line.split(" | ")[0] for line in lines if line.startswith(("| f", "| z"))] == [
        "| fine-tuned", "| zero-shot", "| few-shot, 2 examples", "| few-shot-nearest, 2 examples",
        "| zero-shot, unquantised", "| few-shot, unquantised, 2 examples",
        "| few-shot-nearest, unquantised, 2 examples",
    ]  # fmt: skip
    for example in json.loads((evaluated / "report.json").read_bytes())["examples"]:
        assert example["prompt"] not in result.output


def test_markdown_of_a_hostile_name_is_text() -> None:
    assert page.cell("a | <b> @all\n`x`") == "a \\| \\<b\\> @\u200ball \\`x\\`"


def test_lines_of_a_text_stay_lines() -> None:
    assert view.text("a\nb\r\n<c>") == "a\nb\\r\n&lt;c&gt;"


def test_several_answers_of_one_row_are_examples_of_their_own() -> None:
    lines = [
        {"sample_id": "v1:1", "line": 3, "arm": arm, "prompt": prompt, "prompt_ids_sha256": prompt, "reference": "x"}
        | {"output": f"{arm} {prompt}"}
        for prompt in ("first", "second")
        for arm in ("base", "adapter")
    ]
    examples = side_by_side(lines)
    assert [(example["prompt"], list(example["outputs"])) for example in examples] == [
        ("first", ["base", "adapter"]),
        ("second", ["base", "adapter"]),
    ]
    assert examples[1]["outputs"]["base"]["output"] == "base second"
