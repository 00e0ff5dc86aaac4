"""SET005: a few rows whose system prompt is not that of all the others."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Flag, Where
from curate.rules.rule import Measured, dataset_rule
from curate.sample import SYSTEM_ROLES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXCERPT = 400


class _Prompt(NamedTuple):
    hash: int
    excerpt: str


_MISSING = _Prompt(0, "")


def _system_prompt(sample: Sample) -> _Prompt | None:
    if not sample.messages:
        return None
    first = sample.messages[0]
    text = first.text if first.role in SYSTEM_ROLES else ""
    if not text:
        return _MISSING
    excerpt = text if len(text) <= _EXCERPT else f"{text[: _EXCERPT // 2]} … {text[-_EXCERPT // 2 :]}"
    # Interned: the rows of a batch then share one copy, also after they were sent between processes.
    return _Prompt(zlib.crc32(text.encode("utf-8", "replace")), sys.intern(excerpt))


@dataset_rule("SET005", severity="info", measure=_system_prompt)
def deviating_system_prompt(
    measured: Measured, *, min_share: float = 0.9, min_similarity: float = 0.8, min_rows: int = 20
) -> Iterator[Flag]:
    """Nearly all rows share one system prompt; this one misses it or has a slightly different one.

    Why it matters: the model ties what it learns to the system prompt, and a typo or a missing prompt in a few rows
    is mostly an accident of how the data were put together. A clearly different prompt is taken as another task and
    left alone.

    Example: 980 rows begin "You are a helpful support agent of Acme.", four "You are a helpfull support agent of
    Acme." and sixteen have none.

    How to fix it: give all rows the same prompt, or, if the prompt should not matter, many different ones.
    """
    if len(measured) < min_rows:
        return
    usual, count = Counter(prompt for _, prompt in measured).most_common(1)[0]
    if not usual.excerpt or count < min_share * len(measured):
        return
    share = min(round(100 * count / len(measured)), 99)
    difference = {prompt: _difference(prompt, usual, min_similarity) for prompt in {prompt for _, prompt in measured}}
    for place, prompt in measured:
        if prompt != usual and (reason := difference[prompt]):
            where = Where(0, "content") if prompt.excerpt else None
            yield Flag(
                place, f"{reason}, unlike {share}% of the rows", where, {"share": round(count / len(measured), 3)}
            )


def _difference(prompt: _Prompt, usual: _Prompt, min_similarity: float) -> str | None:
    """What differs, in words, or None where the two prompts have little in common."""
    if not prompt.excerpt:
        return "no system prompt"
    matcher = SequenceMatcher(None, usual.excerpt, prompt.excerpt, autojunk=False)
    if matcher.real_quick_ratio() < min_similarity or matcher.ratio() < min_similarity:
        return None
    edits = [edit for edit in matcher.get_opcodes() if edit[0] != "equal"]
    if not edits:
        return "the system prompt differs in its middle"
    _, start, end, other_start, other_end = edits[0]
    theirs = usual.excerpt[max(start - 10, 0) : end + 10][:40]
    ours = prompt.excerpt[max(other_start - 10, 0) : other_end + 10][:40]
    return f'the system prompt says "{ours}" instead of "{theirs}"'
