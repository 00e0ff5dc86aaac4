"""The base model, frozen, as it is trained on and as its loss is measured."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from curate.errors import CurateError
from curate_train.batches import collate
from curate_train.loss import summed_loss, trained_hidden
from curate_train.shape import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate_train.data import Row


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' own progress bars, hints and notices of renamed arguments."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def load(folder: Path, quant: str, dtype: str = "bf16") -> Any:
    """The base model, frozen, in bf16 or fp32, or in NF4 (double quantised, computing in bf16).

    peft's prepare_model_for_kbit_training is left out on purpose: it would lift embeddings and norms to fp32, and
    the adapter would be trained on another model than the one it is loaded onto later.

    Raises:
        CurateError: the folder holds no causal language model that transformers can load.
    """
    if not torch.cuda.is_available():  # one weight after the other: several at once only cost memory
        os.environ.setdefault("HF_DEACTIVATE_ASYNC_LOAD", "1")
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[dtype],
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            quantization_config=nf4 if quant == "nf4" else None,
            device_map={"": 0 if torch.cuda.is_available() else "cpu"},
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise CurateError(f"{folder}: no causal language model that transformers can load ({reason})") from error
    model.config.use_cache = False
    model.requires_grad_(False)
    if model.device.type == "cpu":
        if quant == "nf4":  # what is left are the few that are not quantised
            off_the_file(model)
        give_memory_back()
    return model


# glibc's M_MMAP_THRESHOLD: from this size on a freed block goes back to the system at once, and leaves no hole behind.
MMAP_THRESHOLD, LARGE_BLOCK = -3, 2_000_000


def off_the_file(model: Any) -> None:
    """Copy the frozen weights, which are views of the mapped file: one of them keeps all of it in memory."""
    for parameter in model.parameters():
        if parameter.is_floating_point() and not parameter.requires_grad:
            parameter.data = parameter.data.clone()


def give_memory_back() -> None:
    """What loading took and nothing needs any more."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library than GNU's
            library = ctypes.CDLL(None)
            library.mallopt(MMAP_THRESHOLD, LARGE_BLOCK)
            library.malloc_trim(0)


def mean_loss(model: Any, rows: Sequence[Row], batch_size: int) -> float | None:
    """The mean negative log likelihood of the trained tokens of all rows, in nats; None for no rows.

    Of the model as anybody who loads it gets it: without dropout, and without the autocast of the training.
    """
    if not rows:
        return None
    total, count = 0.0, 0
    rows = sorted(rows, key=lambda row: len(row.ids))  # like lengths need the least padding
    with measuring(model), torch.no_grad():
        for start in range(0, len(rows), batch_size):
            batch = on_device(collate(rows[start : start + batch_size]), model.device)
            hidden, labels = trained_hidden(model, batch)
            total += summed_loss(model, hidden, labels).item()
            count += len(labels)
    return total / count


def on_device(batch: dict[str, Any], device: Any) -> dict[str, Any]:
    return {key: value.to(device) for key, value in batch.items()}


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
    try:
        with casting_inputs(model, True):
            yield
    finally:
        model.train()


@contextmanager
def casting_inputs(model: Any, wanted: bool) -> Iterator[None]:
    """Whether adapters lift what they get to their own fp32, as peft has it. Under autocast that costs a quarter of the
    memory of a step and nothing comes of it, as the product is in bf16 all the same."""
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    was = [getattr(layer, "cast_input_dtype_enabled", True) for layer in layers]
    for layer in layers:
        layer.cast_input_dtype_enabled = wanted
    try:
        yield
    finally:
        for layer, value in zip(layers, was, strict=True):
            layer.cast_input_dtype_enabled = value
