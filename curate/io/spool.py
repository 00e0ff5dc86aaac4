"""Streams that can be read only once, copied to a temporary file so that they can be read again."""

from __future__ import annotations

import os
import select
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 1000
"""Milliseconds without data after which a person is told what is being waited for."""


def spooled_stream(path: Path | None, name: str) -> BinaryIO:
    """Copy a FIFO or device (standard input where `path` is None) to a nameless temporary file, and return that.

    Waits as long as it takes for a writer, but says so on standard error after a second.
    """
    # A plain open() of a FIFO would hang without a word until somebody opens it for writing.
    descriptor = os.dup(0) if path is None else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(PATIENCE):
            print(f"waiting for data on {'standard input' if path is None else name} ...", file=sys.stderr, flush=True)
            poll.poll()
        if path is not None:
            os.set_blocking(descriptor, True)
        return spooled_file(stream)


def spooled_file(stream: BinaryIO) -> BinaryIO:
    """Copy what is left of a stream to a nameless temporary file (read it by position)."""
    spool = cast("BinaryIO", tempfile.TemporaryFile(prefix="curate-"))  # noqa: SIM115
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    return spool
