"""Writing files so that a reader never sees half of one, whatever happens to the process or the machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PREFIX = ".curate-"
SUFFIX = ".tmp"


@contextmanager
def atomic_write(path: Path, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Give a file to write to, which takes the place of `path` when the block ends well and vanishes when it does not.

    The bytes reach the disk before the name does (fsync, rename, fsync of the folder). `mode` are the permission bits
    (0o600 for files that hold personal data); left out, those of the file that is replaced, or the usual ones.

    Raises:
        CurateError: the folder does not exist or cannot be written to, or the disk is full.
    """
    target = path.resolve()  # a link stays a link: what it points to is replaced
    if target.exists() and not target.is_file():  # a device or a FIFO: renaming over /dev/null would destroy it
        try:
            with target.open("wb") as stream:
                yield stream
        except OSError as error:
            raise _refused(path, error) from error
        return
    try:
        descriptor, name = tempfile.mkstemp(SUFFIX, f"{PREFIX}{os.getpid()}-", target.parent)
    except OSError as error:
        raise _refused(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(target) if mode is None else mode)
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refused(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


@contextmanager
def written_together(targets: Sequence[Path]) -> Iterator[Path]:
    """Give a folder to write a file for each of the targets to, by its name; all are in one folder.

    When the block ends well they take their places, the first of the targets last; when it does not, all vanishes.

    Raises:
        CurateError: the folder does not exist or cannot be written to, or the disk is full.
    """
    place = targets[0].parent
    try:
        sweep_strays(place)
        with tempfile.TemporaryDirectory(SUFFIX, f"{PREFIX}{os.getpid()}-", place) as folder:
            yield Path(folder)
            for target in reversed(targets):
                (Path(folder) / target.name).replace(target)
        _sync_folder(place)
    except OSError as error:
        raise _refused(targets[0], error) from error


def sweep_strays(folder: Path) -> list[Path]:
    """Remove the temporary files and folders in `folder` of writers that were killed; running ones keep theirs."""
    strays = [stray for stray in folder.glob(f"{PREFIX}*{SUFFIX}") if not _is_running(stray.name)]
    for stray in strays:
        if stray.is_dir():
            shutil.rmtree(stray, ignore_errors=True)
        else:
            stray.unlink(missing_ok=True)
    return strays


def _is_running(name: str) -> bool:
    process = name.removeprefix(PREFIX).split("-", 1)[0]
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> CurateError:
    why = (error.strerror or str(error)).lower()
    return CurateError(f"{path}: cannot be written ({why}); what was there is unchanged; name another place with -o")
