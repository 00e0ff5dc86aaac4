"""Which metrics fit the data: chosen from the references, never from what a model wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate_evaluate.metrics.claims import claim
from curate_evaluate.metrics.expressions import plain
from curate_evaluate.metrics.keys import plain_key
from curate_evaluate.metrics.structures import calls, read_json
from curate_evaluate.metrics.texts import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

NEARLY_ALL = 0.9
LONGEST_LABEL = 40
MOST_LABELS = 50
SHORT_WORDS = 5


@dataclass(frozen=True)
class Fit:
    """The metrics for a data set.

    Attributes:
        kind: what its answers are: calls, json, labels, numbers, short or free.
        primary: the metric that the verdict rests on.
        metrics: all that are computed, the primary one first.
        labels: the labels, each in its most frequent spelling, for kind "labels".
        why: one sentence for the report.
        encoder: the folder of the model behind BERTScore, where that is one of the metrics.
    """

    kind: str
    primary: str
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    why: str
    encoder: str | None = None


OVERLAP = ("chrf", "token_f1", "rouge_l", "bleu")
KINDS = {
    "calls": ("tool_call", "tool_call_strict", "exact_match"),
    "json": ("json_fields", "json_fields_strict", "json_valid", "exact_match"),
    "labels": ("label", "label_strict"),
    "numbers": ("final_number", "final_number_strict"),
    "short": ("exact_match", "exact_match_strict", "token_f1", "chrf"),
    "free": (*OVERLAP, "exact_match"),
}


def fit(references: Sequence[str]) -> Fit:
    """Choose by what nine of ten references are; the first kind that fits is taken.

    Args:
        references: the answers to learn, of the training rows.

    Raises:
        ValueError: no references.
    """
    if not references:
        raise ValueError("no references to choose metrics by")
    counts = {
        "calls": sum(bool(calls(text)) for text in references),
        "json": sum(read_json(text) is not None for text in references),
        "labels": _labelled(references),
        "numbers": sum(_is_number(text) for text in references),
        "short": sum(len(tokens(text)) <= SHORT_WORDS for text in references),
    }
    n = len(references)
    kind = next((kind for kind, count in counts.items() if count >= NEARLY_ALL * n), "free")
    labels = _spellings(references) if kind == "labels" else ()
    what = {
        "calls": "call tools",
        "json": "are JSON",
        "labels": f"are one of {len(labels)} labels",
        "numbers": "come to a number",
        "short": f"have at most {SHORT_WORDS} words",
    }
    return Fit(
        kind=kind,
        primary=KINDS[kind][0],
        metrics=KINDS[kind],
        labels=labels,
        why=f"{counts[kind]:,} of {n:,} answers {what[kind]}"
        if kind in what
        else "the answers are free text, of which an overlap with one reference does not tell right from wrong",
    )


def _labelled(references: Sequence[str]) -> int:
    """How many references are labels: short, few different ones, and those come again."""
    keys = Counter(plain_key(text) for text in references if _may_be_label(text))
    few = len(keys) <= min(MOST_LABELS, max(2, len(references) // 10))
    # Digits alone are numbers to calculate, not labels, where there are more than a scale has.
    numeric = sum(key.lstrip("+-").replace(".", "").isdigit() for key in keys)
    return keys.total() if few and not (numeric == len(keys) > 11) else 0


def _may_be_label(text: str) -> bool:
    return 0 < len(text.strip()) <= LONGEST_LABEL


def _spellings(references: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for spelling, _ in Counter(text.strip() for text in references if _may_be_label(text)).most_common():
        found.setdefault(plain_key(spelling), spelling)
    return tuple(found.values())


def _is_number(text: str) -> bool:
    said = claim(plain(text))
    return said.kind == "number" and (said.is_final or said.form == "number")
