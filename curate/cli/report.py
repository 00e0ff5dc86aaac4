"""`curate report`."""

from __future__ import annotations

import json
from pathlib import Path

import click

EPILOG = """\b
Examples:
  curate report runs/support                 write report.json and report.html, and open the page
  curate report runs/support --no-browser    the same, for a browser of your choice: the address is printed
  curate report runs/support --no-serve      write both and stop
  curate report runs/support --markdown      for a comment on a pull request
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--no-browser", is_flag=True, help="Print the address of the page and open no browser.")
@click.option("--no-serve", is_flag=True, help="Write report.html and report.json and serve no page.")
@click.option("--markdown", is_flag=True, help="Print the verdict and the arms for a pull request and serve no page.")
@click.option("--force", is_flag=True, help="Replace a report that was edited by hand.")
def report(run: Path, no_browser: bool, no_serve: bool, markdown: bool, force: bool) -> int:
    """Show what the scores of RUN allow to say: the verdict, all arms, the differences with their intervals, examples.

    The page is served to this machine only, until Ctrl-C. It shows what is in RUN and changes nothing.
    """
    import curate_evaluate
    from curate.run import Run, make, why_stale
    from curate.steps import CHAIN, step
    from curate_evaluate.report.step import STEP

    opened = Run.open(run)
    opened.config("evaluate")  # refuses where there are no scores
    before = [name for name in CHAIN if name != "report" and opened.record(name)]
    for name in reversed(before):
        if reasons := why_stale(opened, step(name), opened.config(name)):
            said = f"the scores are out of date ({'; '.join(reasons)}); make them again: curate {name} {run}"
            click.echo(f"report: {said}", err=True)
            break
    record = opened.record("report")
    is_stale = force or record is None or why_stale(opened, STEP, {})
    said = make(opened, STEP, {}, force=force) if is_stale or record is None else f"{record['said']} (up to date)"
    if markdown:
        from curate_evaluate.report.page import to_markdown

        click.echo(to_markdown(json.loads((opened / "report.json").read_bytes())), nl=False)
        return 0
    click.echo(said)
    if no_serve:
        click.echo(f"\n  {run / 'report.html'}")
        return 0

    from curate.serve import serve_page

    click.echo("The report is at the address below until Ctrl-C.")
    page = Path(curate_evaluate.__file__).parent / "app" / "report_page.py"
    serve_page(page, {"CURATE_RUN": str(run)}, browser=not no_browser, say=click.echo)
    return 0
