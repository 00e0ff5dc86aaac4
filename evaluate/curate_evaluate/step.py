"""The step evaluate: every arm answers the held-out rows, and the fine-tuned one is compared with each baseline."""

from __future__ import annotations

import json
import shlex
from contextlib import closing
from typing import TYPE_CHECKING, Any

from curate.errors import need
from curate.run import Run, Step, flag_words
from curate_evaluate.outputs import EVALUATION, write_outputs
from curate_train.adapter import IDENTITY, adapter_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.run.step import Config
    from curate_evaluate.arms import Case
    from curate_evaluate.scoring import Scored

SCHEMA = "curate.evaluate/1"
LIBRARIES = (
    *("torch", "transformers", "peft", "bitsandbytes", "lm_eval", "datasets"),
    *("sacrebleu", "rouge_score", "bm25s", "scipy"),
)
SPLITS = (("split", "jsonl"), ("tokens", "arrow"))


def default_config() -> Config:
    """`shots`: examples before a question (None: chosen on validation rows). `metric`: the primary one (None: chosen
    from the training answers). `margin`: the smallest difference that matters, in points. `docs`: a folder to retrieve
    `passages` from. `prompt`: a file with a system prompt for the base model. `unquantised`: whether the base model is
    prompted in bf16 too, where it was trained quantised. `adapter`: another one than the run's. `max_new_tokens`: where
    an answer is cut (None: a little beyond the longest reference). `generic`: a text file to measure forgetting on, in
    place of our own. `tasks`: of lm-eval, by name or path, `task_limit` examples each (None: all).
    `bigger`: other models to ask, as URL#MODEL, each behind an OpenAI-compatible endpoint. `bertscore`: the folder of
    an encoder for that metric. `gpu_hour`, `price_in`, `price_out`: see `curate_evaluate.prices`."""
    return {
        "batch_size": 8,
        "seed": 0,
        "shots": None,
        "metric": None,
        "margin": 2.0,
        "docs": None,
        "passages": 3,
        "prompt": None,
        "unquantised": True,
        "adapter": None,
        "max_new_tokens": None,
        "generic": None,
        "tasks": [],
        "task_limit": None,
        "bigger": [],
        "bertscore": None,
        "gpu_hour": None,
        "price_in": None,
        "price_out": None,
    }


def reads(run: Run, config: Config) -> Sequence[Path]:
    files = [
        run / name
        for name in (
            # The training rows too: the prompts of the base model hold examples of them.
            *(f"{folder}/{split}.{kind}" for folder, kind in SPLITS for split in ("train", "val", "test")),
            "tokens/tokens.json",
            "train/train.json",
        )
    ]
    adapter = adapter_of(run, config.get("adapter"))
    files += [adapter / name for name in ("adapter_config.json", "adapter_model.safetensors")]
    model = run.source(run.config("train")["model"])
    given = [run.source(config[key]) for key in ("docs", "prompt", "generic") if config.get(key)]
    given += [path for spec in config.get("tasks", ()) if (path := run.source(spec)).exists()]
    if config.get("bertscore"):
        given += [run.source(config["bertscore"]) / name for name in ("config.json", "tokenizer.json")]
    return [*files, *(model / name for name in IDENTITY if (model / name).is_file()), *given]


def command(run: Run, config: Config) -> str:
    flags: list[str] = []
    for name, default in default_config().items():
        if (value := config.get(name, default)) != default:
            flags += flag_words(name, value)
    return shlex.join(["curate", "evaluate", str(run.folder), *flags])


def make(run: Run, config: Config, out: Path) -> str:
    """Write evaluate/examples.jsonl and evaluate/scores.json; answers are kept in answers.jsonl as they come.

    Raises:
        CurateError: no held-out rows, another base model, a prompt that is not, id for id, that of the tokens.
    """
    refuse_missing_libraries()
    from curate_evaluate.answering.render import model_of
    from curate_evaluate.evaluation import Evaluation

    training = json.loads((run / "train/train.json").read_bytes())
    base = run.source(training["model"]["name"])
    with closing(model_of(run)) as model:
        found = Evaluation(run, config, model, base, adapter_of(run, config.get("adapter")), training).run()
    scores = {"schema": SCHEMA, **found.facts}
    write_outputs(out / EVALUATION, scores, example_lines(found.cases, found.prompts, found.scored))
    return said(scores, str(run.folder))


def refuse_missing_libraries() -> None:
    """Raises:
    CurateError: what scoring needs is not installed.
    """
    need(LIBRARIES, "scoring needs", "train,eval")


def example_lines(
    cases: Sequence[Case], prompts: Mapping[str, Sequence[str]], scored: Sequence[Scored]
) -> list[dict[str, Any]]:
    """One line an example and arm; `sent` is the arm's prompt where it is not the one of training."""
    return [
        {
            "sample_id": case.sample_id,
            "arm": of.arm.name,
            "line": case.line,
            "prompt": case.prompt,
            "prompt_ids_sha256": case.prompt_sha256,
            **({"sent": sent} if (sent := prompts[of.arm.name][i]) != case.prompt else {}),
            "reference": case.reference,
            "output": of.answers[i].text,
            **{name: values[i] for name, values in of.scores.items()},
            "stopped": of.answers[i].stopped,
            "tokens": of.answers[i].tokens,
        }
        for i, case in enumerate(cases)
        for of in scored
    ]


def said(scores: Mapping[str, Any], run: str) -> str:
    from curate_evaluate.report.words import headline

    prompts = scores["prompts"]
    sent = f"{prompts['equal']:,} prompts sent, each id for id as it was made"
    if prompts["as_messages"]:
        sent += f"; {prompts['as_messages']:,} as messages, which a service put into a template of its own"
    return f"evaluate: {headline(scores, shlex.quote(run))} {sent}"


STEP = Step(
    name="evaluate",
    reads=reads,
    writes=(EVALUATION,),
    make=make,
    command=command,
    after="train",
    libraries=LIBRARIES,
)
