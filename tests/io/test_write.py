"""A file is there whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.io.write import atomic_write, sweep_strays

if TYPE_CHECKING:
    from pathlib import Path


def listing(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_bytes(b"old")
    file.chmod(0o640)
    with atomic_write(file) as out:
        out.write(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert listing(tmp_path) == ["out.jsonl"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(file) as out:
        out.write(b"half")
        raise ZeroDivisionError
    assert file.read_bytes() == b"old"
    assert listing(tmp_path) == ["out.jsonl"]


def test_permission_bits_follow_the_mode_or_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "private", mode=0o600) as out:
            out.write(b"x")
        with atomic_write(tmp_path / "usual") as out:
            out.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "usual").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link") as out:
        out.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_missing_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="cannot be written"), atomic_write(tmp_path / "no" / "out"):
        pass


def test_killed_writers_never_tear_a_file_and_their_strays_are_swept(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"a" * 100_000)
    code = (
        "import sys; from pathlib import Path; from curate.io.write import atomic_write\n"
        "print(flush=True)\n"
        "while True:\n"
        "    for letter in b'ab':\n"
        "        with atomic_write(Path(sys.argv[1])) as out:\n"
        "            for _ in range(100): out.write(bytes([letter]) * 1000)\n"
    )
    for i in range(8):
        with subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.003 * i)
            writer.send_signal(signal.SIGKILL)
        data = file.read_bytes()
        assert len(data) == 100_000
        assert len(set(data)) == 1
    with atomic_write(file) as out:
        out.write(b"a" * 100_000)
        sweep_strays(tmp_path)
        assert len(listing(tmp_path)) == 2, "the writer that still runs keeps its own"
    assert listing(tmp_path) == ["out"]


def test_what_is_no_file_is_written_through_and_stays_what_it_is(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(fifo) as out:
        out.write(b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert fifo.is_fifo()
    with pytest.raises(CurateError, match="cannot be written"), atomic_write(tmp_path) as out:
        out.write(b"new")
