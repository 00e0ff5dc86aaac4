"""Keys and values of the texts that are being answered, which stay where they are while answers grow."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from torch import Tensor


class InPlaceLayer(DynamicLayer):  # type: ignore[misc]  # transformers' layers have no types
    """Keys and values of one layer, with room from the start: `transformers` copies all of them for every new token.

    Attention is given the same numbers in the same shapes, so that answers are equal to the bit. With the static cache
    of `transformers`, which has room too, attention is given the empty places as well: in bf16, half of the answers of
    a small model were others.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room, self._length = room, 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self._length:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self._places = [
                states.new_empty(*states.shape[:2], self._room, states.shape[-1])
                for states in (key_states, value_states)
            ]
        before, self._length = self._length, self._length + key_states.shape[-2]
        for places, states in zip(self._places, (key_states, value_states), strict=True):
            places[:, :, before : self._length] = states
        self.keys, self.values = (places[:, :, : self._length] for places in self._places)
        return self.keys, self.values


def cache_of(model: Any, room: int) -> DynamicCache | None:
    """An empty cache for one call of `generate`; None for a model that keeps something else than keys and values of all
    positions (sliding windows, states), for which `transformers` knows what.

    Args:
        model: a causal language model, with an adapter or without.
        room: positions, those of the prompt and of the answer together.
    """
    if "past_key_values" not in inspect.signature(getattr(model, "get_base_model", lambda: model)().forward).parameters:
        return None
    cache = DynamicCache(config=model.config)
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    cache.layers = [InPlaceLayer(room) for _ in cache.layers]
    return cache
