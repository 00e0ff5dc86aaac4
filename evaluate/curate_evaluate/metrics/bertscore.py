"""BERTScore (Zhang et al., ICLR 2020): how well the tokens of two texts can be matched by their meaning in context.

Each token goes with the most similar one of the other text, by the cosine of their last hidden states; the means are
precision and recall. All tokens count alike (no idf weights) and nothing is rescaled: with some encoders texts that
have nothing to do with each other score 0.8. The authors' package, of 2023, gives the same numbers one pair at a time;
in a batch its padding can be matched, so that a score depends on the other texts.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.dedup.semantic import Encoder

# Texts whose states are kept, as references come again with every arm: up to 2 MB each of a large encoder.
KEPT = 128
# What float32 tells apart; the score of equal texts is 1.
DIGITS = 6


def f1(output: str, reference: str, folder: str) -> float:
    """The F1 of one output, 0 to 1. Texts longer than the encoder reads are compared as far as it reads them.

    Args:
        output: what the model wrote; nothing scores 0.
        reference: the held-out answer.
        folder: of an encoder, such as a sentence-embedding model.

    Raises:
        CurateError: the folder holds no encoder, or what runs it is not installed.
    """
    (ours, our_words), (theirs, their_words) = _states(output, folder), _states(reference, folder)
    if not our_words.any() or not their_words.any():
        return float(output.strip() == reference.strip())
    similarity = ours @ theirs.T
    precision = float(similarity.max(axis=1)[our_words].mean())
    recall = float(similarity.max(axis=0)[their_words].mean())
    if precision + recall <= 0:
        return 0.0
    return round(min(1.0, max(0.0, 2 * precision * recall / (precision + recall))), DIGITS)


@lru_cache(maxsize=KEPT)
def _states(text: str, folder: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The hidden states of a text's tokens, each of length 1, [tokens, width], and which tokens are of the text itself:
    the marks around it can be matched, and are not counted."""
    import numpy as np

    hidden, special = _encoder(folder).states(text.strip())
    return hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-12), ~special


@cache
def _encoder(folder: str) -> Encoder:
    from curate.dedup.semantic import Encoder

    return Encoder(Path(folder))
