"""Single renderings, in a process that can be killed: a chat template is a program that somebody else wrote.

For a handful of conversations at a time; rows by the thousand go through curate/template/worker.py.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from curate.errors import CurateError
from curate.template.worker import limit_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from curate.template.form import Messages
    from curate.template.load import ChatTokenizer

SECONDS = 5.0
"""What all of it may take, before the process is killed."""
LONGEST = 1_000_000
"""Characters that a template may write for one conversation, and so many times what the conversation holds."""
TIMES = 20


class Ask(NamedTuple):
    """A conversation to render: as a prompt, or as a row; by the model's templates, or by another one."""

    messages: Messages
    tools: list[dict[str, Any]] | None = None
    is_prompt: bool = False
    template: str | None = None


class Rendered(NamedTuple):
    """A text with the spans that `{% generation %}` encloses, or why there is none."""

    text: str = ""
    marked: list[tuple[int, int]] = []  # noqa: RUF012 (never changed)
    refusal: str = ""


class _Model(NamedTuple):
    source: str
    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]


def render_all(chat: ChatTokenizer, args: Mapping[str, Any], clock: date, asks: Sequence[Ask]) -> list[Rendered]:
    """Each conversation as a chat template writes it; where the process had to be killed, none of them."""
    model = _Model(chat.source, dict(chat.templates), dict(chat.special_tokens))
    path = [entry or str(Path.cwd()) for entry in sys.path]
    request = pickle.dumps((path, tuple(model), dict(args), clock, [tuple(ask) for ask in asks]))
    try:
        ran = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD],
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            env={key: os.environ[key] for key in ("SYSTEMROOT", "PATH") if key in os.environ},
            check=True,
        )
        return [Rendered(text, [(a, b) for a, b in spans], why) for text, spans, why in orjson.loads(ran.stdout)]
    except (subprocess.SubprocessError, ValueError):
        return [Rendered(refusal="the template takes too long or too much memory") for _ in asks]


_CHILD = (
    "import pickle, sys; request = pickle.load(sys.stdin.buffer); sys.path[:] = request[0]; "
    "from curate.template.renders import serve; serve(*request[1:])"
)


def serve(model: tuple[Any, ...], args: Mapping[str, Any], clock: date, asks: Sequence[tuple[Any, ...]]) -> None:
    """The process itself."""
    from curate.template.mask import size
    from curate.template.render import ChatTemplate, TemplateRefuses

    limit_memory()
    own = _Model(*model)
    templates: dict[str | None, ChatTemplate | None] = {}
    answers: list[tuple[str, list[tuple[int, int]], str]] = []
    for ask in map(Ask._make, asks):
        if ask.template not in templates:
            named = own if ask.template is None else own._replace(templates={"default": ask.template})
            try:
                templates[ask.template] = ChatTemplate(named, args, clock)
            except CurateError:
                templates[ask.template] = None
        template = templates[ask.template]
        if template is None:
            answers.append(("", [], "the template is no valid Jinja"))
            continue
        template.limit = LONGEST + TIMES * size(ask.messages, ask.tools)
        try:
            text = template.render(ask.messages, ask.tools or None, add_generation_prompt=ask.is_prompt)
            spans = template.marked(ask.messages, ask.tools or None) if template.marks_answers else []
            answers.append((text, spans, ""))
        except TemplateRefuses as error:
            answers.append(("", [], str(error)[:200]))
    sys.stdout.buffer.write(orjson.dumps(answers))
