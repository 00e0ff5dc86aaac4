"""What the commands of a run share: opening it, and making a step after the steps that it needs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.run import Run


def opened(words: Sequence[str], folder: str | None) -> Run:
    """The run that RUN|DATA names, with its data checked and, where that had to be done again, said so.

    Raises:
        CurateError: no such run or data.
    """
    from curate.run import ensure
    from curate.run.data import open_run
    from curate.steps import check

    run = open_run(words, folder)
    if record := run.record("check"):
        config = record["config"]
    else:
        from curate.config import resolve

        config = check.config(run, words, resolve({}).config)
    ensure(run, [(check.STEP, config)], say)
    return run


@contextmanager
def trial(words: Sequence[str], folder: str | None) -> Iterator[Run]:
    """The run that RUN|DATA names, checked, without anything being written: a copy of it in a temporary folder."""
    import tempfile
    from pathlib import Path

    from curate.config import resolve
    from curate.io import find_inputs
    from curate.review.decisions import Decisions
    from curate.run import Run, make, why_stale
    from curate.run.data import default_folder, is_run, open_run
    from curate.steps import check

    known = Run(Path(words[0] if is_run(words) else folder or default_folder(find_inputs(words)[0].path)))
    if known.is_made:
        record = open_run(words, None if is_run(words) else str(known.folder)).record("check")
        if record and not why_stale(known, check.STEP, record["config"]):
            yield known
            return
    with tempfile.TemporaryDirectory(prefix="curate-") as scratch:
        run = Run.create(Path(scratch, "run"))
        config = check.config(run, words, resolve({}).config)
        if known.is_made and (record := known.record("check")):
            run.save(run.manifest() | {"directory": known.manifest()["directory"]})
            config = record["config"]
        Decisions(run).add_log(Decisions(known).log())
        make(run, check.STEP, config)
        yield run


def make_with_earlier(run: Run, name: str, given: dict[str, Any], force: bool, **unmade: dict[str, Any]) -> None:
    """Make a step with the settings `given` over its defaults, after those before it that are missing or stale.

    The steps before keep the settings that they were made with; `unmade` are settings for those that never were.
    """
    from curate.report.safe import safe
    from curate.run import ensure, make, why_stale
    from curate.steps import before, defaults, step

    ensure(run, before(run, name, **unmade), say)
    one, config = step(name), defaults(name) | given
    record = run.record(name)
    if force or record is None or why_stale(run, one, config):
        click.echo(safe(make(run, one, config, force=force, seed=config.get("seed"))))
    else:
        click.echo(safe(f"{record['said']} (up to date)"))


def say_conflicts(run: Run) -> None:
    """Say on how many rows the reviewers of a run disagree, if they do."""
    from curate.review.decisions import Decisions

    if conflicts := Decisions(run).conflicts():
        rows = f"{len(conflicts):,} rows" if len(conflicts) > 1 else "1 row"
        say(f"reviewers disagree about {rows}; the newest word holds: curate decisions conflicts {run.folder}")


def say(line: str) -> None:
    """On standard error: what else had to be done is no part of the result."""
    from curate.report.safe import safe

    click.echo(safe(line), err=True)
