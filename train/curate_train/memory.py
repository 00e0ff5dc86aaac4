"""How much memory a training takes, by part: what a process uses now, and what a config will need.

The parts come from one rehearsal of a step on the meta device, where each tensor has its size and lives as long as it
would, and from the bytes that each weight, adapter weight and optimiser state takes.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from curate_train.loss import base_of, summed_loss
from curate_train.settings import flag
from curate_train.shape import DTYPES, LiveBytes, empty_model, without_values
from curate_train.targets import adapted, choose

if TYPE_CHECKING:
    from curate_train.settings import Settings
    from curate_train.targets import Targets

# Half a byte, a byte of scale a block of 64, and a float of scale a block of 256 such scales.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
ADAM_BYTES, ADAM8_BYTES = 8, 2
ALLOCATOR_BYTES = 12  # AdaLoRA: how sensitive the loss is to each weight now, on average, and how much that varies
FP32_BYTES = 4
SHORT = 64  # tokens of a rehearsed step
# On the CPU the process takes more than its tensors: kernels' workspace, and holes that freed blocks leave behind. It
# grows with the tokens of a batch up to a bound (measured with SmolLM2-135M: 128 to 2,048 tokens, NF4 and bf16).
CPU_BYTES_A_TOKEN, CPU_BYTES_AT_MOST = 440_000, 450_000_000
# Full fine-tuning in mixed precision: weights and gradients in fp32 and both moments of Adam.
FULL_WEIGHT_BYTES = FULL_GRADIENT_BYTES = FP32_BYTES


@dataclass(frozen=True)
class Memory:
    """Bytes by part. `activations` holds what is kept for the backward and the workspace of its largest moment,
    `logits` what the loss needs beyond them, and `workspace` what a process on the CPU takes beside its tensors."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    workspace: int = 0

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


def estimate(model: Any, targets: Targets, settings: Settings, length: int, *, device: str) -> Memory:
    """The memory of LoRA (`quant` none) or QLoRA (`quant` nf4) on a model without values, which is left as it is.

    `length` is that of the longest batch, in tokens a row; `device` is "cpu" or "cuda".
    """
    made = adapted(copy.deepcopy(model), targets, settings, empty=True)
    trainable = sum(p.numel() for p in made.parameters() if p.requires_grad)
    if settings.dtype == "bf16":  # as the autocast of the training has them
        for parameter in made.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    activations, logits = rehearsed(made, settings, length)
    element = DTYPES[settings.dtype].itemsize
    if settings.quant == "nf4":  # each layer's weight is a matrix of the compute type while it is used
        activations += max(p.numel() for p in _quantised(model)) * element
    activations += trainable * element if settings.dtype == "bf16" else 0
    moments = (ADAM8_BYTES if device == "cuda" else ADAM_BYTES) + (ALLOCATOR_BYTES if settings.adalora else 0)
    return Memory(
        weights=weight_bytes(model, settings.quant, element),
        adapter=trainable * FP32_BYTES,
        gradients=trainable * FP32_BYTES,
        optimizer=trainable * moments,
        activations=activations,
        logits=logits,
        workspace=workspace(settings, length) if device == "cpu" else 0,
    )


def workspace(settings: Settings, length: int) -> int:
    return min(CPU_BYTES_AT_MOST, settings.batch_size * length * CPU_BYTES_A_TOKEN)


def estimate_full(model: Any, settings: Settings, length: int, *, device: str) -> Memory:
    """The memory of training every weight, in mixed precision with Adam."""
    made = copy.deepcopy(model).requires_grad_(True)
    count = sum(parameter.numel() for parameter in made.parameters())
    activations, logits = rehearsed(made, settings, length)
    return Memory(
        weights=count * FULL_WEIGHT_BYTES,
        adapter=0,
        gradients=count * FULL_GRADIENT_BYTES,
        optimizer=count * ADAM_BYTES,
        activations=activations,
        logits=logits,
        workspace=workspace(settings, length) if device == "cpu" else 0,
    )


def weight_bytes(model: Any, quant: str, element: int) -> int:
    """The bytes of the base weights: linear layers but the output layer in NF4, if so, and the rest as it is."""
    quantised = {id(p): p.numel() for p in _quantised(model)} if quant == "nf4" else {}
    rest = sum(p.numel() for p in model.parameters() if id(p) not in quantised)
    return int(sum(quantised.values()) * NF4_BYTES + rest * element)


def _quantised(model: Any) -> list[Any]:
    head = model.get_output_embeddings()
    return [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear) and module is not head]


def rehearsed(model: Any, settings: Settings, length: int) -> tuple[int, int]:
    """The most that a step holds beside weights and gradients, and what the loss adds to it.

    All parts of a step grow with its tokens, so that two short steps tell of a long one.
    """
    base = base_of(model)
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    short = getattr(base.config, "mamba_chunk_size", None) or getattr(base.config, "chunk_size", None) or SHORT
    (kept, most), (kept_of_two, most_of_two) = (_one_step(model, base, tokens) for tokens in (short, 2 * short))
    steps = settings.batch_size * length / short - 1  # beyond the first `short` tokens
    kept, most = (round(a + (b - a) * steps) for a, b in ((kept, kept_of_two), (most, most_of_two)))
    return int(most), max(0, kept + _loss(base, settings.batch_size * length) - most)


def _one_step(model: Any, base: Any, tokens: int) -> tuple[int, int]:
    """What the forward keeps for the backward, and the most that the step holds, in bytes, without the loss."""
    with without_values(base), LiveBytes() as live:
        ids = torch.zeros((1, tokens), dtype=torch.long)
        hidden = base.base_model(input_ids=ids, use_cache=False)[0]
        kept = live.now
        hidden.backward(torch.empty_like(hidden))
    gradients = sum(p.grad.untyped_storage().nbytes() for p in model.parameters() if p.grad is not None)
    model.zero_grad()
    return kept, max(kept, live.peak - gradients)


def _loss(base: Any, positions: int) -> int:
    """The most that the loss holds beside the hidden states, where every position is trained."""
    width = base.get_output_embeddings().weight.shape[1]
    with without_values(base), LiveBytes() as live:
        hidden = torch.empty((positions, width), dtype=base.dtype, requires_grad=True)
        summed_loss(base, hidden, torch.zeros(positions, dtype=torch.long))
    return int(live.peak - hidden.untyped_storage().nbytes())


def settings_that_fit(folder: Path, settings: Settings, length: int) -> str:
    """In words: settings that need less memory than these, which did not fit, by how much each."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = empty_model(folder, settings.dtype)
    targets = choose(model, settings)
    failed = estimate(model, targets, settings, length, device=device).total
    tried = []
    for change in _smaller(settings):
        smaller = settings.model_copy(update=change)
        needed = estimate(model, targets, smaller, length, device=device).total
        if needed < failed:
            tried.append((change, needed))
    if not tried:
        return f"nothing smaller is left to try with rows of {length:,} tokens: curate tokens RUN --max-length N"
    room = available()
    change, needed = next(((c, n) for c, n in tried if n < 0.9 * room), tried[-1])
    flags = " ".join(flag(*one) for one in change.items())
    return (
        f"it needs about {failed / 1e9:.1f} GB, {flags} about {needed / 1e9:.1f} GB ({room / 1e9:.1f} GB are free); "
        f"start over with: curate train RUN {flags} --force"
    )


def _smaller(settings: Settings) -> list[dict[str, Any]]:
    """What saves memory and changes the result least, first: steps of the same rows in smaller pieces."""
    found: list[dict[str, Any]] = []
    change: dict[str, Any] = {}
    if not settings.gradient_checkpointing:
        change = {"gradient_checkpointing": True}
        found.append(change)
    batch, accumulate = settings.batch_size, settings.accumulate
    while batch > 1:
        batch //= 2
        change = {**change, "batch_size": batch}
        if accumulate:
            change["accumulate"] = accumulate = accumulate * 2
        found.append(change)
    if settings.quant != "nf4" and settings.init != "pissa":
        found.append({**change, "quant": "nf4"})
    return found


def available() -> int:
    """How many bytes a training could still take."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    try:  # what the system would give, files that it only keeps in memory included
        return _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    except (OSError, StopIteration):
        import os

        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def in_use() -> int:
    """The memory that is in use now, in bytes: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return _of_process("VmRSS")


def peak() -> int:
    """The largest amount of memory that was in use, in bytes: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return _of_process("VmHWM")


def restart_peak() -> None:
    """Have `peak` begin anew, with what is in use now. Where the system cannot, it stays that of the whole process."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # of proc(5): VmHWM is then VmRSS


def _of_process(name: str) -> int:
    """A figure of /proc/self/status; elsewhere than on Linux the most there was is all that is known."""
    try:
        return _kilobytes(Path("/proc/self/status"), name)
    except (OSError, StopIteration):
        import resource

        # Not the first choice: a process has that of the one that started it, where it was larger.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _kilobytes(file: Path, name: str) -> int:
    """A figure in bytes of a file of proc(5), whose lines are a name and kilobytes."""
    return next(1024 * int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(f"{name}:"))
