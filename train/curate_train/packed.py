"""Whether a model keeps rows apart that are laid end to end: tried on the user's own rows before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from curate.errors import CurateError
from curate_train.batches import pack
from curate_train.loss import base_of
from curate_train.model import measuring, on_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_train.data import Row

TRIED = 3
# Of the largest logit: what other shapes of the same matrix products may differ by in bf16.
TOLERANCE = 0.03


def mixing(model: Any, rows: Sequence[Row]) -> float:
    """The largest difference between the logits of rows end to end and of each alone, relative to the largest logit."""
    base = base_of(model)
    with measuring(model), torch.no_grad():
        batch = on_device(pack(rows), model.device)
        together = base(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[0]
        alone = [base(torch.tensor(row.ids, device=model.device).long()[None], use_cache=False) for row in rows]
        apart = torch.cat([output.logits[0] for output in alone])
    return float((together - apart).abs().max() / apart.abs().max())


def refuse_mixing(model: Any, rows: Sequence[Row]) -> None:
    """Raises:
    CurateError: the logits of a row change with the rows before it.
    """
    some = sorted(rows, key=lambda row: len(row.ids))[:TRIED]
    if (found := mixing(model, some)) > TOLERANCE:
        raise CurateError(
            f"--packing: this model ({model.config.model_type}) does not keep rows apart that are laid end to end: "
            f"logits differ by {found:.0%}; leave --packing out"
        )
