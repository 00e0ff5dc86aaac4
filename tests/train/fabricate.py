"""Run folders with a tokens/ folder, made of the rows of samples/support.jsonl and any rendering into ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, Table, list_array
from arro3.io import write_ipc

import curate
from curate.run import Run, file_hash
from curate_train.data import Row, ids_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate.sample import Sample

SAMPLES = Path(__file__).parents[2] / "samples" / "support.jsonl"
END = 256  # after the 256 bytes: the stop token of the models without a tokenizer

Rendered = tuple[list[int], list[int]]


def samples(count: int) -> list[Sample]:
    """The first rows that hold one question and one answer."""
    found = (sample for sample in curate.read(SAMPLES) if sample.messages[-1].role == "assistant")
    return [sample for sample, _ in zip((s for s in found if s.messages[-1].text), range(count), strict=False)]


def as_bytes(sample: Sample) -> Rendered:
    """The last question and its answer as UTF-8 bytes, of which the answer and a stop token are trained."""
    question, answer = sample.messages[-2].text.encode(), sample.messages[-1].text.encode()
    return [*question, *answer, END], [-100] * len(question) + [*answer, END]


def by_template(tokenizer: Any) -> Callable[[Sample], Rendered]:
    """The whole conversation by the model's chat template, of which the last answer and its stop token are trained."""

    def render(sample: Sample) -> Rendered:
        messages = [{"role": message.role, "content": message.text} for message in sample.messages]
        full = tokenizer.apply_chat_template(messages, tokenize=False)
        prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        assert full.startswith(prompt)
        ids = tokenizer(full, add_special_tokens=False, return_offsets_mapping=True)
        stop = full.rindex("<|im_end|>") + len("<|im_end|>")
        trained = [len(prompt) <= start < stop for start, _ in ids["offset_mapping"]]
        return ids["input_ids"], [i if on else -100 for i, on in zip(ids["input_ids"], trained, strict=True)]

    return render


def rows(split: str, chosen: Sequence[Sample], render: Callable[[Sample], Rendered]) -> list[Row]:
    made = ((line, sample, render(sample)) for line, sample in enumerate(chosen, start=1))
    return [
        Row(split, sample.id, line, np.array(ids, np.int32), np.array(labels, np.int32))
        for line, sample, (ids, labels) in made
    ]


def write_split(folder: Path, split: str, made: Sequence[Row]) -> None:
    """tokens/SPLIT.arrow, and its hash into tokens.json."""
    columns: dict[str, Any] = {
        "sample_id": Array([row.sample_id for row in made], DataType.string()),
        "line": Array([row.line for row in made], DataType.int32()),
        "input_ids": lists([row.ids for row in made]),
        "labels": lists([row.labels for row in made]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_ipc(Table.from_pydict(columns), folder / f"{split}.arrow")
    file = folder / "tokens.json"
    tokens: dict[str, Any] = (
        json.loads(file.read_bytes()) if file.exists() else {"tokenizer_sha256": "", "template_sha256": ""}
    )
    tokens["ids_sha256"] = tokens.get("ids_sha256", {}) | {split: ids_sha256(made)}
    file.write_text(json.dumps(tokens))


def lists(values: Sequence[Any]) -> Array:
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    flat = np.concatenate(values).astype(np.int32) if values else np.array([], np.int32)
    return list_array(Array.from_numpy(offsets), Array.from_numpy(flat))


def make_run(folder: Path, model: Path, train: Sequence[Row], val: Sequence[Row]) -> Run:
    run = Run.create(folder)
    write_split(run / "tokens", "train", train)
    write_split(run / "tokens", "val", val)
    file = run / "tokens" / "tokens.json"
    tokens = json.loads(file.read_bytes()) | {"tokenizer_sha256": file_hash(model / "tokenizer.json")}
    file.write_text(json.dumps(tokens))
    return run


def check(run: Run, **config: Any) -> None:
    """A record of the check, by which all steps read the rows."""
    manifest = run.manifest()
    settings = {"data": [], "format": None, "columns": {}} | config
    manifest["steps"]["check"] = {"config": settings, "reads": {}, "writes": {}, "said": "", "command": "curate check"}
    run.save(manifest)


def tiny_llama(folder: Path, layers: int = 2) -> Path:
    """A random Llama of 0.1M parameters with a vocabulary of bytes, saved as a model folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    shape = LlamaConfig(
        vocab_size=264,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=END,
    )
    LlamaForCausalLM(shape).to(torch.bfloat16).save_pretrained(folder)
    return folder
