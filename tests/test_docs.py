"""The rule reference is what the register says. `CURATE_WRITE_DOCS=1 pytest tests/test_docs.py` brings it up to date."""

import os
import re
from pathlib import Path

import pytest

from curate import docs
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
