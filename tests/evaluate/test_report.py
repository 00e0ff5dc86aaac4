from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.run import Run, why_stale
from curate_evaluate import page, view
from curate_evaluate.report import STEP, breaks, side_by_side
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


def test_the_report_is_as_its_schema_says(evaluated: Run) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(resources.files("curate_evaluate").joinpath("report.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    report = json.loads((evaluated / "report.json").read_bytes())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(report)] == []
    assert set(schema["properties"]) == set(report)
    report["verdict"]["verdict"] = "better"
    assert list(Draft202012Validator(schema).iter_errors(report))


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
    entry = {"reference": hostile, "prompt": hostile, "outputs": {"fine-tuned": output, "zero-shot": output}}
    drawn = view.example(entry, "exact_match")
    tags = Tags()
    tags.feed(drawn)
    assert tags.found == {"div", "section", "h4", "pre", "details", "summary"}
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
    anchors = re.findall(r'<article id="([^"]+)">', drawn)
    assert len(set(anchors)) == len(anchors) == report["n"]
    assert report["headline"].split(":")[0] in drawn
    assert oct((evaluated / "report.html").stat().st_mode)[-3:] == "600"


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
