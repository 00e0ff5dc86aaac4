"""DUP004: rows that ask and answer the same in other words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fix, Flag, group_id, spoken
from curate.rules.rule import corpus_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.dedup.corpus import Corpus


@corpus_rule("DUP004", severity="warning", fix=Fix("drop", safe=False), needs="semantic")
def semantic_duplicate(corpus: Corpus, *, min_similarity: float = 0.85) -> Iterator[Flag]:
    """A row asks what another row asks in other words, and gets the same answer.

    Why it matters: the rows teach one thing twice, and one of them in the test split makes the score look better than
    it is. The last requests, after equal turns, are compared by the embeddings of the model given with `--semantic
    DIR`: their cosine must be at least `min_similarity`, and so must that of the sentences that they do not share.
    The answers must make the same claim, or be nearly the same text or very near each other. Rows are not duplicates
    where the requests differ in a number, date, name, unit, option or negation, or in one place only: embeddings hardly
    see that. Nor are texts that the model cannot read: longer than its window, or in a language it has not learned.

    Example: line 3 asks "How tall is Mount Everest?", line 90 "What is the height of Mount Everest?", and both are
    answered with 8,849 metres.

    How to fix it: keep both if the variety of wordings is meant, else one of them. The fix keeps one row of each group
    (see `--keep`) and drops the others, only where you ask for unsafe fixes.
    """
    from curate.dedup.reworded import reworded

    for group in reworded(corpus, min_similarity):
        members = [corpus.places[row] for row in (group.kept, *(other for other, _ in group.others))]
        name = group_id("dup", members)
        for row, alike in group.others:
            place = corpus.places[row]
            yield Flag(
                place,
                f"asks in other words what {spoken(members[0], seen_from=place)} asks, and gets the same answer "
                f"(similarity {alike.request:.2f} and {alike.answer:.2f})",
                evidence={"request_similarity": alike.request, "answer_similarity": alike.answer},
                related=[member for member in members if member is not place],
                group=name,
            )
