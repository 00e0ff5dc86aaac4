"""`curate train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.run import Run

EPILOG = """\b
Examples:
  curate train runs/data --model ./SmolLM2-135M-Instruct
  curate train data.jsonl --model ./Qwen3-0.6B --epochs 2 --rank 32       all steps before it too
  curate train runs/data --model ./SmolLM2-135M-Instruct --recipe quick   a few minutes without a GPU
  curate train runs/data --recipe dora                                    or pissa, loraplus, adalora, high-rank, lora
  curate train runs/data --init pissa --quant none --alpha 16             a variant by its flags
  curate train runs/data --sweep lr=1e-4,2e-4,5e-4                        the best by validation loss
  curate train runs/data --resume                                         go on after an interruption
  curate train runs/data --seed 1 --force                                 again, over the adapter that is there

\b
Settings come from flags, then the table [train] of curate.toml, then --recipe, then the recipe default.
"""

POSITIVE = click.FloatRange(0, min_open=True)
SHARE = click.FloatRange(0, 1, max_open=True)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The settings of a training; those that are not given are None."""
    options = [
        click.option(
            "--recipe",
            metavar="NAME",
            help="Settings by name: adalora, alpha-r, dora, high-rank, lora, loraplus, pissa, quick (24 small steps), "
            "small-data.  [default: default]",
        ),
        click.option("--epochs", type=POSITIVE, help="Passes over the rows.  [default: 3]"),
        click.option("--max-steps", type=click.IntRange(1), help="Stop after so many steps, whatever --epochs says."),
        click.option("--learning-rate", "--lr", type=POSITIVE, help="The highest one.  [default: 2e-4]"),
        click.option("--schedule", type=click.Choice(["cosine", "linear", "constant"]), help="[default: cosine]"),
        click.option("--warmup", type=SHARE, help="The share of steps with a rising rate.  [default: 0.05]"),
        click.option("--weight-decay", type=click.FloatRange(0), help="[default: 0]"),
        click.option("--max-grad-norm", type=POSITIVE, help="Larger gradients are cut to it.  [default: 1]"),
        click.option("--rank", type=click.IntRange(1), help="Of the adapter.  [default: 16]"),
        click.option("--alpha", type=click.IntRange(1), help="The adapter counts alpha / rank times.  [default: 32]"),
        click.option("--dropout", type=SHARE, help="In the adapter.  [default: 0.05]"),
        click.option("--rslora/--no-rslora", default=None, help="The adapter counts alpha / sqrt(rank) times."),
        click.option("--dora/--no-dora", default=None, help="Learn weights' lengths apart from directions."),
        click.option(
            "--init",
            type=click.Choice(["kaiming", "pissa"]),
            help="What the adapter starts from: nothing, or the largest singular values of the base (PiSSA; with "
            "--quant none).  [default: kaiming]",
        ),
        click.option(
            "--loraplus-ratio",
            type=click.FloatRange(1),
            help="LoRA+: how many times as fast the half of the adapter learns that starts at zero; usually 16.",
        ),
        click.option(
            "--adalora/--no-adalora",
            default=None,
            help="AdaLoRA: --rank is a mean, and the layers that matter most get more of it.",
        ),
        click.option(
            "--train-router/--no-train-router",
            default=None,
            help="Adapt the routers of a mixture of experts too. Off, as few rows teach it to miss the right experts.",
        ),
        click.option("--quant", type=click.Choice(["nf4", "none"]), help="Of the base model.  [default: nf4]"),
        click.option("--dtype", type=click.Choice(["bf16", "fp32"]), help="What is computed in.  [default: bf16]"),
        click.option("--batch-size", type=click.IntRange(1), help="Rows at once.  [default: 4]"),
        click.option(
            "--accumulate",
            type=click.IntRange(1),
            help="Batches to a step.  [default: as many as make 16 rows a step, 8 below 1,000 rows]",
        ),
        click.option("--gradient-checkpointing/--no-gradient-checkpointing", default=None, help="Less memory, slower."),
        click.option(
            "--group-by-length/--no-group-by-length", default=None, help="Rows of like length at once.  [default: on]"
        ),
        click.option(
            "--packing/--no-packing",
            default=None,
            help="The rows of a batch end to end instead of padded, kept apart by their positions.  [default: off]",
        ),
        click.option(
            "--save-steps",
            type=click.IntRange(1),
            help="Validate and save each so many steps, beside each epoch.  [default: a tenth of all]",
        ),
        click.option("--patience", type=click.IntRange(1), help="Stop after so many without a gain.  [default: 3]"),
        click.option("--seed", type=int, help="Of the adapter's start, the rows' order and dropout.  [default: 0]"),
        click.option(
            "--engine",
            type=click.Choice(["curate", "trl", "unsloth"]),
            help="What trains, on the same rows: curate itself, TRL's SFTTrainer, or itself on a base of Unsloth (GPU)."
            "  [default: curate]",
        ),
        click.option("--config", "config_file", metavar="FILE", help="Instead of the nearest curate.toml."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--model", metavar="DIR", help="A model folder.  [default: the one that the tokens were made for]")
@click.option("--run", "folder", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@training_options
@click.option("--sweep", multiple=True, metavar="NAME=A,B", help="Train with each value, keep the best by validation.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted training, with its settings.")
@click.option("--force", is_flag=True, help="Train again, over the adapter or the checkpoints that are there.")
def train(
    target: tuple[str, ...],
    model: str | None,
    folder: str | None,
    recipe: str | None,
    config_file: str | None,
    sweep: tuple[str, ...],
    resume: bool,
    force: bool,
    **flags: Any,
) -> int:
    """Train a LoRA adapter on the tokens of the training rows, and measure its loss on the validation rows.

    Every row is trained on as it was reviewed: none is cut or left out. Steps before this one that are missing or stale
    are made first. The adapter with the lowest validation loss is kept. Checkpoints are in RUN/checkpoints until it is
    done: whatever interrupts it, --resume goes on, to the same adapter. An adapter that is there is only replaced with
    --force, by this and by every other command.
    """
    from curate.cli.chain import opened, say
    from curate.config import section
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate.run import ensure, make, why_stale
    from curate.run.data import as_seen_from
    from curate.steps import before
    from curate_train.running import alone
    from curate_train.step import STEP, clear, config, interrupted, refuse_missing_libraries, settings_lines
    from curate_train.sweep import parse

    refuse_missing_libraries()
    run = opened(target, folder)
    click.get_current_context().with_resource(alone(run))
    if resume:
        return go_on(run, {**flags, "model": model, "recipe": recipe, "sweep": sweep or None})
    made = run.record("tokens")
    if model is None and made is None:
        raise CurateError(f"{run.folder}: no tokens were made yet, so say for which model: --model DIR")
    name = run.config("tokens")["model"] if model is None else as_seen_from(run, [model])[0]
    wanted = config(run, name, flags, recipe, section("train", config_file), parse(sweep))
    if interrupted(run) and not force:
        raise CurateError(
            f"{run / 'checkpoints'}: a training was interrupted; go on with it: curate train {run.folder} --resume; "
            "or give it up and start over: --force"
        )
    for step, settings in before(run, "train"):
        if step.name == "tokens":
            settings["model"] = name
        ensure(run, [(step, settings)], say)

    record, reasons = run.record("train"), why_stale(run, STEP, wanted)
    if record and not reasons and not force:
        click.echo(safe(f"{record['said']} (up to date)"))
    else:
        if not record or force:
            clear(run)
            for line in settings_lines(wanted):
                say(line)
        click.echo(safe(make(run, STEP, wanted, force=force, seed=wanted["seed"])))
        finish(run)
    click.echo(f"\n  {run / 'train'}")
    return 0


def go_on(run: Run, given: dict[str, Any]) -> int:
    """Go on with the training that was interrupted.

    Raises:
        CurateError: there is none, or settings were given, which it has already.
    """
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate.run import make
    from curate_train.step import STEP, interrupted

    wanted = interrupted(run)
    if wanted is None:
        raise CurateError(f"{run.folder}: no training was interrupted; start one: curate train {run.folder}")
    if extra := [f"--{key.replace('_', '-')}" for key, value in given.items() if value is not None]:
        raise CurateError(f"--resume goes on with the settings it was started with; leave out {', '.join(extra)}")
    click.echo(safe(make(run, STEP, wanted, force=True, seed=wanted["seed"])))
    finish(run)
    click.echo(f"\n  {run / 'train'}")
    return 0


def finish(run: Run) -> None:
    """Say what the curves mean, and let go of the checkpoints, as train/ is whole now."""
    import json

    from curate.cli.chain import say
    from curate_train.step import clear

    for line in json.loads((run / "train/train.json").read_bytes())["advice"]:
        say(f"  {line}")
    clear(run)
