"""TRL's SFTTrainer on our rows: its loss and its loop, and nothing of what it does to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTConfig, SFTTrainer

from curate.errors import CurateError
from curate_train.batches import collate
from curate_train.trainer import NotFinite, OnRows, arguments, computing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate_train.data import Row
    from curate_train.settings import Settings
    from curate_train.variants import Variant

# What SFTTrainer would otherwise do to rows: cut them at 1,024 tokens, drop what that leaves without a trained token,
# look for masks that it knows, pack.
UNTOUCHED: dict[str, Any] = {
    "max_length": None,
    "packing": False,
    "padding_free": False,
    "completion_only_loss": False,
    "assistant_only_loss": False,
    "dataset_kwargs": {"skip_prepare_dataset": True},
}


class TrlTrainer(OnRows, SFTTrainer):  # type: ignore[misc]
    """Trains on `Row`s as `TokenTrainer` does, in the same order, with TRL's loss, whose logits are never made whole.

    SFTTrainer rounds the adapter of a 4-bit base to bf16; here it gets its fp32 values back before the first step.

    Raises:
        CurateError: with `full_logits`, as TRL's loss passes over what this model does behind its output layer.
    """

    def __init__(
        self,
        variant: Variant,
        rows: Sequence[Row],
        settings: Settings,
        checkpoints: Path,
        callback: Any,
        full_logits: bool,
    ) -> None:
        if full_logits:
            raise CurateError(
                "--engine trl: the loss of this model can only be taken by its own logits, which TRL does not make; "
                "leave --engine out"
            )
        self.settings, self.rows, self.watch, self.variant = settings, rows, callback, variant
        model = variant.model
        exact = {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}
        usual = arguments(settings, checkpoints, len(rows)).to_dict()
        super().__init__(
            model,
            SFTConfig(**{**usual, "use_liger_kernel": False, "liger_kernel_config": None, **UNTOUCHED}),
            data_collator=self.batch,
            train_dataset=Dataset.from_dict(
                {
                    "row": list(range(len(rows))),
                    "input_ids": [row.ids.tolist() for row in rows],
                    "labels": [row.labels.tolist() for row in rows],
                }
            ),
            callbacks=[callback],
        )
        for name, value in model.named_parameters():
            if name in exact:
                value.data = exact[name]
        self.remove_callback(PrinterCallback)  # it prints to standard output, which carries the result only
        self.args._n_gpu = min(self.args.n_gpu, 1)
        self.model_accepts_loss_kwargs = True  # the loss is the mean over the tokens of a whole step, not of a batch

    def batch(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        rows = [self.rows[example["row"]] for example in examples]
        return {**collate(rows), "rows": [str(row) for row in rows]}

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        rows = inputs["rows"]
        sent = {key: value for key, value in inputs.items() if key != "rows"}
        with computing(model, self.settings):
            loss = super().compute_loss(model, sent, num_items_in_batch=num_items_in_batch)
        if not torch.isfinite(loss):
            raise NotFinite(self.state.global_step + 1, f"the loss of {', '.join(rows)} is {loss.item()}")
        self.watch.seen(rows)
        return loss
