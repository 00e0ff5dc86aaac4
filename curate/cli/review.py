"""`curate review`."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate review data.jsonl                    checks it first, into runs/data
  curate review runs/data --no-browser        only prints the address
  curate review runs/data --reviewer ana
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="RUN|DATA...", nargs=-1, required=True)
@click.option("--reviewer", help="Who decides.  [default: your login name]")
@click.option("--no-browser", is_flag=True, help="Print the address and open nothing.")
@click.option("--run", "run_folder", metavar="DIR", help="The run folder of DATA.  [default: runs/STEM]")
def review(target: tuple[str, ...], reviewer: str | None, no_browser: bool, run_folder: str | None) -> int:
    """Show the flagged rows on a page, the worst first, and record which to keep and which to drop.

    The page is served to this machine alone. Decisions are in the run folder: review.db, and review/decisions.jsonl to
    read. They are about the content of a row, so they hold wherever the row moves to, and `curate clean` follows them.
    """
    from curate.cli.chain import opened
    from curate.serve import serve_page

    run = opened(target, run_folder)
    variables = {"CURATE_RUN": str(run.folder.resolve())} | ({"CURATE_REVIEWER": reviewer} if reviewer else {})
    click.echo("The review is at the address below until Ctrl-C.")
    page = Path(__file__).parents[1] / "review" / "page.py"
    serve_page(page, variables, browser=not no_browser, say=click.echo)
    return 0
