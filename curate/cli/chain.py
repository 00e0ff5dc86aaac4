"""What the commands of a run share: opening it, and making a step after the steps that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.run import Run


def opened(words: Sequence[str], folder: str | None) -> Run:
    """The run that RUN|DATA names, with its data checked and, where that had to be done again, said so.

    Raises:
        CurateError: no such run or data.
    """
    from curate.run import ensure, why_stale
    from curate.run.data import open_run
    from curate.steps import check

    run = open_run(words, folder)
    if record := run.record("check"):
        config = record["config"]
    else:
        from curate.config import resolve

        config = check.config(run, words, resolve({}).config)
    if why_stale(run, check.STEP, config):
        ensure(run, [(check.STEP, config)], say)
    return run


def make_with_earlier(run: Run, name: str, given: dict[str, Any], force: bool, **unmade: dict[str, Any]) -> None:
    """Make a step with the settings `given` over its defaults, after those before it that are missing or stale.

    The steps before keep the settings that they were made with; `unmade` are settings for those that never were.
    """
    from curate.report.safe import safe
    from curate.run import ensure, make, why_stale
    from curate.steps import before, defaults, step

    for one, config in before(run, name, **unmade):
        if why_stale(run, one, config):
            ensure(run, [(one, config)], say)
    one, config = step(name), defaults(name) | given
    record = run.record(name)
    if force or record is None or why_stale(run, one, config):
        click.echo(safe(make(run, one, config, force=force, seed=config.get("seed"))))
    else:
        click.echo(safe(f"{record['said']} (up to date)"))


def say(line: str) -> None:
    """On standard error: what else had to be done is no part of the result."""
    from curate.report.safe import safe

    click.echo(safe(line), err=True)
