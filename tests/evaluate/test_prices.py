"""When the training has paid."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from curate.cli.main import cli
from curate.errors import CurateError
from curate_evaluate.prices import Prices, break_even, costs_of, pooled_costs, prices_of
from curate_evaluate.report.words import money, prices_in_words

if TYPE_CHECKING:
    from curate.run import Run

TRAINING = {"seconds": {"load": 60.0, "train": 1740.0, "step": 1.0}, "sweep": None, "device": "NVIDIA H100"}
MEASURED: dict[str, Any] = {"device": "NVIDIA L4", "batch_size": 8}  # of the answers, wherever the training was
GIVEN = Prices(gpu_hour=2.0, price_in=0.5, price_out=1.5)


def arm(
    name: str, *, tuned: bool = False, by: str = "base", prompt: float, answer: float = 10.0, seconds: float
) -> dict[str, Any]:
    costs = {"prompt_tokens": prompt, "tokens": answer, "seconds": seconds}
    return {"title": name, "tuned": tuned, "answered_by": "adapter" if tuned else by, **costs}


ARMS = {
    "fine-tuned": arm("fine-tuned", tuned=True, prompt=40, seconds=0.09),
    "zero-shot": arm("zero-shot", prompt=60, seconds=0.18),
    "few-shot": arm("few-shot, 5 examples", prompt=770, seconds=0.36),
}


def words(costs: dict[str, Any]) -> list[str]:
    return prices_in_words({"arms": ARMS, "plan": {"arms": list(ARMS)}, "prices": costs})


def test_a_prompted_model_by_the_token_against_a_machine_by_the_hour() -> None:
    costs = costs_of(GIVEN, ARMS, TRAINING, **MEASURED)
    assert costs["training"] == pytest.approx(1.0)  # 1,800 s at 2 an hour
    # 0.09 s at 2 an hour; 60 and 770 tokens at 0.5, 10 at 1.5 a million.
    assert costs["per_answer"] == pytest.approx({"fine-tuned": 0.00005, "zero-shot": 0.000045, "few-shot": 0.0004})
    # 1 / (0.0004 - 0.00005) = 2,857.1; the zero-shot answer is the less expensive one.
    assert costs["break_even"] == {"zero-shot": None, "few-shot": 2858}
    assert words(costs) == [
        "Training cost 1.00 once, and 1,000 answers of fine-tuned cost 0.050: 0.09 s each, as measured on NVIDIA L4 in "
        "batches of 8, on a machine at 2 an hour that is never idle.",
        "1,000 answers of zero-shot cost 0.045: the training never pays.",
        "1,000 answers of few-shot, 5 examples cost 0.40: the training has paid after about 2,900 answers.",
    ]


def test_without_token_prices_the_same_machine_serves_the_base_model() -> None:
    costs = costs_of(Prices(gpu_hour=2.0), ARMS, TRAINING, **MEASURED)
    assert costs["per_answer"]["zero-shot"] == pytest.approx(0.0001)
    assert costs["break_even"] == {"zero-shot": 20_000, "few-shot": 6667}


def test_where_an_endpoint_was_asked_the_token_prices_are_its_own() -> None:
    arms = {**ARMS, "large zero-shot": arm("large zero-shot", by="large", prompt=60, seconds=3.0)}
    costs = costs_of(GIVEN, arms, TRAINING, **MEASURED)
    assert costs["per_answer"] == pytest.approx(
        {"fine-tuned": 0.00005, "zero-shot": 0.0001, "few-shot": 0.0002, "large zero-shot": 0.000045}
    )
    unpriced = costs_of(Prices(gpu_hour=2.0), arms, TRAINING, **MEASURED)
    assert "large zero-shot" not in unpriced["per_answer"] | unpriced["break_even"]


def test_the_candidates_of_a_sweep_are_all_paid_for() -> None:
    swept = {**TRAINING, "sweep": {"learning_rate=0.0001": 1.2, "learning_rate=0.0002": 1.1}}
    assert costs_of(GIVEN, ARMS, swept, **MEASURED)["training"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("once", "saved", "count"),
    [(0.6, 0.2, 3), (0.3, 0.1, 3), (0.7, 0.1, 7), (1.0, 0.3, 4), (0.0, 0.1, 0), (1.0, 0.0, None), (1.0, -0.1, None)],
)
def test_break_even(once: float, saved: float, count: int | None) -> None:
    assert break_even(once, saved) == count


def test_of_several_trainings_one_is_paid_for() -> None:
    other = {**TRAINING, "seconds": {"load": 60.0, "train": 3540.0}}
    parts = [costs_of(GIVEN, ARMS, training, **MEASURED) for training in (TRAINING, other)]
    pooled = pooled_costs(parts, ARMS)
    assert pooled is not None
    assert pooled["training"] == pytest.approx(1.5)
    assert pooled["break_even"]["few-shot"] == 4286
    assert pooled_costs([None, None], ARMS) is None


def test_where_the_cost_of_the_training_is_not_known_answers_have_their_price_and_nothing_has_paid() -> None:
    costs = costs_of(GIVEN, ARMS, None, **MEASURED)
    assert (costs["training"], costs["training_seconds"], costs["break_even"]) == (None, None, {})
    assert costs["per_answer"] == costs_of(GIVEN, ARMS, TRAINING, **MEASURED)["per_answer"]
    assert words(costs) == [
        "What its training cost is not known; 1,000 answers of fine-tuned cost 0.050: 0.09 s each, as measured on "
        "NVIDIA L4 in batches of 8, on a machine at 2 an hour that is never idle.",
        "1,000 answers of zero-shot cost 0.045.",
        "1,000 answers of few-shot, 5 examples cost 0.40.",
    ]


def test_prices_that_say_nothing_alone_are_refused() -> None:
    assert prices_of({}) is None
    assert prices_of({"gpu_hour": 2.0, "price_in": None, "price_out": None}) == Prices(2.0)
    assert prices_of({"gpu_hour": 0.0, "price_in": 0.0, "price_out": 0.0}) == Prices(0.0, 0.0, 0.0)
    for given in ({"price_in": 1.0, "price_out": 1.0}, {"gpu_hour": 2.0, "price_in": 1.0}, {"price_out": 1.0}):
        with pytest.raises(CurateError, match="--gpu-hour"):
            prices_of(given)


def test_nothing_is_said_of_costs_without_prices() -> None:
    assert prices_in_words({"arms": ARMS, "plan": {"arms": list(ARMS)}, "prices": None}) == []


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "0"), (1234.5, "1,234.50"), (0.4, "0.40"), (0.05, "0.050"), (0.000045, "0.000045"), (0.00100, "0.0010")],
)
def test_small_amounts_are_not_rounded_to_nothing(amount: float, said: str) -> None:
    assert money(amount) == said


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_other_prices_ask_no_model_and_are_in_the_report(evaluated: Run) -> None:
    file = evaluated / "train/train.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | TRAINING))
    import torch

    answers = (evaluated / "answers.jsonl").read_bytes()
    for hour in ("2", "3"):
        same = ("--shots", "2", "--batch-size", "16")
        result = CliRunner().invoke(cli, ["evaluate", str(evaluated.folder), *same, "--gpu-hour", hour])
        assert result.exit_code == 0, result.output
        prices = json.loads((evaluated / "evaluate/scores.json").read_bytes())["prices"]
        assert prices["training"] == pytest.approx(int(hour) / 2)
        # Where it was answered, and not where it was trained.
        assert prices["device"] == (torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")
    assert (evaluated / "answers.jsonl").read_bytes() == answers
    record = evaluated.record("evaluate")
    assert record and record["command"].endswith("--gpu-hour 3.0")
    result = CliRunner().invoke(cli, ["report", str(evaluated.folder), "--markdown"])
    assert result.exit_code == 0, result.output
    assert "Training cost 1.50 once" in result.stdout
    schema = json.loads(resources.files("curate_evaluate.report").joinpath("report.schema.json").read_bytes())
    found = json.loads((evaluated / "report.json").read_bytes())["prices"]
    Draft202012Validator(schema["properties"]["prices"]).validate(found)
    assert set(found) == set(schema["properties"]["prices"]["required"])
