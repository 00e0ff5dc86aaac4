"""A run folder and its manifest, run.json."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.io.write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = "run.json"
SCHEMA = "curate.run/1"


@dataclass(frozen=True)
class Run:
    """The folder of one run.

    `directory` in its manifest is where the run was made. `steps` says, by the name of each step that was made, what it
    read (sha256 of each file), what it wrote (sha256 of each file, relative to the folder), with which config, seed and
    versions, when and for how long, and the line that it said.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Run:
        """Open the run in `folder`, which is made where it is missing.

        Raises:
            CurateError: the folder holds something else than a run, or cannot be made.
        """
        run = cls(folder)
        if run.is_made:
            run.manifest()
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CurateError(f"{folder}: exists and is no run folder (it has no {MANIFEST}); name another with --run")
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise CurateError(f"{folder}: cannot be made ({reason}); name another folder") from error
            run.save({"schema": SCHEMA, "name": folder.name, "directory": str(Path.cwd()), "steps": {}})
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open an existing run.

        Raises:
            CurateError: the folder is no run.
        """
        run = cls(folder)
        if not run.is_made:
            raise CurateError(
                f"{folder}: no run folder (it has no {MANIFEST}); make one: curate check DATA --run {folder}"
            )
        run.manifest()
        return run

    @property
    def is_made(self) -> bool:
        return (self.folder / MANIFEST).is_file()

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def manifest(self) -> dict[str, Any]:
        """The manifest as it is on disk.

        Raises:
            CurateError: run.json is damaged or of another version.
        """
        file = self / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise CurateError(f"{file}: cannot be read ({error}); restore it, or start a new run folder") from error
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise CurateError(f"{file}: not a manifest of this version ({SCHEMA}); start a new run folder")
        return manifest

    def save(self, manifest: dict[str, Any]) -> None:
        with atomic_write(self / MANIFEST) as file:
            file.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have no other process change the manifest, or outputs, meanwhile: it waits, and for a killed one it does
        not."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network drives know no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def source(self, path: str) -> Path:
        """Where a file of the user's is: relative paths are as seen from where the run was made."""
        return Path(self.manifest()["directory"], path)

    def record(self, step: str) -> dict[str, Any] | None:
        """What the manifest says of a step; None where it was never made."""
        record: dict[str, Any] | None = self.manifest()["steps"].get(step)
        return record

    def config(self, step: str) -> dict[str, Any]:
        """The settings that a step was made with.

        Raises:
            CurateError: the step was never made.
        """
        record = self.record(step)
        if record is None:
            raise CurateError(f"{self.folder}: the step {step} was not made yet; run: curate {step} {self.folder}")
        config: dict[str, Any] = record["config"]
        return config


def file_hash(path: Path) -> str:
    """The sha256 of a file, in hex; "" where there is none. A folder: of the names and hashes of its files."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(inner for inner in path.rglob("*") if inner.is_file()):
            digest.update(f"{file.relative_to(path)}\0{file_hash(file)}\n".encode())
        return digest.hexdigest()
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
