"""A base model that Unsloth loads, with its kernels; for the rest the training is ours. Needs an NVIDIA GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from curate.errors import CurateError
from curate_train.adapter import text_shape

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, quant: str, dtype: str) -> Any:
    """The base model, frozen, in bf16, or in NF4 computing in bf16.

    Raises:
        CurateError: Unsloth cannot load it.
    """
    from unsloth import FastLanguageModel

    longest = text_shape(folder)["max_position_embeddings"]
    try:
        model, _ = FastLanguageModel.from_pretrained(
            model_name=str(folder),
            max_seq_length=longest,
            dtype=torch.bfloat16,
            load_in_4bit=quant == "nf4",
            local_files_only=True,
        )
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise CurateError(f"{folder}: Unsloth cannot load it ({error}); leave --engine out") from error
    model.config.use_cache = False
    model.requires_grad_(False)
    return model
