"""The steps of a run: each reads what the step before it wrote, and nothing of how it wrote it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.run import Run, Step

CHAIN = {
    "check": "curate.steps.check",
    "clean": "curate.steps.clean",
    "split": "curate.steps.split",
    "tokens": "curate.steps.tokens",
    "train": "curate_train.step",
    "evaluate": "curate_evaluate.step",
    "report": "curate_evaluate.report.step",
}
"""The order of the steps, and the module of each: imported when the step is asked for, as some take seconds."""


def step(name: str) -> Step:
    """The step of this name."""
    found: Step = importlib.import_module(CHAIN[name]).STEP
    return found


def defaults(name: str) -> dict[str, Any]:
    """The settings of a step that nobody set.

    Raises:
        CurateError: it has none: its command needs an argument.
    """
    module = importlib.import_module(CHAIN[name])
    if not hasattr(module, "default_config"):
        raise CurateError(f"the step {name} was not made yet; make it first: curate {name} RUN")
    config: dict[str, Any] = module.default_config()
    return config


def before(run: Run, name: str, **unmade: dict[str, Any]) -> list[tuple[Step, dict[str, Any]]]:
    """The steps before this one, in order, each with the settings that it was made with, or else with its defaults
    and what `unmade` says under its name.

    Raises:
        CurateError: one of them was not made yet and has no defaults.
    """
    names = list(CHAIN)
    steps = []
    for earlier in names[: names.index(name)]:
        record = run.record(earlier)
        config = record["config"] if record else defaults(earlier) | unmade.get(earlier, {})
        steps.append((step(earlier), config))
    return steps


__all__ = ["CHAIN", "before", "defaults", "step"]
