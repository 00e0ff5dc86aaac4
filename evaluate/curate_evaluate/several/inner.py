"""Run folders inside a run, each with its data and its settings: its folds, its training seeds."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.review.decisions import Decisions
from curate.run import Run, ensure
from curate.steps import step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from curate.run.step import Config

# The tokens too, though folds make them anew: they keep the day that a template may write into prompts.
COPIED = ("check", "clean", "split", "tokens")


def refuse_untrained(run: Run, what: str) -> None:
    """Raises:
    CurateError: the run has no tokens or no adapter; `what` of it are trained with its settings.
    """
    for name in ("tokens", "train"):
        if run.record(name) is None:
            raise CurateError(
                f"{run.folder}: was not trained yet, and its {what} are trained with its settings; run first: "
                f"curate train {run.folder} --model DIR"
            )


def make_steps(run: Run, steps: Mapping[str, Config], say: Callable[[str], None]) -> None:
    """Make those of these steps that are missing or stale, each printed as its command."""
    ensure(run, [(step(name), config) for name, config in steps.items()], say)


def inner_run(run: Run, kind: str, number: int) -> Run:
    """The run folder RUN/kind/number, with the data, findings, decisions, split and tokens of `run` as they are now.

    Later steps in it stay, and are stale where what they read is another now.
    """
    inner = Run(run / kind / str(number))
    records = {name: record for name in COPIED if (record := run.record(name))}
    manifest = inner.manifest() if inner.is_made else {**run.manifest(), "name": str(number), "steps": {}, "plans": []}
    if manifest.get("copied") == records:
        return inner
    inner.folder.mkdir(parents=True, exist_ok=True)
    for name in {file.partition("/")[0] for record in records.values() for file in record["writes"]}:
        if (run / name).is_dir():
            shutil.rmtree(inner / name, ignore_errors=True)
            shutil.copytree(run / name, inner / name)
        else:
            shutil.copy2(run / name, inner / name)
    Decisions(inner).add_log(Decisions(run).log())
    manifest["steps"] |= records
    # Last: a copy that was interrupted is made again.
    inner.save({**manifest, "directory": run.manifest()["directory"], "copied": records})
    return inner
