"""The primary metric on parts of the held-out rows: to look into, not to claim from."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curate_evaluate.history import History
from curate_evaluate.metrics.keys import plain_key
from curate_evaluate.metrics.labels import true_label
from curate_evaluate.stats import compare
from curate_evaluate.thoughts import without_thoughts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate_evaluate.arms import Case
    from curate_evaluate.metrics import Fit

    Parts = dict[str, list[int]]

# A smaller part says nothing, and a column of more values than this is no grouping.
FEWEST, MOST_VALUES = 10, 12
THIRDS = 3


def groupings(cases: Sequence[Case], fit: Fit, known: Mapping[str, History]) -> dict[str, Parts]:
    """The ways to part the rows, each with the places in `cases` of its parts: by length of the prompt, turns, label,
    column of few values, file, what came of the row in the review, and the rules that flagged it.

    A part of too few rows is joined with the others of its kind that are too small.
    """
    columns = sorted({key for case in cases for key in case.metadata})
    of_rows = [known.get(case.sample_id, History()) for case in cases]
    ours: dict[str, Sequence[Hashable]] = {
        "turns": ["one question" if len(case.turns) == 1 else "several turns" for case in cases],
        **({"label": labels(cases, fit)} if fit.kind == "labels" else {}),
        "file": [row.data[0][0] if row.data else None for row in of_rows],
        "review": [row.flag for row in of_rows],
    }
    taken = {"prompt length", "flagged by", *ours}
    theirs: dict[str, Sequence[Hashable]] = {
        f"column {column}" if column in taken else column: [case.metadata.get(column) for case in cases]
        for column in columns
    }
    return {
        "prompt length": lengths(cases),
        **{
            by: joined(values)
            for by, values in (ours | theirs).items()
            if all(isinstance(value, Hashable) for value in values) and len(set(values)) <= MOST_VALUES
        },
        "flagged by": flagged(of_rows),
    }


def labels(cases: Sequence[Case], fit: Fit) -> list[str | None]:
    """The label of each row, in one spelling; None where its reference gives none."""
    spellings = {plain_key(spelling): spelling for spelling in fit.labels}
    return [spellings.get(true_label(without_thoughts(case.reference), fit.labels)) for case in cases]


def lengths(cases: Sequence[Case]) -> Parts:
    """Thirds by the length of the prompt; of few rows halves, or nothing."""
    ordered = sorted(len(case.prompt_ids) for case in cases)
    count = min(THIRDS, len(cases) // FEWEST)
    ends = [ordered[len(cases) * part // count] for part in range(1, count)]
    starts = ["", *(f"{end + 1:,} to " for end in ends)]
    names = [f"{start or 'up to '}{end:,} tokens" for start, end in zip(starts, ends, strict=False)]
    parts: Parts = defaultdict(list)
    for i, case in enumerate(cases if ends else ()):
        below = bisect_left(ends, len(case.prompt_ids))
        parts[names[below] if below < len(ends) else f"over {ends[-1]:,} tokens"].append(i)
    return parts


def joined(values: Sequence[Hashable]) -> Parts:
    """The rows by their value; rows without one are in no part, and values of too few rows are one part together."""
    parts: Parts = defaultdict(list)
    for i, value in enumerate(values):
        if value is not None:
            parts[str(value)].append(i)
    return merged(parts)


def flagged(rows: Sequence[History]) -> Parts:
    """The rows by the rules that flagged them; a row may be in several parts."""
    parts: Parts = defaultdict(list)
    for i, row in enumerate(rows):
        for code in row.codes:
            parts[code].append(i)
    return merged(parts)


def merged(parts: Parts) -> Parts:
    small = [name for name, rows in parts.items() if len(rows) < FEWEST]
    if len(small) < 2:
        return parts
    together = sorted({i for name in small for i in parts[name]})
    return {name: rows for name, rows in parts.items() if name not in small} | {", ".join(sorted(small)): together}


def slices(
    cases: Sequence[Case],
    before: Sequence[float],
    after: Sequence[float],
    fit: Fit,
    *,
    full: float,
    seed: int,
    known: Mapping[str, History],
) -> list[dict[str, Any]]:
    """The comparison on each part that is large enough and not everything; `holm` is its p-value among so many parts.

    Args:
        cases: the held-out rows.
        before: their primary scores by the baseline.
        after: by the fine-tuned arm.
        fit: the metrics of the data.
        full: the score of a perfect answer.
        seed: of the random flips.
        known: the history of each row, by its sample id.
    """
    found = []
    for by, parts in groupings(cases, fit, known).items():
        for part, rows in sorted(parts.items()):
            if FEWEST <= len(rows) < len(cases):
                difference = compare(
                    [before[i] for i in rows],
                    [after[i] for i in rows],
                    clusters=[cases[i].sample_id for i in rows],
                    full=full,
                    seed=seed,
                )
                found.append({"by": by, "part": part, **asdict(difference)})
    corrected = holm([one["p"] for one in found])
    return [{**one, "holm": p} for one, p in zip(found, corrected, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """The p-values of tests that were made together, corrected by Holm's method (Scand. J. Statist. 6, 1979)."""
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = largest
    return corrected
