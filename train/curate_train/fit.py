"""One QLoRA fit with transformers' plain Trainer.

Why not TRL: of rows that are tokens already it cuts or drops some without a count, and it keeps the adapter in bf16,
where small updates are lost to rounding. Here the adapter stays in fp32 and every row is trained on as it is.
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate_train import advice
from curate_train.batches import collate
from curate_train.checkpoint import ADAPTER, RESULT, best, complete
from curate_train.curves import svg
from curate_train.data import NOT_TRAINED
from curate_train.engines.engine import described, loader_of, trainer_of
from curate_train.log import Log
from curate_train.loss import differs_from_full
from curate_train.memory import in_use, peak, settings_that_fit
from curate_train.model import casting_inputs, mean_loss, measuring, on_device, quiet
from curate_train.packed import refuse_mixing
from curate_train.progress import Progress
from curate_train.shape import empty_model
from curate_train.targets import adapted, choose
from curate_train.trainer import FIXED, NotFinite, optimizer_name
from curate_train.variants import refuse_few_steps, variant_of
from curate_train.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate_train.data import Row
    from curate_train.settings import Settings

# By how much the loss in chunks may differ from the one by full logits, which rounds them to bf16 as well.
TOLERANCE = 1e-3
COMPARED_TOKENS = 256


@quiet()
def fit(
    model_folder: Path, train: Sequence[Row], val: Sequence[Row], settings: Settings, folder: Path
) -> dict[str, Any]:
    """Train an adapter in `folder`, or go on from the last complete checkpoint there, and return what was measured.

    Leaves folder/adapter (that of the lowest validation loss), log.jsonl, curves.svg, and the checkpoints. A fit that
    was finished there before is not repeated. Losses are mean negative log likelihoods in nats over the trained tokens;
    `val_loss` that of all rows of `val` before the first step and after the one that was kept, None without rows.

    Raises:
        CurateError: the model cannot be loaded or adapted, a part of the adapter has no gradient, a loss that is not
            finite, too little memory or disk. Complete checkpoints stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / RESULT).is_file():
        done: dict[str, Any] = json.loads((folder / RESULT).read_bytes())
        return done
    try:
        measured = _fit(model_folder, train, val, settings, folder)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        longest = max(len(row.ids) for row in train)
        raise CurateError(
            f"out of memory with {settings.batch_size} rows of up to {longest:,} tokens at once: "
            + settings_that_fit(model_folder, settings, longest)
        ) from error
    with atomic_write(folder / RESULT) as file:
        file.write(json.dumps(measured).encode())
    return measured


def is_out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "out of memory" in said or "can't allocate memory" in said
    )


def _fit(
    model_folder: Path, train: Sequence[Row], val: Sequence[Row], settings: Settings, folder: Path
) -> dict[str, Any]:
    started = time.perf_counter()
    progress = Progress()
    refuse_few_steps(settings, len(train))
    targets = choose(empty_model(model_folder), settings)
    before_loading = in_use()
    base = loader_of(settings)(model_folder, settings.quant, settings.dtype)
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    set_seed(settings.seed)
    model = adapted(base, targets, settings)
    variant = variant_of(model, settings, folder)
    shortest = _end_of(min(train, key=lambda row: len(row.ids)))
    if settings.packing:
        refuse_mixing(model, train)
    with measuring(model):
        differs = differs_from_full(model, on_device(collate([shortest]), model.device))
    loaded = time.perf_counter()

    checkpoints = complete(folder)
    log = Log(folder / "log.jsonl", checkpoints[-1].step if checkpoints else -1)
    if not log.lines and (loss := mean_loss(model, val, settings.batch_size)) is not None:
        log.add({"step": 0, "val_loss": loss, "seconds": 0.0})
    watch = Watch(log, progress, settings, lambda: mean_loss(model, val, settings.batch_size), len(val), variant)
    trainer = trainer_of(settings)(variant, train, settings, folder, watch, full_logits=differs > TOLERANCE)
    steps = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())[-1]
    said = advice.before(steps, len(train), settings.max_steps)
    for line in [*_audit(targets), *said]:
        progress.say(f"train: {line}")
    try:
        with casting_inputs(model, settings.dtype == "fp32"):
            trainer.go_on(checkpoints[-1].folder if checkpoints else None)
    except NotFinite as error:
        raise CurateError(_not_finite(error, folder)) from error
    finally:
        watch.close()
        log.close()

    kept = best(complete(folder))
    assert kept is not None
    _copy_adapter(kept.folder, folder / "adapter")
    (folder / "curves.svg").write_text(svg(log, kept.step))
    candidates = [(step, loss) for step, loss in log.validation if step == 0 or variant.is_settled(step)]
    said += advice.after(candidates, log.losses, kept.step)
    tokens = sum(len(row.ids) for row in train) * trainer.state.epoch
    seconds = log.seconds
    return {
        "rows": {"train": len(train), "val": len(val)},
        "trained_tokens": {"train": sum(row.trained for row in train), "val": sum(row.trained for row in val)},
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch, 4),
        "best_step": kept.step,
        "stopped_early": trainer.state.global_step < trainer.state.max_steps,
        "train_loss": {"first": log.losses[0], "last": log.losses[-1]},
        "val_loss": {"before": log.validation[0][1] if log.validation else None, "after": kept.val_loss},
        "advice": said,
        "adapter": {
            "method": settings.method,
            "targets": sorted(model.peft_config["default"].target_modules),
            "parameters": sum(parameter.numel() for parameter in variant.trainable.values()),
            "dtype": sorted({str(parameter.dtype).removeprefix("torch.") for parameter in variant.trainable.values()}),
        },
        "audit": targets.as_json(),
        "loss": {"in_chunks": differs <= TOLERANCE, "differs_from_full_logits": differs},
        "fixed": {
            "optimizer": optimizer_name(),
            "effective_batch": settings.batch_size * settings.batches_a_step(len(train)),
            **FIXED,
        },
        "engine": described(settings),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "peak_memory_bytes": peak(),
        "training_memory_bytes": peak() - before_loading,
        "tokens_a_second": round(tokens / seconds, 1),
        "seconds": {
            "load": round(loaded - started, 3),
            "train": round(seconds, 3),
            "step": round(seconds / trainer.state.global_step, 3),
        },
    }


def _end_of(row: Row) -> Row:
    """So much of a row, up to its last trained token, as full logits are never too many of."""
    end = int((row.labels != NOT_TRAINED).nonzero()[0][-1]) + 1
    start = max(0, end - COMPARED_TOKENS)
    return row._replace(ids=row.ids[start:end], labels=row.labels[start:end])


def _audit(targets: Any) -> list[str]:
    facts = targets.as_json()
    named = ", ".join(f"{name} x{count}" for name, count in facts["adapted"].items())
    lines = [f"adapter on {len(targets.adapted)} layers: {named}"]
    lines += [
        f"not adapted, {reason}: {', '.join(names)}"
        for reason, names in facts["missed"].items()
        if reason != "output layer"
    ]
    if facts["unquantised_expert_parameters"]:
        lines.append(f"{facts['unquantised_expert_parameters']:,} parameters of routed experts are not quantised")
    return lines


def _not_finite(error: NotFinite, folder: Path) -> str:
    found = complete(folder)
    kept = (
        f"the last good checkpoint, step {found[-1].step:,}, is in {found[-1].folder}"
        if found
        else "no checkpoint was written before it"
    )
    return f"{error}; {kept}; look at the rows, or lower --learning-rate and start over: curate train RUN --force"


def _copy_adapter(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name in ADAPTER:
        shutil.copyfile(source / name, target / name)
