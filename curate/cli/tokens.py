"""`curate tokens`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from curate.cli.model_options import model_options
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate tokens runs/support --model models/SmolLM2-135M-Instruct
  curate tokens runs/support --model models/Qwen3-8B --template-args '{"enable_thinking": false}'
  curate tokens runs/support --model models/Qwen3-8B --turns each       one row for each answer
  curate tokens runs/support --model M --max-length 2048 --too-long cut
  curate tokens runs/support --model M --strict                         for CI: exit code 1 if a row is rejected
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@model_options(required=True)
@click.option(
    "--turns",
    type=click.Choice(["all", "last", "each"]),
    help="Which answers are trained: all of a row, its last one, or each in a row of its own, with the history as "
    "inference gives it.  [default: all]",
)
@click.option(
    "--max-length", type=click.IntRange(min=1), metavar="N", help="The longest row, in tokens.  [default: any]"
)
@click.option(
    "--too-long",
    type=click.Choice(["drop", "cut", "error"]),
    help="Leave longer rows out and list them; or cut them behind the last answer that fits with its stop token, and "
    "leave out those where none does; or write nothing.  [default: drop]",
)
@click.option("-o", "--output", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row is rejected.")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def tokens(
    target: tuple[str, ...],
    model: str,
    offline: bool | None,
    output: str | None,
    strict: bool,
    force: bool,
    **settings: Any,
) -> int:
    """Turn the rows of each split into token ids, and mark which of them are learned: each answer and its stop token.

    Every row is rendered by the model's own chat template and verified: its ids begin with those of the inference
    prompt, and the trained ones spell the answer and the stop token. A row that cannot be verified is not guessed but
    listed in tokens/rejected.jsonl with its reason. Preference data are converted first (curate convert --use chosen).
    """
    from curate.cli.chain import make_with_earlier, opened
    from curate.run.data import kept_name
    from curate.steps.tokens import model_of
    from curate.template.source import find

    find(model, offline=bool(offline))  # before anything is made: what it fetches, the steps then find in the cache
    run = opened(target, output)
    given = {key: value for key, value in settings.items() if value is not None}
    if template := given.get("chat_template"):
        given["chat_template"] = kept_name(run, template)
    make_with_earlier(run, "tokens", {"model": model_of(run, model), **given}, force)
    say_rejected(run)
    facts = json.loads((run / "tokens" / "tokens.json").read_bytes())
    if not facts["rows"]["train"]:
        raise CurateError(f"{run / 'tokens'}: no row is left to train on; the reasons are in rejected.jsonl")
    click.echo(f"\n  {run / 'tokens'}\n\n  curate train {run.folder} --model {model}")
    return 1 if strict and facts["rejected"] else 0


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
