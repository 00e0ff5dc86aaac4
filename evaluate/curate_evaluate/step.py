"""The step evaluate: base and adapter answer the held-out rows, and their scores are compared."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.run import Run, Step, file_hash
from curate_evaluate.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.run.step import Config
    from curate_evaluate.arms import Output
    from curate_evaluate.examples import Example

# An answer may be a little longer than every reference before it is cut: a quarter more, and 16 tokens for the short.
MARGIN_SHARE, MARGIN_TOKENS = 4, 16
NAMED = 5
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "lm_eval", "sacrebleu", "datasets")
# The small files that decide what a model folder is; its weights are known by name and size, as training recorded them.
IDENTITY = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def default_config() -> Config:
    return {"batch_size": 8, "seed": 0}


def reads(run: Run, config: Config) -> Sequence[Path]:
    files = [
        run / name
        for name in (
            "tokens/test.arrow",
            "tokens/tokens.json",
            "train/train.json",
            "train/adapter/adapter_config.json",
            "train/adapter/adapter_model.safetensors",
        )
    ]
    model = run.source(run.config("train")["model"])
    return [*files, *(model / name for name in IDENTITY if (model / name).is_file())]


def command(run: Run, config: Config) -> str:
    flags = [
        f"--{name.replace('_', '-')} {config[name]}"
        for name, default in default_config().items()
        if config[name] != default
    ]
    return " ".join(["curate evaluate", str(run.folder), *flags])


def make(run: Run, config: Config, out: Path) -> str:
    """Write evaluate/examples.jsonl and evaluate/scores.json.

    Raises:
        CurateError: no held-out rows, another base model, or a prompt that is not, id for id, that of the tokens.
    """
    refuse_missing_libraries()
    from curate_evaluate.arms import load, run_arms
    from curate_evaluate.examples import read_examples

    tokens = json.loads((run / "tokens/tokens.json").read_bytes())
    training = json.loads((run / "train/train.json").read_bytes())
    base = run.source(training["model"]["name"])
    refuse_another_base(base, training["model"])
    model, tokenizer = load(base, run / "train/adapter", quant=training["settings"]["quant"]["value"])
    examples, faults = read_examples(run / "tokens/test.arrow", tokenizer, tokens["stop_token"])
    refuse(run, faults, len(examples) + len(faults))
    if not examples:
        raise CurateError(
            f"{run / 'tokens/test.arrow'}: holds no rows, so there is nothing to score; hold out more: "
            f"curate split {run.folder} --test 0.2"
        )
    longest = max(example.answer_length for example in examples)
    decoding = {
        "stop_token_id": tokens["stop_token_id"],
        "batch_size": config["batch_size"],
        "max_new_tokens": longest + longest // MARGIN_SHARE + MARGIN_TOKENS,
    }
    outputs = run_arms(model, tokenizer, examples, **decoding)
    refuse(run, sent_otherwise(examples, outputs), len(examples))

    scores = summary(outputs, seed=config["seed"])
    scores["decoding"] = {"method": "greedy", **decoding}
    scores["prompts"] = {"compared": len(examples) * len(outputs), "equal": len(examples) * len(outputs)}
    (out / "evaluate").mkdir()
    with atomic_write(out / "evaluate/examples.jsonl", mode=0o600) as file:
        for line in example_lines(examples, outputs):
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    with atomic_write(out / "evaluate/scores.json") as file:
        file.write(json.dumps(scores, indent=2).encode() + b"\n")
    return said(scores)


def refuse_missing_libraries() -> None:
    """Raises:
    CurateError: what scoring needs is not installed.
    """
    if missing := [name for name in LIBRARIES if importlib.util.find_spec(name) is None]:
        raise CurateError(
            f'scoring needs {", ".join(missing)}; install what is missing: pip install "curate[train,eval]"'
        )


def refuse_another_base(base: Path, trained: dict[str, Any]) -> None:
    """Refuse a base model other than the one that was trained: adapters load onto the wrong one without a word.

    Raises:
        CurateError: naming the file that differs.
    """
    hashes = {name: file_hash(base / name) for name in trained["sha256"]}
    sizes = {name: (base / name).stat().st_size if (base / name).is_file() else 0 for name in trained["weights"]}
    changed = [name for name in hashes if hashes[name] != trained["sha256"][name]]
    changed += [name for name in sizes if sizes[name] != trained["weights"][name]]
    if changed:
        raise CurateError(
            f"{base}: {', '.join(changed)} is not what the adapter was trained on; restore it or train again"
        )


def refuse(run: Run, faults: Sequence[str], of: int) -> None:
    if faults:
        shown = "; ".join(faults[:NAMED]) + (f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else "")
        raise CurateError(
            f"{run / 'tokens/test.arrow'}: {len(faults):,} of {of:,} prompts are not those of the tokens, so the "
            f"scores would be of another task: {shown}; make the tokens again: curate tokens {run.folder} --force"
        )


def sent_otherwise(examples: Sequence[Example], outputs: dict[str, list[Output]]) -> list[str]:
    """A line for each example whose ids, as an arm's model got them, are not the ids of its prompt in the tokens."""
    return [
        f"line {example.line} ({example.sample_id}): {arm} got {len(output.sent_ids)} other ids"
        for arm, of_arm in outputs.items()
        for example, output in zip(examples, of_arm, strict=True)
        if output.sent_ids != example.prompt_ids
    ]


def summary(outputs: dict[str, list[Output]], *, seed: int) -> dict[str, Any]:
    """The mean scores of each arm, and for each metric the difference of the arms."""
    from curate_evaluate.paired import compare

    by_arm = {
        arm: {name: [output.scores[name] for output in of_arm] for name in METRICS} for arm, of_arm in outputs.items()
    }
    return {
        "n": len(outputs["base"]),
        "arms": {
            arm: {name: sum(values) / len(values) for name, values in scores.items()}
            | {
                "length_stops": sum(output.stopped == "length" for output in outputs[arm]),
                "tokens": sum(output.tokens for output in outputs[arm]),
            }
            for arm, scores in by_arm.items()
        },
        "difference": {
            name: asdict(compare(by_arm["base"][name], by_arm["adapter"][name], seed=seed)) for name in METRICS
        },
    }


def example_lines(examples: Sequence[Example], outputs: dict[str, list[Output]]) -> list[dict[str, Any]]:
    return [
        {
            "sample_id": example.sample_id,
            "arm": arm,
            "line": example.line,
            "prompt": example.prompt,
            "prompt_ids_sha256": example.prompt_sha256,
            "reference": example.answer,
            "output": output.text,
            **output.scores,
            "stopped": output.stopped,
            "tokens": output.tokens,
        }
        for i, example in enumerate(examples)
        for arm, output in ((arm, of_arm[i]) for arm, of_arm in outputs.items())
    ]


def said(scores: dict[str, Any]) -> str:
    base, adapter = scores["arms"]["base"], scores["arms"]["adapter"]
    return (
        f"evaluate: {scores['n']:,} held-out rows, base and adapter: exact match {base['exact_match']:.2f} and "
        f"{adapter['exact_match']:.2f}, chrF {base['chrf']:.1f} and {adapter['chrf']:.1f}; "
        f"{scores['prompts']['equal']:,} prompts sent, each id for id that of the tokens"
    )


STEP = Step(
    name="evaluate",
    reads=reads,
    writes=("evaluate",),
    make=make,
    command=command,
    after="train",
    libraries=LIBRARIES,
)
