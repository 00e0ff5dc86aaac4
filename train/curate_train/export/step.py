"""The steps `export-FORM`: what was trained in, a folder RUN/export-FORM out, with what it was compared with."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.api import read
from curate.errors import CurateError
from curate.formats.tools import dump_json
from curate.run import Run, Step
from curate_train.export.trained import Trained, copy_tokenizer, read_trained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate_train.export.agreement import Agreement

Config = dict[str, Any]

SUMMARY = "export.json"
GGUF = "model.gguf"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes")
MOST_DRIFT = 0.01  # of the positions with another likeliest token: over it a warning is due


@dataclass
class Made:
    """What a form's maker found out: `said` for people, `facts` for export.json, and what a person should know."""

    said: str
    facts: dict[str, Any]
    warnings: list[str]


def steps() -> dict[str, Step]:
    """The step of each form."""
    return {form: _step(form, make) for form, make in MAKERS.items()}


def _step(form: str, maker: Callable[[Run, Config, Path], Made]) -> Step:
    return Step(
        name=f"export-{form}",
        reads=partial(_reads, form),
        writes=(f"export-{form}",),
        make=partial(_make, form, maker),
        command=partial(_command, form),
        after="split" if form == "openai" else "train",
        libraries=() if form == "openai" else LIBRARIES,
    )


def _reads(form: str, run: Run, config: Config) -> Sequence[Path]:
    if form == "openai":
        return [run / "split" / f"{split}.jsonl" for split in ("train", "val")]
    return [run / "train" / "adapter", run / "train" / "train.json", run / "tokens" / "tokens.json"]


def _command(form: str, run: Run, config: Config) -> str:
    words = ["curate", "export", str(run.folder), "--to", form]
    for key, value in config.items():
        if value is not None:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _make(form: str, maker: Callable[[Run, Config, Path], Made], run: Run, config: Config, out: Path) -> str:
    folder = out / f"export-{form}"
    folder.mkdir()
    made = maker(run, config, folder)
    summary = {"schema": "curate.export/1", "form": form, **made.facts, "warnings": made.warnings}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return "\n".join([f"export: {made.said}", *(f"warning: {line}" for line in made.warnings)])


def _merged(run: Run, config: Config, folder: Path) -> Made:
    from curate_train.export import agreement, merged

    trained = read_trained(run)
    base = config["base"] or trained.merged_into
    rows = agreement.held_out(trained)
    asked = agreement.prompts(rows)
    model = merged.as_trained(trained)
    with merged.measuring(model):
        before = agreement.log_probabilities(model, rows)
    model.eval()
    answers = agreement.greedy(model, asked, trained.stop_token_id)
    del model
    model = merged.merge(trained, base)
    merged.stops_at(model, trained.stop_token_id)
    merged.save(model, folder)
    copy_tokenizer(trained, folder)
    del model
    model = merged.saved(folder)
    drift = agreement.drift(rows, before, agreement.log_probabilities(model, rows))
    text = _decoder(trained)
    agreed = agreement.agreement(
        [text(ids) for ids in asked],
        [text(ids) for ids in answers],
        [text(ids) for ids in agreement.greedy(model, asked, trained.stop_token_id)],
    )
    warnings = []
    if drift.flips > MOST_DRIFT:
        why = (
            "the adapter was trained on the 4-bit base; --base nf4 merges into that"
            if base != trained.quant and trained.quant == "nf4"
            else "measure the merged model before it is used: curate evaluate"
        )
        warnings.append(f"another likeliest token at {drift.flips:.1%} of the positions than as trained: {why}")
    said = (
        f"merged into the {'4-bit base, written out in bf16' if base == 'nf4' else 'bf16 base'}; KL "
        f"{drift.kl:.4f} and {drift.flips:.1%} other tokens than as trained, over {drift.tokens:,} positions of "
        f"{drift.rows} rows; {_agreed(agreed)}"
    )
    return Made(said, {"base": base, "drift": drift._asdict(), "agreement": agreed._asdict()}, warnings)


def _gguf(run: Run, config: Config, folder: Path) -> Made:
    return _converted(read_trained(run), config, folder)


def _converted(trained: Trained, config: Config, folder: Path) -> Made:
    from curate_train.export import agreement, gguf, merged

    command = gguf.converter(config["converter"])
    kind = config["type"] or gguf.TYPES[0]
    base = config["base"] or trained.merged_into
    rows = agreement.held_out(trained)
    asked, text = agreement.prompts(rows), _decoder(trained)
    with tempfile.TemporaryDirectory(prefix=".merged-", dir=folder.parent) as scratch:
        model = merged.merge(trained, base)
        merged.save(model, Path(scratch))
        copy_tokenizer(trained, Path(scratch))
        del model
        gguf.to_gguf(Path(scratch), folder / GGUF, kind, command)
    facts: dict[str, Any] = {"base": base, "type": kind, "bytes": (folder / GGUF).stat().st_size}
    said = f"{GGUF}, {kind}, {facts['bytes'] / 1e6:,.0f} MB"
    if not gguf.can_run():
        return Made(
            said, facts | {"agreement": None}, [f"not tried out: nothing here runs it (pip install {gguf.RUNNER})"]
        )
    model = merged.as_trained(trained)
    answers = [text(ids) for ids in agreement.greedy(model, asked, trained.stop_token_id)]
    del model
    given = gguf.answers(folder / GGUF, asked, trained.stop_token)
    agreed = agreement.agreement([text(ids) for ids in asked], answers, given)
    return Made(f"{said}; {_agreed(agreed)}", facts | {"agreement": agreed._asdict()}, [])


def _ollama(run: Run, config: Config, folder: Path) -> Made:
    from curate_train.export import ollama

    trained = read_trained(run)
    made = _converted(trained, config, folder)
    context = trained.shape.get("max_position_embeddings")
    text = ollama.modelfile(GGUF, [trained.stop_token], context)
    (folder / ollama.MODELFILE).write_text(text, encoding="utf-8")
    return Made(
        f"{ollama.MODELFILE} and {made.said}; ollama create NAME -f {ollama.MODELFILE}", made.facts, made.warnings
    )


def _vllm(run: Run, config: Config, folder: Path) -> Made:
    from safetensors import safe_open

    from curate_train.export import serving

    trained = read_trained(run)
    with safe_open(trained.adapter / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
    found = serving.problems(trained.config, names)
    if fatal := [one.message for one in found if one.is_fatal]:
        raise CurateError(f"{trained.adapter}: vLLM and SGLang cannot serve it: {'; '.join(fatal)}")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(trained.adapter / file, folder / file)
    rank = serving.limit(serving.highest_rank(trained.config))
    commands = {
        "vllm": f"vllm serve {shlex.quote(str(trained.base))} --enable-lora --max-lora-rank {rank} "
        f"--lora-modules tuned={shlex.quote(str(run / 'export-vllm'))}",
        "sglang": f"python -m sglang.launch_server --model-path {shlex.quote(str(trained.base))} --enable-lora "
        f"--max-lora-rank {rank} --lora-paths tuned={shlex.quote(str(run / 'export-vllm'))}",
    }
    return Made(
        f"an adapter of rank {rank} for vLLM and SGLang; {commands['vllm']}",
        {"commands": commands},
        [one.message for one in found],
    )


def _openai(run: Run, config: Config, folder: Path) -> Made:
    from curate_train.export import openai

    counts: dict[str, int] = {}
    left_out: list[dict[str, Any]] = []
    for split, name in (("train", "train.jsonl"), ("val", "validation.jsonl")):
        counts[name] = 0
        with (folder / name).open("wb") as file:
            source = run / "split" / f"{split}.jsonl"
            for sample in map(openai.with_call_ids, read(str(source)) if source.stat().st_size else ()):
                if found := list(openai.faults(sample)):
                    left_out.append({"split": split, "line": sample.line, "sample_id": sample.id, "why": found})
                    continue
                file.write(dump_json(openai.as_row(sample)).encode() + b"\n")
                counts[name] += 1
    if not counts["train.jsonl"]:
        why = f": line {left_out[0]['line']} of train {left_out[0]['why'][0]}" if left_out else ""
        raise CurateError(f"{run / 'split'}: no row can be written for OpenAI{why}")
    warnings = []
    if counts["train.jsonl"] < openai.LEAST_ROWS:
        warnings.append(f"{counts['train.jsonl']} rows to train on, and the API wants {openai.LEAST_ROWS} at least")
    if left_out:
        first = left_out[0]
        warnings.append(
            f"{len(left_out):,} rows left out, as {SUMMARY} lists; the first: split/{first['split']}.jsonl:"
            f"{first['line']} {first['why'][0]}"
        )
    return Made(
        ", ".join(f"{rows:,} rows in {name}" for name, rows in counts.items()),
        {"rows": counts, "left_out": left_out},
        warnings,
    )


def _agreed(agreed: Agreement) -> str:
    return f"{agreed.equal} of {agreed.prompts} greedy answers equal"


def _decoder(trained: Trained) -> Callable[[Sequence[int]], str]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(trained.base / "tokenizer.json"))
    return lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False)


MAKERS = {"merged": _merged, "gguf": _gguf, "ollama": _ollama, "vllm": _vllm, "openai": _openai}
SETTINGS = {"merged": ("base",), "gguf": ("base", "type", "converter"), "ollama": ("base", "type", "converter")}
