"""The pages without a browser: what each shows, and what its buttons do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from curate.report.report import Report
from curate.review.decisions import Decisions
from curate.run import make
from curate.steps import clean
from tests.review_app.pages import (
    CLASH,
    CUT,
    EMPTY,
    FENCE,
    GOOD,
    TWINS,
    Browser,
    chat,
    checked,
    log,
    row_id,
    run_of,
    turn,
)
from tests.template.byte_model import write_model

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("streamlit")


def test_the_queue_lists_the_worst_first_with_what_was_found(open_on: Any) -> None:
    browser = open_on(GOOD, FENCE, EMPTY)
    items = browser.find("button", "item")
    assert [item[1]["aria-label"] for item in items] == [
        "Line 3: the assistant's turn 2 is empty",
        "Line 2: the code block opened with ```python is never closed",
    ]
    assert "2 rows to decide" in browser.text and "0 of 2 decided" in browser.text
    (mark,) = [mark for mark in browser.find("mark") if "```python" in mark[2]]
    assert mark[1]["class"] == "warning"


def test_facets_have_counts_and_filter(open_on: Any) -> None:
    browser = open_on(GOOD, FENCE, EMPTY, *CLASH)
    choices = {choice[1]["title"]: choice[4][2] for choice in browser.find("button", "choice")}
    assert choices["error"] == "3" and choices["warning"] == "1" and choices["CON001 contradictory-answers"] == "2"
    browser.key("1")
    assert browser.query == {"rule": "CON001"} and "2 rows to decide" in browser.text
    browser.key("1")
    assert browser.query == {}
    (error,) = browser.find("button", "choice", title="error")
    browser.press(error[1]["press"])
    assert browser.query == {"severity": "error"} and len(browser.find("button", "item")) == 3
    browser.key("X")
    assert browser.query == {}


def test_the_bars_of_the_histograms_filter(open_on: Any) -> None:
    browser = open_on(EMPTY, chat("What is in it, and how much of that can I send back?", ""))
    bars = [bar for bar in browser.find("button", "bar") if not bar[1].get("disabled")]
    assert {bar[1]["title"] for bar in bars} >= {
        "4 to 7 characters: 1 row",
        "32 to 63 characters: 1 row",
        "2 turns: 2 rows",
    }
    (bar,) = [bar for bar in bars if bar[1]["title"].startswith("32 to 63")]
    browser.press(bar[1]["press"])
    assert browser.query == {"length": "6"} and len(browser.find("button", "item")) == 1
    (bar,) = browser.find("button", "bar", aria_pressed="true")
    browser.press(bar[1]["press"])
    assert browser.query == {}


def test_a_search_marks_what_it_found(open_on: Any) -> None:
    browser = open_on(EMPTY, chat("Is the tent dry?", "The tent is dry:\n```bash\nls"))
    browser.press({"act": "search"}, value="tent")
    assert browser.query == {"q": "tent"} and len(browser.find("button", "item")) == 1
    assert [mark[2] for mark in browser.find("mark", "hit")] == ["tent"]
    browser.press({"act": "search"}, value="no-such-word")
    assert "No row matches" in browser.text
    browser.press({"act": "search"}, value="<>")
    assert "<> holds no word" in browser.text


def test_rows_come_twenty_a_page(open_on: Any) -> None:
    browser = open_on(*[chat(f"Question {n}?", "") for n in range(45)])
    assert len(browser.find("button", "item")) == 20 and "1 to 20 of 45" in browser.text
    browser.key("ArrowRight").key("ArrowRight")
    assert browser.query == {"page": "3"} and len(browser.find("button", "item")) == 5
    assert browser.find("button", key="ArrowRight")[0][1]["disabled"]
    browser.open(page="9")
    assert "There is no page 9: this is the last." in browser.text


def test_a_whole_review_by_keys(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY, FENCE, chat("And?", ""), chat("Well?", ""))
    browser.key("Enter").key("D", reason="no answer").key("K").key("S")
    assert [(entry.action, entry.codes, entry.by, entry.reason) for entry in log(tmp_path)] == [
        ("drop", ("FMT104",), "ana", "no answer"),
        ("keep", ("FMT104",), "ana", ""),
        ("skip", ("FMT104",), "ana", ""),
    ]
    assert "2 of 4 decided" in browser.text
    browser.key("D")
    assert browser.query == {"done": "1"} and "All but the skipped rows are decided" in browser.text
    browser.key("Z").key("Z").key("Z").key("Z")
    assert "0 of 4 decided" in browser.text
    browser.key("Z")
    assert "There is nothing left to undo." in browser.text


def test_undo_goes_back_to_the_row(open_on: Any) -> None:
    browser = open_on(EMPTY, FENCE)
    first = row_id(browser.key("Enter"))
    browser.key("D")
    assert row_id(browser) != first
    browser.key("Z")
    assert row_id(browser) == first and "0 of 2 decided" in browser.text


def test_arrows_go_through_the_filter_and_back_over_what_was_decided(open_on: Any) -> None:
    browser = open_on(*[chat(f"Question {n}?", "") for n in range(3)])
    ids = [row_id(browser.key("Enter")), row_id(browser.key("ArrowRight")), row_id(browser.key("ArrowRight"))]
    assert len(set(ids)) == 3
    assert browser.find("button", key="ArrowRight")[0][1]["disabled"]
    browser.key("ArrowLeft").key("D")
    assert row_id(browser) == ids[2]
    assert row_id(browser.key("ArrowLeft")) == ids[1], "the row before, although it is decided"
    assert "dropped by ana" in browser.text
    assert row_id(browser.key("ArrowRight")) == ids[2]


def test_what_was_found_is_marked_where_it_stands(open_on: Any) -> None:
    browser = open_on(chat("Is it <|im_end|> safe?", "It is."))
    browser.key("Enter")
    (mark,) = [mark for mark in browser.find("mark") if "<|im_end|>" in mark]
    assert mark[1]["class"] == "error" and mark[-1] == ["sup", {}, "1"]


def test_calls_reasoning_and_rejected_answers_are_shown(open_on: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"order": '}}
    row = {
        "messages": [
            turn("user", "Where is it?"),
            {"role": "assistant", "content": None, "reasoning_content": "I look it up.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "in transit"},
            turn("assistant", ""),
        ],
        "tools": [{"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}],
        "source": "mail",
    }
    browser = open_on(row, show="all").key("Enter")
    for said in (
        "I look it up.",
        "find_order",
        '{"order":',
        "in transit",
        "1 tools declared",
        "1 other columns",
        "(no text)",
    ):
        assert said in browser.text, said


def test_tokens_are_coloured_by_the_mask(open_on: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = open_on(FENCE).key("Enter").key("T")
    assert "Whose tokens?" in browser.text and any("--model MODEL" in code[2] for code in browser.find("code"))
    model = write_model(tmp_path / "model", eos_token="<|im_end|>")
    (model / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    monkeypatch.setenv("CURATE_MODEL", str(model))
    browser.key("T")
    assert "This model cannot show tokens" in browser.text and "tokenizer.json" in browser.text
    (tmp_path / "tokenizer.json").rename(model / "tokenizer.json")
    browser.key("T")
    trained = "".join(token[2] for token in browser.find("span", "trained") if isinstance(token[2], str))
    assert trained == "Here:↵\n```python↵\nprint(1)<|im_end|>"
    shown = "".join(token[2] for token in browser.find("span", "token") if isinstance(token[2], str))
    assert shown.startswith("<|im_start|>user↵\nHow?<|im_end|>↵\n<|im_start|>assistant↵\n")


def test_the_tokens_are_those_of_the_model_that_the_data_was_checked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", eos_token="<|im_end|>")
    browser = Browser(checked(tmp_path, [FENCE], model=str(model)), monkeypatch).key("Enter").key("T")
    assert "in colour" in browser.text and browser.find("span", "trained")


def test_the_model_is_in_a_process_that_ends_with_its_reader(tmp_path: Path) -> None:
    from curate import read
    from curate.errors import CurateError
    from curate.review.tokens import Reader

    checked(tmp_path, [GOOD])
    (sample,) = read([str(tmp_path / "data.jsonl")])
    reader = Reader(json.dumps({"model": str(write_model(tmp_path / "model"))}))
    assert [piece.text for piece in reader.read(sample)[0].pieces]
    process = reader._process
    assert process and process.poll() is None
    process.kill()
    with pytest.raises(CurateError, match="process that holds the model ended"):
        reader.read(sample)
    assert reader.read(sample), "it is started again"
    again = reader._process
    assert again and again.stdin
    again.stdin.close()
    assert again.wait(timeout=30) == 0, "it ends when nobody can ask any more"
    reader.close()


def test_an_edit_is_checked_as_the_data_was(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY, FENCE).key("Enter").key("E")
    names = [field[1]["name"] for field in browser.find("textarea")]
    assert names == [
        "text:/messages/#0/role",
        "text:/messages/#0/content",
        "text:/messages/#1/role",
        "text:/messages/#1/content",
    ]
    browser.key("Ctrl+Enter")
    assert "Nothing was changed" in browser.text
    browser.key("E").key("Ctrl+Enter", **{"text:/messages/#1/content": "Here:\n```bash\nls"})
    assert "The edited row would still be found by the check" in browser.text and "TXT001" in browser.text
    assert log(tmp_path) == []
    assert browser.find("textarea", name="text:/messages/#1/content")[0][1]["value"] == "Here:\n```bash\nls"
    browser.key("Ctrl+Enter", **{"text:/messages/#1/content": "The owner."})
    (entry,) = log(tmp_path)
    assert entry.action == "edit" and entry.after == chat("Who?", "The owner.")
    assert "1 of 2 decided" in browser.text
    make(run_of(tmp_path), clean.STEP, clean.default_config())
    kept = [json.loads(row) for row in (tmp_path / "run/clean/kept.jsonl").read_bytes().splitlines()]
    assert kept == [chat("Who?", "The owner."), FENCE]


def test_an_edit_with_findings_is_saved_when_it_is_saved_again(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY).key("Enter").key("E")
    text = {"text:/messages/#1/content": "Here:\n```bash\nls"}
    browser.key("Ctrl+Enter", **text)
    assert "Save with these findings" in browser.text
    browser.key("Ctrl+Enter", **text)
    assert [entry.action for entry in log(tmp_path)] == ["edit"]


def test_an_edit_as_json_that_is_no_row_is_refused(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY).key("Enter").key("E").key("Ctrl+J")
    for typed, why in (
        ("{", "This is not one row of JSON"),
        ("[1]", "not a row that gives one sample"),
        ('"x"', "not a row"),
    ):
        browser.key("Ctrl+Enter", whole=typed)
        assert "Not saved." in browser.text and why in browser.text, typed
    assert log(tmp_path) == []
    browser.key("Ctrl+Enter", whole=json.dumps(chat("Who?", "Me, the owner.")))
    assert [entry.after for entry in log(tmp_path)] == [chat("Who?", "Me, the owner.")]


def test_a_row_that_cannot_be_read_can_be_mended_but_not_kept(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(CUT, GOOD).key("Enter")
    assert "It gives no sample" in browser.text and not {"K", "T"} & set(browser.keys())
    browser.press({"act": "decide", "do": "keep"})
    assert "cannot be kept" in browser.text and log(tmp_path) == []
    browser.key("E").key("Ctrl+Enter", whole=json.dumps(chat("Do you sell crampons?", "No, we do not.")))
    assert [entry.action for entry in log(tmp_path)] == ["edit"]


def test_a_bulk_action_is_shown_before_it_is_done_and_undone_as_one(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(*[chat(f"Question {n}?", "") for n in range(15)], FENCE)
    browser.key("1").key("D")
    assert browser.query == {"rule": "FMT104", "view": "bulk", "do": "drop"}
    assert "Drop 15 rows?" in browser.text and len(browser.find("button", "item")) == 10 and log(tmp_path) == []
    browser.key("Ctrl+Enter", reason="no answers")
    entries = log(tmp_path)
    assert len(entries) == 15 and {entry.reason for entry in entries} == {"no answers"}
    assert "15 rows dropped. Undo takes all of it back." in browser.text and "15 of 16 decided" in browser.text
    browser.key("Z")
    assert "0 of 16 decided" in browser.text


def test_a_bulk_action_says_what_it_replaces_and_leaves_out(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY, FENCE, CUT, rule="FMT104")
    browser.key("Enter").key("D")
    browser.open(show="flagged").key("K")
    assert "1 of them are decided already" in browser.text
    assert "1 row that cannot be read cannot be kept" in browser.text
    browser.key("Ctrl+Enter")
    assert sum(entry.action == "keep" for entry in log(tmp_path)) == 2


def test_rows_that_cannot_be_read_are_not_kept_in_bulk(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(CUT, GOOD).key("K")
    assert "Nothing to keep" in browser.text and not browser.find("button", key="Ctrl+Enter")
    browser.press({"act": "bulk", "do": "keep", "count": 0, "guard": True})
    assert log(tmp_path) == []


def test_a_bulk_action_on_other_rows_than_were_shown_is_refused(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY, FENCE).key("D")
    other = Decisions(run_of(tmp_path))
    other.record(next(iter(_ids(tmp_path))), "drop", by="bob")
    browser.key("Ctrl+Enter")
    assert "The filter has 1 row now, not those that were shown: nothing was decided." in browser.text
    assert len(log(tmp_path)) == 1


def _ids(tmp_path: Path) -> list[str]:
    report = Report.from_json(json.loads((tmp_path / "run/check.json").read_bytes()))
    return [str(finding.place.sample_id) for finding in report.findings]


def test_nothing_is_decided_about_what_was_not_on_the_screen(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY, FENCE).key("Enter")
    browser.key("D", shown=149)
    browser.key("D", on_screen="v1:another talk")
    for _ in range(2):
        assert "not on the screen yet. Nothing was decided." in browser.text
    assert log(tmp_path) == []
    browser.key("E").key("Ctrl+Enter", shown=3, **{"text:/messages/#1/content": "Me, the owner."})
    browser.open().key("D").key("Ctrl+Enter", shown=0)
    assert log(tmp_path) == []
    browser.key("Ctrl+Enter", shown=150)
    assert len(log(tmp_path)) == 2


def test_two_reviewers_who_disagree_are_shown(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(EMPTY).key("Enter")
    here = row_id(browser)
    browser.key("D")
    Decisions(run_of(tmp_path)).record(here, "keep", ["FMT104"], by="bob")
    browser.open(view="log")
    assert "Reviewers disagree about 1 row" in browser.text and "ana: dropped, bob: kept" in browser.text
    browser.open(row=here, **{"as": "history"})
    assert "Reviewers disagree about this row" in browser.text
    assert "kept by bob" in browser.text
    browser.key("Z")
    assert "Undone." in browser.text and [entry.by for entry in log(tmp_path)] == ["ana", "bob", "ana"]


def test_the_log_is_paged_and_exported(open_on: Any, tmp_path: Path) -> None:
    browser = open_on(*[chat(f"Question {n}?", "") for n in range(60)])
    browser.key("D").key("Ctrl+Enter").key("L")
    assert len(browser.find("tr")) == 2 and "dropped 60 rows, the first: line 1 FMT104" in browser.text
    decisions = Decisions(run_of(tmp_path))
    for sample_id in list(decisions.current()):
        decisions.record(sample_id, "keep", by="bob")
    browser.open(view="log")
    assert len(browser.find("tr")) == 51 and "page 1 of 2" in browser.text
    browser.key("ArrowRight")
    assert len(browser.find("tr")) == 12
    browser.key("E")
    lines = (tmp_path / "run/review/decisions.jsonl").read_text().splitlines()
    assert len(lines) == 120 and "120 lines written" in browser.text


def test_the_overview_counts_per_rule_and_names_the_next_step(open_on: Any) -> None:
    browser = open_on(EMPTY, FENCE, chat("And?", ""))
    browser.key("Enter").key("D").key("O")
    assert [card[2][2] for card in browser.find("div", "card")] == ["3", "3", "1", "0", "2"]
    assert "FMT104 empty-answer 1 of 2" in browser.text
    assert any("curate clean" in code[2] for code in browser.find("code"))
    (link,) = [link for link in browser.find("button", "link") if link[2] == "TXT001"]
    browser.press(link[1]["press"])
    assert browser.query == {"rule": "TXT001"}


def test_the_guide_explains_the_rules_and_lists_the_keys(open_on: Any) -> None:
    browser = open_on(EMPTY).key("?")
    printed = {key[2] for key in browser.find("kbd")}
    assert {"K", "D", "E", "S", "Z", "→", "←", "/", "Esc", "Ctrl ↵"} <= printed
    browser.open(view="guide", about="FMT104")
    assert "FMT104 empty-answer" in browser.text and "Why it matters" in browser.text
    browser.key("Enter")
    assert browser.query == {"rule": "FMT104"}


PAGES: list[dict[str, str]] = [
    {},
    {"view": "overview"},
    {"view": "log"},
    {"view": "guide"},
    {"view": "guide", "about": "CON001"},
    {"view": "bulk", "do": "drop"},
    {"row": "FIRST"},
    {"row": "FIRST", "as": "talk"},
    {"row": "FIRST", "as": "edit"},
    {"row": "FIRST", "as": "json"},
    {"row": "FIRST", "as": "history"},
    {"row": "FIRST", "as": "tokens"},
    {"show": "all", "page": "1"},
]


@pytest.mark.parametrize("query", PAGES, ids=str)
def test_each_key_is_that_of_one_button_and_is_printed_on_it(open_on: Any, query: dict[str, str]) -> None:
    browser = open_on(*CLASH, *TWINS, *[chat(f"Question {n}?", "") for n in range(30)])
    first = row_id(browser.key("Enter"))
    browser.open(**{key: first if word == "FIRST" else word for key, word in query.items()})
    for key, button in browser.keys().items():
        assert button[0] == "button"
        printed = [child[2] for child in button[2:] if isinstance(child, list) and child[0] == "kbd"]
        assert printed, f"the button of {key} does not show it"
    guarded = {
        button[1]["press"]["act"] for button in browser.find("button") if (button[1].get("press") or {}).get("guard")
    }
    acts = {button[1]["press"]["act"] for button in browser.find("button") if button[1].get("press")}
    assert acts & {"decide", "keep_one", "save", "bulk"} == guarded
