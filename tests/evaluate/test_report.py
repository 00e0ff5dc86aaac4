from __future__ import annotations

import json
from typing import Any

import pytest

from curate.run import Run, why_stale
from curate_evaluate import view
from curate_evaluate.report import STEP, breaks, headline, side_by_side, signed, state_of, verdict


def difference(**changed: Any) -> dict[str, Any]:
    clear = {
        "value": 0.2,
        "low": 0.1,
        "high": 0.3,
        "level": 0.95,
        "n": 60,
        "won": 14,
        "lost": 2,
        "p": 0.004,
        "method": "m",
    }
    return clear | changed


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "better"),
        ({"low": -0.3, "high": -0.1, "value": -0.2, "won": 2, "lost": 14}, "worse"),
        ({"low": 0.0}, "unclear"),
        ({"low": -0.01}, "unclear"),
        ({"high": 0.0, "low": -0.3}, "unclear"),
        ({"p": 0.06}, "unclear"),  # the interval is clear and the exact test is not
        ({"p": None}, "better"),
        ({"n": 19, "p": None}, "unclear"),  # too few for any interval
    ],
)
def test_a_claim_needs_an_interval_without_zero_an_exact_test_that_agrees_and_enough_rows(
    changed: dict[str, Any], state: str
) -> None:
    assert state_of(difference(**changed)) == state


def scores(**changed: Any) -> dict[str, Any]:
    return {
        "arms": {"base": {"exact_match": 0.3, "chrf": 40.0}, "adapter": {"exact_match": 0.5, "chrf": 55.0}},
        "difference": {
            "exact_match": difference(**changed),
            "chrf": difference(value=15.0, low=9.0, high=21.0, p=None),
        },
    }


def test_the_words_hold_both_values_the_interval_the_pairs_and_the_p_value() -> None:
    assert verdict("exact_match", scores())["words"] == (
        "exact match: the adapter is better than the base model: 50.0% against 30.0%, +20.0 points "
        "(95% CI +10.0 to +30.0, n = 60; 14 won, 2 lost; exact McNemar p = 0.004)."
    )
    unclear = verdict("exact_match", scores(low=-0.05))["words"]
    assert unclear.startswith("exact match: cannot tell at 60 rows: ")
    assert "better" not in unclear


def test_where_no_score_differs_no_interval_is_given() -> None:
    words = verdict("exact_match", scores(value=0.0, low=0.0, high=0.0, won=0, lost=0, p=1.0))["words"]
    assert "cannot tell: no score differs" in words
    assert "CI" not in words


def test_the_headline_names_what_is_clear_and_what_is_not() -> None:
    both = [verdict(name, scores(low=-0.1)) for name in ("exact_match", "chrf")]
    assert headline(both, 60) == (
        "On 60 held-out rows the adapter is better than the base model in chrF; exact match cannot tell."
    )
    assert headline(both[:1], 60) == "On 60 held-out rows, exact match cannot tell the adapter from the base model."


def test_a_small_difference_is_not_rounded_to_the_other_side_of_zero() -> None:
    assert signed("chrf", 0.004) == "+0.004"
    assert signed("chrf", -0.04) == "-0.04"
    assert signed("exact_match", 0.0) == "0"


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
    assert set(report["arms"]) == {"base", "adapter"}
    assert [set(example["outputs"]) for example in report["examples"]] == [{"base", "adapter"}] * report["n"]
    assert {"train", "evaluate"} <= set(report["provenance"]["steps"])
    assert report["provenance"]["breaks"] == []
    assert {entry["state"] for entry in report["verdict"]} == {"unclear"}  # five rows
    assert oct((evaluated / "report.json").stat().st_mode)[-3:] == "600"


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

    output = {"output": hostile, "chrf": 1.0, "exact_match": 0.0, "stopped": "stop"}
    entry = {"reference": hostile, "prompt": hostile, "outputs": {"base": output, "adapter": output}}
    drawn = view.example(entry)
    tags = Tags()
    tags.feed(drawn)
    assert tags.found == {"div", "section", "h4", "pre", "details", "summary"}
    assert not set(drawn) & set("\u202e\x1b\x00")


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
