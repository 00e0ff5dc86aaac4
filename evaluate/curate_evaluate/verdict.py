"""The verdict: was it worth it, from one comparison with each baseline, by rules that were fixed before."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from curate_evaluate.stats.power import examples_to_show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from curate.run import Run
    from curate_evaluate.stats import Difference

MARGIN = 2.0
# From so many training seeds on a verdict speaks of fine-tuning and not of one adapter.
SEEDS = 3


class Verdict(StrEnum):
    """Of one comparison, or of all of them together."""

    WIN = "win"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Plan:
    """What was fixed before the first test row was answered.

    Attributes:
        metric: the primary one, on which the verdict rests.
        full: its score for a perfect answer; None for one without limits.
        margin: the smallest difference that matters, in points: percent of `full`, or units of a metric without limits.
        arms: the fine-tuned one first, then the baselines.
        seeds: how many adapters were trained, each with a seed of its own.
    """

    metric: str
    full: float | None
    arms: tuple[str, ...]
    margin: float = MARGIN
    seeds: int = 1

    def __post_init__(self) -> None:
        if self.margin <= 0:
            raise ValueError(f"margin {self.margin:g}: has to be above 0 points")
        if len(self.arms) < 2:
            raise ValueError("a verdict needs a baseline beside the fine-tuned arm")

    @property
    def units(self) -> float:
        """The margin in the units of the scores."""
        return self.margin if self.full is None else self.margin / 100 * self.full

    @property
    def subject(self) -> str:
        if self.seeds >= SEEDS:
            return f"fine-tuning ({self.seeds} seeds)"
        return "this adapter" if self.seeds == 1 else f"the mean of these {self.seeds} adapters"


@dataclass(frozen=True)
class Decision:
    """The verdict with its reasons.

    Attributes:
        verdict: over all baselines.
        by_baseline: the verdict of each comparison alone.
        decisive: the baseline on which it rests: of those with this verdict the one with the smallest gain.
        needed: about how many examples would settle it; None where it is settled.
    """

    verdict: Verdict
    by_baseline: dict[str, Verdict]
    decisive: str
    needed: int | None


def decide(differences: Mapping[str, Difference], plan: Plan) -> Decision:
    """The verdict from the comparison of the fine-tuned arm with each baseline, by name.

    WIN: against every baseline the lower bound is above 0 and the gain at least the margin. WORSE: against some
    baseline the upper bound is below 0, by what may be the margin or more. EQUIVALENT: the whole interval is within the
    margin of some baseline, and the others are beaten or as near. Anything else is CANNOT TELL.

    Raises:
        ValueError: a baseline of the plan was not compared, or one was that it does not name.
    """
    if set(differences) != set(plan.arms[1:]):
        raise ValueError(f"compared with {sorted(differences)}, planned {sorted(plan.arms[1:])}")
    by_baseline = {name: of_one(difference, plan.units) for name, difference in differences.items()}
    found = set(by_baseline.values())
    if Verdict.WORSE in found:
        verdict = Verdict.WORSE
    elif Verdict.CANNOT_TELL in found:
        verdict = Verdict.CANNOT_TELL
    else:
        verdict = Verdict.EQUIVALENT if Verdict.EQUIVALENT in found else Verdict.WIN
    deciding = [name for name, of_baseline in by_baseline.items() if of_baseline == verdict]
    return Decision(
        verdict=verdict,
        by_baseline=by_baseline,
        decisive=min(deciding, key=lambda name: differences[name].value),
        needed=max(examples_to_show(differences[name], plan.units) for name in deciding)
        if verdict == Verdict.CANNOT_TELL
        else None,
    )


def of_one(difference: Difference, margin: float) -> Verdict:
    """The verdict against one baseline alone; `margin` in the units of the scores."""
    if -margin <= difference.low and difference.high <= margin:
        return Verdict.EQUIVALENT
    if difference.high < 0:
        return Verdict.WORSE
    if difference.low > 0 and difference.value >= margin:
        return Verdict.WIN
    return Verdict.CANNOT_TELL


def declare(run: Run, plan: Plan) -> None:
    """Write the plan to run.json, before a test row is answered. Earlier plans that differ stay there, with their time:
    a margin or a metric that was changed after the scores were seen is no secret."""
    with run.alone():
        manifest = run.manifest()
        plans: list[dict[str, Any]] = manifest.setdefault("plans", [])
        now = {**asdict(plan), "arms": list(plan.arms)}
        # A plan about one adapter and one about fine-tuning stand beside each other.
        earlier = [one for one in plans if (one["seeds"] == 1) == (plan.seeds == 1)]
        if not earlier or {key: value for key, value in earlier[-1].items() if key != "at"} != now:
            plans.append({**now, "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")})
            run.save(manifest)
