"""`curate export`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  curate export runs/support --to merged               a model of its own, and how far it is from the one trained
  curate export runs/support --to merged --dtype fp32  twice as large, and exact
  curate export runs/support --to gguf --type q8_0     for llama.cpp, with its answers compared
  curate export runs/support --to ollama               the same with a Modelfile
  curate export runs/support --to vllm                 the adapter, looked at for what vLLM and SGLang refuse
  curate export runs/support --to openai               the cleaned rows for OpenAI's fine-tuning
  curate export runs/support --to merged --adapter both
  curate export runs/support --to axolotl              a config with the same settings, and the same tokens
"""
FORMS = ("merged", "gguf", "ollama", "vllm", "openai", "axolotl", "llama-factory")


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN")
@click.option("--to", "form", type=click.Choice(FORMS), required=True, help="The form to write, into RUN/export-FORM.")
@click.option("--adapter", metavar="DIR", help="Another adapter of the same base, as one that was combined.")
@click.option(
    "--base",
    type=click.Choice(["nf4", "bf16"]),
    help="merged, gguf, ollama: the weights to merge into.  [default: those that were trained on]",
)
@click.option(
    "--dtype",
    type=click.Choice(["fp16", "bf16", "fp32"]),
    help="merged: of its weights; bf16 loses part of the adapter.  [default: fp16]",
)
@click.option("--type", type=click.Choice(["q8_0", "f16", "bf16", "f32"]), help="gguf, ollama: of its weights.  [q8_0]")
@click.option("--converter", metavar="COMMAND", help="gguf, ollama: convert_hf_to_gguf.py of a llama.cpp checkout.")
@click.option("--force", is_flag=True, help="Write it again, over what is there.")
def export(target: str, form: str, force: bool, **given: Any) -> int:
    """Write what a run trained in the form in which it is served, and compare that with the model as trained.

    The adapter is never merged into 4-bit weights: rounding them again loses most of it.
    """
    from pathlib import Path

    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate.run import Run, make, why_stale
    from curate.run.data import as_seen_from
    from curate_train.export.step import SETTINGS, steps

    known = SETTINGS.get(form, ())
    if foreign := [key for key, value in given.items() if value is not None and key not in known]:
        raise CurateError(f"--{foreign[0]} says nothing about --to {form}")
    run = Run.open(Path(target))
    if given["adapter"] is not None:
        given["adapter"] = as_seen_from(run, [given["adapter"]])[0]
    step, config = steps()[form], {key: given[key] for key in known}
    record = run.record(step.name)
    if record and not force and not why_stale(run, step, config):
        said = f"{record['said']}\n(up to date)"
    else:
        said = make(run, step, config, force=force)
    for line in said.split("\n"):
        click.echo(safe(line))
    click.echo(f"\n  {run / step.name}")
    return 0
