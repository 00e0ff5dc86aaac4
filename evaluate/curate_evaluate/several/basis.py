"""What the scores of several trainings are of, so that a report tells them from those of other data or settings."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from curate.run import Run

SPLIT, RENDERING, TOKENS, TRAINING = "split", "rendering", "tokens", "training settings"
# Each fold makes tokens of its own, by what the run's were made by.
OF_FOLDS, OF_SEEDS = (SPLIT, RENDERING, TRAINING), (TOKENS, TRAINING)


def basis(run: Run, names: Iterable[str]) -> dict[str, str]:
    """The hash of each of these, by what the manifest of the run says now."""
    steps = run.manifest()["steps"]
    split, tokens, train = steps["split"], steps["tokens"], steps["train"]
    rendered_by = {name: sha256 for name, sha256 in tokens["reads"].items() if name not in split["writes"]}
    found = {
        SPLIT: split["writes"]["split/split.json"],
        RENDERING: [tokens["config"], rendered_by],
        TOKENS: {name: sha256 for name, sha256 in tokens["writes"].items() if name.endswith(".arrow")},
        TRAINING: {name: value for name, value in train["config"].items() if not name.startswith("_")},
    }
    return {name: _hash(found[name]) for name in names}


def differing(run: Run, scores: Mapping[str, Any]) -> list[str]:
    """Which of what these scores are of are others now."""
    return [name for name, now in basis(run, scores["of"]).items() if scores["of"][name] != now]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
