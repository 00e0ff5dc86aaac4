"""`curate train`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  curate train runs/data --model ./SmolLM2-135M-Instruct
  curate train data.jsonl --model ./Qwen3-0.6B --epochs 2 --rank 32       all steps before it too
  curate train runs/data --model ./SmolLM2-135M-Instruct --recipe quick   a few minutes without a GPU
  curate train runs/data --seed 1 --force                                 again, over the adapter that is there
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--model", metavar="DIR", help="A model folder.  [default: the one that the tokens were made for]")
@click.option("--run", "folder", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@click.option("--recipe", metavar="NAME", help="Settings by name; single flags win over it. quick: 24 small steps.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="Passes over the rows.  [default: 3]")
@click.option("--max-steps", type=click.IntRange(1), help="Stop after so many steps, whatever --epochs says.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="The highest one.  [default: 2e-4]")
@click.option("--rank", type=click.IntRange(1), help="Of the adapter.  [default: 16]")
@click.option("--alpha", type=click.IntRange(1), help="The adapter counts alpha / rank times.  [default: 32]")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="In the adapter.  [default: 0.05]")
@click.option("--batch-size", type=click.IntRange(1), help="Rows at once.  [default: 4]")
@click.option("--accumulate", type=click.IntRange(1), help="Batches to a step.  [default: 4]")
@click.option("--quant", type=click.Choice(["nf4", "none"]), help="Of the base model.  [default: nf4]")
@click.option("--gradient-checkpointing", is_flag=True, default=None, help="Less memory, slower steps.")
@click.option("--seed", type=int, help="Of the adapter's start, the order of the rows and dropout.  [default: 0]")
@click.option("--force", is_flag=True, help="Train again, over the adapter that is there.")
def train(
    target: tuple[str, ...], model: str | None, folder: str | None, recipe: str | None, force: bool, **flags: Any
) -> int:
    """Train a LoRA adapter on the tokens of the training rows, and measure its loss on the validation rows.

    Every row is trained on as it was reviewed: none is cut, packed or left out. Steps before this one that are missing
    or stale are made first. There are no checkpoints yet: an interrupted training starts over.
    """
    from curate.cli.chain import opened, say
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate.run import ensure, make, why_stale
    from curate.run.data import as_seen_from
    from curate.steps import before
    from curate_train.step import STEP, config, refuse_missing_libraries

    refuse_missing_libraries()
    run = opened(target, folder)
    made = run.record("tokens")
    if model is None and made is None:
        raise CurateError(f"{run.folder}: no tokens were made yet, so say for which model: --model DIR")
    name = run.config("tokens")["model"] if model is None else as_seen_from(run, [model])[0]
    wanted = config(run, name, flags, recipe)
    for step, settings in before(run, "train"):
        if step.name == "tokens":
            settings["model"] = name
        if why_stale(run, step, settings):
            ensure(run, [(step, settings)], say)

    record, reasons = run.record("train"), why_stale(run, STEP, wanted)
    if record and not reasons and not force:
        click.echo(safe(f"{record['said']} (up to date)"))
    elif record and (run / "train").exists() and not force:
        raise CurateError(
            f"{run / 'train'}: holds an adapter that would be replaced ({'; '.join(reasons)}); do so with --force"
        )
    else:
        click.echo(safe(make(run, STEP, wanted, force=force, seed=wanted["seed"])))
    click.echo(f"\n  {run / 'train'}")
    return 0
