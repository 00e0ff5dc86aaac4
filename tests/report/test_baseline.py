from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curate.errors import CurateError
from curate.report import OUTPUTS
from curate.report.baseline import mark_known
from tests.report.findings import a_finding, a_report, a_warning, about_the_file

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, *findings) -> Path:
    file = folder / "known.json"
    file.write_text("".join(OUTPUTS["json"](a_report(findings))), encoding="utf-8")
    return file


def test_known_is_the_same_code_on_the_same_content_wherever_the_row_is_now(tmp_path: Path):
    baseline = written(tmp_path, a_finding(line=41, sample_id="v1:a"), a_warning(line=7, sample_id="v1:b"))
    moved = a_finding(line=99, sample_id="v1:a", path="other.jsonl")
    other_code = a_warning(line=41, sample_id="v1:a")
    edited = a_finding(line=41, sample_id="v1:c")
    mark_known([moved, other_code, edited], str(baseline))
    assert [finding.known for finding in (moved, other_code, edited)] == [True, False, False]


def test_a_finding_about_a_file_is_known_by_its_path(tmp_path: Path):
    baseline = written(tmp_path, about_the_file())
    same, other = about_the_file("700 rows"), about_the_file(path="other.jsonl")
    mark_known([same, other], baseline)
    assert (same.known, other.known) == (True, False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": "x"}', b"\xff\xfe", b'{"schema": "curate.check/1"}']
)
def test_a_file_that_is_no_report_is_refused_in_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(CurateError, match=r"--baseline .*bad\.json: ") as error:
        mark_known([], tmp_path / "bad.json")
    assert "\n" not in str(error.value)


def test_a_missing_baseline_is_refused(tmp_path: Path):
    with pytest.raises(CurateError, match="No such file"):
        mark_known([], tmp_path / "none.json")
