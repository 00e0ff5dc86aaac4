"""A step of training beside TRL's SFTTrainer and a plain PyTorch loop, on the same rows, weights and adapter.

    python benchmarks/train_step.py --model SmolLM2-135M-Instruct --run runs/support --steps 8
    python benchmarks/train_step.py --model SmolLM2-135M-Instruct --run runs/support --steps 5 --quant none --dtype fp32

Prints the first losses of each and the CPU seconds of a step (one thread, without the first step, which warms up).
`loop` is the usual loop; `loop2` is the same, but has the output layer compute the trained positions only, as curate
does. In fp32 all agree. In bf16 that alone rounds some gradients otherwise, and Adam's first steps are of one size for
all weights, so that rounding decides the direction of those with hardly a gradient: `loop` and `loop2` part from the
second step on, and curate goes with `loop2`.

TRL gets `labels` and max_length=None, without which it would train on other tokens; it is left out where it, or what it
needs (pip install trl datasets accelerate), is not installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
KINDS = ("loop", "loop2", "curate", "trl")
SETTINGS = {"batch_size": 4, "accumulate": 1, "gradient_checkpointing": False, "dropout": 0.0, "schedule": "constant"}


def ordered(run: Path, steps: int) -> list[Any]:
    """The rows of the first steps, in the order in which curate trains on them."""
    from curate_train.batches import Order
    from curate_train.data import read_tokens

    rows = read_tokens(run / "tokens", "train", vocabulary=1 << 30)
    order = list(Order([len(row.ids) for row in rows], 4, 0, by_length=True))
    return [rows[i] for i in order[: 4 * steps]]


class Clock:
    """CPU seconds of this process at the end of each step."""

    def __init__(self) -> None:
        self.times = [time.process_time()]
        self.losses: list[float] = []

    def tick(self, loss: float) -> None:
        self.times.append(time.process_time())
        self.losses.append(loss)

    def report(self, kind: str) -> None:
        steps = [b - a for a, b in zip(self.times[1:], self.times[2:], strict=False)]
        losses = " ".join(f"{loss:.4f}" for loss in self.losses[:4])
        print(f"{kind:8} {sum(steps) / len(steps):7.2f} CPU seconds a step   first losses {losses}")


def prepared(model: Path, base: dict[str, str]) -> Any:
    from transformers import set_seed

    from curate_train.model import load
    from curate_train.settings import default_settings
    from curate_train.shape import empty_model
    from curate_train.targets import adapted, choose

    settings = default_settings(**SETTINGS, **base)
    loaded = load(model, **base)
    set_seed(0)
    return adapted(loaded, choose(empty_model(model), settings), settings)


def loop(model: Path, run: Path, steps: int, base: dict[str, str], trained_only: bool = False) -> None:
    """Nothing of curate but the weights, the adapter and the rows."""
    import torch

    made, clock, rows = prepared(model, base), Clock(), ordered(run, steps)
    made.train()
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=2e-4, weight_decay=0.0)
    for step in range(steps):
        some = rows[4 * step : 4 * step + 4]
        longest = max(len(row.ids) for row in some)
        ids = torch.zeros((len(some), longest), dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for i, row in enumerate(some):
            ids[i, : len(row.ids)] = torch.tensor(row.ids)
            mask[i, : len(row.ids)] = 1
            labels[i, : len(row.ids)] = torch.tensor(row.labels)
        targets = labels[:, 1:]
        with torch.autocast("cpu", torch.bfloat16, enabled=base["dtype"] == "bf16"):
            if trained_only:
                inner = made.get_base_model()
                hidden = inner.model(input_ids=ids, attention_mask=mask, use_cache=False)[0]
                logits = inner.lm_head(hidden[:, :-1][targets != -100])
                targets = targets[targets != -100]
            else:
                logits = made(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits.float(), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in made.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(loss.item())
    clock.report("loop2" if trained_only else "loop")


def callback(clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Tick(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                clock.tick(float(logs["loss"]))

    return Tick()


def ours(model: Path, run: Path, steps: int, base: dict[str, str]) -> None:
    from curate_train import fit, watch
    from curate_train.data import read_tokens
    from curate_train.settings import default_settings

    clock = Clock()
    on_log = watch.Watch.on_log

    def ticking(self: Any, args: Any, state: Any, control: Any, logs: dict[str, Any], **more: Any) -> None:
        on_log(self, args, state, control, logs, **more)
        if "loss" in logs:
            clock.tick(logs["loss"])

    watch.Watch.on_log = ticking  # type: ignore[method-assign]
    settings = default_settings(**SETTINGS, **base, max_steps=steps, warmup=0.0)
    rows = read_tokens(run / "tokens", "train", vocabulary=1 << 30)
    with tempfile.TemporaryDirectory() as out:
        fit.fit(model, rows, [], settings, Path(out))
    clock.report("curate")


def trl(model: Path, run: Path, steps: int, base: dict[str, str]) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    clock = Clock()
    rows = ordered(run, steps)
    data = Dataset.from_dict({"input_ids": [r.ids.tolist() for r in rows], "labels": [r.labels.tolist() for r in rows]})
    with tempfile.TemporaryDirectory() as out:
        args = SFTConfig(
            out,
            max_length=None,
            per_device_train_batch_size=4,
            max_steps=steps,
            learning_rate=2e-4,
            lr_scheduler_type="constant",
            bf16=base["dtype"] == "bf16",
            use_cpu=True,
            gradient_checkpointing=False,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )

        class InOrder(SFTTrainer):  # type: ignore[misc]
            def _get_train_sampler(self, *_: Any) -> Any:
                return torch.utils.data.SequentialSampler(self.train_dataset)

        tokenizer = AutoTokenizer.from_pretrained(model)
        InOrder(
            prepared(model, base), args, train_dataset=data, processing_class=tokenizer, callbacks=[callback(clock)]
        ).train()
    clock.report("trl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="with tokens made for this model")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--quant", choices=["nf4", "none"], default="nf4")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--kind", choices=KINDS, help="this one only")
    options = parser.parse_args()
    if options.kind:
        import torch

        torch.set_num_threads(1)
        base = {"quant": options.quant, "dtype": options.dtype}
        runs = {"loop": loop, "loop2": partial(loop, trained_only=True), "curate": ours, "trl": trl}
        runs[options.kind](options.model, options.run, options.steps, base)
        return
    for kind in KINDS:
        if kind == "trl" and not (find_spec("trl") and find_spec("datasets")):
            print("trl      is not installed here (pip install trl datasets)")
            continue
        words = ["--model", options.model, "--run", options.run, "--steps", options.steps, "--kind", kind]
        words += ["--quant", options.quant, "--dtype", options.dtype]
        subprocess.run([sys.executable, __file__, *map(str, words)], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
