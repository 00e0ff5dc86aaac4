"""Valid rows of every kind stay clean: a false positive costs more trust than a miss."""

import unicodedata
from pathlib import Path

import pytest

import curate

FOLDER = Path(__file__).parent / "data" / "valid"
FILES = sorted(FOLDER.glob("*.jsonl"), key=lambda file: file.name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_valid_file_gives_no_error_and_no_warning(file: Path) -> None:
    report = curate.check(file)
    wrong = [
        f"{file.name}:{f.place.line} {f.severity} {f.code} {f.message}" for f in report.findings if f.severity != "info"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_valid_row_is_read(file: Path) -> None:
    report = curate.check(file)
    lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert (report.rows, report.rows_rejected) == (len(lines), 0)
    assert not report.internal_errors
    assert len({sample.line for sample in curate.read(file)}) == len(lines)


def test_all_valid_files_together_give_no_error_and_no_warning() -> None:
    report = curate.check([str(file) for file in FILES])
    assert report.rows >= 300
    wrong = [f"{f.place.path}:{f.place.line} {f.code} {f.message}" for f in report.findings if f.severity != "info"]
    assert not wrong, "\n".join(wrong)


def test_the_valid_rows_are_written_in_at_least_25_scripts() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in FILES)
    scripts = {unicodedata.name(char, "").split(" ")[0] for char in set(text) if char.isalpha() and ord(char) > 0x250}
    assert len(scripts) >= 25, sorted(scripts)
