"""The primary metric on parts of the held-out rows: to look into, not to claim from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curate_evaluate.metrics.claims import label
from curate_evaluate.stats import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_evaluate.arms import Case
    from curate_evaluate.metrics import Fit

# A smaller part says nothing, and a column of more values than this is no grouping.
FEWEST, MOST_VALUES = 10, 12


def groupings(cases: Sequence[Case], fit: Fit) -> dict[str, list[str | None]]:
    """The ways to part the rows: by length of the prompt, by label, by number of turns, by each column of the data that
    has few values. Of each row its part, or None."""
    lengths = sorted(len(case.prompt_ids) for case in cases)
    third, two_thirds = lengths[len(lengths) // 3], lengths[2 * len(lengths) // 3]
    found: dict[str, list[str | None]] = {
        "prompt length": [
            f"up to {third:,} tokens"
            if len(case.prompt_ids) <= third
            else f"{third + 1:,} to {two_thirds:,} tokens"
            if len(case.prompt_ids) <= two_thirds
            else f"over {two_thirds:,} tokens"
            for case in cases
        ],
        "turns": ["one question" if len(case.turns) == 1 else "several turns" for case in cases],
    }
    if fit.kind == "labels":
        found["label"] = [label(case.reference, fit.labels) for case in cases]
    columns = {key for case in cases for key in case.metadata}
    for column in sorted(columns):
        values = [case.metadata.get(column) for case in cases]
        if all(isinstance(value, Hashable) for value in values) and len(set(values)) <= MOST_VALUES:
            found[column] = [None if value is None else str(value) for value in values]
    return found


def slices(
    cases: Sequence[Case], before: Sequence[float], after: Sequence[float], fit: Fit, *, full: float, seed: int
) -> list[dict[str, Any]]:
    """The comparison on each part that is large enough and not everything.

    Args:
        cases: the held-out rows.
        before: their primary scores by the baseline.
        after: by the fine-tuned arm.
        fit: the metrics of the data.
        full: the score of a perfect answer.
        seed: of the random flips.
    """
    found = []
    for by, parts in groupings(cases, fit).items():
        for part, count in sorted(Counter(part for part in parts if part is not None).items()):
            if FEWEST <= count < len(cases):
                rows = [i for i, of in enumerate(parts) if of == part]
                difference = compare(
                    [before[i] for i in rows],
                    [after[i] for i in rows],
                    clusters=[cases[i].sample_id for i in rows],
                    full=full,
                    seed=seed,
                )
                found.append({"by": by, "part": part, **asdict(difference)})
    return found
