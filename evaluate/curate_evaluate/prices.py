"""From how many requests on the fine-tuned model has paid for its training, at prices that the user gives. Pure.

Tokens and seconds are those that were measured on the held-out rows. Prices are in any one currency.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate.arms.arm import ADAPTER, BASE, UNQUANTISED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MILLION, HOUR = 1_000_000, 3_600
HERE = (ADAPTER, BASE, UNQUANTISED)
"""Those that answer on the machine of the fine-tuned model."""


@dataclass(frozen=True)
class Prices:
    """What the user said.

    Attributes:
        gpu_hour: of an hour of the machine that trains and serves.
        price_in: of a million prompt tokens of a prompted model, or only of those behind endpoints where there are any;
            None where prompted models are served by that machine too.
        price_out: of a million tokens that it writes; None as `price_in`.
    """

    gpu_hour: float
    price_in: float | None = None
    price_out: float | None = None

    def of_answers(self, arms: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """What one answer of each arm costs, as scores.json describes them: with their tokens and seconds an answer.
        Arms behind endpoints whose tokens have no price are left out."""
        elsewhere = {name for name, arm in arms.items() if arm["answered_by"] not in HERE}
        by_token = elsewhere or {name for name, arm in arms.items() if not arm["tuned"]}
        found = {}
        for name, arm in arms.items():
            if name in by_token and self.price_in is not None and self.price_out is not None:
                found[name] = (arm["prompt_tokens"] * self.price_in + arm["tokens"] * self.price_out) / MILLION
            elif name not in elsewhere:
                found[name] = arm["seconds"] * self.gpu_hour / HOUR
        return found


def prices_of(config: Mapping[str, Any]) -> Prices | None:
    """The prices among the settings of the step evaluate; None where there are none.

    Raises:
        CurateError: some of them without those that they need.
    """
    gpu_hour, price_in, price_out = (config.get(name) for name in ("gpu_hour", "price_in", "price_out"))
    if gpu_hour is None and price_in is None and price_out is None:
        return None
    if gpu_hour is None or (price_in is None) != (price_out is None):
        raise CurateError(
            "prices: give --gpu-hour, of the machine that serves the fine-tuned model, and with it both --price-in and "
            "--price-out, of a prompted model by the million tokens, or neither where that machine serves it too"
        )
    return Prices(gpu_hour, price_in, price_out)


def costs_of(
    prices: Prices,
    arms: Mapping[str, Mapping[str, Any]],
    training: Mapping[str, Any] | None,
    *,
    device: str,
    batch_size: int,
) -> dict[str, Any]:
    """What scores.json says of costs.

    Args:
        prices: those that were given.
        arms: of scores.json, the fine-tuned one first.
        training: train.json of the adapter; None for one of which it is not at hand.
        device: on which the seconds of the arms were measured.
        batch_size: with which they were.

    Returns:
        The prices; `training_seconds` and their price `training`, None where they are not known; `device` and
        `batch_size` of the measurement; by arm the price `per_answer`; by baseline the answers to `break_even`, None
        where they never do, and no baseline where the price of the training is not known.
    """
    seconds = None
    if training:
        trainings = len(training.get("sweep") or (1,))
        seconds = (training["seconds"]["load"] + training["seconds"]["train"]) * trainings
    return _facts(prices, arms, seconds, {"device": device, "batch_size": batch_size})


def pooled_costs(
    of_parts: Sequence[Mapping[str, Any] | None], arms: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The same for several trainings, one of which is bought: their mean. None where no prices were given."""
    priced = [part for part in of_parts if part]
    if not priced:
        return None
    first = priced[0]
    prices = Prices(first["gpu_hour"], first["price_in"], first["price_out"])
    seconds = sum(part["training_seconds"] for part in priced) / len(priced)
    return _facts(prices, arms, seconds, {name: first[name] for name in ("device", "batch_size")})


def _facts(
    prices: Prices, arms: Mapping[str, Mapping[str, Any]], seconds: float | None, measured: Mapping[str, Any]
) -> dict[str, Any]:
    per_answer = prices.of_answers(arms)
    tuned = per_answer[next(iter(arms))]
    found: dict[str, Any] = {"training_seconds": None, "training": None, "break_even": {}}
    if seconds is not None:
        training = seconds * prices.gpu_hour / HOUR
        baselines = {name: cost for name, cost in per_answer.items() if not arms[name]["tuned"]}
        paid = {name: break_even(training, cost - tuned) for name, cost in baselines.items()}
        found = {"training_seconds": round(seconds, 3), "training": training, "break_even": paid}
    return {
        **asdict(prices),
        **found,
        **measured,
        "per_answer": per_answer,
    }


def break_even(once: float, saved: float) -> int | None:
    """How many answers it takes until what each saves makes up for what was paid once; None where it never does."""
    if saved <= 0:
        return None
    # Not one more because a quotient was rounded upwards.
    return math.ceil(once / saved - 1e-9)
