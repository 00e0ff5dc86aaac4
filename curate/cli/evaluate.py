"""`curate evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.cli.finite import Finite

if TYPE_CHECKING:
    from curate.run import Run

EPILOG = """\b
Examples:
  curate evaluate runs/support                     the adapter against prompting, on split/test.jsonl
  curate evaluate runs/support --docs manuals/     and against retrieval over documents
  curate evaluate runs/support --shots 3           three examples before a question, not chosen on validation rows
  curate evaluate runs/support --batch-size 32     faster where there is memory for it
  curate evaluate runs/support --bigger http://localhost:8000/v1#Qwen/Qwen3-32B    against a big model, prompted
  curate evaluate runs/support --tasks gsm8k,mine.yaml --task-limit 200
                                                   and what it forgot, on tasks of lm-eval
  curate evaluate runs/support --folds             every row, each by an adapter that never saw it
  curate evaluate runs/support --seeds 3           of fine-tuning and not of one adapter: trains two more
  curate evaluate runs/support --gpu-hour 2 --price-in 0.5 --price-out 1.5    when the training has paid
"""

PRICE = Finite(min=0)


@click.command(epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows answered at once, in both arms.  [default: 8]")
@click.option("--shots", type=click.IntRange(min=0), help="Training examples in the few-shot arms.  [default: by val]")
@click.option("--docs", type=click.Path(path_type=Path), help="Folder of text files to retrieve passages from.")
@click.option("--passages", type=click.IntRange(min=1), help="Passages before a question, with --docs.  [default: 3]")
@click.option("--prompt", type=click.Path(path_type=Path), help="File with a system prompt for the base model.")
@click.option(
    "--bigger", multiple=True, metavar="URL#MODEL", help="Also ask this model, behind an OpenAI-compatible endpoint."
)
@click.option(
    "--unquantised/--no-unquantised",
    default=None,
    help="Prompt the base model in bf16 too, where it was trained in 4 bits.  [default: where it fits]",
)
@click.option("--adapter", type=click.Path(path_type=Path), help="Another adapter, of the same base.")
@click.option(
    "--max-new-tokens", type=click.IntRange(min=1), help="Cut answers there.  [default: beyond all references]"
)
@click.option("--generic", type=click.Path(path_type=Path), help="Text to measure forgetting on.  [default: our own]")
@click.option(
    "--tasks", multiple=True, metavar="NAME,...", help="Tasks of lm-eval before and after: names, YAML files, folders."
)
@click.option("--task-limit", type=click.IntRange(min=1), help="Examples of each task.  [default: all]")
@click.option("--metric", help="The metric that the verdict rests on.  [default: chosen from the training answers]")
@click.option(
    "--margin", type=Finite(min=0, min_open=True), help="Smallest gain that matters, in points.  [default: 2]"
)
@click.option("--seed", type=click.IntRange(min=0), help="Of all that is drawn: examples, rows, flips.  [default: 0]")
@click.option("--folds", is_flag=True, help="Train and score each fold of `curate split --folds`, and pool the scores.")
@click.option("--seeds", type=click.IntRange(min=2), metavar="K", help="Train with K seeds, and pool the scores.")
@click.option("--bertscore", type=click.Path(path_type=Path), metavar="DIR", help="An encoder, for BERTScore too.")
@click.option("--gpu-hour", type=PRICE, help="What an hour of the machine costs that serves the fine-tuned model.")
@click.option("--price-in", type=PRICE, help="What a million prompt tokens of a prompted model cost, with --gpu-hour.")
@click.option("--price-out", type=PRICE, help="What a million tokens cost that it writes.")
@click.option("--fail-if-worse", is_flag=True, help="Exit with 1 where a baseline is better.")
@click.option("--force", is_flag=True, help="Make it again, over files that were edited too.")
def evaluate(run: Path, folds: bool, seeds: int | None, force: bool, fail_if_worse: bool, **given: Any) -> int:
    """Have the adapter of RUN answer the held-out rows, and the base model with several prompts, and compare them.

    The base model is asked plainly, with a few training examples, with those nearest to the question, and with passages
    of --docs; as it was trained on, and in bf16. How many examples, and whether the prompt describes the form of the
    answer, is chosen on validation rows.
    Metric, margin and arms are written to run.json before the first test row is answered. A run that was stopped goes
    on where it was: no prompt is answered twice. Steps of RUN that are out of date are made first.

    With --bigger the held-out rows, and training rows as examples, are sent to that address. Its key is read from the
    environment, where it stays: CURATE_API_KEY, or OPENAI_API_KEY for api.openai.com alone.

    With --folds every row is held out once: each fold gets an adapter of its own, trained on the other folds with the
    settings of RUN, in RUN/folds/1 and so on; the scores of all are in RUN/evaluate-folds.

    With --seeds the settings of RUN are trained with further seeds, in RUN/seeds/1 and so on, and answer the same rows;
    from 3 seeds on the verdict in RUN/evaluate-seeds speaks of fine-tuning on these data and not of one adapter.
    """
    # Both before torch is imported. Threads that wait actively are slow on shared cores; the step says how far it is.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TQDM_DISABLE", "1")
    from curate.cli.chain import make_with_earlier
    from curate.errors import CurateError
    from curate.run import Run
    from curate.run.data import as_seen_from, kept_name
    from curate_evaluate.outputs import EVALUATION, read_scores
    from curate_evaluate.prices import prices_of

    opened = Run.open(run)
    for name in ("docs", "prompt", "adapter", "generic", "bertscore"):
        if given[name] is not None:
            given[name] = as_seen_from(opened, [str(given[name])])[0]
    given["bigger"] = named(given["bigger"])
    names = [name for words in given["tasks"] for name in words.split(",") if name]
    given["tasks"] = [kept_name(opened, name) for name in names] or None
    settings = {key: value for key, value in given.items() if value is not None}
    prices_of(settings)
    if folds and seeds:
        raise CurateError("--folds and --seeds: one at a time")
    if seeds:
        return _over_seeds(opened, seeds, settings, force, fail_if_worse)
    if folds:
        return _of_folds(opened, settings, force, fail_if_worse)
    make_with_earlier(opened, "evaluate", settings, force)
    click.echo(f"\n  curate report {run}")
    scores = read_scores(opened / EVALUATION)
    return int(fail_if_worse and scores["verdict"]["verdict"] == "worse")


def named(bigger: tuple[str, ...]) -> list[str] | None:
    """The models as the run folder names them; None without any.

    Raises:
        CurateError: a word that is no URL#MODEL.
    """
    if not bigger:
        return None
    from curate_evaluate.answering.endpoint import Address

    return [str(Address.parse(word)) for word in bigger]


def _of_folds(run: Run, settings: dict[str, Any], force: bool, fail_if_worse: bool) -> int:
    from curate.cli.chain import say
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate_evaluate.several.folds import FOLDER, evaluate_folds
    from curate_evaluate.several.pool import said

    if force:
        raise CurateError(f"--force is for one run; name the fold: curate evaluate {run / 'folds/1'} --force")
    found = evaluate_folds(run, settings, say)
    click.echo("\n".join([*map(safe, said(found).split("\n")), "", f"  {run / FOLDER}"]))
    return int(fail_if_worse and found["verdict"]["verdict"] == "worse")


def _over_seeds(run: Run, count: int, settings: dict[str, Any], force: bool, fail_if_worse: bool) -> int:
    from curate.cli.chain import say
    from curate.errors import CurateError
    from curate.report.safe import safe
    from curate_evaluate.several.pool_seeds import said
    from curate_evaluate.several.seeds import FOLDER, evaluate_seeds, plans_of

    if force:
        raise CurateError(f"--force is for one run; name the seed: curate evaluate {run / 'seeds/1'} --force")
    found = evaluate_seeds(run, count, settings, say)
    click.echo("\n".join([*map(safe, said(found, plans_of(run)).split("\n")), "", f"  {run / FOLDER}"]))
    return int(fail_if_worse and found["verdict"]["verdict"] == "worse")
