"""Checkpoints of an unfinished training: one counts only once its manifest, which is written last, is complete."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.run import file_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "checkpoints"
MANIFEST, TRAINING, RESULT = "checkpoint.json", "training.json", "result.json"
NAME = re.compile(r"checkpoint-(\d+)")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: after which step it was written, and the validation loss there (None: not measured)."""

    folder: Path
    step: int
    val_loss: float | None


def complete(folder: Path) -> list[Checkpoint]:
    """The complete checkpoints in a folder, by step: those whose files are all as their manifest says."""
    found = []
    for inner in folder.glob("checkpoint-*") if folder.is_dir() else ():
        try:
            manifest = json.loads((inner / MANIFEST).read_bytes())
        except (OSError, ValueError):
            continue
        if NAME.fullmatch(inner.name) and all(
            file_hash(inner / name) == was for name, was in manifest["files"].items()
        ):
            found.append(Checkpoint(inner, manifest["step"], manifest["val_loss"]))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def best(checkpoints: list[Checkpoint]) -> Checkpoint | None:
    """The one with the lowest validation loss, the earliest of equals; the last one where none was measured."""
    measured = [checkpoint for checkpoint in checkpoints if checkpoint.val_loss is not None]
    if measured:
        return min(measured, key=lambda checkpoint: (checkpoint.val_loss, checkpoint.step))
    return checkpoints[-1] if checkpoints else None


def seal(folder: Path, step: int, val_loss: float | None) -> None:
    """Have the disk hold every file of a checkpoint, then its manifest: from then on it counts."""
    files = sorted(file for file in folder.iterdir() if file.name != MANIFEST)
    for file in [*files, folder, folder.parent]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    hashes = {file.name: file_hash(file) for file in files}
    with atomic_write(folder / MANIFEST) as out:
        out.write(json.dumps({"step": step, "val_loss": val_loss, "files": hashes}, indent=2).encode() + b"\n")


def prune(folder: Path) -> None:
    """Remove all checkpoints but the last and the best one, and what a killed process left half written."""
    found = complete(folder)
    kept = {checkpoint.folder for checkpoint in (*found[-1:], best(found)) if checkpoint}
    for inner in folder.glob("checkpoint-*"):
        if inner not in kept:
            shutil.rmtree(inner)


@contextmanager
def explaining_a_full_disk(folder: Path) -> Iterator[None]:
    """Raises:
    CurateError: in the place of whatever the libraries raise when a checkpoint cannot be written.
    """
    try:
        yield
    except Exception as error:  # torch and safetensors each have their own classes for it
        if not _is_full(error, folder):
            raise
        half = {inner for inner in folder.glob("checkpoint-*") if not (inner / MANIFEST).exists()}
        needed = sum(file.stat().st_size for inner in half for file in inner.iterdir())
        for inner in half:
            shutil.rmtree(inner)
        last = complete(folder)
        said = f"the last complete one is step {last[-1].step:,}" if last else "there is none before it"
        raise CurateError(
            f"{folder}: the disk is full: a checkpoint (over {needed / 1e6:,.0f} MB) could not be written; {said}; "
            "free some space, then go on from there: curate train RUN --resume"
        ) from error


def _is_full(error: BaseException | None, folder: Path) -> bool:
    """Some of them keep neither errno nor cause: what is left is to look at the disk."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(
            said in str(error).lower() for said in ("no space left", "file too large", "disk quota", "os error 28")
        ):
            return True
        if "PytorchStreamWriter" in str(error) or "iostream error" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return shutil.disk_usage(folder).free < 1 << 20


def begin(folder: Path, facts: Mapping[str, Any]) -> None:
    """Start a training's folder of checkpoints, or go on with the one that is there.

    Raises:
        CurateError: what is there is of other settings, tokens or another model.
    """
    was = unfinished(folder)
    if was is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with atomic_write(folder / TRAINING) as file:
            file.write(json.dumps(facts, indent=2).encode() + b"\n")
        return
    changed = sorted(
        f"{key}{f' ({name})' if name else ''}" for key in facts for name in _changes(was.get(key), facts[key])
    )
    if changed:
        raise CurateError(
            f"{folder}: an interrupted training that is another one now: {', '.join(changed)} changed; restore what it "
            "was to go on with --resume, or start over: curate train RUN --force"
        )


def unfinished(folder: Path) -> dict[str, Any] | None:
    """What an interrupted training was started with; None where there is none."""
    try:
        facts: dict[str, Any] = json.loads((folder / TRAINING).read_bytes())
    except (OSError, ValueError):
        return None
    return facts


def _changes(was: Any, now: Any) -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        return [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key) and key[0] != "_"]
    return [""] if was != now else []
