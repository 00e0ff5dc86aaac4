"""One QLoRA fit with transformers' plain Trainer.

Why not TRL: of rows that are tokens already it cuts or drops some without a count, and it keeps the adapter in bf16,
where small updates are lost to rounding. Here the adapter stays in fp32 and every row is trained on as it is.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging as transformers_logging

from curate.errors import CurateError
from curate_train.data import NOT_TRAINED, Row, collate
from curate_train.settings import FIXED, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' own progress bars, hints and notices of renamed arguments."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@quiet()
def fit(model_folder: Path, train: Sequence[Row], val: Sequence[Row], settings: Settings, out: Path) -> dict[str, Any]:
    """Train an adapter, write it to out/adapter and its curve to out/log.jsonl, and return what was measured.

    Losses are mean negative log likelihoods in nats over the trained tokens. `val_loss` is that of all rows of `val`
    before the first step and after the last, by the same forward; None for an empty `val`.

    Raises:
        CurateError: the model cannot be loaded, a part of the adapter has no gradient, or the loss is no longer finite.
    """
    started = time.perf_counter()
    base = load(model_folder, settings.quant)
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    targets = linear_names(base)
    set_seed(settings.seed)
    model = get_peft_model(
        base,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=targets,
        ),
    )
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    loaded = time.perf_counter()
    before = mean_loss(model, val, settings.batch_size)

    with (out / "log.jsonl").open("w") as log:
        callback = Follow(log, trainable)
        trainer = Trainer(
            model,
            arguments(settings, out),
            data_collator=collate,
            train_dataset=list(train),
            callbacks=[callback],
        )
        trainer.remove_callback(PrinterCallback)  # it prints to standard output, which carries the result only
        trained = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - trained
    # As anybody who loads it gets it: without the autocast that the trainer has put around its forward.
    model = trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    after = mean_loss(model, val, settings.batch_size)
    save(model, out / "adapter")
    return {
        "rows": {"train": len(train), "val": len(val)},
        "trained_tokens": {"train": sum(row.trained for row in train), "val": sum(row.trained for row in val)},
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch, 4),
        "train_loss": {"first": callback.losses[0], "last": callback.losses[-1]},
        "val_loss": {"before": before, "after": after},
        "adapter": {
            "targets": targets,
            "parameters": sum(parameter.numel() for parameter in trainable.values()),
            "dtype": sorted({str(parameter.dtype).removeprefix("torch.") for parameter in trainable.values()}),
        },
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "peak_memory_bytes": peak_memory(),
        "seconds": {
            "load": round(loaded - started, 3),
            "train": round(seconds, 3),
            "step": round(seconds / trainer.state.global_step, 3),
        },
    }


def load(folder: Path, quant: str) -> Any:
    """The base model, frozen, in bf16 or in NF4 (double quantised, computing in bf16).

    peft's prepare_model_for_kbit_training is left out on purpose: it would lift embeddings and norms to fp32, and
    the adapter would be trained on another model than the one it is loaded onto later.

    Raises:
        CurateError: the folder holds no causal language model that transformers can load.
    """
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            quantization_config=nf4 if quant == "nf4" else None,
            device_map={"": 0 if torch.cuda.is_available() else "cpu"},
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CurateError(f"{folder}: no causal language model that transformers can load ({reason})") from error
    model.config.use_cache = False
    model.requires_grad_(False)
    return model


def linear_names(model: Any) -> list[str]:
    """The last names of all linear layers but the output head: what LoRA adapts, as servers like to read it."""
    head = model.get_output_embeddings()
    linear = (torch.nn.Linear,)  # bitsandbytes' 4-bit layers are subclasses of it
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, linear) and module is not head
        }
    )


def arguments(settings: Settings, out: Path) -> Any:
    return TrainingArguments(
        output_dir=str(out),
        num_train_epochs=settings.epochs,
        max_steps=-1 if settings.max_steps is None else settings.max_steps,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **FIXED,
    )


def mean_loss(model: Any, rows: Sequence[Row], batch_size: int) -> float | None:
    """The mean negative log likelihood of the trained tokens of all rows, in nats; None for no rows."""
    if not rows:
        return None
    total, count = 0.0, 0
    with measuring(model), torch.no_grad():
        for start in range(0, len(rows), batch_size):
            batch = {key: value.to(model.device) for key, value in collate(rows[start : start + batch_size]).items()}
            labels = batch.pop("labels")[:, 1:]
            logits = model(**batch).logits[:, :-1][labels != NOT_TRAINED].float()
            trained = labels[labels != NOT_TRAINED]
            total += torch.nn.functional.cross_entropy(logits, trained, reduction="sum").item()
            count += len(trained)
    return total / count


@contextmanager
def measuring(model: Any) -> Iterator[None]:
    """Without dropout, but with the 4-bit layers as in training.

    In eval mode bitsandbytes packs their weights for the CPU on the first forward, in place. Packed weights have no
    backward: the steps that follow would train on wrong gradients and say nothing.
    """
    model.eval()
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.training = True
    yield
    model.train()


class Follow(TrainerCallback):  # type: ignore[misc]
    """Writes a line of log.jsonl a step, says on standard error how far it is, and stops what cannot end well."""

    def __init__(self, log: TextIO, trainable: dict[str, Any]) -> None:
        self.log = log
        self.trainable = trainable
        self.losses: list[float] = []
        self.started = self.said = time.perf_counter()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 0 and (dead := [name for name, p in self.trainable.items() if p.grad is None]):
            raise CurateError(
                f"{len(dead)} parts of the adapter have no gradient, so would never be trained: {dead[0]}"
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs:
            return  # the summary after the last step
        now = time.perf_counter()
        line = {
            "step": state.global_step,
            "epoch": logs["epoch"],
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "seconds": round(now - self.started, 3),
        }
        if not math.isfinite(line["loss"]):
            raise CurateError(
                f"step {state.global_step}: the loss is {line['loss']}, so nothing was written; lower --learning-rate"
            )
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        self.losses.append(line["loss"])
        if now - self.said >= SECONDS_BETWEEN_LINES or state.global_step in (1, state.max_steps):
            self.said = now
            a_step = (now - self.started) / state.global_step
            left = a_step * (state.max_steps - state.global_step)
            print(
                f"train: step {state.global_step:,} of {state.max_steps:,}, loss {line['loss']:.3f}, "
                f"{a_step:.2f} s a step, {left:,.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started = self.said = time.perf_counter()


def save(model: Any, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors: the same adapter gives the same bytes."""
    assert isinstance(model, PeftModel)
    # Without an explicit False, peft looks the base model up on the hub to compare its vocabulary.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink()  # peft's model card, of which every line is a blank to fill in
    file = folder / "adapter_config.json"
    config = json.loads(file.read_bytes())
    config["target_modules"] = sorted(config["target_modules"])
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def peak_memory() -> int:
    """The largest amount of memory that was in use, in bytes: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
