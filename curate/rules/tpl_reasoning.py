"""Reasoning models: which mode the rows train, and reasoning that the template does not see."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Flag, Place
from curate.rules.rule import dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


class _Modes(NamedTuple):
    """The answers of a row: all that are trained, those without reasoning where the prompt lets the model think, and
    those with reasoning where it does not; and the argument of the template that would change the prompt."""

    answers: int
    silent: int
    thinking: int
    switch: str


def _modes(sample: Sample) -> _Modes | None:
    rendering = sample.rendering
    if rendering is None or not rendering.turns:
        return None
    notes = [note.evidence or {} for note in rendering.notes if note.code == "TPL013"]
    thinking = sum(bool(note["reasoning"]) for note in notes)
    switch = next((note["switch"] for note in notes), "")
    return _Modes(len(rendering.turns), len(notes) - thinking, thinking, switch)


@dataset_rule("TPL013", severity="info", measure=_modes, needs="model")
def reasoning_mode(measured: list[tuple[Place, _Modes]]) -> Iterator[Flag]:
    """Answers are without reasoning though the prompts of this model let it think, or the other way round.

    Why it matters: a reasoning model learns from such rows to skip its thoughts, in the very mode in which it should
    think, and loses what it could do. Nothing is wrong where that is meant, but then inference has to ask in the same
    mode.

    Example: 7,473 rows of plain questions and answers for Qwen3: each answer is trained behind an empty `<think>`
    block.

    How to fix it: say which mode is meant, in training and at inference alike
    (`--template-args '{"enable_thinking": false}'`), or add the reasoning.
    """
    answers = sum(modes.answers for _, modes in measured)
    silent, thinking = sum(modes.silent for _, modes in measured), sum(modes.thinking for _, modes in measured)
    switch = next((modes.switch for _, modes in measured if modes.switch), "")
    counts = {"answers": answers, "without_reasoning": silent, "with_reasoning": thinking}
    if silent:
        also = f"; the other {answers - silent:,} train it to think" if answers > silent else ""
        yield Flag(
            None,
            f"{silent:,} of {answers:,} answers have no reasoning, though the prompt lets this model think: they train "
            f"it to answer at once{_in_mode(switch, thinks=False)}{also}",
            evidence=counts,
        )
    if thinking:
        yield Flag(
            None,
            f"{thinking:,} of {answers:,} answers have reasoning, though the prompt tells this model not to think: "
            f"they train it to think all the same{_in_mode(switch, thinks=True)}",
            evidence=counts,
        )


def _in_mode(switch: str, *, thinks: bool) -> str:
    if not switch:
        return ""
    args = f"--template-args '{{\"{switch}\": {'true' if thinks else 'false'}}}'"
    return f", the mode of {args} (give it here, and at inference)"


def _ignored(sample: Sample) -> str | None:
    """Why the template does not read the reasoning of a turn, without which turn it is."""
    notes = sample.rendering.notes if sample.rendering else ()
    return next((note.message.partition(":")[0] for note in notes if note.code == "TPL014"), None)


@dataset_rule("TPL014", severity="warning", measure=_ignored, needs="model")
def ignored_reasoning(measured: list[tuple[Place, str]], *, max_named: int = 5) -> Iterator[Flag]:
    """The rows hold reasoning that the template does not read.

    Why it matters: it is dropped without a word, and the model learns the bare answers. Templates read one key
    (`reasoning_content`, `thinking` or `reasoning`), and most read none. Of these three, `curate tokens` gives the
    template the one that it reads; other trainers pass on the row as it is.

    Example: a `reasoning` field beside each answer, for Qwen3, which reads `reasoning_content`.

    How to fix it: rename the key, write the reasoning into the content between the marks that the model uses
    (`<think>` ... `</think>`), or take a model whose template has a place for it.
    """
    for why, rows in Counter(why for _, why in measured).most_common():
        places = [place for place, other in measured if other == why]
        lines = ", ".join(str(place.line) for place in places[:max_named]) + (", …" if rows > max_named else "")
        yield Flag(
            None,
            f"{why}: {rows:,} row{'s' if rows > 1 else ''} (line{'s' if rows > 1 else ''} {lines})",
            evidence={"rows": rows},
            related=places[:max_named],
        )
