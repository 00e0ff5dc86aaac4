"""Every variant of LoRA on every kind of base: does it train, does plain peft load it, what does it take?

    python benchmarks/variants.py --model SmolLM2-135M-Instruct --run runs/support --steps 4 --write docs/variants.md

Each cell is a process of its own, so that its peak memory is its own: a real training of a few steps on short rows of
RUN, saved, and loaded by plain peft onto the plain base. CPU seconds a step are those of one thread, without the first
step. Memory is the highest of the process less that just before the model was loaded; on a GPU, what torch held. With
--write the table replaces the one in FILE, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
VARIANTS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "DoRA": {"dora": True},
    "PiSSA": {"init": "pissa"},
    "AdaLoRA": {"adalora": True},
    "LoRA+": {"loraplus_ratio": 16.0},
    "rsLoRA": {"rslora": True},
}
BASES = {"NF4": ("nf4", "bf16"), "bf16": ("none", "bf16"), "fp32": ("none", "fp32")}
SHORT = {"batch_size": 2, "accumulate": 1, "dropout": 0.0, "schedule": "constant", "gradient_checkpointing": False}
ROWS = 8
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes")
MARKS = ("<!-- table -->\n", "<!-- end of the table -->\n")
COLUMNS = (
    "variant",
    "base",
    "result",
    "trainable",
    "first loss",
    "last loss",
    "logits differ by",
    "of the largest",
    "{clock} a step",
    "memory",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * 3}{'---:|' * (len(COLUMNS) - 3)}\n"


def cell(model: Path, run: Path, steps: int, variant: str, base: str) -> dict[str, Any]:
    import torch

    from curate.errors import CurateError
    from curate_train import fit, variants, watch
    from curate_train.data import read_tokens
    from curate_train.settings import default_settings, validated

    torch.set_num_threads(1)
    quant, dtype = BASES[base]
    values = {**default_settings(**SHORT).model_dump(), **VARIANTS[variant], "quant": quant, "dtype": dtype}
    try:
        settings = validated({**values, "max_steps": steps, "warmup": 0.0}, {})
    except CurateError as refused:
        return {"refused": str(refused)}
    rows = sorted(read_tokens(run / "tokens", "train", vocabulary=1 << 30), key=lambda row: len(row.ids))
    rows = rows[len(rows) // 4 :][:ROWS]
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    times, kept = [], []
    on_log, save = watch.Watch.on_log, variants.save

    def ticking(self: Any, *args: Any, **more: Any) -> None:
        on_log(self, *args, **more)
        times.append(clock())

    def keeping(trained: Any, folder: Path, **how: Any) -> None:
        kept.append(trained)
        save(trained, folder, **how)

    watch.Watch.on_log, variants.save = ticking, keeping  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as out:
        measured = fit.fit(model, rows, [], settings, Path(out))
        differs, largest = difference(kept[-1], model, Path(out) / "adapter", quant, dtype, rows[:2])
    seconds = [b - a for a, b in pairwise(times)][: steps - 1]
    return {
        "trainable": measured["adapter"]["parameters"],
        "losses": [measured["train_loss"]["first"], measured["train_loss"]["last"]],
        "differs": differs,
        "largest": largest,
        "seconds": sum(seconds) / len(seconds),
        "memory": measured["training_memory_bytes"],
        "device": measured["device"],
    }


def difference(
    trained: Any, model: Path, adapter: Path, quant: str, dtype: str, rows: list[Any]
) -> tuple[float, float]:
    """The largest difference between the logits of the model as it was trained and as plain peft loads it, and the
    largest logit."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    kind = {"bf16": torch.bfloat16, "fp32": torch.float32}[dtype]
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
    )
    base = AutoModelForCausalLM.from_pretrained(
        model, dtype=kind, quantization_config=nf4 if quant == "nf4" else None, device_map={"": trained.device}
    )
    loaded = PeftModel.from_pretrained(base, adapter).eval()
    trained.eval()
    differences, logits = [], []
    for row in rows:
        ids = torch.tensor(row.ids, device=trained.device).long()[None]
        with torch.no_grad():
            one, other = (each(ids, use_cache=False).logits.float() for each in (trained, loaded))
        differences.append((one - other).abs().max().item())
        logits.append(one.abs().max().item())
    return max(differences), max(logits)


def line(variant: str, base: str, made: dict[str, Any]) -> str:
    name = f"Q{variant}" if variant in ("LoRA", "DoRA") and base == "NF4" else variant
    if "refused" in made:
        return f"| {name} | {base} | refused: {made['refused'].partition(': ')[2]} | | | | | | | |\n"
    first, last = made["losses"]
    cells = [
        name,
        base,
        "works",
        f"{made['trainable']:,}",
        f"{first:.3f}",
        f"{last:.3f}",
        f"{made['differs']:.1e}" if made["differs"] else "0",
        f"{made['differs'] / made['largest']:.1e}" if made["differs"] else "0",
        f"{made['seconds']:.2f} s",
        f"{made['memory'] / 1e9:.2f} GB",
    ]
    return f"| {' | '.join(cells)} |\n"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="with tokens made for this model")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--cell", nargs=2, metavar=("VARIANT", "BASE"), help="this one only, as JSON")
    options = parser.parse_args()
    if options.steps < 2:
        parser.error("--steps: 2 or more, as the first one warms up")
    if options.cell:
        print(json.dumps(cell(options.model, options.run, options.steps, *options.cell)))
        return
    words = ["--model", options.model, "--run", options.run, "--steps", options.steps]
    lines, device = [], "cpu"
    for variant in VARIANTS:
        for base in BASES:
            command = [sys.executable, __file__, *map(str, words), "--cell", variant, base]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{variant} on {base} failed:\n{done.stderr[-3000:]}")
            made = json.loads(done.stdout.splitlines()[-1])
            device = made.get("device", device)
            lines.append(line(variant, base, made))
            print(lines[-1], end="", file=sys.stderr, flush=True)
    where = f"one thread of {processor()}" if device == "cpu" else device
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    table = (
        HEAD.format(clock="CPU time" if device == "cpu" else "time")
        + "".join(lines)
        + f"\n{options.model.name}, rank 16, {options.steps} steps of 2 rows, {where}; {versions}.\n"
    )
    print(table)
    if options.write:
        before, _, rest = options.write.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        options.write.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
