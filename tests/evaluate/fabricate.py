"""A run as far as training: real rows, split and tokens, a tiny random model of single bytes, a random adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from curate.cli.main import cli
from curate.run import Run, file_hash, make
from curate.steps import tokens
from curate_train import adapter as adapters
from curate_train import step as train
from tests.template.byte_model import write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START, STOP = "<|im_start|>", "<|im_end|>"
SYSTEM = "Be brief."
ROWS = [
    ("Where is my parcel?", "It left us today."),
    ("Can I return a tent?", "Yes, within 30 days."),
    ("Do you ship to Norway?", "Yes."),
    ("Is the Ridge waterproof? Ünïcödé 日本", "No, take the rain cover. 👍"),
    ("Danke!", "Gern geschehen."),
    *((f"Is item {k} in stock?", f"Yes, {k} of them.") for k in range(20)),
]


def row(question: str, answer: str) -> dict[str, Any]:
    turns = (("system", SYSTEM), ("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def render(question: str, answer: str) -> tuple[str, str]:
    """The whole text of a row, and the part of it before the answer."""
    prompt = f"{START}system\n{SYSTEM}{STOP}\n{START}user\n{question}{STOP}\n{START}assistant\n"
    return f"{prompt}{answer}{STOP}\n", prompt


def model_folder(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    write_model(folder)
    template = (folder / "chat_template.jinja").read_text()
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "tokenizer.json")),
        bos_token=START,
        eos_token=STOP,
        pad_token=STOP,
    ).save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.2,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
{rest}
target_delimiter: ""
"""
CHOICE = """doc_to_choice: "{{choices}}"
doc_to_target: right
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]"""
WRITTEN = """doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]"""


def task_folder(folder: Path) -> Path:
    """Two tasks of lm-eval with their data, of nine documents each: one to choose an answer, one to write it."""
    folder.mkdir()
    data = folder / "data.jsonl"
    documents = [
        {"question": f"{k} and {k} are ", "choices": [f"{2 * k}", f"{2 * k + 1}", "many"], "right": 0, "answer": "yes"}
        for k in range(9)
    ]
    data.write_text("".join(json.dumps(document) + "\n" for document in documents))
    for name, kind, rest in (("chosen", "multiple_choice", CHOICE), ("written", "generate_until", WRITTEN)):
        text = TASK.format(name=name, kind=kind, data=json.dumps(str(data)), rest=rest)
        (folder / f"{name}.yaml").write_text(text)
    return folder


def adapter_folder(folder: Path, model: Path, *, seed: int = 1, **options: Any) -> Path:
    """A LoRA adapter whose weights do something."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.save_pretrained(folder)
    return folder


def trained_run(folder: Path, model: Path, pairs: Sequence[tuple[str, str]] = ROWS) -> Run:
    """A run that was checked, cleaned, split and made into tokens by the real steps; its adapter is random."""
    folder.mkdir(parents=True)
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row(*pair)) + "\n" for pair in pairs), encoding="utf-8")
    ran = CliRunner().invoke(
        cli, ["split", str(data), "-o", str(folder / "run"), "--val", "0.2", "--test", "0.4", "--seed", "3"]
    )
    assert ran.exit_code == 0, ran.output
    run = Run.open(folder / "run")
    make(run, tokens.STEP, {**tokens.default_config(), "model": tokens.model_of(run, model)})
    base = {"base": adapters.identity(model), "quant": "nf4", "dtype": "bf16"}
    adapters.write_base(adapter_folder(run / "train/adapter", model), base)
    identity = {name: file_hash(model / name) for name in ("config.json", "tokenizer.json")}
    weights = {file.name: file.stat().st_size for file in model.glob("*.safetensors")}
    trained = {
        "model": {"name": str(model), "sha256": identity, "weights": weights},
        "settings": {name: {"value": base[name], "source": "default"} for name in ("quant", "dtype")},
    }
    (run / "train/train.json").write_text(json.dumps(trained))
    manifest = run.manifest()
    config = {"model": str(model), "quant": "nf4"}
    read = {
        str(path.relative_to(run.folder)) if path.is_relative_to(run.folder) else str(path): file_hash(path)
        for path in train.reads(run, config)
    }
    manifest["steps"]["train"] = {"config": config, "reads": read, "writes": {}, "said": "", "command": "curate train"}
    run.save(manifest)
    return run
