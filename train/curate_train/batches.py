"""Rows into batches, whole and unchanged: padded, or laid end to end; and their order, a function of seed and epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from curate_train.data import NOT_TRAINED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate_train.data import Row

# So many batches are sorted by length at once: enough for batches of like rows, few enough that order stays random.
BATCHES_SORTED = 50


def collate(rows: Sequence[Row]) -> dict[str, Any]:
    """A batch, padded on the right to its longest row: input_ids, attention_mask and labels, each (rows, length)."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    # Which id pads is of no matter: the mask hides it from the other tokens and its label carries no loss.
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, NOT_TRAINED)
    for i, row in enumerate(rows):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        mask[i, :length] = 1
        labels[i, :length] = torch.tensor(row.labels)
    labels[:, 0] = NOT_TRAINED
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def pack(rows: Sequence[Row]) -> dict[str, Any]:
    """The same batch without padding, its rows end to end: input_ids, position_ids and labels, each (1, all tokens).

    Positions start anew with each row, by which attention keeps the rows apart (only where there is no mask), and the
    first token of a row carries no loss: the row before it does not predict it.
    """
    labels = [torch.tensor(row.labels, dtype=torch.long) for row in rows]
    for row in labels:
        row[0] = NOT_TRAINED
    return {
        "input_ids": torch.cat([torch.tensor(row.ids, dtype=torch.long) for row in rows])[None],
        "position_ids": torch.cat([torch.arange(len(row.ids)) for row in rows])[None],
        "labels": torch.cat(labels)[None],
    }


class Order(torch.utils.data.Sampler[int]):  # type: ignore[misc]
    """Every row once an epoch, in an order that seed and epoch alone decide, so that a resumed run meets the same rows.

    With `by_length`, batches hold rows of like length, which saves padding, and the longest row of all comes first:
    what does not fit into memory fails at once and not after an hour.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, by_length: bool) -> None:
        self.lengths, self.batch_size, self.seed, self.by_length = lengths, batch_size, seed, by_length
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self), generator=random).tolist()
        if not self.by_length:
            return iter(order)
        size = self.batch_size * BATCHES_SORTED
        order = [
            i
            for start in range(0, len(order), size)
            for i in sorted(order[start : start + size], key=lambda i: -self.lengths[i])
        ]
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        rest = batches.pop() if len(batches[-1]) < self.batch_size else []
        shuffled = [batches[i] for i in torch.randperm(len(batches), generator=random).tolist()]
        if self.epoch == 0:
            longest = max(self.lengths)
            if batches and all(self.lengths[i] < longest for batch in batches for i in batch):
                # It is in the last batch, which is not full: it goes to a full one, of long rows, which takes more.
                first = max(batches, key=lambda batch: self.lengths[batch[0]])
                first[-1], rest[0] = rest[0], first[-1]
            shuffled.sort(key=lambda batch: all(self.lengths[i] < longest for i in batch))
        return iter([i for batch in [*shuffled, rest] for i in batch])
