"""The steps `export-FORM`: what was trained in, a folder RUN/export-FORM out, with what it was compared with."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from curate.run import Run, Step, flag_words
from curate_train.adapter import adapter_of
from curate_train.export import models, other_trainers, rows
from curate_train.export.made import SUMMARY, Made

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Config = dict[str, Any]

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes")


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
        # Rows that are read by other columns are other samples, by which split.json names them.
        return [run / "split" / name for name in ("train.jsonl", "val.jsonl", "split.json")]
    found = [adapter_of(run, config.get("adapter")), run / "train" / "train.json", run / "tokens" / "tokens.json"]
    return [*found, *_reads("openai", run, config)] if form == "llama-factory" else found


def _command(form: str, run: Run, config: Config) -> str:
    words = ["curate", "export", str(run.folder), "--to", form]
    for key, value in config.items():
        if value is not None:
            words += flag_words(key, value)
    return shlex.join(words)


def _make(form: str, maker: Callable[[Run, Config, Path], Made], run: Run, config: Config, out: Path) -> str:
    folder = out / f"export-{form}"
    folder.mkdir()
    made = maker(run, config, folder)
    summary = {"schema": "curate.export/1", "form": form, **made.facts, "warnings": made.warnings}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return "\n".join([f"export: {made.said}", *(f"warning: {line}" for line in made.warnings)])


MAKERS: dict[str, Callable[[Run, Config, Path], Made]] = {
    "merged": models.merged,
    "gguf": models.gguf,
    "ollama": models.ollama,
    "vllm": models.vllm,
    "openai": rows.for_openai,
    "axolotl": other_trainers.axolotl,
    "llama-factory": other_trainers.llama_factory,
}
SETTINGS = {
    "merged": ("adapter", "base", "dtype"),
    "gguf": ("adapter", "base", "type", "converter"),
    "ollama": ("adapter", "base", "type", "converter"),
    "vllm": ("adapter",),
}
