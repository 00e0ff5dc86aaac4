"""Llama-3.1-8B and Qwen3-8B with random weights on a GPU: peak memory against the plan, and tokens a second beside TRL.

    python benchmarks/train_gpu.py --steps 10
    python benchmarks/train_gpu.py --steps 2 --rehearse        tiny shapes, on whatever is here: does it run?

NF4, rows of 2,048 tokens, one at a time, gradient checkpointing. Weights are random, as neither memory nor speed depend
on them. Ours is the trainer that `curate train` runs. TRL is measured where it is installed with what it needs (pip
install trl datasets). Each is a process of its own; the first two steps, which warm up, do not count for the speed.

Needs a CUDA GPU with 16 GB, and 16 GB of disk and of memory (of the GPU, if it has more than 20 GB) for the weights of
one model. Prints a line for each condition that has to hold, and exits with 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
COMMON = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False}
LLAMA = {"model_type": "llama", "vocab_size": 128256, "intermediate_size": 14336, "num_hidden_layers": 32}
QWEN = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "head_dim": 128,
}
SHAPES = {"Llama-3.1-8B": {**COMMON, **LLAMA}, "Qwen3-8B": {**COMMON, **QWEN}}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "head_dim": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
KINDS = ("curate", "trl")
LENGTH, IDS = 2048, 32_000
WARMING_UP = 2
MOST_BYTES, PLAN_WITHIN = 12e9, 0.10


def random_weights(shape: dict[str, Any], folder: Path) -> None:
    """A model folder of this shape in bf16, made once, with a tokenizer of no use, which TRL insists on."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape))
    has_room = torch.cuda.is_available() and torch.cuda.get_device_properties(0).total_memory > 20e9
    with torch.device("cuda" if has_room else "cpu"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.bfloat16)
    tokenizer = Tokenizer(models.WordLevel({"<eos>": 0}, unk_token="<eos>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>").save_pretrained(folder)
    model.save_pretrained(folder)  # last, so that a folder with weights is whole


def row(number: int, length: int) -> Any:
    import numpy as np

    return np.random.default_rng(number).integers(0, IDS, length).astype(np.int32)


def speed(times: list[float], length: int) -> float:
    """Tokens a second, of the times at which steps ended."""
    steps = [b - a for a, b in pairwise(times)][WARMING_UP - 1 :]
    return length * len(steps) / sum(steps)


def ours(folder: Path, steps: int, length: int) -> dict[str, float]:
    import torch

    from curate_train.data import Row
    from curate_train.fit import fit
    from curate_train.memory import estimate
    from curate_train.settings import default_settings
    from curate_train.shape import empty_model
    from curate_train.targets import choose

    settings = default_settings(batch_size=1, accumulate=1, max_steps=steps + WARMING_UP)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = empty_model(folder)
    planned = estimate(shape, choose(shape, settings), settings, length, device=device).total
    rows = [Row("train", str(i), i, row(i, length), row(i, length)) for i in range(steps + WARMING_UP)]
    with tempfile.TemporaryDirectory() as out:
        measured = fit(folder, rows, [], settings, Path(out))
        log = [json.loads(line) for line in (Path(out) / "log.jsonl").read_text().splitlines()]
    return {
        "peak": measured["peak_memory_bytes" if device == "cuda" else "training_memory_bytes"],
        "planned": planned,
        "tokens_a_second": speed([line["seconds"] for line in log if "loss" in line], length),
    }


def theirs(folder: Path, steps: int, length: int) -> dict[str, float]:
    """TRL's SFTTrainer on the same rows and the same adapter, with its own defaults for the rest."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    has_cuda = torch.cuda.is_available()
    times = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if has_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, quantization_config=nf4, device_map={"": 0 if has_cuda else "cpu"}
    )
    ids = [row(i, length).tolist() for i in range(steps + WARMING_UP)]
    with tempfile.TemporaryDirectory() as out:
        args = SFTConfig(
            out,
            max_length=None,
            per_device_train_batch_size=1,
            max_steps=steps + WARMING_UP,
            bf16=True,
            use_cpu=not has_cuda,
            gradient_checkpointing=True,
            optim="paged_adamw_8bit",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
        SFTTrainer(
            model,
            args,
            train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
            processing_class=AutoTokenizer.from_pretrained(folder),
            peft_config=lora,
            callbacks=[Clock()],
        ).train()
    peak = torch.cuda.max_memory_allocated() if has_cuda else 0
    return {"peak": peak, "tokens_a_second": speed(times, length)}


def holds(name: str, curate: dict[str, float], trl: dict[str, float] | None) -> list[bool]:
    """Print whether each condition holds for a model."""
    error = curate["planned"] / curate["peak"] - 1
    conditions = [
        (curate["peak"] <= MOST_BYTES, f"peak {curate['peak'] / 1e9:.2f} GB, at most {MOST_BYTES / 1e9:.0f}"),
        (abs(error) <= PLAN_WITHIN, f"planned {curate['planned'] / 1e9:.2f} GB, {error:+.1%} of the peak, at most 10%"),
    ]
    if trl:
        ours, theirs = curate["tokens_a_second"], trl["tokens_a_second"]
        peak = f", whose peak is {trl['peak'] / 1e9:.2f} GB" if trl["peak"] else ""
        conditions.append((ours >= theirs, f"{ours:,.0f} tokens a second, at least the {theirs:,.0f} of TRL{peak}"))
    for is_met, said in conditions:
        print(f"{'PASS' if is_met else 'FAIL'}  {name}: {said}", flush=True)
    return [is_met for is_met, _ in conditions]


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--models", type=Path, help="where the random weights are kept  [default: nowhere]")
    parser.add_argument("--rehearse", action="store_true", help="tiny shapes; the figures mean nothing")
    parser.add_argument("--kind", nargs=2, metavar=("KIND", "MODEL"), help="this one only, as JSON")
    options = parser.parse_args()
    length = LENGTH // 16 if options.rehearse else LENGTH
    if options.kind:
        torch.set_num_threads(1 if options.rehearse else torch.get_num_threads())
        measure = {"curate": ours, "trl": theirs}[options.kind[0]]
        print(json.dumps(measure(Path(options.kind[1]), options.steps, length)))
        return 0
    if not torch.cuda.is_available() and not options.rehearse:
        print("no CUDA GPU here: nothing was measured", file=sys.stderr)
        return 2
    has_trl = bool(find_spec("trl") and find_spec("datasets"))
    met = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, shape in SHAPES.items():
            folder = (options.models or Path(temporary)) / (f"tiny-{name}" if options.rehearse else name)
            if not (folder / "model.safetensors.index.json").exists() and not (folder / "model.safetensors").exists():
                random_weights({**shape, **(TINY if options.rehearse else {})}, folder)
            made = {}
            for kind in KINDS if has_trl else KINDS[:1]:
                words = ["--steps", options.steps, "--kind", kind, folder, *["--rehearse"] * options.rehearse]
                done = subprocess.run([sys.executable, __file__, *map(str, words)], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{kind} with {name} failed:\n{done.stderr[-3000:]}")
                made[kind] = json.loads(done.stdout.splitlines()[-1])
            met += holds(name, made["curate"], made.get("trl"))
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: figures of tiny shapes on the CPU")
    if not has_trl:
        print("trl is not installed here (pip install trl datasets): no speed to compare with")
    return 0 if all(met) or options.rehearse else 1


if __name__ == "__main__":
    sys.exit(main())
