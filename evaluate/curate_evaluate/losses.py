"""The loss before and after: on the held-out answers, and on general text, where a rise is what was forgotten."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_evaluate.answering.answers import key_of
from curate_evaluate.answering.decode import Progress
from curate_evaluate.answering.kept import Kept
from curate_evaluate.answering.loaded import quiet, without_adapter
from curate_evaluate.stats import compare
from curate_train.adapter import text_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from curate.run import Run
    from curate_evaluate.answering.decode import Decoder
    from curate_train.data import Row

FILE = "losses.jsonl"
GENERIC = "generic.txt"
# Of a passage of general text no more is read: one long document is to weigh no more than the others together.
MOST_TOKENS = 512


@dataclass(frozen=True)
class Loss:
    """Of one row: the negative log likelihood of its trained tokens, summed, in nats; and how many they are."""

    nats: float
    tokens: int


def before_and_after(
    decoder: Decoder, rows: Sequence[Row], folder: Path, *, name: str, seed: int
) -> dict[str, Any] | None:
    """The loss without the adapter and with it, in nats a trained token, and the paired difference; None for no rows.

    Of a difference above 0 the loss rose. `won` and `lost` of it count the rows on which it rose and fell.

    Args:
        decoder: the model.
        rows: those to measure.
        folder: of the run, where losses are kept.
        name: of the rows, for people.
        seed: of the random flips.
    """
    if not rows:
        return None
    kept = Kept(folder / FILE, Loss, asdict)
    before, after = (losses(decoder, rows, kept, tuned=tuned, name=name) for tuned in (False, True))
    tokens = sum(loss.tokens for loss in before)
    # Each row weighs as many tokens as it has, so that the mean over the rows is the mean over all tokens.
    share = len(rows) / tokens
    difference = compare(
        [loss.nats * share for loss in before],
        [loss.nats * share for loss in after],
        clusters=[row.sample_id for row in rows],
        full=None,
        seed=seed,
    )
    return {
        "rows": len(rows),
        "tokens": tokens,
        "before": sum(loss.nats for loss in before) / tokens,
        "after": sum(loss.nats for loss in after) / tokens,
        "difference": asdict(difference),
    }


def losses(decoder: Decoder, rows: Sequence[Row], kept: Kept[Loss], *, tuned: bool, name: str) -> list[Loss]:
    """The loss of each row; what is kept is not measured again.

    Batches are always those of all rows: in bf16 a sum may depend on what a row is padded to.
    """
    keys = [
        key_of(decoder.who(tuned=tuned), {"what": "loss", "batch_size": decoder.batch_size}, _hash(row)) for row in rows
    ]
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), keys[i]))
    batches = [order[start : start + decoder.batch_size] for start in range(0, len(order), decoder.batch_size)]
    missing = kept.missing(batches, keys)
    progress = Progress(f"loss {'with' if tuned else 'without'} the adapter, {name}", sum(map(len, missing)))
    for batch in missing:
        measured = _measure(decoder, [rows[i] for i in batch], tuned=tuned)
        kept.add({keys[i]: loss for i, loss in zip(batch, measured, strict=True)})
        progress.add(len(batch))
    return kept.all(keys)


@quiet()
def _measure(decoder: Decoder, rows: Sequence[Row], *, tuned: bool) -> list[Loss]:
    """The losses of a batch, of the model as it answers: the layers of a 4-bit one are packed for answering, and only
    training needs them otherwise."""
    from contextlib import nullcontext

    import torch

    from curate_train.batches import collate
    from curate_train.loss import summed_loss, trained_hidden
    from curate_train.model import on_device

    model, _ = decoder.load()
    batch = on_device(collate(rows), model.device)
    with torch.no_grad(), nullcontext() if tuned else without_adapter(model):
        hidden, labels = trained_hidden(model, batch)
        found, start = [], 0
        for row in rows:  # in the order of the rows: that of the batch's positions
            end = start + row.trained
            nats = summed_loss(model, hidden[start:end], labels[start:end]).item()
            if not math.isfinite(nats):
                who = "adapter: train it again with a lower --learning-rate" if tuned else "base model"
                raise CurateError(f"{row}: its loss is {nats}, so nothing can be said of this {who}")
            found.append(Loss(nats, row.trained))
            start = end
    return found


def held_out_rows(run: Run, base: Path) -> list[Row]:
    """The very tokens of the test rows; those of their answers count.

    Raises:
        CurateError: they are not the tokens that were made.
    """
    from curate_train.data import read_tokens

    return read_tokens(run / "tokens", "test", vocabulary=text_shape(base)["vocab_size"])


def generic_rows(base: Path, file: Path | None) -> list[Row]:
    """General text as rows of which every token counts: the passages of a file, or of the one that comes along.

    Raises:
        CurateError: the file cannot be read, or holds no text.
    """
    import numpy as np
    from transformers import AutoTokenizer

    from curate_train.data import Row

    try:
        text = (file or resources.files("curate_evaluate") / GENERIC).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CurateError(f"{file}: cannot be read as text ({error}); name another file with --generic") from error
    with quiet():
        # As the model reads any text: with the token at its beginning that some want.
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        every = [tokenizer(passage, truncation=True, max_length=MOST_TOKENS).input_ids for passage in passages(text)]
    rows = [
        Row("generic", f"passage {k}", k, np.array(ids, dtype=np.int32), np.array(ids, dtype=np.int32))
        for k, ids in enumerate(every, start=1)
        if len(ids) > 1
    ]
    if not rows:
        raise CurateError(f"{file}: holds no text; --generic takes a text file, its passages apart by blank lines")
    return rows


def passages(text: str) -> Iterable[str]:
    """What blank lines part."""
    return (part.strip() for part in re.split(r"\n\s*\n", text) if part.strip())


def _hash(row: Row) -> str:
    return hashlib.sha256(row.ids.astype("<i4").tobytes() + b"\0" + row.labels.astype("<i4").tobytes()).hexdigest()
