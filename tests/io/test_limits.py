"""Rows beyond the cap cost neither memory nor the rows after them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from curate.io import find_inputs, parse_row

if TYPE_CHECKING:
    from pathlib import Path

LONG = b'{"q": "' + b"x" * 5000 + b'"}'
FITS = b'{"q": "' + b"y" * 900 + b'"}'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", FITS + b"\n" + LONG + b"\n" + FITS),
        ("x.jsonl.gz", gzip.compress(FITS + b"\n" + LONG + b"\n" + FITS, mtime=0)),
        ("x.json", b"[" + FITS + b"," + LONG + b"," + FITS + b"]"),
        ("x.csv", b"q,a\none,1\ntwo," + b"x" * 5000 + b"\nthree,3\n"),
        ("cr.jsonl", FITS + b"\r" + LONG + b"\r" + FITS),
    ],
)
def test_a_row_beyond_the_cap_is_named_and_the_next_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    (source,) = find_inputs([str(tmp_path / name)], longest_row=1000)
    rows = list(source.rows())
    assert [row.line for row in rows] == [1, 2, 3]
    assert [[fault.rule for fault in row.faults] for row in rows] == [[], ["line-too-long"], []]
    assert rows[1].data == b""
    assert all(parse_row(rows[i].data).values for i in (0, 2))


def test_a_pretty_printed_value_beyond_the_cap_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"{\n" + b'"k": 1,\n' * 1000 + b'"z": 1\n}\n' + FITS + b"\n")
    (source,) = find_inputs([str(tmp_path / "x.jsonl")], longest_row=1000)
    rules = [fault.rule for row in source.rows() for fault in (*row.faults, *parse_row(row.data).faults)]
    assert rules[0] == "line-too-long"


@pytest.mark.parametrize("packed", [False, True])
def test_memory_stays_bounded_while_a_huge_line_is_read(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / "x.jsonl"
    data = FITS + b"\n" + b'{"q": "' + b"x" * (60 << 20) + b'"}\n' + FITS + b"\n"
    file.write_bytes(gzip.compress(data, 1, mtime=0) if packed else data)
    code = (
        "import resource, sys; from curate.io import find_inputs\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = [len(row.data) for row in find_inputs(sys.argv[1:], longest_row=1 << 20)[0].rows()]\n"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True).stdout
    rows, _, grown = out.rpartition(" ")
    assert rows == f"[{len(FITS)}, 0, {len(FITS)}]"
    unit = 1024 if sys.platform == "darwin" else 1
    assert int(grown) / unit < 15_000, "kilobytes"
