"""The review page: what it lists, what its buttons record, and that no row can do more than be read."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from curate.review.decisions import Decisions
from curate.review.flagged import LONGEST_SHOWN, flagged_rows, load_report, shown
from curate.run import Run, make
from curate.steps import check
from tests.steps.test_clean import CUT, EMPTY, FENCE, GOOD, OTHER, checked, line, sample_id

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

PAGE = Path(__file__).parents[2] / "curate" / "review" / "page.py"
HOSTILE = "<img src=x onerror=alert(1)> ![x](http://evil.example/b.png) \u202egnp \x1b[31m :red[x] $\\LaTeX$ <script>"


def page(run: Run, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    # AppTest leaves the page as __main__, which a process spawned by a later test would run.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("CURATE_RUN", str(run.folder))
    monkeypatch.setenv("CURATE_REVIEWER", "ana")
    at = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not at.exception
    return at


def texts(at: AppTest) -> list[str]:
    return [element.value for element in at.text]


def buttons(at: AppTest) -> dict[str, Any]:
    return {str(button.key): button for button in at.button}


def test_flagged_rows_come_worst_first_and_others_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = line("Who?", "", id=1)
    run = checked(tmp_path, b"\n".join([GOOD, FENCE, OTHER, EMPTY, GOOD, CUT, both]))
    rows = flagged_rows(load_report(run))
    assert [row.place.line for row in rows] == [4, 6, 7, 2, 5]
    at = page(run, monkeypatch)
    name = str(tmp_path / "data.jsonl")
    assert [text for text in texts(at) if text.startswith(f"{name}:")] == [f"{name}:{n}" for n in (4, 6, 7, 2, 5)]
    assert "FMT104 empty-answer: the assistant's turn 2 is empty" in texts(at)
    assert "Here:\n```python\nprint(1)" in [code.value for code in at.code]
    # A row that cannot be read is shown, and there is nothing to decide about it.
    assert "keep-1" not in buttons(at) and "It cannot be read, so cleaning leaves it out." in texts(at)


def test_drop_keep_and_undo_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, b"\n".join([EMPTY, FENCE]))
    at = page(run, monkeypatch)
    assert buttons(at)["undo-0"].disabled
    buttons(at)["drop-0"].click().run()
    buttons(at)["keep-1"].click().run()
    log = Decisions(run).log()
    assert [(entry.sample_id, entry.action, entry.codes, entry.by) for entry in log] == [
        (sample_id(EMPTY), "drop", ("FMT104",), "ana"),
        (sample_id(FENCE), "keep", ("TXT001",), "ana"),
    ]
    assert buttons(at)["drop-0"].disabled and not buttons(at)["keep-0"].disabled and not buttons(at)["undo-0"].disabled
    assert texts(at).count("by ana") == 2
    buttons(at)["undo-0"].click().run()
    assert sorted(Decisions(run).current()) == [sample_id(FENCE)]
    assert buttons(at)["undo-0"].disabled


def test_a_new_finding_makes_a_kept_row_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, b"\n".join([EMPTY, FENCE]))
    Decisions(run).record(sample_id(EMPTY), "keep", ["TXT001"])
    at = page(run, monkeypatch)
    assert not buttons(at)["keep-0"].disabled
    buttons(at)["keep-0"].click().run()
    assert Decisions(run).current()[sample_id(EMPTY)].codes == ("FMT104",)
    assert buttons(at)["keep-0"].disabled


def test_rows_come_twenty_a_page_and_can_be_narrowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, b"\n".join(line(f"Question {n}?", "") for n in range(45)))
    at = page(run, monkeypatch)
    drops = [key for key in buttons(at) if key.startswith("drop")]
    assert drops == [f"drop-{n}" for n in range(20)]
    for key in drops[:3]:
        buttons(at)[key].click().run()
    at.segmented_control[0].set_value("decided").run()
    assert [key for key in buttons(at) if key.startswith("undo")] == ["undo-0", "undo-1", "undo-2"]
    at.segmented_control[0].set_value("to decide").run()
    assert [key for key in buttons(at) if key.startswith("drop")] == [f"drop-{n}" for n in range(3, 23)]


def test_without_flagged_rows_it_says_so_and_what_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, GOOD)
    at = page(run, monkeypatch)
    assert at.success[0].value == "None of the 1 rows is flagged. There is nothing to review."
    assert at.code[0].value == f"curate clean {run.folder}"


def test_a_row_that_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, EMPTY)
    (tmp_path / "data.jsonl").write_bytes(GOOD)
    at = page(run, monkeypatch)
    assert at.warning[0].value.startswith("This row is not in the data any more.")


def test_a_check_made_anew_is_seen_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = checked(tmp_path, EMPTY)
    at = page(run, monkeypatch)
    (tmp_path / "data.jsonl").write_bytes(FENCE)
    make(run, check.STEP, run.config("check"))
    at.run()
    assert not at.warning
    assert any(text.startswith("TXT001") for text in texts(at))


def test_hostile_rows_are_text_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"messages": [{"role": HOSTILE, "content": HOSTILE}, {"role": "assistant", "content": "", "name": HOSTILE}]},
        {"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": ""}], HOSTILE: HOSTILE},
        {
            "messages": [
                {"role": "user", "content": HOSTILE},
                {"role": "assistant", "tool_calls": [{"function": {"name": HOSTILE, "arguments": HOSTILE}}]},
            ]
        },
    ]
    run = checked(tmp_path, b"\n".join(json.dumps(row).encode() for row in rows))
    at = page(run, monkeypatch)
    blocks = [element.value for element in at.code] + texts(at)
    assert any("<img src=x" in block for block in blocks)
    assert not any("\u202e" in block or "\x1b" in block for block in blocks)
    for kind in ("markdown", "caption", "html", "json", "table", "metric", "header", "subheader"):
        assert not [e for e in at.get(kind) if "evil" in str(e.proto) or "onerror" in str(e.proto)], kind
    assert all("evil" not in button.label for button in at.button)


def test_the_page_gives_data_to_safe_sinks_only() -> None:
    """Every call of streamlit with anything but constants, numbers and our own words is st.text or st.code."""
    tree = ast.parse(PAGE.read_text())
    allowed = {"text", "code", "container", "segmented_control", "pagination", "button", "progress", "badge", "success"}
    called = {
        node.func.attr: node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "st"
    }
    constant = {"set_page_config", "title", "warning", "info", "cache_resource"}
    assert set(called) <= allowed | constant
    for name in constant & set(called):
        assert all(isinstance(argument, ast.Constant | ast.IfExp) for argument in called[name].args), name
    words = {word.arg for node in called.values() for word in node.keywords}
    assert not {"unsafe_allow_html", "unsafe_allow_javascript", "help"} & words


def test_long_texts_are_cut_and_odd_characters_shown() -> None:
    assert shown("a\tb\nc") == "a    b\nc"
    assert shown("\ud800\u202e\x00") == "\\ud800\\u202e\\x00"
    assert shown("x" * (LONGEST_SHOWN + 5)).endswith("x\n… and 5 more characters")
