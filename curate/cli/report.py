"""`curate report`."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate report runs/support                 write report.json and open the page
  curate report runs/support --no-browser    the same, for a browser of your choice: the address is printed
  curate report runs/support --no-serve      write report.json and stop
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--no-browser", is_flag=True, help="Print the address of the page and open no browser.")
@click.option("--no-serve", is_flag=True, help="Write report.json and serve no page.")
@click.option("--force", is_flag=True, help="Replace a report.json that was edited by hand.")
def report(run: Path, no_browser: bool, no_serve: bool, force: bool) -> int:
    """Show what the scores of RUN allow to say: both arms, the difference with its interval, every example.

    The page is served to this machine only, until Ctrl-C. It shows what is in RUN and changes nothing.
    """
    import curate_evaluate
    from curate.run import Run, make, why_stale
    from curate_evaluate.report import STEP
    from curate_evaluate.step import STEP as EVALUATE

    opened = Run.open(run)
    for reason in why_stale(opened, EVALUATE, opened.config("evaluate")):
        click.echo(f"report: the scores are out of date ({reason}); make them again: curate evaluate {run}", err=True)
    record = opened.record("report")
    if force or record is None or why_stale(opened, STEP, {}):
        click.echo(make(opened, STEP, {}, force=force))
    else:
        click.echo(f"{record['said']} (up to date)")
    if no_serve:
        return 0

    from curate.serve import serve_page

    click.echo("The report is at the address below until Ctrl-C.")
    page = Path(curate_evaluate.__file__).parent / "app" / "report_page.py"
    serve_page(page, {"CURATE_RUN": str(run)}, browser=not no_browser, say=click.echo)
    return 0
