"""The forms that are models: merged, GGUF, Ollama's, and the adapter for servers."""

from __future__ import annotations

import math
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_train.adapter import BASE
from curate_train.export.made import Made
from curate_train.export.trained import Trained, chat_template, copy_tokenizer, for_converter, read_trained

if TYPE_CHECKING:
    from curate.run import Run
    from curate_train.export.agreement import Agreement, Drift
    from curate_train.export.reference import Reference

Config = dict[str, Any]

GGUF = "model.gguf"
DTYPE = "fp16"
ROUNDED = "bf16 rounds part of the adapter away"
MOST_FLIPS, MOST_KL = 0.01, 0.001  # of a merge: over one of them a warning is due


def merged(run: Run, config: Config, folder: Path) -> Made:
    from curate_train.export import merged
    from curate_train.export.reference import reference

    trained = read_trained(run, config["adapter"])
    base, dtype = config["base"] or trained.merged_into, config["dtype"] or DTYPE
    compared = reference(trained)
    model = merged.merge(trained, base, dtype)
    merged.save(model, folder, trained.stops)
    copy_tokenizer(trained, folder)
    del model
    model = merged.saved(folder)
    as_run = compared.said_by(model)
    agreed = compared.agreement(compared.trained, as_run.answers)
    as_run_drift = compared.drift(compared.trained, as_run)
    cost = compared.cost(as_run.distributions if dtype == "fp32" else compared.distributions_of(model.float()))
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    said = (
        f"merged into the {'4-bit base, written out' if base == 'nf4' else 'bf16 base'}, in {dtype}, "
        f"{size / 1e6:,.0f} MB; {cost.tokens:,} positions of {cost.rows} held-out rows compared\n"
        f"  what merging changes   {_drift(cost)}, both computed in fp32\n"
        f"  as it runs in {dtype}     {_drift(as_run_drift)} than as trained; {_agreed(agreed)}\n"
        f"{_noise(compared)}"
    )
    facts = {
        "base": base,
        "dtype": dtype,
        "bytes": size,
        "merge": cost._asdict(),
        "as_run": as_run_drift._asdict(),
        "agreement": agreed._asdict(),
        **compared.as_json(),
    }
    return Made(said, facts, _warnings(trained, base, dtype, cost))


def gguf(run: Run, config: Config, folder: Path) -> Made:
    return _converted(read_trained(run, config["adapter"]), config, folder)


def _converted(trained: Trained, config: Config, folder: Path) -> Made:
    from curate_train.export import agreement, gguf, merged
    from curate_train.export.reference import reference

    command = gguf.converter(config["converter"])
    kind = config["type"] or gguf.TYPES[0]
    base = config["base"] or trained.merged_into
    with tempfile.TemporaryDirectory(prefix=".merged-", dir=folder.parent) as made:
        scratch = Path(made)
        model = merged.merge(trained, base, gguf.MERGED_IN[kind])
        merged.save(model, scratch, trained.stops)
        copy_tokenizer(trained, scratch)
        for_converter(trained.stop_token, scratch)
        del model
        gguf.to_gguf(scratch, folder / GGUF, kind, command)
        template = chat_template(scratch)
    facts: dict[str, Any] = {"base": base, "type": kind, "bytes": (folder / GGUF).stat().st_size}
    if faults := gguf.carried_over(folder / GGUF, template, trained.stop_token_id):
        raise CurateError(f"{command[-1]}: wrote a file that answers otherwise than trained: {'; '.join(faults)}")
    said = f"{GGUF}, {kind}, {facts['bytes'] / 1e6:,.0f} MB, with the chat template and the stop token of the training"
    if not gguf.can_run():
        return Made(
            said, facts | {"agreement": None}, [f"not tried out: nothing here runs it (pip install {gguf.RUNNER})"]
        )
    compared = reference(trained)
    runner = gguf.Runner(folder / GGUF, max(len(row.ids) for row in compared.rows))
    agreed = compared.agreement(compared.trained, runner.answers(compared.asked, trained.stops))
    likeliest = runner.likeliest(compared.rows)
    flips = {
        "from_exact": agreement.flips(agreement.likeliest(compared.exact.distributions), likeliest),
        "from_trained": agreement.flips(agreement.likeliest(compared.trained.distributions), likeliest),
    }
    said += (
        f"; {compared.noise.tokens:,} positions of {compared.noise.rows} held-out rows compared\n"
        f"  what the form changes  {flips['from_exact']:.1%} other tokens than the adapter in fp32\n"
        f"  as it runs             {flips['from_trained']:.1%} other tokens than as trained; {_agreed(agreed)}\n"
        f"{_noise(compared)}"
    )
    warnings = [_other_base(trained)] if base != trained.merged_into else []
    if kind == "bf16":
        warnings.append(f"{ROUNDED}: --type f16 is as large and keeps it")
    return Made(said, facts | {"flips": flips, "agreement": agreed._asdict(), **compared.as_json()}, warnings)


def ollama(run: Run, config: Config, folder: Path) -> Made:
    from curate_train.export import ollama

    trained = read_trained(run, config["adapter"])
    made = _converted(trained, config, folder)
    context = trained.shape.get("max_position_embeddings")
    text = ollama.modelfile(GGUF, [trained.stop_token], context)
    (folder / ollama.MODELFILE).write_text(text, encoding="utf-8")
    said = f"{ollama.MODELFILE} (ollama create NAME -f {ollama.MODELFILE}) and {made.said}"
    return Made(said, made.facts, made.warnings)


def vllm(run: Run, config: Config, folder: Path) -> Made:
    from safetensors import safe_open

    from curate_train.export import serving

    trained = read_trained(run, config["adapter"])
    with safe_open(trained.adapter / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
    found = serving.problems(trained.config, names)
    if fatal := [one.message for one in found if one.is_fatal]:
        raise CurateError(f"{trained.adapter}: vLLM and SGLang cannot serve it: {'; '.join(fatal)}")
    for file in ("adapter_config.json", "adapter_model.safetensors", BASE):
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


def _warnings(trained: Trained, base: str, dtype: str, cost: Drift) -> list[str]:
    if base != trained.merged_into:
        return [f"{_drift(cost)} than the adapter on its own base: {_other_base(trained)}"]
    if dtype == "bf16":
        return [f"{ROUNDED} ({_drift(cost)}): --dtype {DTYPE} is as large and keeps it"]
    if cost.flips <= MOST_FLIPS and cost.kl <= MOST_KL:
        return []
    finer = "" if dtype == "fp32" else "; --dtype fp32 is exact"
    return [f"merging alone changes {_drift(cost)}{finer}; measure what you serve: curate evaluate"]


def _other_base(trained: Trained) -> str:
    return f"it was trained on the {trained.merged_into} weights, so merge into these: --base {trained.merged_into}"


def _drift(drift: Drift) -> str:
    return f"KL {drift.kl:.5f} and {drift.flips:.1%} other tokens"


def _noise(compared: Reference) -> str:
    return (
        f"  arithmetic alone       {_drift(compared.noise)}, of the same weights in fp32 and not as in training; "
        f"{_agreed(compared.noisy_answers)}"
    )


def _agreed(agreed: Agreement) -> str:
    share = agreed.shared / agreed.tokens if agreed.tokens else 1
    # Downwards: what differs is not all equal.
    whole = math.floor(100 * share)
    return f"{agreed.equal} of {agreed.prompts} greedy answers equal, {whole}% of their tokens before a difference"
