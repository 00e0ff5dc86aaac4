"""The Python interface: the functions that the command line and the app call too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.config import resolve
from curate.examine import read_samples
from curate.formats import gather, survey
from curate.io import Input, find_inputs, parse_row
from curate.io.memory import from_memory
from curate.pipeline import run_check

if TYPE_CHECKING:
    from curate.report.report import Report
    from curate.sample import Sample

Data = str | Path | Sequence[str | Path] | Iterable[Mapping[str, Any]] | Any


def check(data: Data, *, config: str | None = None, **options: Any) -> Report:
    """Check instruction or chat data and return the Report that `curate check` prints.

    `data` is a path, several paths, globs or folders, a pandas DataFrame, a datasets.Dataset, or an iterable of dicts.
    `options` are named as the flags of `curate check` (select, ignore, format, columns, rules, thresholds, severity,
    baseline, against, keep, semantic, nli, engine, jobs); they win over the configuration file, as on the command line.
    `against` is a path or several; what of the data is in those files is in `Report.overlap` and in the LEAK findings.

    Raises:
        CurateError: input that cannot be read, an unknown option or rule, `keep="reviewed"` (which needs a run).
    """
    flags = {key: _OPTIONS[key](value) if key in _OPTIONS else value for key, value in options.items()}
    return run_check(open_data(data), resolve(flags, config).config)


def read(data: Data, *, format: str | None = None, columns: Mapping[str, str] | None = None) -> Iterator[Sample]:
    """Yield every sample of the data, in order; rows that cannot be read are left out (`check` lists them).

    Raises:
        CurateError: input that cannot be read.
    """
    for source in open_data(data):
        values = (value for row in source.rows() if row.data for value in parse_row(row.data).values)
        layout = survey(values, forced=format, columns=columns or {})
        for row in gather(source.rows(), layout):
            yield from read_samples(row, source.path, layout, [])


def open_data(data: Data) -> list[Input]:
    """The inputs that `data` names, or holds in memory."""
    if isinstance(data, str | Path):
        return find_inputs([str(data)])
    if isinstance(data, Sequence) and data and all(isinstance(item, str | Path) for item in data):
        return find_inputs([str(item) for item in data])
    return [from_memory(data)]


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _paths(value: Any) -> Any:
    return [_path(each) for each in ([value] if isinstance(value, str | Path) else value or ())]


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("select", "ignore", "rules"), _listed),
    **dict.fromkeys(("baseline", "semantic", "nli"), _path),
    "against": _paths,
}
