"""What a run has trained: the adapter, the base that it belongs to, and the tokens that it was trained on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run.data import found_name
from curate_train.adapter import refuse_another_base

if TYPE_CHECKING:
    from pathlib import Path

    from curate.run import Run

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class Trained:
    """`quant` is that of the base during training, `stop_token` what ends an answer, `template` the file of another
    chat template than the base's own."""

    adapter: Path
    base: Path
    quant: str
    tokens: Path
    stop_token: str
    stop_token_id: int
    template: Path | None

    @property
    def merged_into(self) -> str:
        """What the adapter is merged into where nobody says: the base that it has learned to correct."""
        return "nf4" if self.quant == "nf4" else "bf16"

    @cached_property
    def shape(self) -> dict[str, Any]:
        """The config of the base, of a model that sees more than text that of its text model."""
        shape = json.loads((self.base / "config.json").read_bytes())
        return dict(shape.get("text_config", shape))

    @property
    def config(self) -> dict[str, Any]:
        """The adapter's own."""
        return dict(json.loads((self.adapter / "adapter_config.json").read_bytes()))


def read_trained(run: Run) -> Trained:
    """What the run's steps tokens and train made.

    Raises:
        CurateError: nothing was trained, or the base is not there any more or has changed.
    """
    try:
        summary = json.loads((run / "train" / "train.json").read_bytes())
        tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    except FileNotFoundError as error:
        raise CurateError(f"{run.folder}: nothing was trained yet; run: curate train {run.folder}") from error
    base = run.source(summary["model"]["name"])
    refuse_another_base(run / "train" / "adapter", base)
    record = run.record("tokens")
    template = record["config"].get("chat_template") if record else None
    return Trained(
        adapter=run / "train" / "adapter",
        base=base,
        quant=summary["settings"]["quant"]["value"],
        tokens=run / "tokens",
        stop_token=tokens["stop_token"],
        stop_token_id=tokens["stop_token_id"],
        template=run.source(found_name(run, template)) if template else None,
    )


def copy_tokenizer(trained: Trained, folder: Path) -> None:
    """The tokenizer's files as they are, with the chat template that the rows were rendered by."""
    for name in TOKENIZER_FILES:
        if (trained.base / name).is_file():
            shutil.copyfile(trained.base / name, folder / name)
    if trained.template:
        shutil.copyfile(trained.template, folder / "chat_template.jinja")
