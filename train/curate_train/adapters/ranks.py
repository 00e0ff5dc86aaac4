"""How much of its rank an adapter uses: the singular values of what it adds to each weight."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from curate_train.adapters.adapter import Adapter, Update

ENERGY = 0.95
USUAL = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Ranks that people train."""


class Use(NamedTuple):
    """How much of their rank some modules use.

    `rank` is the largest of them; `used` the least rank to which all of them can be cut so that together they keep the
    share `energy` of their energy (the sum of squared singular values), `most` the least at which each of them does.
    `norm` is the root of their energy: the Frobenius norm of all they add.
    """

    name: str
    modules: int
    rank: int
    used: int
    most: int
    norm: float

    @property
    def enough(self) -> int:
        """The next usual rank from `used` on, at most the rank."""
        return min(self.rank, next((rank for rank in USUAL if rank >= self.used), self.rank))


def singular_values(update: Update) -> Tensor:
    """The singular values of scale * up @ down, largest first: as many as its rank, or as its smaller side.

    The product itself is never made: with QR of up and of down's transpose it is that of two small triangles.
    """
    _, left = torch.linalg.qr(update.up.double(), mode="r")
    _, right = torch.linalg.qr(update.down.double().T, mode="r")
    return update.scale * torch.linalg.svdvals(left @ right.T)


def rank_use(adapter: Adapter, energy: float = ENERGY) -> list[Use]:
    """The use of rank by the whole adapter, first, and by each kind of module (the last part of its name)."""
    values = {module: singular_values(update) for module, update in adapter.updates.items()}
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for module in values:
        kinds[module.rpartition(".")[2]].append(module)
    named = [("all", list(values)), *sorted(kinds.items())]
    return [
        _use(name, [values[one] for one in modules], max(adapter.updates[one].rank for one in modules), energy)
        for name, modules in named
    ]


def _use(name: str, values: Sequence[Tensor], rank: int, energy: float) -> Use:
    together = torch.zeros(rank, dtype=torch.float64)
    for one in values:
        together[: len(one)] += one**2
    return Use(name, len(values), rank, least(together, energy), most(values, energy), float(together.sum().sqrt()))


def most(values: Iterable[Tensor], energy: float) -> int:
    return max(least(one**2, energy) for one in values)


def least(squares: Tensor, energy: float) -> int:
    """How many of these, in their order, hold the share `energy` of their sum; 0 where all are 0."""
    total = float(squares.sum())
    if not total:
        return 0
    kept = torch.cumsum(squares, 0) / total
    return int((kept < energy - 1e-12).sum()) + 1
