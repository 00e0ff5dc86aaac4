"""Llama-3.1-8B and Qwen3-8B with random weights on a GPU: peak memory against the plan, and tokens a second beside TRL.

    python benchmarks/train_gpu.py --steps 10

NF4, rows of 2,048 tokens, one at a time, gradient checkpointing. Weights are random, as neither memory nor speed depend
on them. Needs a CUDA GPU with 16 GB; TRL is measured where it is installed with its requirements.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from curate_train.loss import summed_loss, trained_hidden
from curate_train.memory import estimate
from curate_train.model import casting_inputs
from curate_train.settings import default_settings
from curate_train.shape import empty_model
from curate_train.targets import adapted, choose
from curate_train.trainer import computing

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
LENGTH = 2048
NF4 = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype=torch.bfloat16,
)


def random_weights(file: Path, folder: Path) -> Path:
    """A model folder of this shape in bf16, made once: it takes the memory of the host, not of the GPU."""
    if not (folder / "config.json").exists():
        with torch.device("cuda"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(file), dtype=torch.bfloat16)
        model.save_pretrained(folder)
        del model
        torch.cuda.empty_cache()
    return folder


def loaded(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, quantization_config=NF4, device_map={"": 0}
    ).requires_grad_(False)


def ours(folder: Path, steps: int) -> dict[str, float]:
    from bitsandbytes.optim import PagedAdamW8bit

    settings = default_settings(batch_size=1)
    shape = empty_model(folder)
    targets = choose(shape, settings)
    planned = estimate(shape, targets, settings, LENGTH, device="cuda").total
    torch.cuda.reset_peak_memory_stats()
    base = loaded(folder)
    base.config.use_cache = False
    base.gradient_checkpointing_enable({"use_reentrant": False})
    model = adapted(base, targets, settings)
    model.train()
    optimizer = PagedAdamW8bit([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    seconds = []
    for step in range(steps + 2):
        torch.manual_seed(step)
        ids = torch.randint(0, 32000, (1, LENGTH), device="cuda")
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
        torch.cuda.synchronize()
        started = time.perf_counter()
        with casting_inputs(model, False):
            with computing(model, settings):
                loss = summed_loss(model, *trained_hidden(model, batch)) / LENGTH
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated()
    return {
        "peak_gb": peak / 1e9,
        "planned_gb": planned / 1e9,
        "plan_error": planned / peak - 1,
        "tokens_a_second": LENGTH / (sum(seconds[2:]) / steps),
    }


def theirs(folder: Path, steps: int) -> dict[str, float]:
    """TRL's SFTTrainer on the same rows, with its own defaults for the rest."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    torch.cuda.reset_peak_memory_stats()
    random = torch.Generator().manual_seed(0)
    rows = [torch.randint(0, 32000, (LENGTH,), generator=random).tolist() for _ in range(steps + 2)]
    with tempfile.TemporaryDirectory() as out:
        args = SFTConfig(
            out,
            max_length=None,
            per_device_train_batch_size=1,
            max_steps=steps + 2,
            bf16=True,
            gradient_checkpointing=True,
            optim="paged_adamw_8bit",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = SFTTrainer(
            loaded(folder), args, train_dataset=Dataset.from_dict({"input_ids": rows, "labels": rows}), peft_config=lora
        )
        started = time.perf_counter()
        trainer.train()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    return {"peak_gb": torch.cuda.max_memory_allocated() / 1e9, "tokens_a_second": LENGTH * (steps + 2) / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "random-models")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA GPU here: nothing was measured")
    for name, shape in SHAPES.items():
        options.models.mkdir(exist_ok=True)
        file = options.models / f"{name}.json"
        file.write_text(json.dumps(shape))
        folder = random_weights(file, options.models / name)
        result = {"curate": ours(folder, options.steps)}
        torch.cuda.empty_cache()
        if find_spec("trl") and find_spec("datasets"):
            result["trl"] = theirs(folder, options.steps)
        print(name, torch.cuda.get_device_name(), json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
