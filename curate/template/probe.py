"""What one chat template does in general, found by rendering small conversations of our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.template.form import PROBE, Form, content_of, probe_form
from curate.template.render import TemplateRefuses
from curate.template.shape import common_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.template.form import Messages
    from curate.template.render import ChatTemplate

SWITCHES = ("enable_thinking", "thinking")
"""The arguments by which templates let a model think, or not."""
_TAG = re.compile(r"</?\w+>|<\|\w+>|<\w+\|>|<\|\w+\|>")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a tokenizer cuts out of a text before anything else: those marked as special (and the one that
    ends a text), and the others."""

    special: frozenset[str]
    plain: frozenset[str]
    eos: str = ""


@dataclass(frozen=True)
class Facts:
    """`header` is what opens an answer at inference, and `opening` its first token (that of the answer itself, where a
    template has no header for inference); `control_tokens` are the tokens that no text may hold; a text is
    looked at in pieces between `marks`, for which the template may look. `reasoning_end` follows an answer's reasoning
    ("" where the template has no place for any); `thinks`: the prompts ask for some, and `switch` is the argument that
    would change that ("" where there is none). `reads_clock`: the date can be part of what it writes;
    `marks_answers`: it says by `{% generation %}` what a model writes. `stop` is the token that ends a plain answer
    ("" where none does)."""

    form: Form
    header: str
    opening: str
    control_tokens: tuple[str, ...]
    marks: tuple[str, ...]
    reasoning_end: str
    thinks: bool
    switch: str
    reads_clock: bool
    marks_answers: bool
    stop: str = ""


def pattern(tokens: Iterable[str]) -> re.Pattern[str]:
    """Finds the longest of the tokens at each place; never, where there are none."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def probe(template: ChatTemplate, vocabulary: Vocabulary) -> Facts:
    form = probe_form(template)
    cut = pattern(token for token in vocabulary.special | vocabulary.plain if not token.isspace())
    question = {"role": "user", "content": content_of("Hm", form)}
    asked = _rendered(template, [question])
    prompt = _rendered(template, [question], is_prompt=True)
    header = prompt[whole_tokens(cut, prompt, common_prefix(prompt, asked)) :]
    # Not every control token is marked as special (DeepSeek's roles are not): what opens a turn is one too.
    roles = {*cut.findall(asked), *cut.findall(header)[:1]}
    control_tokens = vocabulary.special | roles
    tags = {tag for source in template.sources.values() for tag in _TAG.findall(source)}
    # A template without a header for inference opens the answer itself: that is none of the answer either.
    said = _rendered(template, [question, {"role": "assistant", "content": content_of(PROBE, form)}])
    opened = cut.findall(header or said.removeprefix(prompt).partition(PROBE)[0])
    reasoning_end = _reasoning_end(template, form)
    switch = _switch(template, question)
    is_silent = switch and prompt == _rendered(template.with_args(**{switch: False}), [question], is_prompt=True)
    return Facts(
        form=form,
        header=header,
        opening=opened[0] if opened else header.strip(),
        control_tokens=tuple(sorted(control_tokens)),
        marks=tuple(sorted(control_tokens | tags)),
        reasoning_end=reasoning_end,
        thinks=bool(reasoning_end) and not is_silent,
        switch=switch,
        reads_clock=template.reads_clock,
        marks_answers=template.marks_answers,
    )


def whole_tokens(cut: re.Pattern[str], text: str, end: int) -> int:
    """`end`, or the start of the token that it would cut in two."""
    for token in cut.finditer(text):
        if token.end() > end:
            return min(end, token.start())
    return end


def _switch(template: ChatTemplate, question: dict[str, Any]) -> str:
    """The argument that turns the model's thinking on and off in its prompts."""
    for name in SWITCHES:
        if any(name in source for source in template.sources.values()):
            asked = (template.with_args(**{name: value}) for value in (False, True))
            silent, thinking = (_rendered(other, [question], is_prompt=True) for other in asked)
            if silent != thinking:
                return name
    return ""


def _reasoning_end(template: ChatTemplate, form: Form) -> str:
    reasoning = PROBE[::-1]
    said: dict[str, Any] = {"role": "assistant", "content": content_of(PROBE, form)}
    for key in ("reasoning_content", "thinking", "reasoning"):
        said[key] = reasoning
    text = _rendered(template, [{"role": "user", "content": content_of("Hm", form)}, said])
    between = text.partition(reasoning)[2].partition(PROBE)[0]
    return between.strip() or between


def _rendered(template: ChatTemplate, messages: Messages, *, is_prompt: bool = False) -> str:
    try:
        return template.render(messages, add_generation_prompt=is_prompt)
    except TemplateRefuses:
        return ""
