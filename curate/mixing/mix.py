"""The whole path of a mix: sources → rows → what is left out → how many of each → which ones → one file."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from curate.cleaning.rows import Reason, Rows
from curate.config import Config
from curate.convert import STANDARD_OUTPUT, CannotHold, check_out, target_format
from curate.errors import CurateError
from curate.io import find_inputs, parse_row
from curate.io.write import written_together
from curate.mixing import output
from curate.mixing.amounts import ALL, Amount, amount, quotas
from curate.mixing.compare import BY, COMPARED, LEFT_OUT, UNREADABLE, UNSUPPORTED, Compared, leave_out
from curate.mixing.draw import Drawn, draw
from curate.pipeline import quiet, survey_input
from curate.run.data import rows_of
from curate.steps.check import processes
from curate.steps.clean import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from curate.finding import Place
    from curate.formats import Format, Layout
    from curate.io import Input
    from curate.pipeline import Progress
    from curate.run.data import Part

COMMON = "messages"


class Source(NamedTuple):
    """What is mixed in: the word that names it, its files, and how much of it is wanted."""

    name: str
    files: list[Input]
    amount: Amount


@dataclass(frozen=True)
class Options:
    """How to mix.

    `to` is the format of the mix: left out, that of the sources, or `messages` where they have several. `total` is the
    number of rows of a mix that has only shares. With `oversample`, rows are repeated where there are fewer than asked
    for. `drop_unsupported` leaves out the rows that `to` cannot hold.
    `settings` are those of a check, of which mixing heeds what decides when rows are the same or contradict each other.
    """

    to: str | None = None
    total: int | None = None
    seed: int = 0
    oversample: bool = False
    drop_unsupported: bool = False
    settings: Config = field(default_factory=Config)


@dataclass
class Mix:
    """A mix that is planned: all rows of all sources, and what becomes of each.

    `source` has by row the number of its source, `drawn` the rows of the mix in order. Rows of `converted` are written
    in the format `to`; where it is None, all rows keep their bytes.
    """

    sources: Sequence[Source]
    rows: Rows
    layouts: dict[str, Layout]
    options: Options
    to: Format | None
    source: list[int] = field(default_factory=list)
    converted: set[int] = field(default_factory=set)
    compared: Compared = field(default_factory=Compared)
    drawn: list[Drawn] = field(default_factory=list)

    def counts(self) -> list[Counter[str]]:
        """For each source, in samples: `read`, those left out by reason, `not drawn`, `distinct` ones in the mix,
        `repeats` of these, and `rows`, its lines of the mix."""
        counts = [Counter[str]() for _ in self.sources]
        for number, source in enumerate(self.source):
            counts[source]["read"] += 1
            if reason := self.rows.rejected.get(number):
                counts[source][self.why(number, reason)] += 1
        for number, copy in self.drawn:
            counts[self.source[number]]["repeats" if copy else "distinct"] += 1
        for one in counts:
            out = sum(one[why] for why in LEFT_OUT)
            one["not drawn"] = one["read"] - out - one["distinct"]
            one["rows"] = one["distinct"] + one["repeats"]
        return counts

    def why(self, number: int, reason: Reason) -> str:
        """The name under which a row that is left out is counted."""
        if not str(self.rows.places[number].sample_id).startswith("v1:"):
            return UNREADABLE
        return reason.code or UNSUPPORTED


def named_source(word: str) -> tuple[str, Amount]:
    """Take FILE=AMOUNT apart; a file whose own name holds `=` needs no amount to be found.

    Raises:
        CurateError: what stands behind the last `=` is no amount.
    """
    name, sign, text = word.rpartition("=")
    if not sign or (Path(word).exists() and not (name and Path(name).exists())):
        return word, ALL
    try:
        return name, amount(text)
    except CurateError as error:
        raise CurateError(f"{word}: {error}") from error


def opened_sources(words: Sequence[str]) -> list[Source]:
    """The sources that a command line names.

    Raises:
        CurateError: no such file, an amount that is none, a file that is in two sources.
    """
    sources: list[Source] = []
    seen: dict[str, str] = {}
    for word in words:
        name, wanted = named_source(word)
        source = Source(name, find_inputs([name]), wanted)
        for file in source.files:
            key = os.path.realpath(file.path)
            if key in seen:
                raise CurateError(
                    f"{file.path} is named twice, in {seen[key]} and {word}: name it once, such as {name}=2x to "
                    "have its rows twice"
                )
            seen[key] = word
        sources.append(source)
    return sources


@contextmanager
def planned(sources: Sequence[Source], options: Options, scratch: Path, *, progress: Progress = quiet) -> Iterator[Mix]:
    """Plan a mix; nothing is written but a nameless file in the folder `scratch`.

    Raises:
        CannotHold: the format cannot hold some rows, and `options` do not say to leave them out.
        CurateError: a source cannot be read or has no rows, or an amount that cannot be had.
    """
    files = [file for source in sources for file in source.files]
    comparing = options.settings.model_copy(
        update={"select": list(COMPARED), "rules": [], "keep": "first", "jobs": processes(files)}
    )
    layouts = {file.path: survey_input(file, Config(), progress)[0] for file in files}
    with Rows(scratch) as rows:
        mix = Mix(sources, rows, layouts, options, _target(options.to, layouts))
        _read(mix, progress)
        mix.compared = leave_out(rows, mix.source, comparing, layouts, progress)
        _draw(mix)
        yield mix


def _target(to: str | None, layouts: Mapping[str, Layout]) -> Format | None:
    """The format that rows are written in; None where they keep their bytes: all have one format, under one naming."""
    if to is not None:
        return target_format(to)
    shapes = {(layout.format, layout.names) for layout in layouts.values() if layout.counts}
    if len(shapes) <= 1:
        return None
    (name, *others) = {name for name, _ in shapes}
    return target_format(COMMON if others else name)


def _read(mix: Mix, progress: Progress) -> None:
    """Take in every row; those that give no sample or that the format cannot hold are rejected."""
    lost: list[tuple[Place, list[str]]] = []
    surveyed = {file.path: file.sha256 for source in mix.sources for file in source.files}
    for number, source in enumerate(mix.sources):
        for file in source.files:
            for row in rows_of(file, mix.layouts[file.path]):
                for part_number, part in zip(mix.rows.add(row), row.parts, strict=True):
                    mix.source.append(number)
                    if part.sample is None:
                        mix.rows.rejected[part_number] = unreadable(part.faults)._replace(by=BY)
                    elif mix.to is not None and not _is_written_so(part, mix.to):
                        mix.converted.add(part_number)
                        if reasons := mix.to.cannot_hold(part.sample):
                            lost.append((part.place, reasons))
                            why = f"{mix.to.name} cannot hold it: {'; '.join(reasons)}"
                            mix.rows.rejected[part_number] = Reason(None, why, BY)
                    if len(mix.source) % 1000 == 0:
                        progress(f"reading {file.path}", len(mix.source), 0)
            if file.sha256 != surveyed[file.path]:
                raise CurateError(f"{file.path}: changed while it was read; run again when nothing writes to it")
    mix.rows.added()
    if lost and not mix.options.drop_unsupported:
        assert mix.to is not None
        raise CannotHold(mix.to.name, lost)


def _is_written_so(part: Part, to: Format) -> bool:
    """Whether a row stands in the format already, under the names of columns that are written."""
    if part.sample is None or part.sample.format != to.name:
        return False
    written, (value,) = to.write(part.sample), parse_row(part.data).values
    return isinstance(value, dict) and written is not None and written.keys() <= value.keys()


def _draw(mix: Mix) -> None:
    left: list[list[int]] = [[] for _ in mix.sources]
    for number, _ in mix.rows.staying():
        left[mix.source[number]].append(number)
    for source, numbers in zip(mix.sources, left, strict=True):
        if not numbers:
            raise CurateError(_nothing_left(mix, source))
    names, amounts = [source.name for source in mix.sources], [source.amount for source in mix.sources]
    wanted = quotas(names, amounts, list(map(len, left)), mix.options.total, oversample=mix.options.oversample)
    for source, quota in zip(mix.sources, wanted, strict=True):
        if not quota:
            raise CurateError(f"{source.name}={source.amount.text} is less than one row: ask for more, or leave it out")
    placed = []
    for numbers, quota in zip(left, wanted, strict=True):
        ids = [str(mix.rows.places[number].sample_id) for number in numbers]
        drawn = draw(ids, quota, mix.options.seed)
        placed.append(sorted((place, numbers[one.number], one.copy) for place, one in drawn))
    mix.drawn = [Drawn(number, copy) for _, number, copy in heapq.merge(*placed)]


def _nothing_left(mix: Mix, source: Source) -> str:
    counts = mix.counts()[mix.sources.index(source)]
    if not counts["read"]:
        return f"{source.name}: holds no rows: leave it out, or name another file"
    if counts["read"] == counts[UNREADABLE]:
        file = source.files[0].path
        return (
            f"{source.name}: no row of it can be read; see why: curate check {file}; where its columns have names of "
            "their own, set [columns] in curate.toml and write it anew: curate convert"
        )
    why = ", ".join(f"{counts[why]:,} {why}" for why in LEFT_OUT if counts[why])
    hint = ", or keep them: --ignore CODE" if any(counts[code] for code in COMPARED) else ""
    return f"{source.name}: nothing of it is left ({why}): name the other files alone{hint}"


def mixed(words: Sequence[str], out: Path, options: Options, *, force: bool = False, progress: Progress = quiet) -> Mix:
    """Write a mix of the sources that `words` name to `out`, and beside it where each row comes from, what was left out
    and why, and its numbers.

    Raises:
        CannotHold: see `planned`.
        CurateError: see `planned`; files that exist without `force`; rows that would be read as other samples.
    """
    if out in STANDARD_OUTPUT:
        raise CurateError("-o -: a mix is several files (the rows, where they come from, what was left out); name one")
    out = out.resolve() if out.is_symlink() else out  # a link stays a link: what it points to is replaced
    sources = opened_sources(words)
    files = [file for source in sources for file in source.files]
    for file in output.files_of(out):
        check_out(file, files, force)
    with written_together(output.files_of(out)) as folder, planned(sources, options, folder, progress=progress) as mix:
        output.write(mix, folder, out)
    return mix
