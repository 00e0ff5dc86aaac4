"""`curate train` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "train", ROOT / "evaluate")))
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *args], cwd=cwd, capture_output=True, text=True, env=env)


def curate(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return python("-m", "curate", *args, cwd=cwd)


def test_a_missing_library_is_one_line_and_comes_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"prompt": "Hi", "completion": "Hello!"}\n')
    script = (
        "import sys; sys.modules['torch'] = sys.modules['peft'] = None; "
        "sys.argv = ['curate', 'train', 'data.jsonl', '--model', 'm']; from curate.cli import main; main()"
    )
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ('curate: training needs torch, peft; install what is missing: pip install "curate[train]"\n')
    assert not (tmp_path / "runs").exists()


def test_help_and_the_module_load_no_torch(tmp_path: Path) -> None:
    script = (
        "import curate.cli.train, curate_train.step, sys; print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    )
    assert python("-c", script, cwd=tmp_path).stdout == "set()\n"
    done = curate("train", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Examples:" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--model", "nowhere"], "nowhere: no model folder"),
        ([], "say for which model: --model DIR"),
        (["--model", "nowhere", "--recipe", "quik"], "nowhere: no model folder"),
        (["--model", "nowhere", "--epochs", "0"], "--epochs"),
    ],
)
def test_wrong_words_say_what_to_do(tmp_path: Path, tiny: Path, args: list[str], said: str) -> None:
    (tmp_path / "data.jsonl").write_text('{"prompt": "Hi", "completion": "Hello!"}\n')
    done = curate("train", "data.jsonl", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_all_steps_are_made_and_an_adapter_is_replaced_only_by_force(tmp_path: Path, tiny: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in tiny.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    save_tokenizer(model)
    rows = [{"prompt": f"What is {i} and one?", "completion": f"{i + 1}."} for i in range(40)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    first = curate("train", "data.jsonl", "--model", "model", "--max-steps", "2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    for line in ("check data.jsonl", "clean runs/data", "split runs/data", "tokens runs/data --model model"):
        assert f"\n$ curate {line}" in first.stderr
    assert first.stdout.startswith("train: 2 steps,")
    record = json.loads((tmp_path / "runs/data/run.json").read_bytes())["steps"]["train"]
    assert record["command"] == "curate train runs/data --model model --max-steps 2"
    assert {"torch", "peft", "transformers", "bitsandbytes"} <= record["versions"].keys()
    adapter = (tmp_path / "runs/data/train/adapter/adapter_model.safetensors").read_bytes()

    again = curate("train", "runs/data", "--max-steps", "2", cwd=tmp_path)
    assert again.returncode == 0
    assert "(up to date)" in again.stdout

    other = curate("train", "runs/data", "--max-steps", "3", cwd=tmp_path)
    assert other.returncode == 2
    assert "would be replaced (max_steps is now 3, was 2); do so with: curate train" in other.stderr
    assert (tmp_path / "runs/data/train/adapter/adapter_model.safetensors").read_bytes() == adapter

    forced = curate("train", "runs/data", "--max-steps", "3", "--force", cwd=tmp_path)
    assert forced.returncode == 0, forced.stderr
    assert forced.stdout.startswith("train: 3 steps,")


def save_tokenizer(folder: Path) -> None:
    """A tokenizer of bytes with a ChatML template, as a model folder holds it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.chat_template = (
        "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{{ turn['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    fast.save_pretrained(folder)
