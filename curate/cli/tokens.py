"""`curate tokens`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate tokens runs/support --model models/SmolLM2-135M-Instruct
  curate tokens runs/support --model models/Qwen3-8B --template-args '{"enable_thinking": false}'
  curate tokens runs/support --model models/Qwen3-8B --max-length 2048 --too-long error
"""


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


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option(
    "--model",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The model's folder: its tokenizer.json and its chat template.",
)
@click.option(
    "--max-length", type=click.IntRange(min=1), metavar="N", help="The longest row, in tokens.  [default: any]"
)
@click.option(
    "--too-long",
    type=click.Choice(["drop", "error"]),
    help="Leave longer rows out and list them, or write nothing.  [default: drop]",
)
@click.option(
    "--template-args",
    callback=json_object,
    metavar="JSON",
    help="Arguments of the chat template; training and evaluation use the same.",
)
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def tokens(target: tuple[str, ...], model: Path, output: str | None, force: bool, **settings: Any) -> int:
    """Turn the rows of each split into token ids, and mark which of them are learned: each answer and its stop token.

    Every row is rendered by the model's own chat template and verified: its ids begin with those of the inference
    prompt, and the trained ones spell the answer and the stop token. A row that cannot be verified is not guessed but
    listed in tokens/rejected.jsonl with its reason.
    """
    from curate.cli.chain import make_with_earlier, opened
    from curate.steps.tokens import model_of

    run = opened(target, output)
    given = {key: value for key, value in settings.items() if value is not None}
    make_with_earlier(run, "tokens", {"model": model_of(run, model), **given}, force)
    say_rejected(run)
    if not json.loads((run / "tokens" / "tokens.json").read_bytes())["rows"]["train"]:
        raise CurateError(f"{run / 'tokens'}: no row is left to train on; the reasons are in rejected.jsonl")
    click.echo(f"\n  {run / 'tokens'}\n\n  curate train {run.folder} --model {model}")
    return 0


def say_rejected(run: Run) -> None:
    """Name each kind of rejected row on standard error: how many, and the reason of the first."""
    from curate.report.safe import safe

    with (run / "tokens" / "rejected.jsonl").open(encoding="utf-8") as file:
        kinds: dict[str, list[dict[str, Any]]] = {}
        for line in file:
            row = json.loads(line)
            kinds.setdefault(row["code"], []).append(row)
    for code, rows in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        first = rows[0]
        count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
        place = f"split/{first['split']}.jsonl:{first['line']}"
        click.echo(safe(f"  {code}  {count}, as {place}: {first['reason']}"), err=True)
