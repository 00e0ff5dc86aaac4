"""The adapter merged into its base: a model of its own that needs no peft."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from curate.errors import CurateError
from curate_train.model import load, measuring, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from curate_train.export.trained import Trained

BASES = ("nf4", "bf16")


@quiet()
def as_trained(trained: Trained) -> Any:
    """The base as it was during training, with the adapter on it; within `measuring` it computes as it did then."""
    return PeftModel.from_pretrained(load(trained.base, trained.quant), str(trained.adapter)).eval()


@quiet()
def merge(trained: Trained, base: str) -> Any:
    """A model in bf16 with the adapter in its weights.

    `base` is what it is merged into: "nf4", the 4-bit weights written out in bf16, which are those that the adapter
    learned to correct; or "bf16", the weights before they were quantised. Never 4-bit weights themselves: rounding
    them again would lose most of the adapter (peft merges so without a word).

    Raises:
        CurateError: an adapter that cannot be merged.
    """
    model = load(trained.base, base if base == "nf4" else "none")
    if base == "nf4":
        model = model.dequantize()  # before any forward: on some CPUs that repacks the 4-bit weights
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model = model.to(torch.bfloat16)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            merged = PeftModel.from_pretrained(model, str(trained.adapter)).merge_and_unload(safe_merge=True)
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise CurateError(f"{trained.adapter}: cannot be merged ({error})") from error
    merged.config.use_cache = True
    return merged.eval()


def stops_at(model: Any, stop: int) -> None:
    """Have generation end at the stop token of the training, and at what ended it before."""
    own = model.generation_config.eos_token_id
    known = own if isinstance(own, list) else [] if own is None else [own]
    model.generation_config.eos_token_id = [stop, *(token for token in known if token != stop)]


def save(model: Any, folder: Path) -> None:
    """config.json, generation_config.json and safetensors."""
    with quiet():
        model.save_pretrained(str(folder), safe_serialization=True)


def saved(folder: Path) -> Any:
    """A merged model as anybody loads it."""
    return load(folder, "none").eval()


__all__ = ["BASES", "as_trained", "measuring", "merge", "save", "saved", "stops_at"]
