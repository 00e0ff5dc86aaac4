"""What a training will take, before anything is downloaded or trained: parameters, memory, time, what it can show."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from curate_train.batches import collate
from curate_train.loss import summed_loss, trained_hidden
from curate_train.memory import available, estimate, estimate_full
from curate_train.model import casting_inputs, load, on_device, quiet
from curate_train.shape import empty_model
from curate_train.targets import adapted, choose, parameters
from curate_train.trainer import computing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate_train.data import Row
    from curate_train.settings import Settings

SCHEMA = "curate.plan/1"
USUAL_LENGTH = 2048
# What is left free of the device: kernels, fragments of the allocator, other programs.
MARGIN = 0.9
DISAGREEMENT = (0.1, 0.2, 0.3)
MEASURED_STEPS = 2


@quiet()
def plan(source: Path, settings: Settings, length: int, room: int | None = None) -> dict[str, Any]:
    """The plan of a model from its config.json alone, for batches whose longest row has `length` tokens.

    `room` are the bytes that the device has (None: of the one at hand).

    Raises:
        CurateError: no causal language model that transformers knows, or none that could be adapted.
    """
    device = "cuda" if torch.cuda.is_available() or room is not None else "cpu"
    model = empty_model(source, settings.dtype)
    targets = choose(model, settings)
    total = sum(parameter.numel() for parameter in model.parameters())
    trainable, with_adapter = parameters(adapted(empty_model(source, settings.dtype), targets, settings, empty=True))
    kinds = {
        "full": estimate_full(model, settings, length, device=device),
        "lora": estimate(model, targets, settings.model_copy(update={"quant": "none"}), length, device=device),
    }
    if settings.init != "pissa":
        kinds["qlora"] = estimate(model, targets, settings.model_copy(update={"quant": "nf4"}), length, device=device)
    memory = {name: {**asdict(parts), "total": parts.total} for name, parts in kinds.items()}
    room = available() if room is None else room
    return {
        "schema": SCHEMA,
        "model": {"source": str(source), "type": model.config.model_type},
        "parameters": {"base": total, "trainable": trainable, "total": with_adapter},
        "audit": targets.as_json(),
        "length": length,
        "batch_size": settings.batch_size,
        "memory": memory,
        "room": room,
        "recommendation": recommended(memory, room),
    }


def recommended(memory: dict[str, dict[str, int]], room: int) -> dict[str, str]:
    """The kind of training to choose, with its flags, and why."""
    for kind, flags, why in (
        ("lora", "--quant none", "the base in bf16 fits: faster than 4 bits, and the adapter sees exact weights"),
        ("qlora", "--quant nf4", "the base fits in 4 bits only"),
    ):
        if kind in memory and memory[kind]["total"] < MARGIN * room:
            return {"kind": kind, "flags": flags, "why": why}
    name, least = ("QLoRA", memory["qlora"]) if "qlora" in memory else ("PiSSA", memory["lora"])
    needed = f"{name} needs {least['total'] / 1e9:.1f} GB"
    return {
        "kind": "none",
        "flags": "--batch-size 1 --gradient-checkpointing",
        "why": f"{needed} of {room / 1e9:.1f}: take shorter rows, fewer at once, or a smaller model",
    }


@quiet()
def measured_seconds(folder: Path, rows: Sequence[Row], settings: Settings) -> dict[str, float]:
    """How long a token takes, from a few real batches of rows of middling length, and so the whole training.

    Raises:
        CurateError: the model cannot be loaded.
    """
    model = load(folder, settings.quant, settings.dtype)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    made = adapted(model, choose(empty_model(folder), settings), settings)
    by_length = sorted(rows, key=lambda row: len(row.ids))
    middle = max(0, len(rows) // 2 - settings.batch_size // 2)
    batch = on_device(collate(by_length[middle : middle + settings.batch_size]), made.device)
    seconds = []
    for _ in range(MEASURED_STEPS + 1):  # the first one warms up
        started = time.perf_counter()
        with casting_inputs(made, settings.dtype == "fp32"):
            with computing(made, settings):
                loss = summed_loss(made, *trained_hidden(made, batch))
            loss.backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    tokens = int(batch["attention_mask"].sum())
    a_token = min(seconds[1:]) / tokens
    batches = settings.steps(len(rows)) * settings.batches_a_step(len(rows))
    mean = sum(len(row.ids) for row in rows) / len(rows)
    return {"tokens_a_second": 1 / a_token, "seconds": a_token * mean * batches * settings.batch_size}


def rows_of_run(tokens: Path) -> dict[str, int]:
    """The rows of each split that tokens/tokens.json counts."""
    found: dict[str, int] = json.loads((tokens / "tokens.json").read_bytes())["rows"]
    return found
