"""SET011: one id on rows that say different things."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from curate.finding import Flag, Place, group_id
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

# Columns that name one row. `prompt_id` and the like name what several rows share.
_ID_COLUMNS = ("id", "_id", "uuid", "uid", "guid", "row_id", "example_id", "sample_id")


def _row_id(sample: Sample) -> tuple[str, str | int] | None:
    if not sample.metadata:
        return None
    for column in _ID_COLUMNS:
        value = sample.metadata.get(column)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return column, value
    return None


@dataset_rule("SET011", severity="warning", measure=_row_id)
def duplicate_id_column(measured: Measured, *, min_distinct: float = 0.9) -> Iterator[Flag]:
    """Two rows with different content carry the same id.

    Why it matters: whoever joins scores, reviews or sources to rows by this id gets the wrong row. Columns such as
    `id` and `uuid` are looked at, and only where nearly all their values are different: else they name a group, not
    a row.

    Example: lines 12 and 4,031 have `"id": "conv-88"` and different conversations.

    How to fix it: number the rows anew, or find out which of the two is the right one.
    """
    by_id: dict[tuple[str, str | int], list[Place]] = defaultdict(list)
    for place, value in measured:
        by_id[value].append(place)
    if len(by_id) < min_distinct * len(measured):
        return
    for (column, value), places in by_id.items():
        # Parts of one line share its columns, and copies are DUP001's.
        if len({place.line for place in places}) == 1 or len({place.sample_id for place in places}) == 1:
            continue
        group = group_id("id", places)
        for place in places:
            others = tuple(other for other in places if other.line != place.line)
            yield Flag(
                place,
                f'{column} "{str(value)[:40]}" is also on line {others[0].line}, with other content',
                evidence={"column": column, "id": value},
                related=others,
                group=group,
            )
