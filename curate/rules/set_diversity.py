"""SET006 and SET007: prompts and answers that are too much alike."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Flag
from curate.rules.answers import final_answer
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_SHORTEST_ANSWER = 60


class _Prompt(NamedTuple):
    hash: int
    opening: str


def _opening(text: str, words: int) -> str:
    """The first words of a text; interned, so that equal ones cost their memory once a batch."""
    return sys.intern(" ".join(text[:120].split(None, words)[:words]).rstrip(".,:;!?"))


def _prompt(sample: Sample) -> _Prompt | None:
    text = next((message.text for message in sample.messages if message.role == "user"), "")
    return _Prompt(zlib.crc32(text.encode("utf-8", "replace")), _opening(text, 5)) if text else None


def _answer_opening(sample: Sample) -> str | None:
    answer = final_answer(sample)
    return _opening(answer.text, 3) if answer and len(answer.text) >= _SHORTEST_ANSWER else None


@dataset_rule("SET006", severity="info", measure=_prompt)
def low_diversity(
    measured: Measured, *, min_distinct: float = 0.5, max_opening: float = 0.5, min_rows: int = 100
) -> Iterator[Flag]:
    """The prompts repeat each other.

    Why it matters: a model that saw one way of asking does worse when users ask in theirs. Counted are the
    different first prompts, and the prompts that begin with the same five words.

    Example: 2,000 rows with 310 different prompts; or 1,900 of them begin "Classify the sentiment of the".

    How to fix it: add prompts as your users write them. If one fixed template is what you will use, keep it.
    """
    rows = len(measured)
    if rows < min_rows:
        return
    distinct = len({prompt.hash for _, prompt in measured})
    opening, count = Counter(prompt.opening for _, prompt in measured).most_common(1)[0]
    if distinct < min_distinct * rows:
        yield Flag(
            None, f"only {distinct:,} different prompts in {rows:,} rows", evidence={"prompts": distinct, "rows": rows}
        )
    elif count > max_opening * rows and " " in opening:
        yield Flag(
            None,
            f'{round(100 * count / rows)}% of the prompts begin "{opening[:50]}"',
            evidence={"opening": opening, "prompts": count, "rows": rows},
        )


@dataset_rule("SET007", severity="info", measure=_answer_opening)
def formulaic_openings(measured: Measured, *, max_share: float = 0.2, min_rows: int = 100) -> Iterator[Flag]:
    """Many answers begin with the same words.

    Why it matters: the opening is what a model learns first and repeats most, so a habit of the rows becomes a tic
    of the model. Answers of under 60 characters are left out.

    Example: 38% of the answers begin "Sure, here is".

    How to fix it: cut the phrase from most of the answers, unless the format asks for it.
    """
    if len(measured) < min_rows:
        return
    opening, count = Counter(value for _, value in measured).most_common(1)[0]
    if count > max_share * len(measured) and " " in opening and opening[0].isalpha():
        share = round(100 * count / len(measured))
        yield Flag(
            None, f'{share}% of the answers begin "{opening[:50]}"', evidence={"opening": opening, "answers": count}
        )
