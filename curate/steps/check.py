"""The step check: the data in, check.json out."""

from __future__ import annotations

import json
import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from curate.config import Config as Settings
from curate.errors import CurateError
from curate.io.sources import STANDARD_INPUT
from curate.io.write import atomic_write
from curate.pipeline import run_check
from curate.review.decisions import decisions_file, mark_accepted, read_decisions
from curate.run import Run, Step, flag_words
from curate.run.data import as_seen_from, found_name, kept_name, model_files, run_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.io import Input
    from curate.pipeline import Progress

Config = dict[str, Any]

PARALLEL_FROM_BYTES = 4 << 20
# Settings that name files or folders.
_PATHS = ("rules", "baseline", "against", "semantic", "nli")
# Settings that may be names as well.
_NAMES = ("model", "chat_template")


def config(run: Run, words: Sequence[str], settings: Settings) -> Config:
    """The config of a check of the data that `words` name: the paths, and the settings that change findings.

    Raises:
        CurateError: `against` names what cannot be read twice.
    """
    for word in settings.against:
        if word == STANDARD_INPUT or word.startswith("hf://"):
            raise CurateError(f"--against {word}: a run reads it again and again: save it to a file first")
    chosen = settings.model_dump(exclude={"fail_on", "jobs", "offline"}, exclude_defaults=True)
    for key in chosen.keys() & _PATHS:
        paths = as_seen_from(run, _listed(chosen[key]))
        chosen[key] = paths if isinstance(chosen[key], list) else paths[0]
    for key in chosen.keys() & _NAMES:
        chosen[key] = kept_name(run, chosen[key])
    return {"data": as_seen_from(run, words), "format": None, "columns": {}, **chosen}


def settings_of(run: Run, config: Config) -> Settings:
    """The settings in a config, with paths that can be opened from anywhere."""
    values = {key: value for key, value in config.items() if key != "data"}
    for key in values.keys() & _PATHS:
        paths = [str(run.source(word)) for word in _listed(values[key])]
        values[key] = paths if isinstance(values[key], list) else paths[0]
    for key in values.keys() & _NAMES:
        values[key] = found_name(run, values[key])
    return Settings(**values)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def theirs(run: Run, config: Config) -> list[Input]:
    """The files that the data is compared against, named as in the findings of the run."""
    return run_inputs(run, {"data": config["against"]}) if config.get("against") else []


def processes(inputs: Sequence[Input]) -> int:
    """How many processes a check is worth: all cores, or one for small files."""
    return (os.cpu_count() or 1) if sum(source.size for source in inputs) > PARALLEL_FROM_BYTES else 1


def reads(run: Run, config: Config) -> Sequence[Path]:
    files = [word for key in _PATHS if key != "against" and config.get(key) for word in _listed(config[key])]
    inputs = [source.path for source in [*run_inputs(run, config), *theirs(run, config)]]
    files += map(str, model_files(run, config)) if config.get("model") else []
    decided = [decisions_file(run)] if config.get("keep") == "reviewed" else []
    return [*(run.source(path) for path in [*inputs, *files]), *decided]


def make(run: Run, config: Config, out: Path, *, jobs: int | None = None, progress: Progress = lambda *_: None) -> str:
    import orjson

    inputs = run_inputs(run, config)
    settings = settings_of(run, config)
    settings.jobs = jobs or processes(inputs)
    decisions = read_decisions(run)
    kept = frozenset(sample for sample, decision in decisions.items() if decision.action == "keep")
    report = run_check(inputs, settings, progress, theirs=theirs(run, config), reviewed=kept)
    report.config = {key: value for key, value in config.items() if value and key not in {"data", "baseline"}}
    mark_accepted(report.findings, decisions)
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
    keys = ("select", "ignore", "baseline", "against", "keep", "semantic", "nli", "engine", "format", *_NAMES)
    flags = [word for key in keys for word in flag_words(key, config.get(key) or [])]
    flags += flag_words("max_length", config.get("max_length") or [])
    if config.get("template_args"):
        flags += flag_words("template_args", json.dumps(config["template_args"], ensure_ascii=False))
    return shlex.join(["curate", "check", *config["data"], *flags, "--run", str(run.folder)])


def step(jobs: int | None = None, progress: Progress = lambda *_: None) -> Step:
    """The step with as many processes as the user asked for, and with somebody to tell how far it is."""
    return Step("check", reads, ("check.json",), partial(make, jobs=jobs, progress=progress), command)


STEP = step()
