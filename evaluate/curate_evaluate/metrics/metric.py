"""The metrics by name.

A strict score asks for the form of the reference too, the tolerant one beside it only for what it says: a model that
learned the form and one that learned the task are two findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from curate_evaluate.metrics import bertscore, claims, structures, texts
from curate_evaluate.metrics.labels import both_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


@dataclass(frozen=True)
class Metric:
    """One way to score an output; higher is better.

    Attributes:
        name: as in commands and files.
        title: as people write it.
        full: the score of a perfect output.
        decides: whether it tells right from wrong, so that a verdict can rest on it; overlap with one of many possible
            good answers does not.
        function: (output, reference) to the score.
        tolerant: the metric that asks for the same without the form; None for one that is not strict.
    """

    name: str
    title: str
    full: float
    decides: bool
    function: Callable[[str, str], float] | None = None
    tolerant: str | None = None


METRICS = {
    metric.name: metric
    for metric in (
        Metric("exact_match", "exact match", 1.0, True, texts.exact_match),
        Metric("exact_match_strict", "exact match to the letter", 1.0, True, texts.exact_match_strict, "exact_match"),
        Metric("final_number", "final number", 1.0, True, claims.same_number),
        Metric("final_number_strict", "final number in its form", 1.0, True, claims.same_number_strict, "final_number"),
        Metric("label", "label accuracy", 1.0, True),
        Metric("label_strict", "label alone, to the letter", 1.0, True, texts.exact_match_strict, "label"),
        Metric("json_fields", "JSON field accuracy", 1.0, True, structures.json_fields),
        Metric(
            "json_fields_strict",
            "JSON field accuracy, nothing else",
            1.0,
            True,
            structures.json_fields_strict,
            "json_fields",
        ),
        Metric("json_valid", "valid JSON", 1.0, True, structures.json_valid),
        Metric("tool_call", "tool calls", 1.0, True, structures.tool_call),
        Metric("tool_call_strict", "tool calls in their notation", 1.0, True, structures.tool_call_strict, "tool_call"),
        Metric("token_f1", "token F1", 1.0, False, texts.token_f1),
        Metric("rouge_l", "ROUGE-L", 1.0, False, texts.rouge_l),
        Metric("chrf", "chrF", 100.0, False, texts.chrf),
        Metric("bleu", "BLEU", 100.0, False, texts.bleu),
        Metric("bertscore", "BERTScore", 1.0, False),
    )
}


def score(
    output: str, reference: str, names: Iterable[str], *, labels: Collection[str] = (), encoder: str | None = None
) -> dict[str, float]:
    """The named scores of one output.

    Args:
        output: what the model wrote.
        reference: the held-out answer.
        names: of METRICS.
        labels: the known labels, for "label".
        encoder: the folder of a model, for "bertscore".

    Raises:
        CurateError: the folder of the encoder holds none.
    """
    functions = {"label": partial(_same_label, labels=labels), "bertscore": partial(bertscore.f1, folder=encoder or "")}
    return {name: (METRICS[name].function or functions[name])(output, reference) for name in names}


def _same_label(output: str, reference: str, labels: Collection[str]) -> float:
    ours, theirs = both_labels(output, reference, labels)
    return float(ours == theirs)


def macro_f1(outputs: Sequence[str], references: Sequence[str], labels: Collection[str]) -> float:
    """The mean over the references' labels of each one's F1: a rare label counts as much as a frequent one."""
    pairs = [both_labels(output, reference, labels) for output, reference in zip(outputs, references, strict=True)]
    true_labels = {reference for _, reference in pairs}
    scores = []
    for name in true_labels:
        right = sum(ours == theirs == name for ours, theirs in pairs)
        scores.append(2 * right / (sum(ours == name for ours, _ in pairs) + sum(theirs == name for _, theirs in pairs)))
    return sum(scores) / len(scores)
