"""Whether an exported form still says what the model said as it was trained, on rows that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from curate.errors import CurateError
from curate_train.data import NOT_TRAINED, Row, read_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_train.export.trained import Trained

MOST_ROWS = 20
MOST_NEW = 64  # tokens of an answer that is decoded
SPLITS = ("test", "val", "train")


class Drift(NamedTuple):
    """How far the next-token distributions of a form are from those of the model as trained, over `tokens` trained
    positions: mean KL divergence in nats (trained from form), the share of positions whose likeliest token is another,
    and the mean negative log likelihoods in nats."""

    rows: int
    tokens: int
    kl: float
    flips: float
    nll_trained: float
    nll: float


class Agreement(NamedTuple):
    """Greedy answers to the same prompts: how many of `prompts` are equal, token by token or as text."""

    prompts: int
    equal: int
    differing: list[dict[str, str]]


def held_out(trained: Trained, most: int = MOST_ROWS) -> list[Row]:
    """The first rows of the test split, or of another one where that is empty.

    Raises:
        CurateError: tokens that cannot be read.
    """
    for split in SPLITS:
        if rows := read_tokens(trained.tokens, split, vocabulary=trained.shape["vocab_size"]):
            return rows[:most]
    raise CurateError(f"{trained.tokens}: holds no row to compare the exported model on")


def log_probabilities(model: Any, rows: Sequence[Row]) -> list[torch.Tensor]:
    """For each row the log probabilities at its trained positions, in fp32: (positions, vocabulary)."""
    found = []
    with torch.no_grad():
        for row in rows:
            ids = torch.as_tensor(row.ids, dtype=torch.long, device=model.device)
            where = torch.as_tensor(row.labels[1:] != NOT_TRAINED, device=model.device)
            logits = model(input_ids=ids[None]).logits[0, :-1][where]
            found.append(torch.log_softmax(logits.float(), -1).cpu())
    return found


def drift(rows: Sequence[Row], trained: Sequence[torch.Tensor], form: Sequence[torch.Tensor]) -> Drift:
    """Compare the log probabilities of two models on the same rows."""
    kl = flips = left = right = 0.0
    count = 0
    for row, before, after in zip(rows, trained, form, strict=True):
        targets = torch.as_tensor(row.labels[1:][row.labels[1:] != NOT_TRAINED], dtype=torch.long)[:, None]
        kl += float((before.exp() * (before - after)).sum())
        flips += float((before.argmax(-1) != after.argmax(-1)).sum())
        left -= float(before.gather(-1, targets).sum())
        right -= float(after.gather(-1, targets).sum())
        count += len(targets)
    return Drift(len(rows), count, kl / count, flips / count, left / count, right / count)


def prompts(rows: Sequence[Row]) -> list[list[int]]:
    """The ids of each row before its last trained answer."""
    found = []
    for row in rows:
        is_trained = row.labels != NOT_TRAINED
        starts = (is_trained[1:] & ~is_trained[:-1]).nonzero()[0] + 1
        found.append(row.ids[: starts[-1]].tolist())
    return found


def greedy(model: Any, asked: Sequence[Sequence[int]], stop: int) -> list[list[int]]:
    """The ids of a greedy answer to each prompt, without what stops it, MOST_NEW at most; one prompt at a time, so that
    no answer depends on its neighbours."""
    answers = []
    for ids in asked:
        sent = torch.tensor([ids], device=model.device)
        with torch.no_grad():
            made = model.generate(
                sent,
                attention_mask=torch.ones_like(sent),
                max_new_tokens=MOST_NEW,
                do_sample=False,
                eos_token_id=stop,
                pad_token_id=stop,
                use_cache=True,
            )[0, len(ids) :].tolist()
        answers.append(made[: made.index(stop)] if stop in made else made)
    return answers


def agreement(asked: Sequence[str], trained: Sequence[str], form: Sequence[str]) -> Agreement:
    """Compare answers; of those that differ both are kept, with the prompt."""
    differing = [
        {"prompt": prompt, "as_trained": before, "exported": after}
        for prompt, before, after in zip(asked, trained, form, strict=True)
        if before != after
    ]
    return Agreement(len(asked), len(asked) - len(differing), differing)
