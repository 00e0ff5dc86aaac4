"""Whether an exported form still says what the model said as it was trained, on rows that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from curate.errors import CurateError
from curate_train.data import NOT_TRAINED, Row, read_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate_train.export.trained import Trained

MOST_ROWS = 20
MOST_POSITIONS = 50  # of a row: their distributions are held in memory, a megabyte each with a large vocabulary
MOST_NEW = 40  # tokens of an answer that is decoded
SPLITS = ("test", "val", "train")


class Drift(NamedTuple):
    """How far the next-token distributions of one model are from those of another, over `tokens` trained positions:
    mean KL divergence in nats (of the other one from this), the share of positions whose likeliest token is another,
    and the mean negative log likelihoods of both in nats."""

    rows: int
    tokens: int
    kl: float
    flips: float
    nll_before: float
    nll: float


class Agreement(NamedTuple):
    """Greedy answers to the same prompts: how many of `prompts` are equal, and how many of the `tokens` of the answers
    that were compared with come before the first difference. One early difference changes all that follows it."""

    prompts: int
    equal: int
    tokens: int
    shared: int
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


def positions(row: Row) -> list[int]:
    """The positions of a row that predict a trained token, the first of them."""
    found: list[int] = (row.labels[1:] != NOT_TRAINED).nonzero()[0][:MOST_POSITIONS].tolist()
    return found


def log_probabilities(model: Any, rows: Sequence[Row]) -> list[torch.Tensor]:
    """For each row the log probabilities at its `positions`, in fp32: (positions, vocabulary).

    Raises:
        CurateError: they are no numbers, as of a model whose activations its dtype cannot hold.
    """
    found = []
    with torch.no_grad():
        for row in rows:
            ids = torch.as_tensor(row.ids, dtype=torch.long, device=model.device)
            logits = model(input_ids=ids[None], use_cache=False).logits[0, positions(row)]
            if not torch.isfinite(logits).all():
                raise CurateError(
                    f"{row}: in {model.dtype} the model's logits are no numbers; use --dtype fp32 or bf16"
                )
            found.append(torch.log_softmax(logits.float(), -1).cpu())
    return found


def drift(rows: Sequence[Row], before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]) -> Drift:
    """Compare the log probabilities of two models on the same rows."""
    kl = changed = left = right = 0.0
    count = 0
    for row, one, other in zip(rows, before, after, strict=True):
        targets = torch.as_tensor(row.ids[1:][positions(row)], dtype=torch.long)[:, None]
        kl += float((one.exp() * (one - other)).sum())
        changed += float((one.argmax(-1) != other.argmax(-1)).sum())
        left -= float(one.gather(-1, targets).sum())
        right -= float(other.gather(-1, targets).sum())
        count += len(targets)
    kl = max(0.0, kl / count)  # of equal models rounding leaves a little on either side
    return Drift(len(rows), count, kl, changed / count, left / count, right / count)


def likeliest(distributions: Sequence[torch.Tensor]) -> list[list[int]]:
    """The likeliest token at each position of each row."""
    return [one.argmax(-1).tolist() for one in distributions]


def flips(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> float:
    """The share of positions whose likeliest token is another."""
    pairs = [pair for row in zip(before, after, strict=True) for pair in zip(*row, strict=True)]
    return sum(one != other for one, other in pairs) / len(pairs)


def prompts(rows: Sequence[Row]) -> list[list[int]]:
    """The ids of each row before its last trained answer."""
    found = []
    for row in rows:
        is_trained = row.labels != NOT_TRAINED
        starts = (is_trained[1:] & ~is_trained[:-1]).nonzero()[0] + 1
        found.append(row.ids[: starts[-1]].tolist())
    return found


def greedy(model: Any, asked: Sequence[Sequence[int]], stops: Sequence[int]) -> list[list[int]]:
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
                eos_token_id=list(stops),
                pad_token_id=stops[0],
                use_cache=True,
            )[0, len(ids) :].tolist()
        answers.append(until(made, stops))
    return answers


def until(ids: list[int], stops: Sequence[int]) -> list[int]:
    """The ids before the first one that stops."""
    return ids[: next((i for i, token in enumerate(ids) if token in stops), len(ids))]


def agreement(
    asked: Sequence[Sequence[int]],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    text: Callable[[Sequence[int]], str],
) -> Agreement:
    """Compare answers by their ids; of those that differ both are kept as text, with the prompt."""
    differing = [
        {"prompt": text(prompt), "as_trained": text(one), "exported": text(other)}
        for prompt, one, other in zip(asked, before, after, strict=True)
        if one != other
    ]
    shared = sum(common(one, other) for one, other in zip(before, after, strict=True))
    return Agreement(len(asked), len(asked) - len(differing), sum(map(len, before)), shared, differing)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two answers share before the first difference."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
