"""Facts about the model and its template that hold for all rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.finding import Flag
from curate.rules.rule import model_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.model import Model


@model_rule("TPL011", severity="info")
def pad_is_stop(model: Model) -> Iterator[Flag]:
    """The token that fills up batches is the one that ends an answer.

    Why it matters: trainers that take the loss off every padding token by its id (transformers'
    `DataCollatorForLanguageModeling`) take it off the stop token as well: the model never learns to stop. Where the
    mask goes by position, as in `curate train`, nothing is lost.

    Example: DeepSeek's `pad_token` and `eos_token` are both `<｜end▁of▁sentence｜>`.

    How to fix it: give the tokenizer another padding token that it has and that no row uses, or train on the labels of
    `curate tokens`.
    """
    stop = model.facts.stop
    if stop and stop == model.chat.pad:
        yield Flag(
            None,
            f"{stop} ends an answer and fills up batches: a trainer that masks padding by its id never trains it",
            evidence={"token": stop},
        )


@model_rule("TPL012", severity="info")
def clock_in_prompt(model: Model) -> Iterator[Flag]:
    """The template writes today's date into every row.

    Why it matters: the same row has other tokens tomorrow, so no run can be repeated, and the model is trained on one
    date and asked on others.

    Example: Llama 3.2 begins its system turn with "Today Date: 26 Jul 2026".

    How to fix it: nothing is broken: the date is that of the first `curate tokens`, kept in tokens.json. Where the
    template takes the date as an argument, fix it: `--template-args '{"date_string": "26 Jul 2026"}'`.
    """
    if model.clock_is_written:
        yield Flag(
            None,
            f"the template writes the date into every row: these tokens are of {model.clock.isoformat()}",
            evidence={"date": model.clock.isoformat()},
        )


@model_rule("TPL015", severity="warning")
def untrained_control_token(model: Model) -> Iterator[Flag]:
    """A token that the template writes was never trained in this checkpoint.

    Why it matters: its row of the embedding is zero, or noise. LoRA leaves embeddings as they are, so the model can
    neither read the turn's marks nor learn to write its stop token.

    Example: the base model of Llama 3 with the instruct model's template: `<|eot_id|>` and `<|start_header_id|>` are
    untrained.

    How to fix it: take the instruct model, or a template of tokens that the base model knows, or train the embeddings
    as well (`modules_to_save=["embed_tokens", "lm_head"]`).
    """
    from curate.template.embeddings import untrained_tokens

    checked = untrained_tokens(model.chat, written_tokens(model))
    if checked.reason:
        raise CurateError(checked.reason)
    by_token: dict[str, list[str]] = {}
    for row in checked.untrained:
        by_token.setdefault(row.token, []).append(row.matrix)
    if by_token:
        yield Flag(
            None,
            f"untrained in this checkpoint: {', '.join(by_token)} ({checked.untrained[0].why})",
            evidence={"tokens": [row._asdict() for row in checked.untrained]},
        )


def written_tokens(model: Model) -> list[str]:
    """The control tokens that the template writes around a question and its answer."""
    text = model.plain_text() + model.facts.header + model.facts.stop
    tokens = "|".join(re.escape(token) for token in sorted(model.facts.control_tokens, key=len, reverse=True))
    return list(dict.fromkeys(re.findall(tokens, text))) if tokens else []
