"""What the check would say of a row as a person edited it, before the edit is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.cleaning.mend import samples_in
from curate.errors import CurateError
from curate.examine import examine
from curate.formats.tools import dump_json
from curate.io import RawRow
from curate.plan import Plan, make_plan
from curate.run.data import run_files, run_inputs
from curate.steps.check import settings_of

if TYPE_CHECKING:
    from curate.finding import Finding, Place
    from curate.formats import Layout
    from curate.run import Run


def revalidate(run: Run, place: Place, after: Any, layout: Layout | None = None) -> list[Finding]:
    """The findings about an edited row, by the readers and the rules of the run's check that look at one row.

    `after` is the row as a JSON value with the input's own keys, to stand at `place`. `layout` is how the rows of the
    file are read; without it the whole file is looked at. What compares rows (copies, contradictions) comes with the
    next check.

    Raises:
        CurateError: the value is not one row that gives one sample, so that it cannot be recorded, or a rule fails.
    """
    if layout is None:
        layout = next((layout for source, layout in run_files(run) if source.path == place.path), None)
    if layout is None:
        raise CurateError(f"{place.path}: not a file of this run")
    try:
        data = dump_json(after).encode()
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        raise CurateError(f"the row cannot be written as JSON ({error})") from error
    samples, faults = samples_in(data, layout)
    if len(samples) != 1:
        why = f": {faults[0].message}" if faults else f": it gives {len(samples)}" if samples else ""
        raise CurateError(f"not a row that gives one sample{why}")
    config = run.config("check")
    chosen = make_plan(settings_of(run, config), [source.path for source in run_inputs(run, config)])
    of_rows = {code: rule for code, rule in chosen.rules.items() if rule.stage in ("reading", "sample")}
    found = examine([RawRow(place.line, data)], place.path, layout, Plan(of_rows, [], chosen.is_default))
    if found.internal_errors:
        raise CurateError(f"{found.internal_errors[0].code} failed: {found.internal_errors[0].error}")
    return found.findings
