"""Conversations to prompts, by the model's own template with the arguments that the tokens were made with."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.model import Model
from curate.run.data import found_name
from curate.sample import Sample
from curate.template.form import to_messages
from curate.template.renders import Ask, render_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.run import Run
    from curate.sample import Message

# At once, in one process of the template.
BATCH = 50


class Refused(Exception):
    """The template does not write such a conversation."""


def model_of(run: Run) -> Model:
    """The tokenizer and the template of a run, as its tokens were made.

    Raises:
        CurateError: the template is another one now.
    """
    config = run.config("tokens")
    tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    clock = tokens["clock"]
    model = Model(
        found_name(run, config["model"]),
        chat_template=found_name(run, config["chat_template"]) if config["chat_template"] else None,
        template_args=config["template_args"],
        clock=datetime.date.fromisoformat(clock) if clock else None,
    )
    for name in ("template_sha256", "tokenizer_sha256"):
        if model.as_json()[name] != tokens[name]:
            model.close()
            raise CurateError(
                f"{config['model']}: its {name.partition('_')[0]} is not the one that the tokens were made with; make "
                f"them and the adapter again: curate tokens {run.folder}, then curate train {run.folder}"
            )
    return model


def render(model: Model, conversations: Sequence[tuple[list[Message], list[dict[str, Any]] | None]]) -> list[str]:
    """The text of each conversation up to where the model's answer begins; each is its turns and the tools it offers.

    Raises:
        Refused: the template raises on one of them.
    """
    form = model.facts.form
    texts: list[str] = []
    for start in range(0, len(conversations), BATCH):
        asks = [
            Ask(to_messages(Sample(turns), form), tools, is_prompt=True)
            for turns, tools in conversations[start : start + BATCH]
        ]
        for rendered in render_all(model.chat, model.args, model.clock, asks):
            if rendered.refusal:
                raise Refused(rendered.refusal)
            texts.append(rendered.text)
    return texts
