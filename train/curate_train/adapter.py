"""Adapters on disk, and the base that each belongs to: peft itself loads them onto any of a fitting shape."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run import file_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from curate.run import Run

BASE = "base.json"
IDENTITY = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
WEIGHTS = ("*.safetensors", "*.bin")
PROBES, PROBE_BYTES = 64, 1 << 16


def save(model: Any, folder: Path, *, less: Path | None = None) -> None:
    """Write adapter_config.json and adapter_model.safetensors: the same adapter gives the same bytes.

    With `less`, the folder of an adapter, what is written is this one less that one: a LoRA of twice the rank.
    """
    model.save_pretrained(
        str(folder),
        save_embedding_layers=False,  # else peft looks the base model up on the hub to compare its vocabulary
        path_initial_model_for_weight_conversion=str(less) if less else None,
    )
    (folder / "README.md").unlink()  # peft's model card, of which every line is a blank to fill in
    file = folder / "adapter_config.json"
    config = json.loads(file.read_bytes())
    for key in ("target_modules", "target_parameters"):
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def identity(folder: Path) -> dict[str, Any]:
    """What tells a base model from another: the hashes of its small files, and a fingerprint of its weights.

    Two trainings of one architecture differ in nothing but values, and weights are too large to read at every look:
    of each file the size and 64 pieces of 64 KiB, spread evenly, are hashed.
    """
    files = {name: file_hash(folder / name) for name in IDENTITY if (folder / name).is_file()}
    return {"files": files, "weights": {file.name: _fingerprint(file) for file in weight_files(folder)}}


def text_shape(base: Path) -> dict[str, Any]:
    """The config.json of a base, of a model that sees more than text that of its text model."""
    shape = json.loads((base / "config.json").read_bytes())
    return dict(shape.get("text_config", shape))


def weight_files(folder: Path) -> list[Path]:
    return sorted(file for pattern in WEIGHTS for file in folder.glob(pattern))


def write_base(adapter: Path, facts: Mapping[str, Any]) -> None:
    (adapter / BASE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")


def adapter_of(run: Run, other: str | None) -> Path:
    """The folder of the run's adapter, or of another one, as the manifest names it: its folder, or that of its run."""
    if not other:
        return run / "train" / "adapter"
    return adapter_in(run.source(other))


def adapter_in(folder: Path) -> Path:
    """The folder of an adapter, or that of the adapter of a run."""
    inner = folder / "train" / "adapter"
    return inner if inner.is_dir() and not (folder / "adapter_config.json").exists() else folder


def refuse_no_adapter(folder: Path) -> None:
    """Raises:
    CurateError: the folder holds none.
    """
    if not (folder / "adapter_config.json").is_file():
        raise CurateError(f"{folder}: no adapter (it has no adapter_config.json); name its folder, or a run")


def refuse_another_base(adapter: Path, base: Path) -> None:
    """Refuse to put an adapter on another base than the one that it was trained on.

    Raises:
        CurateError: naming the files that differ, or that the adapter does not say what it was trained on.
    """
    try:
        trained = json.loads((adapter / BASE).read_bytes())["base"]
    except (OSError, ValueError, KeyError) as error:
        raise CurateError(
            f"{adapter}: does not say on which base it was trained (no {BASE}); train it again"
        ) from error
    here = identity(base)
    changed = [
        name
        for kind in ("files", "weights")
        for name in sorted(trained[kind].keys() | here[kind].keys())
        if trained[kind].get(name) != here[kind].get(name)
    ]
    if changed:
        raise CurateError(
            f"{adapter}: was trained on another base than {base}: {', '.join(changed)} differ; it means nothing "
            "on other weights, so name the base that it was trained on, or train again"
        )


def _fingerprint(file: Path) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as opened:
        for probe in range(PROBES):
            opened.seek(max(0, size - PROBE_BYTES) * probe // (PROBES - 1))
            digest.update(opened.read(PROBE_BYTES))
    return digest.hexdigest()
