"""SET008 and SET009: balance of preference data."""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import TYPE_CHECKING

from curate.finding import Flag
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


def _pair_lengths(sample: Sample) -> tuple[int, int] | None:
    """Characters of the last chosen and the last rejected turn of a pair."""
    if not sample.rejected or not sample.messages:
        return None
    return len(sample.messages[-1].text), len(sample.rejected[-1].text)


@dataset_rule("SET008", severity="info", measure=_pair_lengths)
def preference_length_bias(measured: Measured, *, max_effect: float = 0.5, min_pairs: int = 30) -> Iterator[Flag]:
    """The chosen answers are systematically longer, or shorter, than the rejected ones.

    Why it matters: preference training takes the cheapest difference it finds, and length is the cheapest: the
    model learns to write more instead of better. Measured as Cohen's d: the difference of the means over the pooled
    standard deviation; 0.2 is small, 0.5 medium, 0.8 large.

    Example: chosen answers have 1,240 characters on average, rejected ones 610 (d = 0.92).

    How to fix it: add pairs where the shorter answer is the better one, or use a loss that normalises length
    (SimPO, length-controlled DPO).
    """
    if len(measured) < max(min_pairs, 2):
        return
    chosen = [lengths[0] for _, lengths in measured]
    rejected = [lengths[1] for _, lengths in measured]
    pooled = math.sqrt((variance(chosen) + variance(rejected)) / 2)
    effect = (fmean(chosen) - fmean(rejected)) / pooled if pooled else 0.0
    if abs(effect) > max_effect:
        message = (
            f"chosen answers have {fmean(chosen):,.0f} characters on average, rejected ones {fmean(rejected):,.0f} "
            f"(Cohen's d = {effect:.2f})"
        )
        yield Flag(None, message, evidence={"cohens_d": round(effect, 3), "pairs": len(measured)})


def _label(sample: Sample) -> bool | None:
    return sample.label


@dataset_rule("SET009", severity="info", measure=_label)
def kto_label_imbalance(measured: Measured, *, max_ratio: float = 3.0, min_rows: int = 20) -> Iterator[Flag]:
    """One label of the unpaired preferences is far more frequent than the other.

    Why it matters: KTO weighs good and bad answers against each other; its authors advise that weight times count
    of the two labels stays between 1:1 and 4:3. With one label only there is nothing to learn from.

    Example: 2,700 rows with `label: true`, 300 with `label: false`.

    How to fix it: set `desirable_weight` and `undesirable_weight` so that weight times count balances, or add rows.
    """
    good = sum(label for _, label in measured)
    bad = len(measured) - good
    if len(measured) >= min_rows and max(good, bad) > max_ratio * min(good, bad):
        yield Flag(None, f"{good:,} rows are labelled good, {bad:,} bad", evidence={"true": good, "false": bad})
