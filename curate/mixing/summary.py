"""What a mix says of itself: numbers that add up, file by file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curate.mixing.compare import COMPARED, CONTRADICTORY, EXACT, LEFT_OUT, NEAR, UNREADABLE, UNSUPPORTED
from curate.report.safe import safe, safe_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from curate.mixing.mix import Mix

_COMPARED = {
    EXACT: ("copy (DUP001)", "copies (DUP001)"),
    NEAR: ("near copy (DUP002)", "near copies (DUP002)"),
    CONTRADICTORY: ("contradiction (CON001)", "contradictions (CON001)"),
}
_OTHERWISE = {
    UNREADABLE: ("row that cannot be read", "rows that cannot be read"),
    UNSUPPORTED: ("row that the format cannot hold", "rows that the format cannot hold"),
}


def said(mix: Mix) -> Iterator[str]:
    """The lines of the summary, safe to print: read = left out + not drawn + rows - repeats holds for each file."""
    counts = mix.counts()
    total = sum(counts, Counter())
    shape = mix.to.name if mix.to else next(iter({layout.format for layout in mix.layouts.values() if layout.counts}))
    yield f"{total['rows']:,} rows, of {total['read']:,} read · {shape} · seed {mix.options.seed}"
    yield ""
    yield from _table(mix, counts, total)
    notes = [*_left_out(total), *_repeated(mix, counts), *_converted(mix), *_within(mix)]
    if notes:
        yield ""
    yield from (f"  {safe(note)}" for note in notes)


def _table(mix: Mix, counts: Sequence[Counter[str]], total: Counter[str]) -> Iterator[str]:
    columns = ["read", "left out", "not drawn", *(["repeats"] if total["repeats"] else []), "rows"]
    lines = [["", "asked for", *columns, "share"]]
    for source, one in zip(mix.sources, counts, strict=True):
        lines.append([safe_path(source.name), source.amount.text, *_numbers(one, columns, total["rows"])])
    lines.append(["in all", "", *_numbers(total, columns, total["rows"])])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, asked, *cells in lines:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[2:], strict=True))
        yield "  ".join(("", name.ljust(widths[0]), asked.rjust(widths[1]), *aligned))


def _numbers(one: Counter[str], columns: Sequence[str], rows: int) -> list[str]:
    out = sum(one[why] for why in LEFT_OUT)
    cells = [f"{out if column == 'left out' else one[column]:,}" for column in columns]
    return [*cells, f"{one['rows'] / rows:.1%}" if rows else "-"]


def _left_out(total: Counter[str]) -> Iterator[str]:
    if found := _listed(total, _COMPARED):
        yield f"left out: {found}, each of a row of an earlier file"
    if found := _listed(total, _OTHERWISE):
        yield f"left out: {found}"


def _repeated(mix: Mix, counts: Sequence[Counter[str]]) -> Iterator[str]:
    for source, one in zip(mix.sources, counts, strict=True):
        if one["repeats"]:
            yield f"{source.name}: {one['repeats']:,} rows are repeats, as asked for; a check reports them (DUP001)"


def _converted(mix: Mix) -> Iterator[str]:
    drawn = {number for number, _ in mix.drawn}
    anew = Counter(mix.source[number] for number in drawn & mix.converted)
    if not anew or mix.to is None:
        return
    for index, count in sorted(anew.items()):
        source = mix.sources[index]
        formats = ", ".join(dict.fromkeys(mix.layouts[file.path].format for file in source.files))
        other = ", its columns under other names" if formats == mix.to.name else f", not {formats}"
        yield f"{source.name}: {count:,} {'row is' if count == 1 else 'rows are'} written as {mix.to.name}{other}"
    if anew.total() < len(drawn):
        yield "all other rows keep their bytes"
    if mix.options.to is None:
        yield "as the files do not have one format; --to FORMAT chooses another"


def _within(mix: Mix) -> Iterator[str]:
    for index, source in enumerate(mix.sources):
        if found := _listed({code: mix.compared.within[index, code] for code in COMPARED}, _COMPARED):
            file = source.files[0]
            command = "" if file.is_stream else f": curate check {file.path}"
            yield f"{source.name}: {found} within the file, which a mix leaves there{command}"


def _listed(counts: Mapping[str, int], words: Mapping[str, tuple[str, str]]) -> str:
    return ", ".join(f"{counts[name]:,} {what[counts[name] != 1]}" for name, what in words.items() if counts[name])
