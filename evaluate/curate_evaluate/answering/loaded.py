"""The models on this machine, one in memory at a time."""

from __future__ import annotations

import gc
import json
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    # A causal language model, with an adapter on it or without, and its tokenizer.
    Loaded = tuple[Any, PreTrainedTokenizerBase]

# Initialisations that leave the base weights as they are, so that switching the adapter off gives the base model.
KEEPS_THE_BASE = (True, False, "gaussian")
# Beside its weights a model needs its cache, activations and workspace: a quarter more, and half a gigabyte.
WEIGHTS_SHARE, BYTES_BESIDE = 4, 500_000_000

# On a CPU a sixth of the time goes into pages of 4 kB that the kernel clears for each new tensor; of 2 MB, far less.
# PyTorch reads this before its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' own progress bars, hints and notices of renamed arguments."""
    from curate_train.model import quiet as quiet_transformers

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with quiet_transformers():
        yield


class OneAtATime:
    """Holds the model that was asked for last; the one before is let go of first."""

    def __init__(self) -> None:
        self._name = ""
        self._loaded: Loaded | None = None

    def get(self, name: str, load: Callable[[], Loaded]) -> Loaded:
        """The model of this name, which `load` loads where another one is held."""
        if self._loaded is None or self._name != name:
            self.let_go()
            self._loaded, self._name = load(), name
        return self._loaded

    def let_go(self) -> None:
        """Give the memory back."""
        if self._loaded is None:
            return
        self._loaded = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@quiet()
def load(base: Path, adapter: Path | None, *, quant: str, dtype: str = "bf16") -> Loaded:
    """The base model as it was trained (`quant`: "nf4" or "none"; `dtype`: "bf16" or "fp32"), with the adapter on it
    where one is given, and its tokenizer.

    Raises:
        CurateError: the adapter changed the weights of its base, so that without it the model is not the base.
    """
    from transformers import AutoTokenizer

    from curate_train import model as model_files

    if adapter:
        refuse_changed_base(adapter)
    model = model_files.load(base, quant, dtype)
    model.config.use_cache = True  # off while training
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model.get_output_embeddings().register_forward_pre_hook(_contiguous)
    return model.eval(), AutoTokenizer.from_pretrained(base, local_files_only=True)


def _contiguous(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """`generate` gives the output layer a view of the last positions. Rows that are not side by side PyTorch 2.13
    multiplies each with its own copy of frozen weights: on a CPU 5 s for 32 rows and 49,152 tokens, not 0.01 s."""
    return tuple(rows.contiguous() for rows in given)


@contextmanager
def without_adapter(model: Any) -> Iterator[None]:
    """The base model alone, whether an adapter is on it or not: its own layers take the places of the adapter's, which
    even switched off cost time at every token."""
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not isinstance(model, PeftModel):
        yield
        return
    places = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, BaseTunerLayer)
    ]
    with model.disable_adapter():  # what else an adapter may have put into a model
        for parent, name, layer in places:
            setattr(parent, name, layer.get_base_layer())
        try:
            yield
        finally:
            for parent, name, layer in places:
                setattr(parent, name, layer)


def refuse_changed_base(adapter: Path) -> None:
    """Raises:
    CurateError: the adapter belongs to weights that its initialisation changed; peft can save it as a plain LoRA, which
        says so in its config.
    """
    init = json.loads((adapter / "adapter_config.json").read_bytes()).get("init_lora_weights", True)
    if init not in KEEPS_THE_BASE:
        raise CurateError(
            f"{adapter}: an adapter initialised by {init} changes the base model, which then cannot be measured by "
            "switching the adapter off; convert it to a plain LoRA first"
        )


def too_large(base: Path) -> str:
    """Why the base model does not fit into memory in bf16, in words; "" where it does."""
    from curate_train.memory import available, weight_bytes
    from curate_train.shape import empty_model

    weights = weight_bytes(empty_model(base), "none", element=2)
    needed, room = weights + weights // WEIGHTS_SHARE + BYTES_BESIDE, available()
    return "" if needed <= room else f"it needs about {needed / 1e9:.1f} GB, and {room / 1e9:.1f} GB are free"
