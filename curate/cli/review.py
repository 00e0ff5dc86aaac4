"""`curate review` and `curate app`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.run import Run

EPILOG = """\b
Examples:
  curate review data.jsonl                    checks it first, into runs/data
  curate review runs/data --no-browser        only prints the address
  curate review runs/data --reviewer ana
  curate review runs/data --model models/qwen3                     colours the tokens that are trained
  curate review runs/data --proxy https://review.example.org       behind a proxy on this machine
"""
APP_EPILOG = """\b
Examples:
  curate app                  choose among the runs in this folder
  curate app runs/data
"""


def doors(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a command that serves a page."""
    for option in (
        click.option("--token", metavar="TEXT", help="The secret in the link.  [default: a new one each time]"),
        click.option("--proxy", metavar="URL", help="The address at which a proxy on this machine serves the page."),
        click.option(
            "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Others need a --token."
        ),
        click.option("--port", type=click.IntRange(1, 65535), help="[default: a free one]"),
        click.option("--no-browser", is_flag=True, help="Print the address and open nothing."),
        click.option("--model", metavar="M", help="Whose tokens to show: a folder, a GGUF file, or a name on the hub."),
        click.option("--reviewer", help="Who decides.  [default: your login name]"),
    ):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--run", "run_folder", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
@doors
def review(target: tuple[str, ...], run_folder: str | None, **how: Any) -> int:
    """Look at the flagged rows on a page, the worst first: keep, drop or edit them, alone or in bulk.

    The page is served to this machine alone. Decisions are in the run folder, in review.db. They are about the content
    of a row, so they hold wherever the row moves to, and `curate clean` follows them.
    """
    from curate.review.index import is_fresh
    from curate.run.data import is_run, open_run

    run = open_run(target, run_folder) if is_run(target) else None
    if run is None or run.record("check") is None or not is_fresh(run):
        from curate.cli.chain import opened

        run = opened(target, run_folder)
        prepared(run)
    return serve(run, **how)


@click.command(epilog=APP_EPILOG)
@click.argument("target", metavar="[RUN]", required=False)
@doors
def app(target: str | None, **how: Any) -> int:
    """Open the app on a run, or on the runs of this folder: the review, its progress and its decisions."""
    from curate.run import Run

    return serve(Run.open(Path(target)) if target else None, **how)


def prepared(run: Run) -> None:
    """Make search.db, with a line that says how far it is where a person looks on."""
    from curate.cli.check import progress_on_stderr
    from curate.review.index import prepare

    with progress_on_stderr() as progress:
        prepare(run, progress)


def serve(
    run: Run | None,
    *,
    reviewer: str | None,
    model: str | None,
    no_browser: bool,
    port: int | None,
    host: str,
    proxy: str | None,
    token: str | None,
    view: str = "",
) -> int:
    """Serve the app on a run, or on those of this folder, until it is interrupted; `view` is the page to begin with."""
    from curate.serve import REVIEW, Doors, serve_page
    from curate.template.source import find

    if model:
        find(model)  # a name on the hub is fetched now: the page itself never goes there
    given = {
        "CURATE_RUN": run and str(run.folder.resolve()),
        "CURATE_REVIEWER": reviewer,
        "CURATE_MODEL": model and (str(Path(model).resolve()) if Path(model).exists() else model),
    }
    variables = {key: word for key, word in given.items() if word}
    click.echo("The review is at the address below until Ctrl-C.")
    sys.stdout.flush()
    ways_in = Doors(host, port, token, proxy)
    serve_page(REVIEW, variables, browser=not no_browser, say=click.echo, doors=ways_in, view=view)
    return 0
