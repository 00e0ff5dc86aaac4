"""What other trainers would do with a row, in words: shared by the outputs of `curate render`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curate.model import is_raw
from curate.report.safe import safe
from curate.template.trainers import Trainers
from curate.tokens.pieces import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.model import Model
    from curate.template.trainers import OtherMask
    from curate.tokens.rows import Row

TITLE = "What other trainers would do with this row"
SAME = "trains the same tokens"
_SHOWN = 5
_TEXT = 60


class Other(NamedTuple):
    """A line of the table: who, with which setting, what comes of it in words, and the texts that are trained wrongly
    or left out, in quotation marks."""

    trainer: str
    setting: str
    said: str
    wrong: list[str]
    missed: list[str]
    mask: OtherMask


def others_of(rows: Sequence[Row], model: Model) -> list[list[Other]]:
    """For each rendering, the table of other trainers; empty where the template refuses the row or is not for it."""
    trainers = Trainers(model.chat, model.args, model.clock, model.facts.form)
    masks = trainers.masks([(row.sample, row.rendering) for row in rows])
    return [
        [_other(mask, row, model) for mask in of_row] if row.rendering.text and not is_raw(row.sample) else []
        for row, of_row in zip(rows, masks, strict=True)
    ]


def _other(mask: OtherMask, row: Row, model: Model) -> Other:
    if mask.trained is None:
        said = mask.reason
    elif not mask.wrong and not mask.missed:
        said = SAME
    else:
        parts = [f"trains {len(mask.wrong):,} wrong"] if mask.wrong else []
        parts += [f"leaves out {len(mask.missed):,}"] if mask.missed else []
        said = " and ".join(parts)
    name = f"{mask.trainer} {mask.version_checked_against}"
    return Other(name, mask.setting, said, _texts(mask.wrong, row, model), _texts(mask.missed, row, model), mask)


def _texts(places: Sequence[int], row: Row, model: Model) -> list[str]:
    found = runs(places)
    ids, decode = row.rendering.ids, model.chat.tokenizer.decode
    texts = [f'"{_short(safe(decode(ids[a:b], skip_special_tokens=False)))}"' for a, b in found[:_SHOWN]]
    return texts + ([f"and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else [])


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT // 2]} … {text[-_TEXT // 2 :]}"
