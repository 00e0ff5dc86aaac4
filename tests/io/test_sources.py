"""What a command line may name, the same rows from wherever they come, and one clear line where they cannot come."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backports import zstd

from curate.errors import CurateError
from curate.io import find_inputs, parse_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.io import Input

ROWS = [{"q": f"question {i}", "a": "é" * (i % 7)} for i in range(300)]
LINES = b"".join(f'{{"q": "{row["q"]}", "a": "{row["a"]}"}}\n'.encode() for row in ROWS)
ARRAY = b"[" + LINES.strip().replace(b"\n", b",\n") + b"]"


def values(source: Input) -> list[Any]:
    return [value for row in source.rows() for value in parse_row(row.data).values]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", LINES),
        ("x.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("x.jsonl.bz2", bz2.compress(LINES)),
        ("x.jsonl.xz", lzma.compress(LINES)),
        ("x.jsonl.zst", zstd.compress(LINES)),
        ("gzip-by-content.jsonl", gzip.compress(LINES, mtime=0)),
        ("x.json", ARRAY),
        ("x.json.zst", zstd.compress(ARRAY)),
        ("utf16.jsonl", LINES.decode().encode("utf-16")),
        ("array-by-content.txt", ARRAY),
    ],
)
@pytest.mark.parametrize("way", ["file", "stdin", "fifo"])
def test_the_same_rows_come_from_everywhere(name: str, data: bytes, way: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if way == "fifo":
        os.mkfifo(file)
        threading.Thread(target=file.write_bytes, args=(data,), daemon=True).start()
        (source,) = find_inputs([str(file)])
    else:
        file.write_bytes(data)
        (source,) = find_inputs([str(file) if way == "file" else "-"])
    with file.open("rb") if way == "stdin" else io.BytesIO() as stream:
        if way == "stdin":
            saved = os.dup(0)
            os.dup2(stream.fileno(), 0)
        try:
            assert values(source) == ROWS
            assert values(source) == ROWS, "a second pass"
        finally:
            if way == "stdin":
                os.dup2(saved, 0)
                os.close(saved)
    assert source.size == len(data)
    assert source.sha256 == hashlib.sha256(data).hexdigest()


def test_offsets_point_at_the_bytes_of_each_row(tmp_path: Path) -> None:
    for data in (LINES, b"\xef\xbb\xbf" + LINES, ARRAY, LINES.replace(b"\n", b"\r\n"), LINES.replace(b"\n", b"\r")):
        file = tmp_path / "x.txt"
        file.write_bytes(data)
        (source,) = find_inputs([str(file)])
        rows = list(source.rows())
        assert len(rows) == len(ROWS)
        assert all(data[row.offset : row.offset + len(row.data)] == row.data for row in rows)


def test_a_fifo_without_a_writer_says_what_is_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.jsonl"
    os.mkfifo(fifo)
    code = "import sys; from curate.io import find_inputs; print(len(list(find_inputs(sys.argv[1:])[0].rows())))"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(fifo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reader:
        assert reader.stderr is not None
        assert reader.stderr.readline().decode() == f"waiting for data on {fifo} ...\n"
        fifo.write_bytes(LINES)
        out, _ = reader.communicate(timeout=20)
    assert out == b"300\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.jsonl", "a.json", "sub/c.csv", "sub/d.tsv", "sub/deep/e.ndjson.gz", "f.parquet", "notes.txt", "README.md",
        ".hidden.jsonl", ".git/x.jsonl", "~lock.jsonl", ".curate-1-x.tmp", "model.json.tmp",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINES)
    return tmp_path


def names(inputs: list[Input], folder: Path) -> list[str]:
    return [Path(source.path).relative_to(folder).as_posix() for source in inputs]


def test_a_folder_is_searched_for_data_files_in_order(folder: Path) -> None:
    found = names(find_inputs([str(folder)]), folder)
    assert found == ["a.json", "b.jsonl", "f.parquet", "sub/c.csv", "sub/d.tsv", "sub/deep/e.ndjson.gz"]


def test_patterns_folders_and_files_overlap_without_reading_twice(folder: Path) -> None:
    (folder / "link.jsonl").symlink_to(folder / "b.jsonl")
    words = [
        str(folder / "b.jsonl"),
        str(folder / "*.js*n"),
        str(folder / "sub"),
        str(folder / "**/*.csv"),
        str(folder / "link.jsonl"),
    ]
    assert names(find_inputs(words), folder) == ["b.jsonl", "a.json", "sub/c.csv", "sub/d.tsv", "sub/deep/e.ndjson.gz"]


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    file = tmp_path / "data[1].jsonl"
    file.write_bytes(LINES)
    assert values(find_inputs([str(file)])[0]) == ROWS


def refusals(tmp_path: Path) -> Iterator[tuple[str, str]]:
    (tmp_path / "data.jsonl").write_bytes(LINES)
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    yield str(tmp_path / "dta.jsonl"), "did you mean"
    yield str(tmp_path / "no/such/folder.jsonl"), "there is no folder"
    yield str(tmp_path / "data.jsonl/x"), "no such file"
    yield str(tmp_path / "*.xyz"), "no file matches"
    yield str(tmp_path / "empty"), "no data files"
    yield str(tmp_path / "loop"), "symbolic links"
    yield str(tmp_path / "gone.jsonl"), "a link to"
    yield str(tmp_path), "gone.jsonl: a link to"
    yield "a\x00b", "not a path"
    yield "", "not a path"
    yield "x" * 5000, "too long"


def test_what_cannot_be_found_is_refused_in_one_line(tmp_path: Path) -> None:
    for path, reason in refusals(tmp_path):
        with pytest.raises(CurateError) as refused:
            find_inputs([path])
        message = str(refused.value)
        assert reason in message
        assert "\n" not in message
        assert "\x00" not in message


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The administrator may read everything, so the test gives that up for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("locked", ["b.jsonl", "sub"])
def test_missing_permission_is_refused_in_one_line(locked: str, as_nobody: None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sub").mkdir()
        (folder / "b.jsonl").write_bytes(LINES)
        (folder / locked).chmod(0)
        for word in (folder / locked, folder):
            with pytest.raises(CurateError, match=rf"{locked}: cannot be read \(permission denied\)"):
                find_inputs([str(word)])
        (folder / locked).chmod(0o700)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04rest", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"ARROW1\x00\x00", "Arrow"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(data)
    (source,) = find_inputs([str(tmp_path / "x.jsonl")])
    with pytest.raises(CurateError, match=what):
        list(source.rows())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.write_bytes(LINES + b'{"q": "new"}\n'), "bytes while it was read"),
        (lambda file: (file.with_name("new").write_bytes(LINES), file.with_name("new").replace(file)), "replaced"),
        (lambda file: file.unlink(), "removed"),
        (lambda file: os.utime(file, ns=(0, 0)), "written to"),
    ],
)
def test_a_change_while_reading_is_noticed(tmp_path: Path, change: Any, said: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(LINES)
    (source,) = find_inputs([str(file)])
    rows = source.rows()
    next(rows)
    change(file)
    assert len(list(rows)) >= 299
    (fault,) = source.faults
    assert fault.rule == "changed-while-reading"
    assert said in fault.message


def test_a_file_that_vanishes_before_it_is_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(LINES)
    (source,) = find_inputs([str(file)])
    file.unlink()
    with pytest.raises(CurateError, match="cannot be read"):
        list(source.rows())
