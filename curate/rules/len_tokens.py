"""LEN004 to LEN006: lengths in the model's own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Fault, Fix, Flag, Place, Where
from curate.rules.len_outliers import lengths, usual_range
from curate.rules.rule import dataset_rule, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample
    from curate.template.prove import Rendering


# Notes that leave no doubt about where the answers are; the last four are advice.
_LOCATED = frozenset({"TPL002", "TPL003", "TPL006", "TPL004", "TPL010", "TPL013", "TPL014"})


@rule("LEN004", severity="warning", needs="max_length")
def answer_beyond_max_length(sample: Sample, *, max_length: int = 0) -> Iterator[Fault]:
    """A row has more tokens than `--max-length`, so that the end of an answer is cut off.

    Why it matters: trainers cut rows at that length without a word. What is left of the answer has no end and no stop
    token: the model learns to break off.

    Example: 312 of 340 trained tokens are lost at 2,048.

    How to fix it: raise the length, shorten or split the row, or drop it (`curate tokens --too-long drop`). Rows of
    many turns can be cut behind the last answer that fits (`--too-long cut`).
    """
    rendering = sample.rendering
    if rendering is None or len(rendering.ids) <= max_length or _starts_beyond(rendering, max_length):
        return
    length = len(rendering.ids)
    evidence: dict[str, int] = {"tokens": length, "max_length": max_length}
    where = None
    if _is_located(rendering):
        lost = sum(turn.last - max(turn.first, min(turn.last, max_length)) for turn in rendering.turns)
        evidence |= {"trained": rendering.trained, "lost": lost}
        what = f"{lost:,} of {rendering.trained:,} trained tokens are lost at {max_length:,}" if lost else ""
        where = next((Where(turn.message, "content") for turn in rendering.turns if turn.last > max_length), None)
    else:
        what = "how many trained tokens that loses cannot be said" if rendering.turns else ""
    yield Fault(f"{length:,} tokens, over {max_length:,}" + (f": {what}" if what else ""), where, evidence)


@rule("LEN005", severity="error", fix=Fix("drop"), needs="max_length")
def answer_starts_beyond_max_length(sample: Sample, *, max_length: int = 0) -> Iterator[Fault]:
    """All that is trained of a row lies behind `--max-length`.

    Why it matters: cut at that length, the row is a prompt without an answer. It teaches nothing, and a batch of such
    rows has a loss that is not a number.

    Example: a document of 3,900 tokens before a summary, with a limit of 2,048.

    How to fix it: raise the length, shorten the prompt, or drop the row.
    """
    rendering = sample.rendering
    if rendering is not None and _starts_beyond(rendering, max_length):
        first = rendering.turns[0]
        yield Fault(
            f"the answer starts at token {first.first + 1:,}, behind the {max_length:,} that are kept: none of its "
            f"{rendering.trained:,} trained tokens is left",
            Where(first.message, "content"),
            {
                "tokens": len(rendering.ids),
                "max_length": max_length,
                "trained": rendering.trained,
                "first": first.first,
            },
        )


def _starts_beyond(rendering: Rendering, max_length: int) -> bool:
    return bool(rendering.turns) and _is_located(rendering) and rendering.turns[0].first >= max_length


def _is_located(rendering: Rendering) -> bool:
    """Whether the answers are known to be where they are said to be, if not behind the prompts of inference."""
    return rendering.verified or {note.code for note in rendering.notes} <= _LOCATED


class _Lengths(NamedTuple):
    """The lengths of what is read and what is learned, in tokens and in characters."""

    tokens: tuple[int, int]
    characters: tuple[int, int]


def _lengths(sample: Sample) -> _Lengths | None:
    rendering = sample.rendering
    if rendering is None or not rendering.text:
        return None
    return _Lengths((len(rendering.ids) - rendering.trained, rendering.trained), lengths(sample))


@dataset_rule("LEN006", severity="info", measure=_lengths, needs="model")
def token_length_outlier(
    measured: list[tuple[Place, _Lengths]], *, min_ratio: float = 5.0, min_rows: int = 50
) -> Iterator[Flag]:
    """A prompt or an answer has far more tokens than nearly all others, though not so many more characters.

    Why it matters: the text is of a kind that this tokenizer takes apart letter by letter: encoded data, damaged
    characters, a script that it hardly knows. Such a row sets the memory of its batch and teaches spelling.

    Example: 98% of the prompts have at most 400 tokens, one has 9,800: a picture in base64.

    How to fix it: look at the row (`curate render DATA --model M --line N`), and take out what no one should learn. If
    it is right, keep it. Rows that are long in characters too are LEN001.
    """
    for column, what in ((0, "prompt"), (1, "answer")):
        usual = usual_range([value.tokens[column] for _, value in measured], min_rows)
        usual_characters = usual_range([value.characters[column] for _, value in measured], min_rows)
        if usual is None or usual_characters is None:
            continue
        for place, value in measured:
            tokens, characters = value.tokens[column], value.characters[column]
            if tokens > usual[1] * min_ratio and characters <= usual_characters[1] * min_ratio:
                yield Flag(
                    place,
                    f"the {what} has {tokens:,} tokens for {characters:,} characters; 98% of this file's have at most "
                    f"{usual[1]:,} tokens",
                    evidence={"tokens": tokens, "characters": characters, "usual": usual[1]},
                )
