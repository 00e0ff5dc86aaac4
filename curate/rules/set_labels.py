"""SET002 and SET004: data sets whose answers are labels."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Flag, Place, Where
from curate.rules.answers import final_answer
from curate.rules.rule import Measured, dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

_LONGEST_LABEL = 40
_MOST_LABELS = 50
# `+`, `-` and `#` are left alone: C, C++ and C# are three labels, and so are 1 and -1.
_AROUND = " \t\r\n\"'`*“”‘’«»()[].,;:!。，；：！"
_JOINTS = re.compile(r"[\s_-]+")


class _Label(NamedTuple):
    text: str
    message: int
    is_in_prompt: bool


def _label(sample: Sample) -> _Label | None:
    """The final answer if it is short enough to be a label, a label of no text if it is longer."""
    answer = final_answer(sample)
    if answer is None:
        return None
    text = answer.text
    if len(text) > _LONGEST_LABEL:
        return _Label("", answer.message, False)
    spelling = text.strip()
    prompts = sample.messages[: answer.message]
    return _Label(text, answer.message, len(spelling) > 1 and any(spelling in prompt.text for prompt in prompts))


def _key(text: str) -> str:
    """What all spellings of one label share."""
    return _JOINTS.sub(" ", text.strip(_AROUND)).casefold() or text.strip()


def _labels(measured: Measured, min_rows: int) -> dict[str, list[tuple[Place, _Label]]] | None:
    """The rows by label, or None where the answers are not labels: most of them short, and few of them different."""
    by_key: dict[str, list[tuple[Place, _Label]]] = defaultdict(list)
    rows = 0
    for place, label in measured:
        if label.text.strip():
            by_key[_key(label.text)].append((place, label))
            rows += 1
    is_label_like = rows >= max(min_rows, 0.9 * len(measured)) and len(by_key) <= min(_MOST_LABELS, max(4, rows / 10))
    return by_key if is_label_like else None


@dataset_rule("SET002", severity="info", measure=_label)
def label_imbalance(measured: Measured, *, max_ratio: float = 10.0, min_rows: int = 20) -> Iterator[Flag]:
    """One label is far more frequent than another.

    Why it matters: a model that always gives the frequent label is nearly always right on such data, so it learns
    little about the rare one, and accuracy hides it.

    Example: "not spam" is the answer of 4,700 rows, "spam" that of 120.

    How to fix it: add rows with the rare labels or drop some of the frequent ones, split with `--stratify`, and
    look at the scores by label.
    """
    labels = _labels(measured, min_rows)
    if labels is None:
        return
    by_count = sorted(labels.items(), key=lambda item: (-len(item[1]), item[0]))
    (top, top_rows), (rare, rare_rows) = by_count[0], by_count[-1]
    rows = sum(len(members) for members in labels.values())
    counts = {key: len(members) for key, members in by_count}
    if len(by_count) == 1:
        yield Flag(None, f"all {rows:,} answers are {_quoted(top)}", evidence={"labels": counts})
    elif len(top_rows) > max_ratio * len(rare_rows):
        message = (
            f"{_quoted(top)} is the answer of {len(top_rows):,} of {rows:,} rows, "
            f"{_quoted(rare)} that of {len(rare_rows):,}"
        )
        yield Flag(None, message, evidence={"labels": counts})


@dataset_rule("SET004", severity="warning", measure=_label)
def label_spelling_variants(measured: Measured, *, min_rows: int = 20) -> Iterator[Flag]:
    """One label is spelled in several ways.

    Why it matters: the model learns that both spellings are right and gives now this, now that; exact-match scores
    drop and the code that reads the answers breaks. Case, space, hyphens, quotes and the final full stop are
    compared. A spelling that the row's own prompt uses is not flagged.

    Example: 412 answers are "positive", three are "Positive" and one is "POSITIVE.".

    How to fix it: write the label as most rows do.
    """
    labels = _labels(measured, min_rows)
    if labels is None:
        return
    for members in labels.values():
        spellings = Counter(label.text for _, label in members)
        if len(spellings) == 1:
            continue
        usual, rows = spellings.most_common(1)[0]
        for place, label in members:
            if label.text != usual and not label.is_in_prompt:
                yield Flag(
                    place,
                    f"the label is {_quoted(label.text)} here and {_quoted(usual)} in {rows:,} other rows",
                    Where(label.message, "content", 0, len(label.text)),
                    evidence={"label": label.text, "usual": usual, "rows_with_usual": rows},
                )


def _quoted(label: str) -> str:
    return f'"{label}"'
