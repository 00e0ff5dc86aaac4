"""Where there is no room for the output of cleaning, the data and the old output stay, and the exit code is 2."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate.review.decisions import Decisions
from curate.run import Run, make
from curate.steps import clean
from tests.steps.test_clean import GOOD, checked, sample_id
from tests.steps.test_split import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    words = [str(mount), "-t", "tmpfs", "-o", f"size={4 * MEBIBYTE}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here (that needs root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def cleaned(folder: Path) -> Run:
    """A run with the output of a first cleaning, and a decision that asks for another."""
    run = checked(folder, b"\n".join([GOOD, *ROWS]))
    make(run, clean.STEP, clean.default_config())
    Decisions(run).record(sample_id(GOOD), "drop", by="ana")
    return run


def files(run: Run) -> dict[str, bytes]:
    """The data, the outputs and the manifest."""
    found = [run.folder.parent / "data.jsonl", *(file for file in run.folder.rglob("*.json*") if file.is_file())]
    return {str(file.relative_to(run.folder.parent)): file.read_bytes() for file in found}


def clean_again(run: Run, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "curate", "clean", str(run.folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, capture_output=True, text=True, env=env, preexec_fn=limit)


def assert_refused(run: Run, before: dict[str, bytes], done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2, done.stderr
    assert "cannot be" in done.stderr and "Traceback" not in done.stderr
    # The readable copy of the decisions is brought up to date where there is room for that.
    assert {name: data for name, data in files(run).items() if "review/" not in name} == before
    assert [path.name for path in run.folder.glob(".*")] == []


@pytest.mark.parametrize("share", [0.0, 0.5, 1.5], ids=["no room", "for half of the data", "for half of the output"])
def test_a_full_disk_loses_nothing(small_disk: Path, share: float) -> None:
    run = cleaned(small_disk)
    before = files(run)
    room = int(share * len(before["data.jsonl"]))
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        file.write(b"\0" * (shutil.disk_usage(small_disk).free - room))
    done = clean_again(run)
    ballast.unlink()
    assert_refused(run, before, done)
    assert clean_again(run).returncode == 0
    assert GOOD not in (run / "clean" / "kept.jsonl").read_bytes().split(b"\n")


@pytest.mark.parametrize("size", [0, 2_000, 30_000])
def test_files_that_must_not_grow_lose_nothing(tmp_path: Path, size: int) -> None:
    run = cleaned(tmp_path)
    before = files(run)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
    assert_refused(run, before, clean_again(run, limit))
    assert clean_again(run).returncode == 0
