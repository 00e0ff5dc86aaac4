"""The options by which commands name a model and how it renders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def json_object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        args = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"not JSON ({error}); for instance '{{\"enable_thinking\": false}}'") from error
    if not isinstance(args, dict):
        raise click.BadParameter("not a JSON object; for instance '{\"enable_thinking\": false}'")
    return dict(args)


def model_options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--model`, `--template-args`, `--chat-template` and `--offline`."""
    options = [
        click.option(
            "--model",
            metavar="M",
            required=required,
            help="A model: its folder, a GGUF file, or its name on the hub. Only its tokenizer and template are read.",
        ),
        click.option(
            "--template-args",
            callback=json_object,
            metavar="JSON",
            help="Arguments of the chat template, as '{\"enable_thinking\": false}'.",
        ),
        click.option(
            "--chat-template",
            metavar="NAME|FILE",
            help="Another template than the model's own: chatml, llama3, alpaca or a Jinja file.",
        ),
        click.option("--offline", is_flag=True, default=None, help="Fetch nothing: a hub name has to be in the cache."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
