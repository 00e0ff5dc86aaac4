"""The step `train`: tokens/ in, train/ out."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shlex
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run import Run, Step, file_hash
from curate_train.settings import FIXED, resolve, settings_of, sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Config = dict[str, Any]

IDENTITY = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
WEIGHTS = ("*.safetensors", "*.bin")
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


def config(run: Run, model: str, flags: Mapping[str, Any], recipe: str | None = None) -> Config:
    """The settings of the step: the model's folder as the manifest names it, what was set, and the rest.

    Weights go by name and size: they can be too large to hash at every look.

    Raises:
        CurateError: no model folder, an unknown setting or recipe.
    """
    folder = run.source(model)
    weights = sorted(file for pattern in WEIGHTS for file in folder.glob(pattern))
    if not (folder / "config.json").is_file() or not weights:
        raise CurateError(
            f"{model}: no model folder (config.json and *.safetensors); give one that save_pretrained wrote, or: "
            "hf download NAME --local-dir DIR"
        )
    sizes = {file.name: file.stat().st_size for file in weights}
    return {"model": model, "weights": sizes, **resolve(flags, recipe)}


def refuse_missing_libraries() -> None:
    """Raises:
    CurateError: what training needs is not installed.
    """
    if missing := [name for name in LIBRARIES if importlib.util.find_spec(name) is None]:
        raise CurateError(f'training needs {", ".join(missing)}; install what is missing: pip install "curate[train]"')


def reads(run: Run, config: Config) -> Sequence[Path]:
    model = run.source(config["model"])
    tokens = [run / "tokens" / name for name in ("train.arrow", "val.arrow", "tokens.json")]
    return [*tokens, *(model / name for name in IDENTITY if (model / name).is_file())]


def make(run: Run, config: Config, out: Path) -> str:
    """Write train/adapter, train/log.jsonl and train/train.json.

    Raises:
        CurateError: a missing library, rows that cannot be trained or are not those that were made, a failed fit.
    """
    refuse_missing_libraries()
    # Both before torch is imported. Threads that wait actively make a step ten times slower on cores that are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises to install another package
    from curate_train.data import read_tokens
    from curate_train.fit import fit

    model = run.source(config["model"])
    tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    if file_hash(model / "tokenizer.json") != tokens["tokenizer_sha256"]:
        raise CurateError(
            f"{run / 'tokens'}: made with another tokenizer than that of {config['model']}, so its ids mean other "
            f"words; make them for this model: curate tokens {run.folder} --model {config['model']}"
        )
    shape = json.loads((model / "config.json").read_bytes())
    shape = shape.get("text_config", shape)
    limits = {"vocabulary": shape["vocab_size"], "longest": shape.get("max_position_embeddings")}
    train = read_tokens(run / "tokens", "train", **limits)
    if not train:
        raise CurateError(f"{run / 'tokens' / 'train.arrow'}: holds no row; tokens/rejected.jsonl says why")
    val = read_tokens(run / "tokens", "val", **limits)
    folder = out / "train"
    folder.mkdir()
    measured = fit(model, train, val, settings_of(config), folder)
    found = sources(config)
    settings = {key: {"value": config[key], "source": found[key]} for key in found}
    identity = {name: file_hash(model / name) for name in IDENTITY if (model / name).is_file()}
    summary = {
        "schema": "curate.train/1",
        "model": {"name": config["model"], "sha256": identity, "weights": config["weights"]},
        "tokens": {key: tokens[key] for key in ("tokenizer_sha256", "template_sha256", "ids_sha256")},
        "settings": settings | {key: {"value": value, "source": "fixed"} for key, value in FIXED.items()},
        **measured,
    }
    (folder / "train.json").write_text(json.dumps(summary, indent=2) + "\n")
    return said(summary)


def said(summary: Mapping[str, Any]) -> str:
    loss, rows = summary["val_loss"], summary["rows"]
    moved = (
        "no validation rows, so no loss beyond the training rows"
        if loss["before"] is None
        else f"loss on {rows['val']:,} validation rows {loss['before']:.3f} before, {loss['after']:.3f} after"
    )
    return (
        f"train: {summary['steps']:,} steps, {summary['epochs']:g} epochs of {rows['train']:,} rows "
        f"in {summary['seconds']['train']:.0f} s; {moved}"
    )


def command(run: Run, config: Config) -> str:
    words = ["curate", "train", str(run.folder), "--model", config["model"]]
    if config["recipe"]:
        words += ["--recipe", config["recipe"]]
    for key, source in sources(config).items():
        flag = f"--{key.replace('_', '-')}"
        if source == "flag" and key == "gradient_checkpointing":
            words.append(flag)
        elif source == "flag":
            words += [flag, str(config[key])]
    return shlex.join(words)


STEP = Step(
    name="train",
    reads=reads,
    writes=("train",),
    make=make,
    command=command,
    after="tokens",
    libraries=LIBRARIES,
)
