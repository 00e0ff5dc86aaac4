"""A run as far as training, made by hand: a tiny random model, a tokenizer of single bytes, a random adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.run import Run, file_hash

if TYPE_CHECKING:
    from pathlib import Path

STOP = "<|im_end|>"
START = "<|im_start|>"
ROWS = (
    ("Where is my parcel?", "It left us today."),
    ("Can I return a tent?", "Yes, within 30 days."),
    ("Do you ship to Norway?", "Yes."),
    ("Is the Ridge waterproof? Ünïcödé 日本", "No, take the rain cover. 👍"),
    ("Danke!", "Gern geschehen."),
)


def model_folder(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, STOP])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=STOP, pad_token=STOP
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def adapter_folder(folder: Path, model: Path, **options: Any) -> Path:
    """A LoRA adapter whose weights do something."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.save_pretrained(folder)
    return folder


def render(question: str, answer: str) -> tuple[str, str]:
    """The whole text of a row, and the part of it before the answer."""
    prompt = f"{START}user\n{question}{STOP}\n{START}assistant\n"
    return f"{prompt}{answer}{STOP}\n", prompt


def token_row(tokenizer: Any, number: int, question: str, answer: str) -> dict[str, Any]:
    text, prompt = render(question, answer)
    ids = tokenizer.encode(text, add_special_tokens=False)
    start = len(tokenizer.encode(prompt, add_special_tokens=False))
    end = len(tokenizer.encode(prompt + answer + STOP, add_special_tokens=False))
    return {
        "sample_id": f"v1:{number:032x}",
        "line": number,
        "text": text,
        "input_ids": ids,
        "labels": [token if start <= i < end else -100 for i, token in enumerate(ids)],
        "prompt_length": start,
        "answer": answer,
    }


def write_tokens(folder: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import ipc

    schema = pa.schema(
        [
            ("sample_id", pa.string()),
            ("line", pa.int32()),
            ("text", pa.string()),
            ("input_ids", pa.list_(pa.int32())),
            ("labels", pa.list_(pa.int32())),
            ("prompt_length", pa.int32()),
            ("answer", pa.string()),
        ]
    )
    folder.mkdir(exist_ok=True)
    with ipc.new_file(folder / "test.arrow", schema) as file:
        file.write_table(pa.Table.from_pylist(rows, schema=schema))
    (folder / "tokens.json").write_text(json.dumps({"stop_token": STOP, "stop_token_id": 257}))


def trained_run(folder: Path, model: Path) -> Run:
    """A run whose tokens and train folders are there, and the manifest's record of training."""
    from transformers import AutoTokenizer

    run = Run.create(folder)
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [token_row(tokenizer, i, *row) for i, row in enumerate(ROWS, start=1)]
    write_tokens(run / "tokens", rows)
    adapter_folder(run / "train/adapter", model)
    identity = {name: file_hash(model / name) for name in ("config.json", "tokenizer.json")}
    weights = {file.name: file.stat().st_size for file in model.glob("*.safetensors")}
    trained = {
        "model": {"name": str(model), "sha256": identity, "weights": weights},
        "settings": {"quant": {"value": "nf4", "source": "default"}},
    }
    (run / "train/train.json").write_text(json.dumps(trained))
    manifest = run.manifest()
    manifest["steps"]["train"] = {"config": {"model": str(model), "quant": "nf4"}, "reads": {}, "writes": {}}
    run.save(manifest)
    return run
