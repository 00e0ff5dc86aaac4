"""Which inputs a user means: files, globs, folders, standard input, FIFOs and data sets of the hub."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
import stat
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from curate.errors import CurateError
from curate.finding import Fault
from curate.io.records import DATA_SUFFIXES, data_suffix, read_rows
from curate.io.rows import BLOCK, LONGEST_ROW, RawRow
from curate.io.spool import spooled_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STANDARD_INPUT = "-"
_UNREADABLE = {
    b"PK\x03\x04": "a zip archive (or an Excel file): unpack it, or save it as CSV",
    b"%PDF": "a PDF",
    b"ARROW1": "an Arrow file: save it as Parquet (`to_parquet`) or JSON Lines (`to_json`)",
    b"SQLite format 3": "an SQLite database: export the table as CSV or JSON Lines",
    b"\x89HDF": "an HDF5 file: export it as JSON Lines",
    b"version https://git-lfs": "a Git LFS pointer, not the data: run `git lfs pull` first",
}


class Input:
    """One file, or one stream, of rows.

    `path` is how reports name it. `size` (bytes) and `sha256` are of the file's own bytes, compressed or not; `sha256`
    and `faults`, what is wrong with the file as a whole, are known after a full pass over `rows()`.
    """

    def __init__(self, path: str, location: Path | None = None, *, longest_row: int = LONGEST_ROW) -> None:
        self.path = path
        self.longest_row = longest_row
        self.sha256 = ""
        self.faults: list[Fault] = []
        self._location = Path(path) if location is None else location
        self._spool: BinaryIO | None = None
        self.size = 0 if self.is_stream else self._location.stat().st_size

    @property
    def is_stream(self) -> bool:
        """Whether the bytes can be had only once: standard input, a FIFO, a socket, a device."""
        return self.path == STANDARD_INPUT or not stat.S_ISREG(self._location.stat().st_mode)

    def rows(self) -> Iterator[RawRow]:
        """Read all rows, from the start at each call; a stream is first copied to a temporary file.

        Raises:
            CurateError: the input cannot be opened or read, or is of a kind that holds no rows.
        """
        faults: list[Fault] = []
        self.faults = faults
        digest = hashlib.sha256()
        file = self._open()
        before = os.fstat(file.fileno())
        try:
            location = self._location if self._spool is None else None
            yield from read_rows(self._blocks(file, digest), self.path, location, faults, longest=self.longest_row)
        finally:
            if self._spool is None:
                file.close()
        self.sha256 = digest.hexdigest()
        if self._spool is None and (change := _change(before, self._location)):
            message = f"{change} while it was read: the rows may not be those of one version"
            faults.append(Fault(message, None, None, "changed-while-reading"))

    def _open(self) -> BinaryIO:
        if self._spool is not None:
            return self._spool
        with explained(self.path):
            if self.is_stream:
                self._spool = spooled_stream(None if self.path == STANDARD_INPUT else self._location, self.path)
                weakref.finalize(self, self._spool.close)
                self.size = os.fstat(self._spool.fileno()).st_size
                return self._spool
            return self._location.open("rb", buffering=0)

    def _blocks(self, file: BinaryIO, digest: hashlib._Hash) -> Iterator[bytes]:
        at = 0
        while True:
            with explained(self.path):
                block = os.pread(file.fileno(), BLOCK, at)
            if not at:
                for magic, kind in _UNREADABLE.items():
                    if block.startswith(magic):
                        raise CurateError(f"{self.path}: this is {kind}")
            if not block:
                self.size = at
                return
            digest.update(block)
            at += len(block)
            yield block


class explained:
    """Turn an operating system's error about a path into the one line a user reads."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            why = (error.strerror or str(error)).lower()
            raise CurateError(f"{self.path}: cannot be read ({why}){_advice(error)}") from error


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "; ask for permission to read it, or copy it to a place of yours"
    if isinstance(error, FileNotFoundError):
        return "; it was there a moment ago: run again when nothing moves it"
    return "; check the disk, then run again"


def _change(before: os.stat_result, location: Path) -> str | None:
    try:
        after = location.stat()
    except OSError:
        return "the file was removed"
    if (after.st_ino, after.st_dev) != (before.st_ino, before.st_dev):
        return "the file was replaced by another"
    if after.st_size != before.st_size:
        return f"the file went from {before.st_size:,} to {after.st_size:,} bytes"
    return "the file was written to" if after.st_mtime_ns != before.st_mtime_ns else None


def find_inputs(paths: Sequence[str], *, longest_row: int = LONGEST_ROW) -> list[Input]:
    """The inputs that the words of a command line name, in their order; a file named twice is read once.

    A word is a file, a glob pattern, a folder (searched through for data files, hidden and temporary ones left out),
    `-` or `hf://owner/name[@revision][:split]`.

    Raises:
        CurateError: a path does not exist, cannot be read, or a folder or pattern holds no data.
    """
    found: dict[str, Input] = {}
    for path in paths:
        for name, location in _named(path):
            key = name if name == STANDARD_INPUT else os.path.realpath(location)
            if key not in found:
                with explained(name):
                    found[key] = Input(name, location, longest_row=longest_row)
    return list(found.values())


def _named(path: str) -> Iterator[tuple[str, Path]]:
    if path == STANDARD_INPUT:
        yield path, Path(path)
        return
    if path.startswith("hf://"):
        from curate.io.hub import hub_files

        yield from hub_files(path)
        return
    if not path or "\x00" in path:
        raise CurateError(f"{path!r}: not a path; give a file, a folder or -")
    with explained(path):
        try:
            mode = Path(path).stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            # The name of a file may hold [ or *: it is a pattern only if there is no such file.
            matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207
            if not matches:
                raise CurateError(_missing(path)) from None
            for match in matches:
                yield from _in_folder(match) if Path(match).is_dir() else _file(match)
            return
        yield from _in_folder(path) if stat.S_ISDIR(mode) else _file(path)


def _file(path: str) -> Iterator[tuple[str, Path]]:
    location = Path(path)
    if stat.S_ISREG(location.stat().st_mode):
        location.open("rb").close()
    yield path, location


def _missing(path: str) -> str:
    location = Path(path)
    if location.is_symlink():
        return f"{path}: a link to {location.readlink()}, which does not exist"
    if "://" in path:
        return f"{path}: URLs are not read; download the file first (data sets of the hub: hf://owner/name)"
    if glob.has_magic(path):
        return f"{path}: no file matches this pattern; check it with `ls`"
    if not location.parent.is_dir():
        return f"{path}: no such file (there is no folder {location.parent}); check the path"
    neighbours = [neighbour.name for neighbour in location.parent.iterdir()]
    close = difflib.get_close_matches(location.name, neighbours, n=1)
    return f"{path}: no such file; " + (f"did you mean {location.with_name(close[0])}?" if close else "check the path")


def _in_folder(folder: str) -> Iterator[tuple[str, Path]]:
    files = sorted(_data_files(folder))
    if not files:
        kinds = ", ".join(DATA_SUFFIXES)
        raise CurateError(f"{folder}: no data files in this folder (looked for {kinds}, also compressed)")
    for file in files:
        if not file.exists():
            raise CurateError(_missing(str(file)))
        if not file.is_file():
            continue
        with explained(str(file)):
            yield from _file(str(file))


def _data_files(folder: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        with explained(str(error.filename or folder)):
            raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith((".", "~", "#")) and data_suffix(name) in DATA_SUFFIXES:
                yield Path(parent, name)
