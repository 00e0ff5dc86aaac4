"""Parquet: each record becomes JSON bytes; dates are ISO strings, binary is hexadecimal, NaN is null, nesting stays."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from curate.finding import Fault
from curate.io.rows import RawRow

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"PAR1"
BATCH = 1024


def parquet_rows(blocks: Iterator[bytes], location: Path | None, faults: list[Fault]) -> Iterator[RawRow]:
    """Yield the records, a batch in memory at a time; `line` is the record number.

    Parquet is read from its end, so a stream, or a compressed file (`location` None), is first copied to a temporary
    file. The blocks are always taken to their end, so that their hash is the file's.
    """
    if location is None:
        with tempfile.NamedTemporaryFile(prefix="curate-", suffix=".parquet") as copy:
            for block in blocks:
                copy.write(block)
            copy.flush()
            yield from _records(Path(copy.name), faults)
    else:
        yield from _records(location, faults)
        for _ in blocks:
            pass


def _records(location: Path, faults: list[Fault]) -> Iterator[RawRow]:
    from arro3.io import read_parquet, write_ndjson

    with location.open("rb") as file:
        whole = _has_footer(file)
    if not whole:
        faults.append(_damaged("it has no footer: the file was cut", 0))
        return
    number = 0
    try:
        for batch in read_parquet(location, batch_size=BATCH):
            out = BytesIO()
            write_ndjson(batch, out, explicit_nulls=True)
            for line in out.getvalue().split(b"\n"):
                if line:
                    number += 1
                    yield RawRow(number, line)
    except (GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of the Rust reader is no Exception
        faults.append(_damaged(str(error).splitlines()[0], number))


def _has_footer(file: BinaryIO) -> bool:
    size = file.seek(0, 2)
    if size < 12:
        return False
    file.seek(size - 8)
    end = file.read(8)
    return end[4:] == MAGIC and int.from_bytes(end[:4], "little") <= size - 12


def _damaged(why: str, read: int) -> Fault:
    message = f"the Parquet file is damaged ({why[:120]}); {read:,} records were read"
    return Fault(message, None, {"records_read": read}, "damaged-parquet")
