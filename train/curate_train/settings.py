"""The settings of a training run and where each came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """What a user may set. The defaults are those that QLoRA runs of this size commonly start from."""

    epochs: float = 3.0
    max_steps: int | None = None
    learning_rate: float = 2e-4
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    batch_size: int = 4
    accumulate: int = 4
    quant: Literal["nf4", "none"] = "nf4"
    gradient_checkpointing: bool = False
    seed: int = 0


RECIPES: dict[str, dict[str, Any]] = {
    # A few minutes on two CPU cores with a model of 135M parameters: shows that the chain works, not how well.
    "quick": {"max_steps": 24, "accumulate": 1},
}

# The rest of what decides the result, under the names of transformers' TrainingArguments.
FIXED: dict[str, Any] = {
    "optim": "adamw_torch",
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.03,  # below 1: a share of all steps
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
}


def resolve(flags: Mapping[str, Any], recipe: str | None = None) -> dict[str, Any]:
    """Flags (None: not given) over the recipe over the defaults, as the step's config holds them.

    Raises:
        CurateError: an unknown recipe or setting.
    """
    if recipe is not None and recipe not in RECIPES:
        raise CurateError(f"--recipe {recipe}: no such recipe; known: {', '.join(RECIPES)}")
    given = {key: value for key, value in flags.items() if value is not None}
    known = [setting.name for setting in fields(Settings)]
    if unknown := given.keys() - set(known):
        raise CurateError(f"unknown training setting {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return {"recipe": recipe, **asdict(Settings(**{**RECIPES.get(recipe or "", {}), **given}))}


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings inside a step's config."""
    return Settings(**{setting.name: config[setting.name] for setting in fields(Settings)})


def sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Where each value came from: "flag", "recipe NAME" or "default" (also a flag that says what holds anyway)."""
    recipe = config["recipe"]
    without_flags = {**asdict(Settings()), **RECIPES.get(recipe or "", {})}
    found = {}
    for key, value in asdict(settings_of(config)).items():
        if value != without_flags[key]:
            found[key] = "flag"
        else:
            found[key] = f"recipe {recipe}" if key in RECIPES.get(recipe or "", {}) else "default"
    return found
