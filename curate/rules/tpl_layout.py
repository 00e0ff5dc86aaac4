"""TPL016: prompts that another template has laid out already."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from curate.finding import Flag, Place, Where
from curate.rules.rule import dataset_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample


class _Layout(NamedTuple):
    """What opens the question, somewhere in the text, and what stands at its end, where the answer should follow."""

    opens: re.Pattern[str]
    closes: re.Pattern[str]


LAYOUTS = {
    "Alpaca": _Layout(
        re.compile(r"^###[ ]?(?:Instruction|Input|Question|User|Human)\b", re.MULTILINE),
        re.compile(r"^###[ ]?(?:Response|Answer|Assistant)[ ]?:?\s*\Z", re.MULTILINE),
    ),
    "Vicuna": _Layout(
        re.compile(r"^(?:Human|User|USER):", re.MULTILINE), re.compile(r"\b(?:Assistant|ASSISTANT):\s*\Z")
    ),
}
_TAIL = 40


def layout_of(text: str) -> str:
    """The family of the layout that a prompt ends in, or ""."""
    text = text.rstrip()
    if text.endswith((":", "Response", "Answer", "Assistant")):
        for family, layout in LAYOUTS.items():
            if layout.closes.search(text, max(len(text) - _TAIL, 0)) and layout.opens.search(text):
                return family
    return ""


def laid_out(sample: Sample) -> tuple[int, str] | None:
    """The turn before the last answer, and the layout that it is in; None for a row without an answer."""
    answers = [i for i, _ in sample.answers()]
    if not answers or sample.rendering is None:
        return None
    i = max(answers[-1] - 1, 0)
    message = sample.messages[i]
    return i, layout_of(message.text) if message.role == "user" else ""


@dataset_rule("TPL016", severity="warning", measure=laid_out, needs="model")
def already_templated(
    measured: list[tuple[Place, tuple[int, str]]], *, convention_share: float = 0.5
) -> Iterator[Flag]:
    """A prompt is laid out by a template in words, and the model's own template comes around it.

    Why it matters: the model learns to answer `### Response:` inside a user's turn, and never sees that at inference,
    where prompts are plain. Such files are made for base models and trainers that add nothing. Prompts with the control
    tokens of a chat template are special-token-in-content.

    Example: "### Instruction:\\nName a planet.\\n\\n### Response:" as the user's turn, for a chat model.

    How to fix it: take the layout off (name the column `text`, with the answer behind the prompt: then it is taken
    apart), or give the file's own layout as the template, and plain prompts (`--chat-template alpaca`).
    """
    found = [(place, i, family) for place, (i, family) in measured if family]
    if len(found) > convention_share * len(measured):
        family, rows = Counter(family for _, _, family in found).most_common(1)[0]
        yield Flag(
            None,
            f"{len(found):,} of {len(measured):,} rows have prompts that are laid out already ({family}): the model's "
            "template comes around that",
            evidence={"rows": len(found), "of": len(measured), "family": family, "rows_of_family": rows},
        )
        return
    for place, i, family in found:
        yield Flag(
            place,
            f"the prompt is laid out already ({family}): the model's template comes around that",
            Where(i, "content"),
            {"family": family},
        )
