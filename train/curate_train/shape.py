"""The shape of a model from its config.json alone, on torch's meta device: tensors with a size and without values."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTENTION = "curate_shape"
META = torch.device("meta")


def empty_model(source: Path, dtype: str = "bf16") -> Any:
    """The causal language model of a folder with a config.json, or of such a file: frozen, without values.

    Raises:
        CurateError: no such file, or nothing that transformers knows as a causal language model.
    """
    file = source / "config.json" if source.is_dir() else source
    if not file.is_file():
        raise CurateError(f"{file}: no such file; name a model folder or its config.json")
    try:
        config = AutoConfig.from_pretrained(file, local_files_only=True).get_text_config()
        with META:
            model = AutoModelForCausalLM.from_config(config, dtype=DTYPES[dtype])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise CurateError(f"{file}: no causal language model that transformers knows ({reason})") from error
    model.config.use_cache = False
    return model.requires_grad_(False)


DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class LiveBytes(TorchDispatchMode):  # type: ignore[misc]
    """Counts the bytes of all storages that live at once since it was entered; `peak` is the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {
            tensor.untyped_storage() for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)
        }
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage(), before)
        return result

    def _add(self, storage: Any, known: set[Any]) -> None:
        if storage in self._seen or storage in known:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._remove, size)

    def _remove(self, size: int) -> None:
        self.now -= size


class _Attention(torch.autograd.Function):  # type: ignore[misc]
    """Keeps for the backward what fused attention keeps: queries, keys, values, the output and a number a row."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
        output = torch.empty((*query.shape[:-1], value.shape[-1]), dtype=query.dtype, device=query.device)
        ctx.save_for_backward(query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


def _attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> tuple[Any, None]:
    return _Attention.apply(query, key, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attention)


@contextmanager
def without_values(model: Any) -> Iterator[None]:
    """A model on the meta device, computing as in training: no values, but each tensor as long as it would live."""
    config = model.config
    kept = config._attn_implementation, getattr(config, "_experts_implementation", None)
    config._attn_implementation, config._experts_implementation = ATTENTION, "grouped_mm"
    model.train()
    try:
        with META:
            yield
    finally:
        config._attn_implementation, config._experts_implementation = kept
