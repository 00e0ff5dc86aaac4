"""The format line: what a base model is told of the form that the fine-tuned one has learned."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from typing import TYPE_CHECKING

from curate.contradiction.json_values import parse_json
from curate_evaluate.metrics.claims import marking
from curate_evaluate.metrics.texts import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_evaluate.metrics import Fit

MOST_KEYS = 12


def format_line(fit: Fit, references: Sequence[str]) -> str:
    """One or two sentences about the form of the answers, taken from the training rows.

    Args:
        fit: what kind of answers they are.
        references: the answers to learn, of the training rows.
    """
    if fit.kind == "labels":
        return f"Answer with exactly one of these, and nothing else: {', '.join(fit.labels)}."
    if fit.kind == "numbers":
        endings = Counter(marking(text) for text in references)
        ending, count = endings.most_common(1)[0]
        if ending == "0":
            return "Answer with the number alone."
        if ending == "prose" or 2 * count < len(references):
            return "End with the number that is the result."
        return f'End with a line that holds the result in this form: "{ending}", with the number in place of the 0.'
    if fit.kind == "json":
        objects = [value for text in references if isinstance(value := parse_json(text), dict)]
        keys = Counter(key for value in objects for key in value)
        named = [json.dumps(key, ensure_ascii=False) for key, _ in keys.most_common(MOST_KEYS)]
        shape = f": an object with the keys {', '.join(named)}" if named else ""
        return f"Answer with JSON and nothing else{shape}."
    if fit.kind == "calls":
        return "Answer with a call of one of the tools, in the notation that you know for it, and nothing else."
    words = sorted(len(tokens(text)) for text in references)
    if fit.kind == "short":
        return f"Answer in at most {max(1, words[-1 - len(words) // 20])} words, without an explanation."
    return f"Answer in about {max(1, round(statistics.median(words)))} words."
