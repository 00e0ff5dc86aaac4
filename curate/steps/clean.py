"""The step clean: the data, its findings and its decisions in, kept, rejected and changed rows out."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from curate.api import read
from curate.cleaning import output
from curate.cleaning.plan import Plan, by_place
from curate.cleaning.rows import Reason, Rows
from curate.errors import CurateError
from curate.plan import make_plan
from curate.report.report import Report
from curate.review.decisions import current, decisions_file, read_decisions, read_log
from curate.rules import RULES
from curate.run import Run, Step, file_hash
from curate.run.data import rows_of, run_files, run_inputs
from curate.steps import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.finding import Fault
    from curate.formats import Layout
    from curate.review.decisions import Decision

Config = dict[str, Any]


def default_config() -> Config:
    """The settings that nobody set: safe fixes, and the decisions of the run."""
    return {"fix": "safe", "decisions": None}


def reads(run: Run, config: Config) -> Sequence[Path]:
    data = [run.source(source.path) for source in run_inputs(run, run.config("check"))]
    return [*data, run / "check.json", _decisions_file(run, config)]


def make(run: Run, config: Config, out: Path) -> str:
    """Write clean/: every row of the data is in kept.jsonl (and, if it was changed, in changed.jsonl), or in
    rejected.jsonl.

    Raises:
        CurateError: the data is not what was checked, an edit gives no row, or rows would be read as other samples
            once others are gone.
    """
    folder = out / "clean"
    folder.mkdir()
    with planned(run, config, out) as plan:
        output.write(plan.rows, folder)
        refuse_other_samples(run, folder / "kept.jsonl", plan)
        return output.said(plan)


@contextmanager
def planned(run: Run, config: Config, scratch: Path) -> Iterator[Plan]:
    """What would become of each row; nothing is written but a nameless file in the folder `scratch`.

    Raises:
        CurateError: see `make`.
    """
    checked = run.config("check")
    refuse_other_data(run)
    settings = check.settings_of(run, checked)
    settings.jobs = check.processes(run_inputs(run, checked))
    with Rows(scratch) as rows:
        layouts = _read(run, rows)
        report = Report.from_json(orjson.loads((run / "check.json").read_bytes()))
        rules = make_plan(settings, list(layouts)).rules
        plan = Plan(rows, layouts, _decisions(run, config), config["fix"], rules)
        plan.make(by_place(report.findings, config["fix"]), settings)
        yield plan


def refuse_other_data(run: Run) -> None:
    """Make sure that the data is what was checked.

    Raises:
        CurateError: a file has changed since.
    """
    record = run.record("check")
    hashes = record["reads"] if record else {}
    for source in run_inputs(run, run.config("check")):
        if hashes.get(source.path) not in (None, file_hash(run.source(source.path))):
            raise CurateError(f"{source.path}: changed since it was checked; check it again: curate check {run.folder}")


def _read(run: Run, rows: Rows) -> dict[str, Layout]:
    """Take in every row, those that cannot be read as rejected; returns how the rows of each file are read."""
    layouts: dict[str, Layout] = {}
    for source, layout in run_files(run):
        layouts[source.path] = layout
        for row in rows_of(source, layout):
            for number, part in zip(rows.add(row), row.parts, strict=True):
                if part.sample is None:
                    rows.rejected[number] = unreadable(part.faults)
    rows.added()
    return layouts


def unreadable(faults: Sequence[Fault]) -> Reason:
    by_name = {rule.name: rule for rule in RULES.values()}
    known = [(by_name[fault.rule], fault) for fault in faults if fault.rule in by_name]
    for rule, fault in sorted(known, key=lambda pair: not pair[0].fix.safe):
        return Reason(rule.code, fault.message, "curate clean")
    return Reason(None, "it gives no sample", "curate clean")


def _decisions_file(run: Run, config: Config) -> Path:
    return run.source(config["decisions"]) if config.get("decisions") else decisions_file(run)


def _decisions(run: Run, config: Config) -> dict[str, Decision]:
    if not config.get("decisions"):
        return read_decisions(run)
    file = _decisions_file(run, config)
    try:
        return current(read_log(file))
    except CurateError as error:
        raise CurateError(f"{file}: {error}" if str(file) not in str(error) else str(error)) from error


def refuse_other_samples(run: Run, kept: Path, plan: Plan) -> None:
    """Make sure that the next steps see in kept.jsonl the very samples that were meant.

    A row with columns of two formats is read by the format that most rows have, which may change when rows go.

    Raises:
        CurateError: the first row that reads as another sample.
    """
    checked = run.config("check")
    again = read(kept, format=checked["format"], columns=checked["columns"]) if kept.stat().st_size else iter(())
    ids = (sample.id for sample in again)
    for number, place in plan.rows.staying():
        if next(ids, None) != place.sample_id:
            line = plan.rows.places[number].line
            raise CurateError(
                f"{place.path}:{line}: reads as another sample once the left out rows are gone; say how to read "
                f"the data: curate check {run.folder} --format FORMAT"
            )


def command(run: Run, config: Config) -> str:
    flags = [] if config["fix"] == "safe" else ["--fix", config["fix"]]
    if config.get("decisions"):
        flags += ["--decisions", config["decisions"]]
    return shlex.join(["curate", "clean", str(run.folder), *flags])


STEP = Step("clean", reads, ("clean",), make, command, after="check")
