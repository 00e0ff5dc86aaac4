"""What a run has trained: the adapter, the base that it belongs to, and the tokens that it was trained on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.run.data import found_name
from curate_train.adapter import BASE, adapter_of, refuse_another_base, refuse_no_adapter, text_shape

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
    """`quant` and `dtype` are those of the base during training, `stop_token` what ends an answer, `template` the file
    of another chat template than the base's own."""

    adapter: Path
    base: Path
    quant: str
    dtype: str
    tokens: Path
    stop_token: str
    stop_token_id: int
    template: Path | None

    @property
    def merged_into(self) -> str:
        """What the adapter is merged into where nobody says: the base that it has learned to correct."""
        return "nf4" if self.quant == "nf4" else "bf16"

    @property
    def stops(self) -> list[int]:
        """The ids that end an answer: the stop token, and what the base model ends at by itself."""
        try:
            own = json.loads((self.base / "generation_config.json").read_bytes()).get("eos_token_id")
        except OSError:
            own = self.shape.get("eos_token_id")
        known = own if isinstance(own, list) else [] if own is None else [own]
        return [self.stop_token_id, *(token for token in known if token != self.stop_token_id)]

    @cached_property
    def shape(self) -> dict[str, Any]:
        """The config of the base as a text model."""
        return text_shape(self.base)

    @property
    def config(self) -> dict[str, Any]:
        """The adapter's own."""
        return dict(json.loads((self.adapter / "adapter_config.json").read_bytes()))


def read_trained(run: Run, other: str | None = None) -> Trained:
    """What the run's steps tokens and train made; `other` is an adapter to take in the place of the run's own, a folder
    or a run as the manifest names it.

    Raises:
        CurateError: nothing was trained, there is no adapter, or the base is not there any more or has changed.
    """
    try:
        summary = json.loads((run / "train" / "train.json").read_bytes())
        tokens = json.loads((run / "tokens" / "tokens.json").read_bytes())
    except FileNotFoundError as error:
        raise CurateError(f"{run.folder}: nothing was trained yet; run: curate train {run.folder}") from error
    base = run.source(summary["model"]["name"])
    adapter = adapter_of(run, other)
    refuse_no_adapter(adapter)
    refuse_another_base(adapter, base)
    own = json.loads((adapter / BASE).read_bytes())
    record = run.record("tokens")
    template = record["config"].get("chat_template") if record else None
    return Trained(
        adapter=adapter,
        base=base,
        quant=own.get("quant", summary["settings"]["quant"]["value"]),
        dtype=own.get("dtype", summary["settings"]["dtype"]["value"]),
        tokens=run / "tokens",
        stop_token=tokens["stop_token"],
        stop_token_id=tokens["stop_token_id"],
        template=run.source(found_name(run, template)) if template else None,
    )


def chat_template(folder: Path) -> str | None:
    """The chat template of a model folder; the default one where it has several."""
    if (file := folder / "chat_template.jinja").is_file():
        return file.read_text(encoding="utf-8")
    found = _tokenizer_config(folder).get("chat_template")
    if isinstance(found, list):
        return next((str(one["template"]) for one in found if one["name"] == "default"), None)
    return None if found is None else str(found)


def copy_tokenizer(trained: Trained, folder: Path) -> None:
    """The tokenizer's files as they are, with the chat template that the rows were rendered by."""
    for name in TOKENIZER_FILES:
        if (trained.base / name).is_file():
            shutil.copyfile(trained.base / name, folder / name)
    if trained.template:
        shutil.copyfile(trained.template, folder / "chat_template.jinja")


def for_converter(stop: str, folder: Path) -> None:
    """Say in tokenizer_config.json, where llama.cpp's converter looks first, which token ends a text and what the chat
    template is; transformers would take the template of the file beside it."""
    config = _tokenizer_config(folder) | {"eos_token": stop, "chat_template": chat_template(folder)}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    return dict(json.loads(file.read_bytes())) if file.is_file() else {}
