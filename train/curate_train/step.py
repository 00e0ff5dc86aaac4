"""The step `train`: tokens/ in, train/ out."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError, need
from curate.run import Run, Step, file_hash, flag_words
from curate.run.step import name_of
from curate_train import checkpoint
from curate_train.adapter import IDENTITY, identity, text_shape, weight_files, write_base
from curate_train.engines.engine import refuse
from curate_train.running import alone
from curate_train.settings import resolve, sources
from curate_train.sweep import candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate_train.data import Row

Config = dict[str, Any]

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")
WRITTEN = ("log.jsonl", "curves.svg")
ADAPTER = "adapter/adapter_model.safetensors"


def config(
    run: Run,
    model: str,
    flags: Mapping[str, Any],
    recipe: str | None = None,
    file: tuple[str, Mapping[str, Any]] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
) -> Config:
    """The settings of the step: the model's folder as the manifest names it, what was set, and the rest.

    Weights go by name and size: they can be too large to hash at every look.

    Raises:
        CurateError: no model folder, an unknown setting or recipe.
    """
    folder = run.source(model)
    weights = weight_files(folder)
    if not (folder / "config.json").is_file() or not weights:
        raise CurateError(
            f"{model}: no model folder (config.json and *.safetensors); give one that save_pretrained wrote, or: "
            "hf download NAME --local-dir DIR"
        )
    sizes = {file.name: file.stat().st_size for file in weights}
    resolved = resolve(flags, recipe, file)
    for _, settings in candidates(resolved, sweep):
        refuse(settings)  # and a value that is out of its range is refused on the way here
    return {"model": model, "weights": sizes, **resolved, "sweep": dict(sweep) if sweep else None}


def refuse_missing_libraries() -> None:
    """Raises:
    CurateError: what training needs is not installed.
    """
    need(LIBRARIES, "training needs", "train")


def reads(run: Run, config: Config) -> Sequence[Path]:
    model = run.source(config["model"])
    tokens = [run / "tokens" / name for name in ("train.arrow", "val.arrow", "tokens.json")]
    return [*tokens, *(model / name for name in IDENTITY if (model / name).is_file())]


def make(run: Run, config: Config, out: Path) -> str:
    """Write train/adapter, train/log.jsonl, train/curves.svg and train/train.json.

    Until it is done, all is in the run's folder checkpoints/, where an interrupted training is gone on with.

    Raises:
        CurateError: a missing library, rows that cannot be trained or are not those that were made, a failed fit, or
            checkpoints of another training.
    """
    with alone(run):
        return _make(run, config, out)


def _make(run: Run, config: Config, out: Path) -> str:
    refuse_missing_libraries()
    # Both before torch is imported. Threads that wait actively make a step ten times slower on cores that are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from curate_train.fit import fit

    model = run.source(config["model"])
    tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    train, val = read_rows(run, model)
    base = identity(model)
    if config["sweep"] and not val:
        seed = (run.record("split") or {"config": {}})["config"].get("seed", 0)
        raise CurateError(
            f"{run / 'tokens' / 'val.arrow'}: holds no row, and a sweep chooses by the validation rows; split anew "
            f"(rows stay where they are with the same seed): curate split {run.folder} --val 0.1 --seed {seed + 1}, "
            "or leave --sweep out"
        )
    checkpoints = run / checkpoint.FOLDER
    if interrupted(run) is None:
        clear(run)  # of a training that was done, and whose end nobody saw
    checkpoint.begin(
        checkpoints,
        {"config": config, "reads": {name_of(run, file): file_hash(file) for file in reads(run, config)}, "base": base},
    )
    fits = []
    for name, settings in candidates(config, config["sweep"]):
        folder = checkpoints / name
        fits.append((name, folder, settings, fit(model, train, val, settings, folder)))
    name, folder, settings, measured = min(fits, key=lambda one: _validation(one[3]))

    target = out / "train"
    shutil.copytree(folder / "adapter", target / "adapter")
    for file in WRITTEN:
        shutil.copyfile(folder / file, target / file)
    hashes = {key: tokens.get(key) for key in ("tokenizer_sha256", "template_sha256", "template_args", "ids_sha256")}
    found = {**sources(config), **(dict.fromkeys(config["sweep"], "sweep") if config["sweep"] else {})}
    summary = {
        "schema": "curate.train/1",
        "model": {"name": config["model"], "sha256": base["files"], "weights": config["weights"]},
        "tokens": hashes,
        "settings": {
            **{key: {"value": value, "source": found[key]} for key, value in settings.model_dump().items()},
            **{key: {"value": value, "source": "fixed"} for key, value in measured.pop("fixed").items()},
        },
        "sweep": {name: measured["val_loss"] for name, _, _, measured in fits} if config["sweep"] else None,
        **measured,
    }
    (target / "train.json").write_text(json.dumps(summary, indent=2) + "\n")
    write_base(target / "adapter", {"base": base, "tokens": hashes, "quant": settings.quant, "dtype": settings.dtype})
    return said(summary)


def said(summary: Mapping[str, Any]) -> str:
    loss, rows = summary["val_loss"], summary["rows"]
    moved = (
        "no validation rows, so no loss beyond the training rows"
        if loss["before"] is None
        else f"loss on {rows['val']:,} validation rows {loss['before']:.3f} before, {loss['after']:.3f} after"
    )
    best, steps = summary["best_step"], summary["steps"]
    return (
        f"train: {steps:,} steps, {summary['epochs']:g} epochs of {rows['train']:,} rows "
        f"in {summary['seconds']['train']:.0f} s; {moved}" + ("" if best == steps else f" step {best:,}, which is kept")
    )


def command(run: Run, config: Config) -> str:
    words = ["curate", "train", str(run.folder), "--model", config["model"]]
    if config["recipe"]:
        words += ["--recipe", config["recipe"]]
    for key, source in config["_sources"].items():
        if not source.startswith("recipe "):
            words += flag_words(key, config[key])
    for key, values in (config["sweep"] or {}).items():
        words += ["--sweep", f"{key}={','.join(map(str, values))}"]
    return shlex.join(words)


def read_rows(run: Run, model: Path) -> tuple[list[Row], list[Row]]:
    """The rows of train and val, which are those that were made, and made for the model in this folder.

    Raises:
        CurateError: they are not, or cannot be trained.
    """
    from curate_train.data import read_tokens

    tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    again = f"make them for this model: curate tokens {run.folder} --model {model}"
    if file_hash(model / "tokenizer.json") != tokens["tokenizer_sha256"]:
        raise CurateError(
            f"{run / 'tokens'}: made with another tokenizer than that of {model}, so its ids mean other words; {again}"
        )
    made = run.record("tokens")
    if made and tokens.get("template_args") != made["config"].get("template_args"):
        raise CurateError(
            f"{run / 'tokens' / 'tokens.json'}: says other template arguments ({tokens.get('template_args')}) than "
            f"those that the tokens were made with ({made['config'].get('template_args')}); {again} --force"
        )
    shape = text_shape(model)
    limits = {"vocabulary": shape["vocab_size"], "longest": shape.get("max_position_embeddings")}
    train = read_tokens(run / "tokens", "train", **limits)
    if not train:
        raise CurateError(f"{run / 'tokens' / 'train.arrow'}: holds no row; tokens/rejected.jsonl says why")
    return train, read_tokens(run / "tokens", "val", **limits)


def _validation(measured: Mapping[str, Any]) -> float:
    loss: float = measured["val_loss"]["after"]
    return loss


def settings_lines(config: Config) -> list[str]:
    """The resolved settings, each with where it came from, a source a line."""
    by_source: dict[str, list[str]] = {}
    for key, source in sources(config).items():
        if config[key] is not None:
            by_source.setdefault(source, []).append(f"{key} {config[key]}")
    return [f"  {source}: {', '.join(values)}" for source, values in by_source.items()]


def clear(run: Run) -> None:
    """Remove what a training that is done, or that is given up, left of checkpoints."""
    shutil.rmtree(run / checkpoint.FOLDER, ignore_errors=True)


def interrupted(run: Run) -> Config | None:
    """The config of a training that was interrupted; None where there is none, or where train/ is what came of it."""
    folder = run / checkpoint.FOLDER
    facts = checkpoint.unfinished(folder)
    if facts is None:
        return None
    found: Config = facts["config"]
    record = run.record("train")
    if record is None or record["config"] != found:
        return found
    # All of a sweep: one of its trainings may well end with the adapter that is there while others are still to come.
    fits = math.prod(len(values) for values in (found["sweep"] or {}).values())
    ended = [file_hash(file.parent / ADAPTER) for file in folder.glob(f"*/{checkpoint.RESULT}")]
    return None if len(ended) == fits and record["writes"][f"train/{ADAPTER}"] in ended else found


STEP = Step(
    name="train",
    reads=reads,
    writes=("train",),
    make=make,
    command=command,
    after="tokens",
    libraries=LIBRARIES,
    costly=True,
)
