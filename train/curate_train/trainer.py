"""transformers' Trainer with the things that are ours: the loss, the order of the rows, what a checkpoint is, what goes
with a variant of LoRA, and that each step's dropout is drawn from the seed and the step alone."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft.optimizers import create_loraplus_optimizer
from transformers import PrinterCallback, Trainer, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from curate.errors import CurateError
from curate_train.batches import Order, collate, pack
from curate_train.checkpoint import explaining_a_full_disk, prune, seal
from curate_train.loss import summed_loss, trained_hidden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_train.data import Row
    from curate_train.settings import Settings
    from curate_train.variants import Variant

# The rest of what decides the result, under the names of transformers' TrainingArguments.
FIXED: dict[str, Any] = {"adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8}


class NotFinite(CurateError):
    """A loss or a gradient that is no number, and the step, counted from 1, at which it came."""

    def __init__(self, step: int, said: str) -> None:
        super().__init__(f"step {step:,}: {said}")


class OnRows:
    """What every trainer here does alike: the order of the rows, what is saved, and when a checkpoint counts."""

    settings: Settings
    rows: Sequence[Row]
    variant: Variant
    watch: Any
    args: Any
    state: Any
    control: Any
    train: Any

    def go_on(self, checkpoint: Path | None) -> None:
        """Train to the end, from the start or from a checkpoint.

        One that was saved when the training was over, after its last step or for lack of a gain, is all there is to do:
        transformers' loop looks after each step whether to stop, so it would train another one.
        """
        if checkpoint is not None:
            state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
            if state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
                self.state = state
                self.variant.on_train_begin(self.args, state, self.control)  # it tells which steps are settled
                return
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def _get_train_sampler(self, *_: Any) -> Order:
        lengths = [len(row.ids) for row in self.rows]
        return Order(lengths, self.settings.batch_size, self.settings.seed, by_length=self.settings.group_by_length)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        self.variant.save(Path(output_dir or self.args.output_dir))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        with explaining_a_full_disk(folder):
            Trainer._save_checkpoint(self, model, trial)  # not that of a subclass, which may add a model card
            step = self.state.global_step
            val_loss = self.watch.val_loss_at(step) if self.variant.is_settled(step) else None
            self.watch.log.sync()  # before the checkpoint counts, so that going on from it finds the lines up to it
            seal(folder / f"checkpoint-{step}", step, val_loss)
            prune(folder)


class TokenTrainer(OnRows, Trainer):  # type: ignore[misc]
    """Trains on `Row`s, writes to `checkpoints`, and takes the loss by the model's own logits with `full_logits`."""

    optimizer: Any

    def __init__(
        self,
        variant: Variant,
        rows: Sequence[Row],
        settings: Settings,
        checkpoints: Path,
        callback: Any,
        full_logits: bool,
    ) -> None:
        self.settings, self.rows, self.full_logits = settings, rows, full_logits
        self.watch, self.variant = callback, variant
        super().__init__(
            variant.model,
            arguments(settings, checkpoints, len(rows)),
            data_collator=self.batch,
            train_dataset=list(rows),
            callbacks=[callback, variant],
        )
        self.remove_callback(PrinterCallback)  # it prints to standard output, which carries the result only
        self.model_accepts_loss_kwargs = True  # the loss is the mean over the tokens of a whole step, not of a batch

    def batch(self, rows: Sequence[Row]) -> dict[str, Any]:
        made = pack(rows) if self.settings.packing else collate(rows)
        return {**made, "rows": [str(row) for row in rows]}

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        with computing(model, self.settings):
            if self.full_logits:
                batch = {key: value for key, value in inputs.items() if key not in ("labels", "rows")}
                logits = model(**batch, use_cache=False).logits[:, :-1].float().flatten(0, 1)
                loss = torch.nn.functional.cross_entropy(logits, inputs["labels"][:, 1:].flatten(), reduction="sum")
                loss = loss / num_items_in_batch
            else:
                loss = summed_loss(model, *trained_hidden(model, inputs), over=num_items_in_batch)
        if not torch.isfinite(loss):
            raise NotFinite(self.state.global_step + 1, f"the loss of {', '.join(inputs['rows'])} is {loss.item()}")
        self.watch.seen(inputs["rows"])
        if (penalty := self.variant.penalty()) is not None:
            # Its gradient, once a step, and not its value: what is logged stays the loss of the tokens.
            loss = loss + (penalty - penalty.detach()) / self.current_gradient_accumulation_steps
        return loss

    def create_optimizer(self, model: Any = None) -> Any:
        if self.settings.loraplus_ratio is None or self.optimizer is not None:
            return super().create_optimizer(model)
        kind, values = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        self.optimizer = create_loraplus_optimizer(
            self.model,
            kind,
            loraplus_lr_ratio=self.settings.loraplus_ratio,
            loraplus_weight_decay=self.settings.weight_decay,
            **values,
        )
        return self.optimizer

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self.variant.load(Path(resume_from_checkpoint)):
            super()._load_from_checkpoint(resume_from_checkpoint, model)


def computing(model: Any, settings: Settings) -> Any:
    """bf16 for the matrix products, the adapter's too, whose weights are fp32; or fp32 throughout."""
    if settings.dtype == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(model.device.type, torch.bfloat16)


def optimizer_name() -> str:
    return "paged_adamw_8bit" if torch.cuda.is_available() else "adamw_torch"


def arguments(settings: Settings, out: Path, rows: int) -> Any:
    has_cuda = torch.cuda.is_available()
    has_liger = has_cuda and find_spec("liger_kernel") is not None
    made = TrainingArguments(
        output_dir=str(out),
        num_train_epochs=settings.epochs,
        max_steps=-1 if settings.max_steps is None else settings.max_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule),
        warmup_steps=settings.warmup,  # below 1: a share of all steps
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=optimizer_name(),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.batches_a_step(rows),
        gradient_checkpointing=False,  # it is switched on in the model before
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=not has_cuda,
        use_liger_kernel=has_liger,
        liger_kernel_config={"fused_linear_cross_entropy": False, "cross_entropy": False} if has_liger else None,
        remove_unused_columns=False,
        dataloader_pin_memory=has_cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # the callback says when
        report_to="none",
        disable_tqdm=True,
        **FIXED,
    )
    made._n_gpu = min(made.n_gpu, 1)  # one device: the rows of a step would otherwise be spread over all
    return made
