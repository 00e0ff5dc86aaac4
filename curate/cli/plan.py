"""`curate plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.cli.finite import Finite
from curate.cli.train import training_options

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate plan --model Llama-3.1-8B/config.json --memory 24      will it fit into 24 GB? No weights are needed
  curate plan runs/support                                      for the model and the rows of a run
  curate plan runs/support --measure                            and how long it takes, from a few real batches
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--model", metavar="M", help="A model folder or a config.json.  [default: the one of RUN's tokens]")
@click.option("--length", type=click.IntRange(1), help="Tokens of the longest row.  [default: as in RUN, else 2048]")
@click.option(
    "--memory",
    type=Finite(0, min_open=True),
    metavar="GB",
    help="Of the GPU to plan for.  [default: what is free here]",
)
@click.option("--measure", is_flag=True, help="Train a few batches to tell how long it takes; needs RUN and weights.")
@training_options
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def plan(
    run: Path | None,
    model: str | None,
    length: int | None,
    memory: float | None,
    measure: bool,
    recipe: str | None,
    config_file: str | None,
    output_format: str,
    **flags: Any,
) -> int:
    """Say what a training takes before anything is downloaded or trained.

    Counts every parameter from config.json alone, says which layers get an adapter and which do not, how much memory
    full fine-tuning, LoRA and QLoRA need, by part, and the smallest difference that the test rows can show.
    """
    from curate.assign import smallest_difference
    from curate.config import section
    from curate.errors import CurateError
    from curate.run import Run
    from curate_train.settings import resolve, settings_of
    from curate_train.step import read_rows, refuse_missing_libraries

    refuse_missing_libraries()
    opened = Run.open(run) if run else None
    if model is None and opened is None:
        raise CurateError("name a model: curate plan --model FOLDER-OR-config.json, or a run whose tokens were made")
    if measure and opened is None:
        raise CurateError("--measure: a run is needed, whose tokens are trained on for a few batches: curate plan RUN")
    source = Path(model) if model else found_model(opened)
    settings = settings_of(resolve(flags, recipe, section("train", config_file)))

    from curate_train import plan as planning

    rows = read_rows(opened, source)[0] if opened else []
    longest = length or max((len(row.ids) for row in rows), default=planning.USUAL_LENGTH)
    made = planning.plan(source, settings, longest, None if memory is None else round(memory * 1e9))
    if opened:
        test = planning.rows_of_run(opened / "tokens")["test"]
        made["training"] = {"rows": len(rows), "steps": settings.steps(len(rows))}
        made["test"] = {
            "rows": test,
            "smallest_difference": {
                str(share): smallest_difference(test, share) for share in planning.DISAGREEMENT if test
            },
        }
    if measure:
        made["time"] = planning.measured_seconds(source, rows, settings)
    click.echo(json.dumps(made, indent=2) if output_format == "json" else text(made))
    return 0


def found_model(run: Run | None) -> Path:
    assert run is not None
    return run.source(run.config("tokens")["model"])


def text(made: dict[str, Any]) -> str:
    counts, audit = made["parameters"], made["audit"]
    share = counts["trainable"] / counts["total"]
    lines = [
        f"{made['model']['source']}   {made['model']['type']}, {counts['base']:,} parameters",
        "",
        f"  trainable {counts['trainable']:,} || all {counts['total']:,} || {share:.2%}",
        f"  adapted      {listed(audit['adapted'])}",
    ]
    lines += [f"  not adapted  {listed(names)}: {reason}" for reason, names in audit["missed"].items()]
    if count := audit["unquantised_expert_parameters"]:
        lines.append(f"  {count:,} parameters of routed experts stay unquantised with NF4")
    parts = ["weights", "adapter", "gradients", "optimizer", "activations", "logits", "workspace", "total"]
    lines += [
        "",
        f"  GB, {made['batch_size']} x {made['length']:,} tokens".ljust(26) + "".join(p.rjust(12) for p in parts),
    ]
    for kind, memory in made["memory"].items():
        lines.append(f"  {kind}".ljust(26) + "".join(f"{memory[part] / 1e9:.2f}".rjust(12) for part in parts))
    lines.append("")
    if training := made.get("training"):
        lines.append(f"  {training['rows']:,} training rows, {training['steps']:,} optimiser steps")
    if time := made.get("time"):
        lines.append(
            f"  {time['tokens_a_second']:,.0f} tokens a second here: about {time['seconds'] / 60:,.0f} minutes"
        )
    if test := made.get("test"):
        said = ", ".join(
            f"{100 * d:.0f} points where {float(s):.0%} of rows differ" for s, d in test["smallest_difference"].items()
        )
        lines.append(f"  {test['rows']:,} test rows can show a difference of {said or 'nothing'}")
    recommended = made["recommendation"]
    lines.append(
        f"  {made['room'] / 1e9:.1f} GB are there: {recommended['kind']} ({recommended['flags']}): {recommended['why']}"
    )
    return "\n".join(lines)


def listed(names: dict[str, int]) -> str:
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in names.items())
