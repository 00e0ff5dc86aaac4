"""DUP001: rows that are the same, byte for byte of what is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.dedup.splits import splits_of
from curate.finding import Fix, Flag, Place, group_id, spoken
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


RELATED = 20  # copies named on each copy: naming all of n copies n times would fill the memory; `group` ties them


def _present(sample: Sample) -> bool:
    """Every sample takes part: its id, which the comparison needs, is already in its Place."""
    return True


@dataset_rule("DUP001", severity="warning", measure=_present, scope="all", fix=Fix("drop", safe=True))
def exact_duplicate(measured: Measured) -> Iterator[Flag]:
    """A row says exactly what an earlier row says.

    Why it matters: the model sees the row twice as often as you meant, learns it by heart, and a copy that lands in
    the test split makes the score look better than it is. Two rows are the same when their messages, tools,
    rejected answer, label and training flags are; other columns and the spelling of the JSON do not count. A row that
    another split holds too (train.jsonl and test.jsonl, by their names) is LEAK001's.

    Example: lines 3 and 812 hold the same question with the same answer; line 812 is flagged.

    How to fix it: keep one of them: the fix keeps the first and drops the others.
    """
    splits = splits_of(dict.fromkeys(place.path for place, _ in measured))
    first: dict[object, Place] = {}
    copies: dict[object, list[Place]] = {}
    for place, _ in measured:
        key = place.sample_id, splits.get(place.path)
        original = first.setdefault(key, place)
        if original is not place:
            copies.setdefault(key, [original]).append(place)
    for members in copies.values():
        group = group_id("dup", members)
        original = members[0]
        for place in members[1:]:
            yield Flag(
                place,
                f"the same as {spoken(original, seen_from=place)}",
                evidence={"copies": len(members)},
                related=[member for member in members[: RELATED + 1] if member is not place][:RELATED],
                group=group,
            )
