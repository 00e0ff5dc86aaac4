"""DUP002 and DUP003: rows that say nearly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fix, Flag, group_id, spoken
from curate.rules.rule import corpus_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.dedup.corpus import Corpus


@corpus_rule("DUP002", severity="warning", fix=Fix("drop", safe=True))
def near_duplicate(corpus: Corpus, *, min_similarity: float = 0.8) -> Iterator[Flag]:
    """A row says nearly what another row says: the prompt and the answer differ by a few words at most.

    Why it matters: the model sees the row twice as often as you meant, and a near copy that lands in the test split
    makes the score look better than it is. Prompt and answer are compared word by word, each of them must be at least
    `min_similarity` the same, and what differs must be edits: words added, left out or replaced. Rows are not
    duplicates where a number, date, name, unit or option stands for another one, where only a negation differs, or
    where another question is asked about the same long passage.

    Example: line 3 asks "How can I reset my password on the website?", line 12 "How can I reset my password on the web
    site please?", with the same answer; line 12 is flagged.

    How to fix it: keep one of them. The fix keeps the first of each group (`--keep longest`: the longest; `--keep
    reviewed`: one that a person kept) and drops the others.
    """
    from curate.dedup.near import near_duplicates

    for group in near_duplicates(corpus, min_similarity):
        members = [corpus.places[i] for i in (group.kept, *(other for other, _ in group.others))]
        name = group_id("dup", members)
        for number, same in group.others:
            place = corpus.places[number]
            share = min(round(100 * same.similarity), 99)
            yield Flag(
                place,
                f"{share}% the same as {spoken(members[0], seen_from=place)}",
                evidence={"similarity": round(same.similarity, 4)},
                related=[member for member in members if member is not place],
                group=name,
            )
