"""What is done beside the steps of a training: seeding, validating, deciding when to save and to stop."""

from __future__ import annotations

import math
import signal
import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from curate.errors import CurateError
from curate_train.memory import in_use
from curate_train.trainer import NotFinite

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate_train.log import Log
    from curate_train.progress import Progress
    from curate_train.settings import Settings
    from curate_train.variants import Variant

SAVES_A_RUN = 10
# Validating takes about a third of the time of training on as many rows: it is kept to a fifth of the whole.
VALIDATED_ROWS_A_TRAINED_ROW = 0.6
# Every step draws its dropout from a seed of its own, so that what came before it does not matter.
SEED_STRIDE = 1_000_003


class Watch(TrainerCallback):  # type: ignore[misc]
    """`validate` measures the validation loss (None without rows), `variant` knows what is trained."""

    def __init__(
        self,
        log: Log,
        progress: Progress,
        settings: Settings,
        validate: Callable[[], float | None],
        validation_rows: int,
        variant: Variant,
    ) -> None:
        self.log, self.progress, self.settings, self.variant = log, progress, settings, variant
        self.validate, self.validation_rows = validate, validation_rows
        self.rows: list[str] = []
        self.measured = 0
        self.asked_to_stop = False
        self.started = time.perf_counter() - log.seconds

    def seen(self, rows: list[str]) -> None:
        self.rows += rows

    def val_loss_at(self, step: int) -> float | None:
        return dict(self.log.validation).get(step)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.every = self.settings.save_steps or self._usual_interval(args, state.max_steps)
        self.progress.start(state.global_step, state.max_steps)
        self.handlers = {name: signal.signal(name, self._stop) for name in (signal.SIGINT, signal.SIGTERM)}

    def _usual_interval(self, args: Any, steps: int) -> int:
        trained = steps * args.per_device_train_batch_size * args.gradient_accumulation_steps
        times = VALIDATED_ROWS_A_TRAINED_ROW * trained / max(1, self.validation_rows)
        return math.ceil(steps / max(1, min(SAVES_A_RUN, int(times))))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        for name, handler in getattr(self, "handlers", {}).items():
            signal.signal(name, handler)
        self.handlers = {}
        self.progress.stop()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        torch.manual_seed(self.settings.seed * SEED_STRIDE + state.global_step)
        self.rows = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainable = self.variant.trainable
        if state.global_step == 0 and (dead := [name for name, p in trainable.items() if p.grad is None]):
            raise CurateError(
                f"{len(dead)} parts of the adapter have no gradient, so would never be trained: {dead[0]}"
            )
        squares = torch.stack([p.grad.float().square().sum() for p in trainable.values() if p.grad is not None])
        if not torch.isfinite(squares.sum()):
            raise NotFinite(state.global_step + 1, f"the gradient of {', '.join(self.rows)} is not finite")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.every == 0 or state.global_step >= state.max_steps or self.asked_to_stop:
            self._measure(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.measured < state.global_step:
            self._measure(state, control)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs:
            return  # the summary after the last step
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(logs["epoch"], 4),
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "seconds": round(time.perf_counter() - self.started, 3),
            "memory_bytes": in_use(),
        }
        self.log.add(line)
        self.progress.step(line)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.asked_to_stop:
            self.close()
            raise CurateError(
                f"stopped at step {state.global_step:,} of {state.max_steps:,}, which was saved; "
                "go on from there: curate train RUN --resume"
            )

    def _measure(self, state: Any, control: Any) -> None:
        """Validate, and have this step saved; stop where the last ones were no better.

        Raises:
            NotFinite: the loss is no number, so that there is nothing to save.
        """
        self.measured = state.global_step
        loss = self.validate()
        if loss is not None and not math.isfinite(loss):
            raise NotFinite(state.global_step, f"the validation loss after {', '.join(self.rows)} is {loss}")
        control.should_save = True
        if loss is None:
            return
        seconds = round(time.perf_counter() - self.started, 3)
        self.log.add({"step": state.global_step, "val_loss": loss, "seconds": seconds})
        self.progress.validated(state.global_step, loss)
        patience = self.settings.patience
        losses = [loss for step, loss in self.log.validation if self.variant.is_settled(step)]
        if patience and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience]):
            control.should_training_stop = True

    def _stop(self, *_: Any) -> None:
        if self.asked_to_stop:
            raise KeyboardInterrupt
        self.asked_to_stop = True
        self.progress.say("stopping after this step, which is saved; again to stop at once")
