"""Records in a file, one JSON line each under a key, only ever appended to: what was measured once is not measured
again, whatever stopped the process."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Record = TypeVar("Record")


class Kept(Generic[Record]):
    """The records of a file. Lines of a process that was killed while it wrote are left out, and so are those of a
    version that kept something else."""

    def __init__(self, file: Path, read: Callable[..., Record], write: Callable[[Record], Mapping[str, Any]]) -> None:
        """Read the file, if there is one.

        Args:
            file: where the records are.
            read: makes a record of the fields of a line, which are its keyword arguments.
            write: the fields of a record.
        """
        self.file, self._write = file, write
        self._known: dict[str, Record] = {}
        data = file.read_bytes() if file.exists() else b""
        # Without its line feed the last line was never finished; the next one must not be joined to it.
        self._torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            try:
                entry = json.loads(line)
                key: str = entry.pop("key")
                self._known[key] = read(**entry)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Record | None:
        """The record under this key; None where there is none."""
        return self._known.get(key)

    def all(self, keys: Iterable[str]) -> list[Record]:
        """The records under these keys.

        Raises:
            KeyError: there is none under one of them.
        """
        return [self._known[key] for key in keys]

    def missing(self, batches: Iterable[list[int]], keys: Sequence[str]) -> list[list[int]]:
        """The batches that lack a record; they hold places in `keys`."""
        return [batch for batch in batches if any(self.get(keys[i]) is None for i in batch)]

    def add(self, records: Mapping[str, Record]) -> None:
        """Append what is new, and have the disk hold it before anything goes on."""
        new = {key: record for key, record in records.items() if key not in self._known}
        if not new:
            return
        lines = "".join(f"{json.dumps({'key': key, **self._write(record)})}\n" for key, record in new.items())
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(f"{chr(10) * self._torn}{lines}".encode())
            file.flush()
            os.fsync(descriptor)
        self._torn = False
        self._known |= new
