"""Configs and tokens for other trainers: what is in them, and what their own loaders make of them where installed.

Each pins other versions of transformers than ours, so that it stands in an environment of its own: the variables
CURATE_AXOLOTL_PYTHON and CURATE_LLAMA_FACTORY_PYTHON name the Python of one, or else this one is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from curate.cli.main import cli
from curate_train.data import Row
from curate_train.export.other_trainers import (
    axolotl_config,
    llama_factory_config,
    not_in_axolotl,
    not_in_llama_factory,
)
from tests.train import fabricate
from tests.train.conftest import need
from tests.train.test_export import trained, with_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run

pytestmark = pytest.mark.filterwarnings("default")  # torch, peft and bitsandbytes warn about themselves

AXOLOTL = """
import json, sys, yaml
from axolotl.utils.config import normalize_cfg_datasets, normalize_config, validate_config
from axolotl.utils.data import sft
from axolotl.utils.dict import DictDefault
from axolotl.utils.schemas.config import AxolotlInputConfig
from transformers import AutoTokenizer

def main():
    given = yaml.safe_load(open("config.yaml"))
    gpu = {"bf16": True, "fp8": False, "tf32": True, "n_gpu": 1, "n_node": 1, "compute_capability": "sm_90"}
    config = validate_config(DictDefault(given), capabilities=gpu, env_capabilities={"torch_version": "2.9.0"})
    normalize_config(config)
    normalize_cfg_datasets(config)
    config.dataset_num_proc, config.dataset_prepared_path = 1, "prepared"
    sft.save_preprocessed_dataset = lambda *given: None  # a cache for the next time, by processes of their own
    train, validation, _, _ = sft.prepare_datasets(config, AutoTokenizer.from_pretrained(given["base_model"]))
    kept = {key: config.get(key) for key in given if key not in ("datasets", "test_datasets")}
    unknown = sorted(set(given) - set(AxolotlInputConfig.model_fields))
    rows = {"train": train, "validation": validation}
    found = {name: [[one["input_ids"], one["labels"]] for one in part.with_format(None)] for name, part in rows.items()}
    json.dump({"kept": kept, "unknown": unknown, "rows": found}, open(sys.argv[1], "w"), default=str)

if __name__ == "__main__":
    main()
"""
LLAMA_FACTORY = """
import json, sys, yaml
from llamafactory.data import get_dataset
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import get_train_args

given = yaml.safe_load(open("config.yaml"))
parts = get_train_args({**given, "use_cpu": True})  # a GPU that computes in bf16 is not at hand in a test
kept = {key: value for part in parts for key, value in vars(part).items() if key in given}
model, data, training, *_ = parts
read = get_dataset(None, model, data, training, stage="sft", tokenizer=None)
rows = {"train": read["train_dataset"], "validation": read["eval_dataset"]}
found = {name: [[one["input_ids"], one["labels"]] for one in split.with_format(None)] for name, split in rows.items()}
asked = _get_merged_dataset(data.dataset, model, data, training, "sft")
messages = [one["_prompt"] + one["_response"] for one in asked]
unknown = sorted(set(given) - set(kept))
json.dump({"kept": kept, "unknown": unknown, "rows": found, "messages": messages}, open(sys.argv[1], "w"), default=str)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Run:
    """A trained run with the split that its tokens were made of."""
    need("datasets", "yaml")
    folder = tmp_path_factory.mktemp("run")
    made = trained(folder / "run", with_tokenizer(folder / "model", tiny), max_steps=2)
    fabricate.check(made)
    (made / "split").mkdir()
    for split, samples in (("train", fabricate.samples(16)), ("val", fabricate.samples(2))):
        rows = [{"messages": [_message(one) for one in sample.messages]} for sample in samples]
        rows.append(
            {"messages": [{**turn, "role": turn["role"].replace("user", "agent_2")} for turn in rows[0]["messages"]]}
        )
        (made / "split" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def _message(one: Any) -> dict[str, str]:
    return {"role": one.role, "content": one.text}


def exported(run: Run, form: str) -> Path:
    cli.main(["export", str(run.folder), "--to", form, "--force"], standalone_mode=False)
    return run / f"export-{form}"


def rows_of(run: Run, split: str) -> list[list[list[int]]]:
    from curate_train.data import read_tokens

    return [
        [row.ids.tolist(), [-100, *row.labels[1:].tolist()]]
        for row in read_tokens(run / "tokens", split, vocabulary=264)
    ]


@pytest.mark.parametrize("form", ["axolotl", "llama-factory"])
def test_the_tokens_are_those_of_the_run(run: Run, form: str) -> None:
    from datasets import load_from_disk

    read = load_from_disk(str(exported(run, form) / "tokens"))
    for split, name in (("train", "train"), ("val", "validation")):
        assert [[one["input_ids"], one["labels"]] for one in read[name]] == rows_of(run, split)
        assert all(one["attention_mask"] == [1] * len(one["input_ids"]) for one in read[name])


def test_the_settings_are_those_of_the_training(run: Run) -> None:
    import yaml

    ours = yaml.safe_load((exported(run, "axolotl") / "config.yaml").read_text())
    assert (ours["adapter"], ours["load_in_4bit"], ours["max_steps"], ours["learning_rate"]) == ("qlora", True, 2, 0.01)
    assert (ours["micro_batch_size"], ours["gradient_accumulation_steps"]) == (4, 1)
    longest = max(len(ids) for split in ("train", "val") for ids, _ in rows_of(run, split))
    assert ours["sequence_len"] == longest and ours["sample_packing"] is False
    assert (run / "export-axolotl" / ours["chat_template_jinja"]).is_file()
    theirs = yaml.safe_load((exported(run, "llama-factory") / "config.yaml").read_text())
    assert (theirs["quantization_bit"], theirs["quantization_type"], theirs["lora_rank"]) == (4, "nf4", 16)
    assert theirs["lora_target"].split(",") == ours["lora_target_modules"]
    assert not [value for value in {**ours, **theirs}.values() if value is None]


def test_rows_that_are_no_messages_there_are_counted(run: Run) -> None:
    folder = exported(run, "llama-factory")
    for split, name, rows in (("train", "train", 17), ("val", "validation", 3)):
        left = len((folder / f"{name}.jsonl").read_bytes().splitlines())
        said = json.loads((folder / "export.json").read_bytes())["warnings"]
        assert [line.split()[0] for line in said if f"split/{split}.jsonl" in line] == [str(rows - left)]
        assert 0 < left < rows


def variant(adapter: dict[str, Any] | None = None, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A training with these settings, as train.json has them, and what of it is read."""
    from curate_train.settings import default_settings

    adamw = {"optimizer": "adamw_torch", "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8}
    given = {"quant": "none", "patience": None, "group_by_length": False} | settings
    config = {"target_modules": ["q_proj"], "target_parameters": None} | (adapter or {})
    trained = SimpleNamespace(base="/model", quant="none", dtype="bf16", config=config)
    return trained, default_settings(**given).model_dump() | adamw | {"effective_batch": 8}


def their_words(trained: Any, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str], list[str]]:
    """The two configs, as they are written, and what is said to be in neither."""
    rows = {"train": [Row("train", "v1:1", 1, np.array([1, 2]), np.array([-100, 2]))], "val": []}
    configs = [make(trained, settings, rows) for make in (axolotl_config, llama_factory_config)]
    ours, theirs = ({key: value for key, value in one.items() if value is not None} for one in configs)
    return ours, theirs, not_in_axolotl(settings), not_in_llama_factory(trained, settings)


def more(config: dict[str, Any], than: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in than or than[key] != value}


def test_what_a_variant_has_a_counterpart_for_is_written_and_the_rest_is_said() -> None:
    plain = their_words(*variant())
    assert plain[2:] == ([], [])
    axolotl, llama_factory, missing, also = their_words(*variant(init="pissa"))
    assert more(axolotl, plain[0]) == {"peft_init_lora_weights": "pissa_niter_16"}
    assert also == [] and len(missing) == 1 and "Axolotl saves PiSSA as it was trained" in missing[0]
    assert more(llama_factory, plain[1]) == {"pissa_init": True, "pissa_iter": 16, "pissa_convert": True}

    axolotl, llama_factory, missing, also = their_words(*variant(loraplus_ratio=16, weight_decay=0.1))
    assert axolotl["loraplus_lr_ratio"] == llama_factory["loraplus_lr_ratio"] == 16
    assert missing == ["weight decay 0.1 is not carried over: Axolotl has none with LoRA+"] and also == []

    axolotl, llama_factory, missing, also = their_words(*variant(adalora=True))
    assert missing == also == ["AdaLoRA is not carried over: the config is of a plain LoRA of rank 16"]

    router = {"target_parameters": ["mlp.gate.weight"]}
    axolotl, llama_factory, missing, also = their_words(*variant(router, train_router=True, dropout=0))
    assert axolotl["lora_target_parameters"] == ["mlp.gate.weight"] and missing == []
    assert "mlp.gate.weight: not carried over" in also[0]
    assert "lengths" in their_words(*variant(group_by_length=True))[3][0]


def test_axolotl_takes_the_config_and_leaves_the_tokens_alone(run: Run, tmp_path: Path) -> None:
    found = by_their_own_loader("axolotl", AXOLOTL, exported(run, "axolotl"), tmp_path)
    assert found["unknown"] == []
    assert {split: sorted(rows) for split, rows in found["rows"].items()} == {
        "train": sorted(rows_of(run, "train")),
        "validation": sorted(rows_of(run, "val")),
    }
    assert (found["kept"]["lora_r"], found["kept"]["sequence_len"]) == (16, max(map(len, longest_of(run))))


def test_llama_factory_takes_the_config_and_leaves_the_tokens_alone(run: Run, tmp_path: Path) -> None:
    found = by_their_own_loader("llama-factory", LLAMA_FACTORY, exported(run, "llama-factory"), tmp_path)
    assert found["unknown"] == []
    assert found["rows"] == {"train": rows_of(run, "train"), "validation": rows_of(run, "val")}
    assert (found["kept"]["lora_rank"], found["kept"]["gradient_accumulation_steps"]) == (16, 1)
    said = [[(turn["role"], turn["content"]) for turn in row] for row in found["messages"]]
    plain = [sample for sample in fabricate.samples(16) if all(turn.text for turn in sample.messages)]
    assert said == [[(turn.role, turn.text) for turn in sample.messages if turn.role != "system"] for sample in plain]
    assert 0 < len(plain) < 16  # nor is there the row of a role that it stops at


def longest_of(run: Run) -> list[list[int]]:
    return [ids for split in ("train", "val") for ids, _ in rows_of(run, split)]


def by_their_own_loader(form: str, script: str, folder: Path, scratch: Path) -> Any:
    """What a trainer's own code makes of an exported folder, in its own Python."""
    package = form.replace("-", "")
    python = os.environ.get(f"CURATE_{form.replace('-', '_').upper()}_PYTHON", sys.executable)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    tried = subprocess.run([python, "-c", f"import {package}"], env=environment, capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"{package} is not installed (name its Python: CURATE_{form.replace('-', '_').upper()}_PYTHON)")
    (scratch / "load.py").write_text(script)
    done = subprocess.run(
        [python, str(scratch / "load.py"), str(scratch / "found.json")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((scratch / "found.json").read_bytes())
