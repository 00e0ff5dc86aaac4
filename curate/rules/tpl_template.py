"""What a model's chat template makes of a row: noticed when the row is rendered (curate/template)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Fix, Flag
from curate.rules.rule import Measured, dataset_rule, reading_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample

DROP = Fix("drop")


@reading_rule("TPL001", severity="error", fix=DROP, needs="model")
def template_refuses() -> None:
    """The model's chat template raises an error on the row.

    Why it matters: the row cannot be trained on, and at inference such a conversation cannot be asked. Some trainers
    stop at it, some drop the row without a word, and one takes the system turn away and tries again. The message says
    what has to go for the template to take the row.

    Example: Gemma's template refuses tool results; the first Gemma and Mistral refuse a system turn: "System role not
    supported".

    How to fix it: do what the message says (put the system turn's text into the first user turn, join two turns of one
    role), or take a model or a template that knows such rows.
    """


@reading_rule("TPL002", severity="warning", needs="model")
def history_rewritten() -> None:
    """The template writes an answer otherwise once later turns follow it.

    Why it matters: trained as one text, the earlier answers are learned in a form that the model never writes, or with
    a history that it never sees when it answers. Reasoning models do so: they drop the thoughts of earlier turns.

    Example: Qwen3 writes `<think>` before the last answer only; in a row of three turns, the first two answers stand
    without it.

    How to fix it: train each answer in a row of its own, with the history as inference gives it
    (`curate tokens --turns each`), or the last one only (`--turns last`).
    """


@reading_rule("TPL005", severity="error", needs="model")
def dropped_content() -> None:
    """The template leaves out a part of the row: a tool call, the tools, a text, the reasoning.

    Why it matters: nothing says so while training. A model whose template drops calls learns to answer from nowhere;
    one that never sees the tools learns to call functions by heart.

    Example: Llama 3's simple template writes only `content`, so a turn that calls a tool is an empty answer.

    How to fix it: take the template of a model that was trained with such rows (`--chat-template FILE`), or write the
    dropped part into the content yourself.
    """


@reading_rule("TPL006", severity="warning", needs="model")
def boundary_mismatch() -> None:
    """Before an answer, training and inference see other tokens.

    Why it matters: the model learns to answer after a prompt that it is never given. The template opens the answer in
    another way than its generation prompt does, or the answer begins with white space that merges with the prompt's
    last token.

    Example: after "assistant\\n", an answer that begins with a line break: "\\n\\n" is one token, and the prompt of
    inference ends with another.

    How to fix it: strip the answer's leading white space, or give the arguments with which both are the same
    (`--template-args`).
    """


@reading_rule("TPL007", severity="warning", needs="model")
def mask_unverified() -> None:
    """Which tokens of the row are trained cannot be proven.

    Why it matters: a loss mask that is nearly right trains on the user's words, or leaves the stop token out, and no
    loss curve shows it. So such a row is not guessed: `curate tokens` rejects it with this reason.

    Example: a template that prints "None" for a missing content, an answer that stands twice in the text, an image.

    How to fix it: look at the row (`curate render DATA --model M --line N`); often a field is missing or doubled.
    """


@reading_rule("TPL008", severity="error", needs="model")
def stop_token_missing() -> None:
    """No stop token follows an answer, or one that is no single token.

    Why it matters: a model that never sees the end of an answer trained does not learn to stop: it goes on until the
    limit, or writes the user's next turn itself.

    Example: a template that closes an answer with a line break only; a tool call that the template leaves open until
    the result comes.

    How to fix it: use the template that the model was trained with, or add the stop token to it.
    """


@reading_rule("TPL009", severity="error", fix=DROP, needs="model")
def no_trained_token() -> None:
    """An answer has no token that is trained.

    Why it matters: the row costs its share of every batch and teaches nothing; where a whole batch is so, the loss is
    not a number.

    Example: the only answer is empty, or all answers have `"weight": 0`.

    How to fix it: write the answer, or drop the row.
    """


def _doubled(sample: Sample) -> bool | None:
    rendering = sample.rendering
    return any(note.code == "TPL010" for note in rendering.notes) if rendering and rendering.text else None


@dataset_rule("TPL010", severity="warning", measure=_doubled, needs="model")
def double_bos(measured: Measured, *, max_named: int = 5) -> Iterator[Flag]:
    """Rows begin with the token that begins a text twice.

    Why it matters: the model was never trained so, and answers worse after it. The template writes the token, and the
    row's own text begins with it as well.

    Example: a row that was exported from a rendered text and still holds its "<|begin_of_text|>".

    How to fix it: take the token out of the texts. Where you encode rendered text yourself, do it with
    `add_special_tokens=False`, or the tokenizer adds it again.
    """
    doubled = [place for place, is_doubled in measured if is_doubled]
    if doubled:
        lines = ", ".join(str(place.line) for place in doubled[:max_named])
        more = ", …" if len(doubled) > max_named else ""
        yield Flag(
            None,
            f"{len(doubled):,} of {len(measured):,} rows begin with two of the tokens that begin a text "
            f"(line{'s' if len(doubled) > 1 else ''} {lines}{more})",
            evidence={"rows": len(doubled), "of": len(measured)},
            related=doubled[:max_named],
        )
