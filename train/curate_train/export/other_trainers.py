"""The training of a run for other trainers: a config with its settings, and its very tokens.

Both trainers render and mask rows by ways of their own, which are not those that were reviewed. Both also take rows
that are tokens already, and then leave them alone: these are written.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError, need
from curate.formats.tools import dump_json
from curate.report.phrases import count
from curate_train.data import NOT_TRAINED, Row, read_tokens
from curate_train.export import openai
from curate_train.export.made import Made
from curate_train.export.rows import read_split
from curate_train.export.trained import Trained, chat_template, read_trained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.run import Run

CONFIG = "config.yaml"
TOKENS = "tokens"
TEMPLATE = "chat_template.jinja"
SPLITS = {"train": "train", "val": "validation"}
"""Our names of the splits, and those that both trainers know."""
NEEDED = ("datasets", "yaml")
ROLES = {"system", "user", "assistant", "tool"}


def axolotl(run: Run, config: dict[str, Any], folder: Path) -> Made:
    trained, settings, rows = _read(run)
    _write_tokens(folder, rows)
    values, left_out = axolotl_config(trained, settings, rows), not_in_axolotl(settings)
    if template := _template(trained):
        (folder / TEMPLATE).write_text(template, encoding="utf-8")
        values |= {"chat_template": "jinja", "chat_template_jinja": TEMPLATE}
    _write_yaml(folder, values)
    return _made(run, "axolotl", f"axolotl train {CONFIG}", rows, left_out)


def llama_factory(run: Run, config: dict[str, Any], folder: Path) -> Made:
    trained, settings, rows = _read(run)
    _write_tokens(folder, rows)
    left_out = not_in_llama_factory(trained, settings)
    for split, name in SPLITS.items():
        if rows[split] and (without := _write_messages(run, split, folder / f"{name}.jsonl")):
            left_out.append(
                f"{count(without, 'row')} of split/{split}.jsonl cannot be messages of LLaMA-Factory: {name}.jsonl "
                "lacks them, and the tokens do not"
            )
    described = {name: _described(f"{name}.jsonl") for split, name in SPLITS.items() if rows[split]}
    (folder / "dataset_info.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    _write_yaml(folder, llama_factory_config(trained, settings, rows))
    return _made(run, "llama-factory", f"llamafactory-cli train {CONFIG}", rows, left_out)


def axolotl_config(trained: Trained, settings: dict[str, Any], rows: dict[str, list[Row]]) -> dict[str, Any]:
    """The settings of a training in Axolotl's words."""
    adapter = trained.config
    validates = bool(rows["val"])
    return {
        "base_model": str(trained.base),
        "adapter": "qlora" if trained.quant == "nf4" else "lora",
        "load_in_4bit": trained.quant == "nf4",
        "bf16": trained.dtype == "bf16",
        "fp16": False,
        "datasets": [{"path": f"{TOKENS}/train", "type": None}],
        **({"test_datasets": [{"path": f"{TOKENS}/validation", "type": None, "split": "train"}]} if validates else {}),
        "val_set_size": 0,
        "sequence_len": _longest(rows),
        "sample_packing": False,
        "eval_sample_packing": False,
        "pad_to_sequence_len": False,
        "lora_r": settings["rank"],
        "lora_alpha": settings["alpha"],
        "lora_dropout": settings["dropout"],
        "lora_target_modules": adapter["target_modules"],
        "peft_use_rslora": settings["rslora"],
        "peft_use_dora": settings["dora"],
        "peft_init_lora_weights": _pissa(settings),
        "lora_target_parameters": adapter.get("target_parameters"),
        "loraplus_lr_ratio": settings["loraplus_ratio"],
        "micro_batch_size": settings["batch_size"],
        "gradient_accumulation_steps": _accumulated(settings),
        **_length(settings, "num_epochs"),
        "optimizer": settings["optimizer"],
        "adam_beta1": settings["adam_beta1"],
        "adam_beta2": settings["adam_beta2"],
        "adam_epsilon": settings["adam_epsilon"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler": _schedule(settings),
        "warmup_ratio": settings["warmup"],
        "weight_decay": settings["weight_decay"],
        "max_grad_norm": settings["max_grad_norm"],
        "gradient_checkpointing": settings["gradient_checkpointing"],
        "group_by_length": settings["group_by_length"],
        "seed": settings["seed"],
        "evals_per_epoch": 1 if validates else None,
        "saves_per_epoch": 1,
        "logging_steps": 1,
        "output_dir": "out",
    }


def llama_factory_config(trained: Trained, settings: dict[str, Any], rows: dict[str, list[Row]]) -> dict[str, Any]:
    """The settings of a training in LLaMA-Factory's words."""
    quantised = {
        "quantization_bit": 4,
        "quantization_method": "bnb",
        "quantization_type": "nf4",
        "double_quantization": True,
    }
    validation = {"eval_dataset": "validation", "eval_strategy": "epoch", "do_eval": True}
    pissa = _pissa(settings)
    return {
        "model_name_or_path": str(trained.base),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        **(quantised if trained.quant == "nf4" else {}),
        "tokenized_path": TOKENS,
        "dataset_dir": ".",
        "dataset": "train",
        **(validation if rows["val"] else {}),
        "cutoff_len": _longest(rows),
        "packing": False,
        "lora_rank": settings["rank"],
        "lora_alpha": settings["alpha"],
        "lora_dropout": settings["dropout"],
        "lora_target": ",".join(trained.config["target_modules"]),
        "use_rslora": settings["rslora"],
        "use_dora": settings["dora"],
        # Converted, it fits the base as it was, as ours does.
        **({"pissa_init": True, "pissa_iter": int(pissa.split("_")[-1]), "pissa_convert": True} if pissa else {}),
        "loraplus_lr_ratio": settings["loraplus_ratio"],
        "per_device_train_batch_size": settings["batch_size"],
        "per_device_eval_batch_size": settings["batch_size"],
        "gradient_accumulation_steps": _accumulated(settings),
        **_length(settings, "num_train_epochs"),
        "optim": settings["optimizer"],
        "adam_beta1": settings["adam_beta1"],
        "adam_beta2": settings["adam_beta2"],
        "adam_epsilon": settings["adam_epsilon"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": _schedule(settings),
        "warmup_ratio": settings["warmup"],
        "weight_decay": settings["weight_decay"],
        "max_grad_norm": settings["max_grad_norm"],
        "disable_gradient_checkpointing": not settings["gradient_checkpointing"],
        "bf16": trained.dtype == "bf16",
        "seed": settings["seed"],
        "save_strategy": "epoch",
        "logging_steps": 1,
        "report_to": "none",
        "output_dir": "out",
    }


def not_in_axolotl(settings: dict[str, Any]) -> list[str]:
    """What of a training Axolotl's config has no place for, or does otherwise."""
    found = _in_neither(settings)
    if settings["init"] == "pissa":
        found.append(
            "Axolotl saves PiSSA as it was trained, for a base without the singular values that it started from, and "
            "not as a plain LoRA"
        )
    if settings["loraplus_ratio"] and settings["weight_decay"]:
        found.append(f"weight decay {settings['weight_decay']:g} is not carried over: Axolotl has none with LoRA+")
    return found


def not_in_llama_factory(trained: Trained, settings: dict[str, Any]) -> list[str]:
    """What of a training LLaMA-Factory's config has no place for."""
    found = _in_neither(settings)
    if parameters := trained.config.get("target_parameters"):
        found.append(f"{', '.join(parameters)}: not carried over, as LLaMA-Factory adapts linear layers only")
    if settings["group_by_length"]:
        found.append("rows are not put together by their lengths, which takes longer: versions name that differently")
    return found


def _in_neither(settings: dict[str, Any]) -> list[str]:
    found = []
    if settings["adalora"]:
        found.append(f"AdaLoRA is not carried over: the config is of a plain LoRA of rank {settings['rank']}")
    if settings["patience"]:
        found.append(f"patience {settings['patience']} is not carried over: it counts our validations, not theirs")
    if settings["packing"]:
        found.append("packing is not carried over: their packing keeps rows apart in other ways")
    return found


def _read(run: Run) -> tuple[Trained, dict[str, Any], dict[str, list[Row]]]:
    need(NEEDED, "files for other trainers need", "eval")
    trained = read_trained(run)
    if not isinstance(trained.config["target_modules"], list):
        raise CurateError(f"{trained.adapter}: its target modules are a pattern, which neither trainer is given here")
    summary = json.loads((run / "train" / "train.json").read_bytes())
    settings = {key: one["value"] for key, one in summary["settings"].items()}
    vocabulary = trained.shape["vocab_size"]
    return trained, settings, {split: read_tokens(trained.tokens, split, vocabulary=vocabulary) for split in SPLITS}


def _write_tokens(folder: Path, rows: dict[str, list[Row]]) -> None:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    made = {name: Dataset.from_dict(_columns(rows[split])) for split, name in SPLITS.items() if rows[split]}
    DatasetDict(made).save_to_disk(str(folder / TOKENS))


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Of the first token no loss is taken, as nothing stands before it."""
    return {
        "input_ids": [row.ids.tolist() for row in rows],
        "attention_mask": [[1] * len(row.ids) for row in rows],
        "labels": [[NOT_TRAINED, *row.labels[1:].tolist()] for row in rows],
    }


def _write_messages(run: Run, split: str, file: Path) -> int:
    """The rows of a split as messages, which LLaMA-Factory wants named beside the tokens, but for those that it cannot
    read: it stops at a role that it does not know. Returns how many these are."""
    left_out = 0
    with file.open("wb") as out:
        for part in read_split(run, split):
            sample = part.sample and openai.with_call_ids(part.sample)
            roles = {message.role for message in sample.messages} if sample else set()
            if sample is None or any(openai.faults(sample)) or not roles <= ROLES:
                left_out += 1
                continue
            row = openai.as_row(sample)
            tools = dump_json(row["tools"]) if "tools" in row else ""
            out.write(dump_json({"messages": row["messages"], "tools": tools}).encode() + b"\n")
    return left_out


def _described(file: str) -> dict[str, Any]:
    return {
        "file_name": file,
        "formatting": "openai",
        "columns": {"messages": "messages", "tools": "tools"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "observation_tag": "tool",
            "function_tag": "function",
            "system_tag": "system",
        },
    }


def _write_yaml(folder: Path, values: dict[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump({key: value for key, value in values.items() if value is not None}, sort_keys=False)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def _template(trained: Trained) -> str | None:
    return trained.template.read_text(encoding="utf-8") if trained.template else chat_template(trained.base)


def _longest(rows: dict[str, list[Row]]) -> int:
    """So long that no row is cut or left out."""
    return max(len(row.ids) for split in rows.values() for row in split)


def _accumulated(settings: dict[str, Any]) -> int:
    return int(settings["effective_batch"] // settings["batch_size"])


def _length(settings: dict[str, Any], epochs: str) -> dict[str, Any]:
    return {epochs: settings["epochs"], "max_steps": settings["max_steps"]}


def _pissa(settings: dict[str, Any]) -> str | None:
    """peft's name for the start of PiSSA; None for the usual one."""
    if settings["init"] != "pissa":
        return None
    from curate_train.variants import PISSA

    return PISSA


def _schedule(settings: dict[str, Any]) -> str:
    return {"constant": "constant_with_warmup"}.get(settings["schedule"], str(settings["schedule"]))


def _made(run: Run, form: str, command: str, rows: dict[str, list[Row]], warnings: list[str]) -> Made:
    counts = {name: len(rows[split]) for split, name in SPLITS.items()}
    said = (
        f"{CONFIG} and the tokens of {counts['train']:,} training and {counts['validation']:,} validation rows, as "
        f"reviewed: cd {run / f'export-{form}'} && {command}"
    )
    return Made(said, {"rows": counts, "command": command}, warnings)
