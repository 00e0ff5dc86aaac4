"""Rows of one source that an earlier one has already, or contradicts: the same findings that a check has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from curate.cleaning.rows import Reason
from curate.finding import spoken
from curate.pipeline import packed
from curate.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.cleaning.rows import Rows
    from curate.config import Config
    from curate.dedup.corpus import Corpus
    from curate.finding import Flag, Place
    from curate.formats import Layout
    from curate.pipeline import Progress

EXACT, NEAR, CONTRADICTORY = COMPARED = ("DUP001", "DUP002", "CON001")
UNREADABLE, UNSUPPORTED = "cannot be read", "cannot be held"
LEFT_OUT = (UNREADABLE, UNSUPPORTED, *COMPARED)
"""Why a row is left out, as it is counted."""
BY = "curate mix"


@dataclass
class Compared:
    """What was found: `partner` has, for each row left out, the row of an earlier source that stays.

    `within` counts, by source and code, the rows that resemble or contradict a row of their own source: they stay.
    """

    partner: dict[int, Place] = field(default_factory=dict)
    within: Counter[tuple[int, str]] = field(default_factory=Counter)


def leave_out(
    rows: Rows,
    source: Sequence[int],
    settings: Config,
    layouts: Mapping[str, Layout],
    progress: Progress,
) -> Compared:
    """Reject the rows that say again, or contradict, what a row of an earlier source says.

    `source` is the number of the source of each row, `settings` say by which rules and thresholds they are compared. A
    row goes only for one that stays: where that one has gone itself, the rows that are left are compared once more.

    Raises:
        CurateError: settings that name no rule or no such threshold, or a model that cannot be used.
    """
    compared = Compared()
    chosen = make_plan(settings, list(layouts)).rules
    if EXACT in chosen:
        _leave_copies_out(rows, source, compared)
    exact = compared.within
    rules = [chosen[code] for code in COMPARED[1:] if code in chosen]
    is_settled = not rules
    while not is_settled:
        is_settled = True
        corpus = _corpus(rows, settings, layouts, progress)
        number_of = dict(zip(corpus.places, (number for number, _ in rows.staying()), strict=True))
        found: list[tuple[int, int, int, Flag, str]] = []
        compared.within = Counter(exact)
        for order, rule in enumerate(rules):
            progress(f"comparing rows ({rule.name})", len(corpus.places), len(corpus.places))
            assert rule.check is not None
            for flag in rule.check(corpus):
                number, partner = number_of[flag.place], number_of[flag.related[0]]
                if source[partner] < source[number]:
                    found.append((source[number], order, number, flag, rule.code))
                elif source[partner] == source[number]:
                    compared.within[source[number], rule.code] += 1
        for _, _, number, flag, code in sorted(found, key=lambda each: each[:3]):
            if number in rows.rejected:
                continue
            partner = number_of[flag.related[0]]
            if partner in rows.rejected:
                is_settled = False
                continue
            rows.rejected[number] = Reason(code, flag.message, BY)
            compared.partner[number] = rows.places[partner]
    return compared


def _leave_copies_out(rows: Rows, source: Sequence[int], compared: Compared) -> None:
    first: dict[str, int] = {}
    for number, place in list(rows.staying()):
        original = first.setdefault(str(place.sample_id), number)
        if source[original] < source[number]:
            kept = rows.places[original]
            rows.rejected[number] = Reason(EXACT, f"the same as {spoken(kept, seen_from=place)}", BY)
            compared.partner[number] = kept
        elif original != number:
            compared.within[source[number], EXACT] += 1


def _corpus(rows: Rows, settings: Config, layouts: Mapping[str, Layout], progress: Progress) -> Corpus:
    from curate.dedup.corpus import Corpus

    corpus = Corpus(settings)
    for pack in packed(rows.inputs(), settings, layouts, progress):
        corpus.add(pack)
    # train.jsonl and test.jsonl are sources like any others: what both hold is here a copy, and no leak.
    corpus.split = np.zeros(len(corpus.places), dtype=np.int8)
    return corpus
