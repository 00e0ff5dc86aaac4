"""What other trainers would do with a row, in words, and with some rows of a data set."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.model import Model, is_raw
from curate.report.safe import safe
from curate.template.trainers import Trainers
from curate.tokens.pieces import runs
from curate.tokens.rows import Row, rendered, samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.config import Config
    from curate.io import Input
    from curate.template.trainers import OtherMask

TITLE = "What other trainers would do with this row"
SAME = "trains the same tokens"
COMPARED = 20
"""So many rows of a data set are compared: each of them costs a few renderings."""
_AMONG = 500
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


def of_some_rows(inputs: Sequence[Input], config: Config) -> list[dict[str, Any]]:
    """For each trainer, what it would do with some rows from all over the beginning of the data: of how many it trains
    the same tokens, other ones, leaves some out, or cannot be said, and the most frequent reason for that.

    Raises:
        CurateError: no such model.
    """
    with closing(Model.of(config)) as model:
        samples = list(islice(samples_of(inputs, format=config.format, columns=config.columns), _AMONG))
        some = samples[:: max(len(samples) // COMPARED, 1)][:COMPARED]
        rows = [row for batch in rendered(iter(some), model) for row in batch]
        by_trainer: dict[str, list[Other]] = {}
        for of_row in others_of(rows, model):
            for other in of_row:
                by_trainer.setdefault(other.trainer, []).append(other)
    return [_summed(others) for others in by_trainer.values()]


def _summed(others: Sequence[Other]) -> dict[str, Any]:
    reasons = Counter(other.mask.reason for other in others if other.mask.trained is None)
    return {
        "trainer": others[0].trainer,
        "setting": others[0].setting,
        "rows": len(others),
        "same": sum(other.said == SAME for other in others),
        "wrong": sum(bool(other.mask.wrong) for other in others),
        "left_out": sum(bool(other.mask.missed) for other in others),
        "cannot": reasons.total(),
        "reason": reasons.most_common(1)[0][0] if reasons else "",
    }


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
