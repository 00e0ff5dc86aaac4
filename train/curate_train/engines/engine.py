"""Which engine trains: ours on transformers' Trainer, TRL's SFTTrainer, or ours on a base that Unsloth loads."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate_train.settings import default_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate_train.settings import Settings

OWN, TRL, UNSLOTH = "curate", "trl", "unsloth"


class Engine(NamedTuple):
    """The libraries that an engine needs, the settings that it heeds, and whether it needs a GPU."""

    libraries: tuple[str, ...]
    heeds: frozenset[str]
    needs_cuda: bool = False


# What is not named here is refused where it is set, so that a setting that comes later is not passed over in silence.
_LENGTH = {"epochs", "max_steps", "batch_size", "accumulate", "group_by_length", "save_steps", "patience", "seed"}
_OPTIMISER = {"learning_rate", "schedule", "warmup", "weight_decay", "max_grad_norm"}
_MODEL = {"rank", "alpha", "dropout", "rslora", "dora", "quant", "dtype", "gradient_checkpointing", "engine"}
_COMMON = frozenset(_LENGTH | _OPTIMISER | _MODEL)

ENGINES = {
    TRL: Engine(("trl", "datasets"), _COMMON | {"train_router"}),
    UNSLOTH: Engine(("unsloth",), _COMMON - {"dtype"}, needs_cuda=True),
}


def refuse(settings: Settings) -> None:
    """Refuse, before any model is loaded, an engine that cannot run here or settings that it does not heed.

    Raises:
        CurateError: what is missing, or the settings by name.
    """
    if settings.engine == OWN:
        return
    engine, name = ENGINES[settings.engine], settings.engine
    if missing := [library for library in engine.libraries if find_spec(library) is None]:
        raise CurateError(
            f"--engine {name} needs {', '.join(missing)}; install what is missing: pip install {' '.join(missing)}; "
            "or leave --engine out"
        )
    usual = default_settings().model_dump()
    if unheeded := [key for key, value in settings if key not in engine.heeds and value != usual.get(key)]:
        named = ", ".join(f"{key} = {getattr(settings, key)}" for key in unheeded)
        raise CurateError(f"--engine {name} does not heed {named}; leave it at its default, or leave --engine out")
    if engine.needs_cuda:
        import torch

        if not torch.cuda.is_available():
            raise CurateError(f"--engine {name} needs an NVIDIA GPU, and torch sees none here; leave --engine out")


def trainer_of(settings: Settings) -> Callable[..., Any]:
    """The trainer of an engine: each is made of the variant with its model, the rows, the settings, the folder of the
    checkpoints, the callback, and whether the loss is to be taken by the model's own logits."""
    if settings.engine == TRL:
        from curate_train.engines.trl import TrlTrainer

        return TrlTrainer
    from curate_train.trainer import TokenTrainer

    return TokenTrainer


def loader_of(settings: Settings) -> Callable[..., Any]:
    """What loads the base: from its folder, its quantisation and its dtype."""
    if settings.engine == UNSLOTH:
        from curate_train.engines.unsloth import load as by_unsloth

        return by_unsloth
    from curate_train.model import load

    return load


def described(settings: Settings) -> dict[str, str]:
    """The engine's name, and the version of the library that it stands on."""
    library = "transformers" if settings.engine == OWN else settings.engine
    return {"name": settings.engine, "library": library, "version": version(library)}
