"""The loss over the trained positions only, in chunks: the logits of a batch never exist as a whole.

A vocabulary of 152,000 makes 0.6 MB of fp32 logits a token, and the usual loss holds them, their softmax and their
gradient for every token of the batch, trained or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOT_TRAINED = -100
CHUNK_BYTES = 1 << 26  # of fp32 logits at once
SCALES = {"logit_scale": 1, "lm_head_multiplier": 1, "logits_scaling": -1}
"""How configs name what multiplies (1) or divides (-1) the logits behind the output layer."""


def trained_hidden(model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """The last hidden states that predict a trained token, (positions, hidden), and these tokens' ids, (positions,)."""
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "rows")}
    base = base_of(model)
    hidden = base.base_model(**inputs, use_cache=False)[0]
    labels = batch["labels"][:, 1:]
    where = labels != NOT_TRAINED
    return hidden[:, :-1][where], labels[where]


def summed_loss(model: Any, hidden: Any, labels: Any, over: Any = 1) -> Any:
    """The sum of the negative log likelihoods, in nats, of the tokens `labels` given the states `hidden`.

    It is divided by `over`, the tokens of a step, before its gradient is taken: dividing that would round it to bf16
    once more.
    """
    base = base_of(model)
    size = max(1, CHUNK_BYTES // (4 * base.get_output_embeddings().weight.shape[0]))
    return _Chunked.apply(hidden, labels, to_logits(base), size, over, hidden.requires_grad)


def base_of(model: Any) -> Any:
    """The causal language model itself, without the adapter's wrapper; the adapter's layers are inside of it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def to_logits(base: Any) -> Callable[[Any], Any]:
    """What a causal language model does with its last hidden states: output layer, scale, soft cap."""
    head, config = base.get_output_embeddings(), base.config
    cap = getattr(config, "final_logit_softcapping", None)
    scale = 1.0
    for name, power in SCALES.items():
        scale *= (getattr(config, name, None) or 1.0) ** power

    def logits(hidden: Any) -> Any:
        found = head(hidden)
        if scale != 1.0:
            found = found * scale
        if cap:
            found = torch.tanh(found / cap) * cap
        return found

    return logits


def differs_from_full(model: Any, batch: Mapping[str, Any]) -> float:
    """By how much, relatively, this loss differs from the one by the model's own full logits on a batch."""
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "rows")}
    labels = batch["labels"][:, 1:]
    with torch.no_grad():
        ours = summed_loss(model, *trained_hidden(model, batch))
        # Flat, as torch sums over a vocabulary that is not the last dimension with 10 times the rounding error.
        logits = model(**inputs, use_cache=False).logits[:, :-1].float().flatten(0, 1)
        full = cross_entropy(logits, labels.flatten(), ignore_index=NOT_TRAINED, reduction="sum")
    return float(abs(ours.item() / full.item() - 1))


class _Chunked(torch.autograd.Function):  # type: ignore[misc]
    """The gradient of each chunk is taken on the way forward, while its logits are there; the head is frozen."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, labels: Any, logits_of: Any, size: int, over: Any, wants_gradient: bool) -> Any:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if wants_gradient else None
        for start in range(0, len(hidden), size):
            chunk = hidden[start : start + size].detach().requires_grad_(wants_gradient)
            with torch.set_grad_enabled(wants_gradient):
                loss = cross_entropy(logits_of(chunk).float(), labels[start : start + size], reduction="sum") / over
            total += loss.detach()
            if gradient is not None:
                gradient[start : start + size] = torch.autograd.grad(loss, chunk)[0]
            del loss
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None, None, None, None
