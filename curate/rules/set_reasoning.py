"""SET010: reasoning in some of the answers only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Flag
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_LONE_CLOSING_TAG = re.compile(r"(?:(?!<think)(?!</think).)*^\s*</think(?:ing)?>", re.DOTALL | re.MULTILINE)


def _has_reasoning(sample: Sample) -> bool | None:
    """Whether the last answer carries reasoning, in its own field or as a <think> block; None without an answer."""
    for message in reversed(sample.messages):
        if message.role == "assistant":
            text = message.text
            if message.reasoning or text.lstrip()[:10].startswith(("<think>", "<thinking>")):
                return True
            # Templates that open the block themselves leave the closing tag alone.
            return "</think" in text and _LONE_CLOSING_TAG.match(text) is not None
    return None


@dataset_rule("SET010", severity="info", measure=_has_reasoning)
def partial_reasoning(measured: Measured, *, max_named: int = 5) -> Iterator[Flag]:
    """Some answers carry their reasoning, others do not.

    Why it matters: the model cannot tell when it should think, so it does so at random. Where both are wanted, the
    prompt must say which (as Qwen3 does with /think and /no_think).

    Example: 900 answers begin with a <think> block, 100 do not.

    How to fix it: add the reasoning where it is missing, take it out everywhere, or mark in the prompt when it is
    wanted.
    """
    with_reasoning = sum(value for _, value in measured)
    without = len(measured) - with_reasoning
    if not (with_reasoning and without):
        return
    fewer = with_reasoning <= without
    places = [place for place, value in measured if value is fewer][:max_named]
    lines = ", ".join(str(place.line) for place in places)
    more = ", …" if min(with_reasoning, without) > len(places) else ""
    which = f"{'with' if fewer else 'without'}: line{'s' if len(places) > 1 else ''} {lines}{more}"
    yield Flag(
        None,
        f"{with_reasoning:,} of {len(measured):,} answers carry reasoning ({which})",
        evidence={"with_reasoning": with_reasoning, "without": without},
        related=places,
    )
