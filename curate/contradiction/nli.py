"""Whether two answers in free text contradict each other, judged by a local model of natural language inference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TOKENS_OF_A_BATCH = 8192
_NO_LIMIT = 1_000_000  # tokenizers without a limit of their own give a number beyond any model's


class Contradictor:
    """A cross-encoder in a local folder, as transformers saves it, whose labels include "contradiction".

    Both answers go through the model together, so the longer one is cut where they are too long for it. Nothing is
    fetched.

    Raises:
        CurateError: the folder holds no such model, or torch or transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._label = _contradiction_label(folder)
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise CurateError('--nli needs torch and transformers; run: pip install "curate[semantic]"') from error
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32
            ).eval()
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CurateError(f"{folder}: cannot be loaded ({why[:200]})") from error
        # Models in the way of RoBERTa keep two positions for padding; the tokenizer's limit has them left out.
        positions = getattr(self._model.config, "max_position_embeddings", 0) or _NO_LIMIT
        limit = self._tokenizer.model_max_length
        self._length = min(limit, positions) if limit < _NO_LIMIT else positions - 2

    def contradicts(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability, for each pair, that its texts contradict each other: the higher of the two directions."""
        both = [*pairs, *((right, left) for left, right in pairs)]
        probabilities = self._probabilities(both)
        return [max(directions) for directions in zip(probabilities, probabilities[len(pairs) :], strict=False)]

    def _probabilities(self, pairs: list[tuple[str, str]]) -> list[float]:
        import torch

        encoded = [
            self._tokenizer(premise, hypothesis, truncation="longest_first", max_length=self._length)
            for premise, hypothesis in pairs
        ]
        probabilities = [0.0] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda number: -len(encoded[number]["input_ids"]))
        while order:
            size = max(1, _TOKENS_OF_A_BATCH // len(encoded[order[0]]["input_ids"]))
            batch, order = order[:size], order[size:]
            inputs = self._tokenizer.pad([encoded[number] for number in batch], return_tensors="pt")
            with torch.inference_mode():
                said = self._model(**inputs).logits.softmax(dim=-1)[:, self._label].tolist()
            for number, probability in zip(batch, said, strict=True):
                probabilities[number] = probability
        return probabilities


def _contradiction_label(folder: Path) -> int:
    """The number of the label "contradiction" in the model's configuration, wherever it stands.

    Raises:
        CurateError: says what the folder holds instead.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise CurateError(f"{folder}: {what}; --nli takes a local folder that holds a cross-encoder")
    file = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CurateError(f"{folder}: has no config.json; --nli takes a folder that transformers saved") from error
    except (OSError, ValueError) as error:
        raise CurateError(f"{file}: cannot be read ({error}); fetch the file again") from error
    labels = {int(number): str(label) for number, label in (config.get("id2label") or {}).items()}
    found = [number for number, label in labels.items() if label.strip().lower() == "contradiction"]
    if len(found) == 1:
        return found[0]
    if not labels:
        kind = ", ".join(config.get("architectures") or ()) or "a model without labels"
        raise CurateError(
            f"{folder}: holds {kind}, not a model of natural language inference (config.json: no id2label)"
        )
    raise CurateError(
        f'{folder}: none of its labels is "contradiction" but {", ".join(labels.values())}; '
        "if one of them means it, name it so under id2label in config.json"
    )
