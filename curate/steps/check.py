"""The step check: the data in, check.json out."""

from __future__ import annotations

import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from curate.config import Config as Settings
from curate.io.write import atomic_write
from curate.pipeline import run_check
from curate.run import Run, Step
from curate.run.data import as_seen_from, run_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.io import Input
    from curate.pipeline import Progress

Config = dict[str, Any]

PARALLEL_FROM_BYTES = 4 << 20
_FILES = ("rules", "baseline")


def config(run: Run, words: Sequence[str], settings: Settings) -> Config:
    """The config of a check of the data that `words` name: the paths, and the settings that change findings."""
    chosen = settings.model_dump(exclude={"fail_on", "jobs"}, exclude_defaults=True)
    if "rules" in chosen:
        chosen["rules"] = as_seen_from(run, chosen["rules"])
    if "baseline" in chosen:
        (chosen["baseline"],) = as_seen_from(run, [chosen["baseline"]])
    return {"data": as_seen_from(run, words), "format": None, "columns": {}, **chosen}


def settings_of(run: Run, config: Config) -> Settings:
    """The settings in a config, with paths that can be opened from anywhere."""
    values = {key: value for key, value in config.items() if key != "data"}
    if "rules" in values:
        values["rules"] = [str(run.source(file)) for file in values["rules"]]
    if "baseline" in values:
        values["baseline"] = str(run.source(values["baseline"]))
    return Settings(**values)


def processes(inputs: Sequence[Input]) -> int:
    """How many processes a check is worth: all cores, or one for small files."""
    return (os.cpu_count() or 1) if sum(source.size for source in inputs) > PARALLEL_FROM_BYTES else 1


def reads(run: Run, config: Config) -> Sequence[Path]:
    files = [*config.get("rules", ()), *([config["baseline"]] if "baseline" in config else ())]
    return [run.source(path) for path in [*(source.path for source in run_inputs(run, config)), *files]]


def make(run: Run, config: Config, out: Path, *, jobs: int | None = None, progress: Progress = lambda *_: None) -> str:
    import orjson

    from curate.review.decisions import mark_accepted, read_decisions

    inputs = run_inputs(run, config)
    settings = settings_of(run, config)
    settings.jobs = jobs or processes(inputs)
    report = run_check(inputs, settings, progress)
    report.config = {key: value for key, value in config.items() if value and key not in {"data", "baseline"}}
    mark_accepted(report.findings, read_decisions(run))
    document = report.to_json()
    # The time is in run.json: here it would make equal findings look changed to the steps that read them.
    document["summary"]["seconds"] = None
    with atomic_write(out / "check.json") as file:
        file.write(orjson.dumps(document, default=list, option=orjson.OPT_APPEND_NEWLINE))
    return (
        f"check: {report.rows:,} rows read, {report.rows_flagged:,} flagged, {report.rows_rejected:,} of them "
        "cannot be read"
    )


def command(run: Run, config: Config) -> str:
    record = run.record("check")
    if record is not None and record["config"] == config:
        return shlex.join(["curate", "check", str(run.folder)])
    flags = [
        word
        for key in ("select", "ignore", "baseline", "format")
        if config.get(key)
        for word in (f"--{key}", config[key] if isinstance(config[key], str) else ",".join(config[key]))
    ]
    return shlex.join(["curate", "check", *config["data"], *flags, "--run", str(run.folder)])


def step(jobs: int | None = None, progress: Progress = lambda *_: None) -> Step:
    """The step with as many processes as the user asked for, and with somebody to tell how far it is."""
    return Step("check", reads, ("check.json",), partial(make, jobs=jobs, progress=progress), command)


STEP = step()
