"""The adapter merged into its base: a model of its own that needs no peft."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from curate.errors import CurateError
from curate_train.model import load, measuring, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from curate_train.export.trained import Trained

BASES = ("nf4", "bf16")
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@quiet()
def as_trained(trained: Trained) -> Any:
    """The base as it was during training, with the adapter on it; within `measuring` it computes as it did then."""
    return PeftModel.from_pretrained(load(trained.base, trained.quant, trained.dtype), str(trained.adapter)).eval()


@quiet()
def in_fp32(trained: Trained) -> Any:
    """The same weights, those of the base written out and the adapter on them, computing in fp32."""
    base = written_out(trained, trained.merged_into, torch.float32)
    return PeftModel.from_pretrained(base, str(trained.adapter)).eval()


@quiet()
def merge(trained: Trained, base: str, dtype: str) -> Any:
    """A model with the adapter in its weights, which are in `dtype`, one of DTYPES.

    `base` is what it is merged into: "nf4", the 4-bit weights written out, which are those that the adapter learned to
    correct; or "bf16", the weights before they were quantised. Never 4-bit weights themselves: rounding them again
    would lose most of the adapter (peft merges so without a word).

    What the adapter adds to a weight is small beside it. bf16 keeps 8 bits of their sum, and much of the adapter is
    rounded away; fp16 keeps 11 bits in the same memory, but no number above 65,504.

    Raises:
        CurateError: an adapter that cannot be merged, or a sum that fp16 cannot hold.
    """
    model = written_out(trained, base, DTYPES[dtype])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            merged = PeftModel.from_pretrained(model, str(trained.adapter)).merge_and_unload()
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise CurateError(f"{trained.adapter}: cannot be merged ({error})") from error
    for name, weight in merged.named_parameters():
        if not torch.isfinite(weight).all():
            why = "fp16 holds none above 65,504: --dtype fp32 or bf16" if dtype == "fp16" else "the adapter is damaged"
            raise CurateError(f"{trained.adapter}: merged, {name} holds what is no number; {why}")
    merged.config.use_cache = True
    return merged.eval()


def written_out(trained: Trained, base: str, dtype: torch.dtype) -> Any:
    """The base without 4-bit layers: their values ("nf4"), or the weights before they were quantised ("bf16")."""
    model = load(trained.base, base if base == "nf4" else "none", trained.dtype)
    if base == "nf4":
        model = model.dequantize()  # before any forward: on some CPUs that repacks the 4-bit weights
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model.to(dtype)


def save(model: Any, folder: Path, stops: list[int]) -> None:
    """config.json, generation_config.json and safetensors; generation ends at `stops`."""
    model.generation_config.eos_token_id = stops
    with quiet():
        model.save_pretrained(str(folder), safe_serialization=True)


@quiet()
def saved(folder: Path) -> Any:
    """A merged model as anybody loads it: in the dtype that its config names."""
    device = 0 if torch.cuda.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", device_map={"": device}, local_files_only=True
    ).eval()


__all__ = ["BASES", "DTYPES", "as_trained", "in_fp32", "measuring", "merge", "save", "saved", "written_out"]
