"""What a mix writes: the rows, where each comes from, what was left out and why, and the numbers of it all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate import __version__
from curate.api import read
from curate.cleaning.mend import only_sample
from curate.cleaning.output import rejected_line
from curate.convert import opened
from curate.errors import CurateError
from curate.formats.tools import dump_json
from curate.io.write import atomic_write
from curate.mixing.compare import LEFT_OUT
from curate.mixing.origins import MIX, REJECTED, SOURCES, beside
from curate.run.folder import file_hash

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from curate.mixing.mix import Mix

MARK = b"\xef\xbb\xbf"  # a byte-order mark, which belongs to the file and not to its first row
SCHEMA = "curate.mix/1"


def files_of(out: Path) -> list[Path]:
    """The files that a mix writes: its rows, and what stands beside them."""
    return [out, *(beside(out, kind) for kind in (MIX, SOURCES, REJECTED))]


def write(mix: Mix, folder: Path, out: Path) -> None:
    """Write the files of a mix to `folder`, under the names that they have beside `out`.

    Raises:
        CurateError: rows of the mix would be read as other samples than they are.
    """
    data, numbers, sources, rejected = (folder / file.name for file in files_of(out))
    with opened(data) as rows, atomic_write(sources) as origins:
        for line, (number, copy) in enumerate(mix.drawn, 1):
            path, source_line, part, sample_id = mix.rows.places[number]
            rows.write(row_of(mix, number) + b"\n")
            source = {"path": path, "line": source_line, "part": part}
            origins.write(_line({"line": line, "sample_id": sample_id, "source": source, "copy": copy + 1}))
    with atomic_write(rejected, mode=0o600) as file:
        for number in sorted(mix.rows.rejected):
            file.write(rejected_line(mix.rows, number, kept=_kept(mix, number)))
    with atomic_write(numbers) as file:
        text = json.dumps(document(mix, data, out), indent=2, ensure_ascii=False)
        file.write(text.encode("utf-8", "replace") + b"\n")
    _refuse_other_samples(mix, data)


def row_of(mix: Mix, number: int) -> bytes:
    """A row as the mix has it: its own bytes, or in the format of the mix."""
    data = mix.rows.before(number).removeprefix(MARK)
    if number not in mix.converted:
        return data
    sample = only_sample(data, mix.layouts[mix.rows.places[number].path])
    assert sample is not None
    assert mix.to is not None
    return dump_json(mix.to.write(sample)).encode()


def document(mix: Mix, data: Path, out: Path) -> dict[str, Any]:
    """The numbers of a mix, and all that is needed to make it again."""
    return {
        "schema": SCHEMA,
        "curate_version": __version__,
        "output": {"path": out.name, "sha256": file_hash(data), "rows": len(mix.drawn)},
        "options": {
            "to": mix.to.name if mix.to else None,
            "rows": mix.options.total,
            "seed": mix.options.seed,
            "oversample": mix.options.oversample,
            "drop_unsupported": mix.options.drop_unsupported,
            "config": mix.options.settings.that_changes_findings(),
        },
        "sources": [
            {
                "name": source.name,
                "amount": source.amount.text,
                "files": [
                    {"path": file.path, "sha256": file.sha256, "format": mix.layouts[file.path].format}
                    for file in source.files
                ],
                **_counted(counts),
            }
            for source, counts in zip(mix.sources, mix.counts(), strict=True)
        ],
    }


def _kept(mix: Mix, number: int) -> dict[str, Any] | None:
    """The row for which another one was left out."""
    place = mix.compared.partner.get(number)
    return place._replace(path=place.path.encode("utf-8", "replace").decode()).as_json() if place else None


def _counted(counts: Counter[str]) -> dict[str, Any]:
    """The numbers of a source: read = those left out + not_drawn + rows - repeats."""
    left_out = {why: counts[why] for why in LEFT_OUT if counts[why]}
    named = ("not drawn", "repeats", "rows")
    return {"read": counts["read"], "left_out": left_out, **{key.replace(" ", "_"): counts[key] for key in named}}


def _refuse_other_samples(mix: Mix, data: Path) -> None:
    """Make sure that the mix reads as the very samples that were drawn: all rows of a file decide how it is read."""
    ids = (sample.id for sample in read(data)) if mix.drawn else iter(())
    for number, _ in mix.drawn:
        place = mix.rows.places[number]
        if next(ids, None) != place.sample_id:
            raise CurateError(
                f"{place.path}:{place.line}: reads as another row among those of the other files; "
                "name one format for all of them: --to messages"
            )


def _line(entry: dict[str, Any]) -> bytes:
    return dump_json(entry).encode("utf-8", "replace") + b"\n"
