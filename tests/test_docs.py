"""The documents say what the tool does. `CURATE_WRITE_DOCS=1 pytest tests/test_docs.py` rewrites docs/rules."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import curate
from curate import docs
from curate.config import Config
from curate.formats import FORMATS
from curate.report.text import to_text
from curate.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "rules"


def test_the_rule_reference_is_up_to_date() -> None:
    if os.environ.get("CURATE_WRITE_DOCS"):
        docs.write(REFERENCE)
    written = {file.name: file.read_text(encoding="utf-8") for file in REFERENCE.glob("*.md")}
    wanted = docs.pages()
    stale = sorted(name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name))
    assert not stale, f"stale: {', '.join(stale)}; run `python -m curate.docs`"


def test_writing_removes_the_pages_of_rules_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "TXT999.md").write_text("old")
    assert "TXT999.md" in docs.write(tmp_path)
    assert not (tmp_path / "TXT999.md").exists()
    assert docs.write(tmp_path) == []


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_rule_says_what_why_and_how(code: str) -> None:
    parts = docs.sections(RULES[code])
    assert [heading for heading, _ in parts] == ["", *docs.HEADINGS]
    assert all(text for _, text in parts)
    assert RULES[code].summary.endswith(".")


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_page_shows_no_raw_html_and_no_invisible_character(code: str) -> None:
    page = docs.page(RULES[code])
    outside_code = re.sub(r"```.*?```|(`+)[^`]*\1", "", page, flags=re.DOTALL)
    assert "<" not in outside_code
    assert all(char.isprintable() or char == "\n" for char in page)


def test_relative_links_of_the_documents_lead_somewhere() -> None:
    broken = []
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "samples" / "README.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", file.read_text(encoding="utf-8")):
            if not (file.parent / target).exists():
                broken.append(f"{file.relative_to(ROOT)} -> {target}")
    assert not broken


def fenced(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_session_of_the_readme_is_what_the_tool_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    printed = "".join(to_text(curate.check("samples/support.jsonl")))
    known = {without_time(line) for line in printed.splitlines()}
    prompt, *shown = fenced("README.md", "console")[0].splitlines()
    assert prompt == "$ curate check samples/support.jsonl"
    assert [line for line in shown if without_time(line) not in known and line.strip() != "..."] == []
    assert any("error    FMT001" in line for line in shown)


def without_time(line: str) -> str:
    return re.sub(r"\d+\.\d s$", "", line).rstrip()


def test_the_python_example_of_the_readme_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(fenced("README.md", "python")[0], names)
    assert "FMT001" in capsys.readouterr().out
    assert len(names["rows"]) == 11


def test_the_configuration_table_of_the_readme_names_every_setting() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(Config.model_fields)


def test_the_guide_of_formats_names_every_format() -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", " ".join(cells))) == sorted(FORMATS)


def test_the_rule_of_the_contributing_guide_passes_the_cases_beside_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(fenced("CONTRIBUTING.md", "python")[0], encoding="utf-8")
    cases = yaml.safe_load(fenced("CONTRIBUTING.md", "yaml")[0])
    assert len(cases["must_find"]) >= 3
    assert len(cases["must_not_find"]) >= 3
    for kind in ("must_find", "must_not_find"):
        for case in cases[kind]:
            thresholds = {"OWN001": case["thresholds"]} if "thresholds" in case else {}
            report = curate.check(
                [case["row"]], rules=[str(tmp_path / "own.py")], select="OWN001", thresholds=thresholds
            )
            assert not report.internal_errors
            assert bool(report.findings) == (kind == "must_find"), case["why"]
            if "where" in case:
                where = report.findings[0].where
                assert where is not None
                assert where.as_json() == case["where"]


def test_the_prose_of_the_project_names_no_machine_path() -> None:
    files = (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.yml"),
        ROOT / "pyproject.toml",
        ROOT / "Makefile",
    )
    assert [
        file.name for file in files if re.search(r"(?<![\w.])/(?:work|root|tmp|opt)/", file.read_text(encoding="utf-8"))
    ] == []
