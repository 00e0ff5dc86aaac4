"""The settings of a training run and where each came from: flags, curate.toml, a recipe, the defaults."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.config import checked
from curate.errors import CurateError
from curate.run import flag_words

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "recipes"
DEFAULT = "default"
# The short names by which the field knows some of them.
ALIASES = {"lr": "learning_rate", "r": "rank", "bs": "batch_size"}
FEW_ROWS, EFFECTIVE_BATCH, SMALL_EFFECTIVE_BATCH = 1_000, 16, 8
# AdaLoRA starts with so many times the rank that it ends with (Zhang et al. 2023, section 4).
ADALORA_START = 1.5
IMPOSSIBLE: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"init": "pissa", "quant": "nf4"},
        "PiSSA takes its start out of the base weights, which 4-bit weights are too coarse for; train it with "
        "--quant none, or leave --init out",
    ),
    (
        {"init": "pissa", "dora": True},
        "PiSSA is saved as a plain LoRA, which has no place for DoRA's magnitudes; take one of the two",
    ),
    (
        {"adalora": True, "dora": True},
        "AdaLoRA has singular values in the place of DoRA's magnitudes; take one of the two",
    ),
    (
        {"adalora": True, "rslora": True},
        "AdaLoRA divides alpha by its rank whatever else is asked for; leave --rslora out",
    ),
    (
        {"adalora": True, "init": "pissa"},
        "AdaLoRA has a start of its own, random and with singular values of zero; leave --init out",
    ),
    (
        {"adalora": True, "loraplus_ratio": ...},
        "LoRA+ speeds up the half that starts at zero, and AdaLoRA has none; leave --loraplus-ratio out",
    ),
)
"""Settings that cannot go together (`...`: any that is set), and what to do instead. What depends on the model beside
them is refused in `targets`."""


class Settings(BaseModel):
    """What a user may set. Their values are in recipes/default.toml; None is "as fits the data", see the help texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: float = Field(gt=0)
    max_steps: int | None = Field(None, ge=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant"]
    warmup: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    rslora: bool
    dora: bool
    init: Literal["kaiming", "pissa"]
    loraplus_ratio: float | None = Field(None, ge=1)
    adalora: bool
    train_router: bool
    quant: Literal["nf4", "none"]
    dtype: Literal["bf16", "fp32"]
    batch_size: int = Field(ge=1)
    accumulate: int | None = Field(None, ge=1)
    gradient_checkpointing: bool
    group_by_length: bool
    packing: bool
    save_steps: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    seed: int = Field(ge=0, lt=2**32)  # what numpy takes
    engine: Literal["curate", "trl", "unsloth"]

    @model_validator(mode="after")
    def _refuse_the_impossible(self) -> Self:
        for together, said in IMPOSSIBLE:
            here = {key: getattr(self, key) for key in together}
            if all(here[key] == value or (value is ... and here[key]) for key, value in together.items()):
                raise ValueError(f"{' and '.join(flag(*one) for one in here.items())}: {said}")
        return self

    @property
    def method(self) -> str:
        """What the field calls it: "QLoRA", "PiSSA", "DoRA + rsLoRA"."""
        named = {
            "DoRA": self.dora,
            "rsLoRA": self.rslora,
            "PiSSA": self.init == "pissa",
            "LoRA+": self.loraplus_ratio,
            "AdaLoRA": self.adalora,
        }
        plain = "QLoRA" if self.quant == "nf4" else "LoRA"
        return " + ".join(name for name, is_on in named.items() if is_on) or plain

    @property
    def first_rank(self) -> int:
        """The rank that training starts with; AdaLoRA ends with a mean of `rank`."""
        return math.ceil(ADALORA_START * self.rank) if self.adalora else self.rank

    def steps(self, rows: int) -> int:
        """How many optimiser steps a training on so many rows has."""
        an_epoch = math.ceil(math.ceil(rows / self.batch_size) / self.batches_a_step(rows))
        return self.max_steps or math.ceil(self.epochs * an_epoch)

    def batches_a_step(self, rows: int) -> int:
        """How many batches make a step: as many as give the effective batch of the field, 16, or 8 for few rows."""
        effective = SMALL_EFFECTIVE_BATCH if rows < FEW_ROWS else EFFECTIVE_BATCH
        return self.accumulate or max(1, effective // self.batch_size)


def recipes() -> dict[str, str]:
    """The recipes by name, each with what it is for."""
    return {name: _parsed(name)["description"] for name in sorted(file.stem for file in FOLDER.glob("*.toml"))}


def recipe_values(name: str | None) -> dict[str, Any]:
    """What a recipe sets beside the defaults.

    Raises:
        CurateError: no such recipe.
    """
    if name is None:
        return {}
    if name not in recipes():
        raise CurateError(f"--recipe {name}: no such recipe; known: {', '.join(recipes())}")
    values: dict[str, Any] = _parsed(name)["settings"]
    return values


def default_settings(**values: Any) -> Settings:
    return Settings(**{**recipe_values(DEFAULT), **values})


def resolve(
    flags: Mapping[str, Any], recipe: str | None = None, file: tuple[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Flags (None: not given) over the values of a file (its name and its [train] section) over the recipe over the
    defaults, as the step's config holds them; `_sources` says of each that is not a default where it came from.

    Raises:
        CurateError: an unknown recipe or setting, or a value out of its range.
    """
    name, written = file or ("", {})
    recipe = recipe or written.get("recipe")
    in_file = {_key(key): value for key, value in written.items() if key != "recipe"}
    given = {_key(key): value for key, value in flags.items() if value is not None}
    values, sources = {**recipe_values(DEFAULT)}, {}
    for layer, source in ((recipe_values(recipe), f"recipe {recipe}"), (in_file, name), (given, "flag")):
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    return {"recipe": recipe, **validated(values, sources).model_dump(), "_sources": sources}


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings inside a step's config, which may be older than some of them."""
    return default_settings(**{name: config[name] for name in Settings.model_fields if name in config})


def sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Where each value came from: "flag", the name of the file, "recipe NAME" or "default"."""
    return {name: config["_sources"].get(name, "default") for name in Settings.model_fields}


@cache
def _parsed(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _key(key: str) -> str:
    name = key.replace("-", "_")
    return ALIASES.get(name, name)


def validated(values: Mapping[str, Any], sources: Mapping[str, str]) -> Settings:
    """Raises:
    CurateError: an unknown setting, a value out of its range, or settings that cannot go together.
    """
    return checked(Settings, values, sources, "training setting")


def flag(key: str, value: Any) -> str:
    """A setting as it is typed."""
    return " ".join(flag_words(key, f"{value:g}" if isinstance(value, float) else value))
