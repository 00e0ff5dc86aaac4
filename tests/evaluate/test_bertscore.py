"""BERTScore with a real encoder, beside the numbers of its authors' package."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.errors import CurateError
from curate_evaluate.metrics import METRICS, score
from curate_evaluate.metrics.bertscore import f1
from tests.dedup.models import sentence_model

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run

# (output, reference, F1 by bert-score 0.3.13, one pair at a time, all 6 layers).
PAIRS = [
    ("The parcel was sent today.", "It left us today.", 0.42135),
    ("Bananas are yellow", "It left us today.", 0.07239),
    ("Yes", "No", 0.79985),
    ("Ünïcödé 日本 👍", "Danke!", 0.14896),
    ("x", "A much longer sentence about returns of tents within 30 days.", 0.09855),
]


@pytest.fixture(scope="module")
def encoder() -> str:
    return str(sentence_model())


@pytest.mark.parametrize(("output", "reference", "expected"), PAIRS)
def test_the_numbers_are_those_of_the_authors_package(
    encoder: str, output: str, reference: str, expected: float
) -> None:
    assert score(output, reference, ["bertscore"], encoder=encoder)["bertscore"] == pytest.approx(expected, abs=2e-4)


@pytest.mark.filterwarnings("ignore")
def test_the_package_still_gives_them(encoder: str) -> None:
    if find_spec("bert_score") is None:
        pytest.skip("not installed: bert-score")
    from bert_score import score as of_authors

    outputs, references, expected = zip(*PAIRS, strict=True)
    _, _, found = of_authors(list(outputs), list(references), model_type=encoder, num_layers=6, batch_size=1)
    assert found.tolist() == pytest.approx(expected, abs=2e-4)


def test_equal_texts_score_1_and_nothing_scores_0(encoder: str) -> None:
    assert f1("It left us today.", " It left us today.\n", encoder) == 1.0
    assert f1("", "It left us today.", encoder) == f1("It left us today.", " \n", encoder) == 0.0
    assert f1("", "", encoder) == 1.0


def test_it_is_the_same_either_way_round_and_more_for_what_means_more_alike(encoder: str) -> None:
    answer = "You can send it back within 30 days."
    near, far = "Returns are accepted for a month.", "Returns of the census were published in March."
    assert f1(near, answer, encoder) == f1(answer, near, encoder) > f1(far, answer, encoder)


def test_no_verdict_rests_on_it() -> None:
    assert not METRICS["bertscore"].decides


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no such folder"):
        f1("a", "b", str(tmp_path / "none"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_it_is_computed_where_an_encoder_is_given_and_asks_no_model_again(encoder: str, evaluated: Run) -> None:
    answers = (evaluated / "answers.jsonl").read_bytes()
    evaluate = ("evaluate", str(evaluated.folder), "--shots", "2", "--batch-size", "16")
    refused = CliRunner().invoke(cli, [*evaluate, "--metric", "bertscore"])
    assert "--bertscore DIR" in str(refused.exception)
    refused = CliRunner().invoke(cli, [*evaluate, "--bertscore", str(evaluated / "split")])
    assert "tokenizer.json" in str(refused.exception)
    result = CliRunner().invoke(cli, [*evaluate, "--bertscore", encoder])
    assert result.exit_code == 0, result.output
    assert (evaluated / "answers.jsonl").read_bytes() == answers
    scores = json.loads((evaluated / "evaluate/scores.json").read_bytes())
    lines = [json.loads(line) for line in (evaluated / "evaluate/examples.jsonl").read_bytes().splitlines()]
    for name, arm in scores["arms"].items():
        found = [line["bertscore"] for line in lines if line["arm"] == name]
        assert arm["scores"]["bertscore"] == pytest.approx(sum(found) / len(found))
    assert scores["fit"]["encoder"] and scores["plan"]["metric"] == "exact_match"
