from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from curate.report.as_json import dumps
from curate.report.safe import safe, safe_path, shorten

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def acts(char: str) -> bool:
    """Whether the character drives a terminal, ends a line, reorders text or cannot be encoded."""
    return (
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(char) in BIDI
        or char in "\u061c\u200e\u200f"
    )


def test_no_code_point_can_act_on_a_terminal():
    shown = safe(EVERY_CHARACTER)
    assert not [hex(ord(char)) for char in shown if acts(char)]
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=100).print(Text(shown), soft_wrap=True)
    assert not [hex(ord(char)) for char in stream.getvalue().rstrip("\n") if acts(char)]


def test_no_code_point_can_act_on_a_terminal_from_json():
    document = dumps({"text": EVERY_CHARACTER})
    assert not [hex(ord(char)) for char in document if acts(char)]


def test_every_code_point_that_is_left_out_is_shown_as_an_escape():
    for char in filter(acts, EVERY_CHARACTER):
        assert safe(char).startswith("\\"), hex(ord(char))


@pytest.mark.parametrize(
    "text",
    [
        "naïve café",
        "你好。世界",
        "مرحبا بالعالم",
        "שלום",
        "हिन्दी क्‍ष",
        "می‌خواهم",
        "👩‍👩‍👧‍👦 ❤️ 🇩🇪",
        "a # b ## c",
        "a::b",
        "ไทย",
        "\\x1b",
    ],
)
def test_ordinary_text_is_shown_as_it_is(text: str):
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("##[add-mask]x", "#\\x23[add-mask]x"),
        ("###[x]", "##\\x23[x]"),
        ("##vso[task]", "#\\x23vso[task]"),
    ],
)
def test_what_acts_is_shown_as_an_escape(text: str, shown: str):
    assert safe(text) == shown


@given(st.text(st.characters()))
def test_showing_twice_changes_nothing_more(text: str):
    assert safe(safe(text)) == safe(text)


@given(st.text(st.sampled_from("#[ab\u200b:\x1b ")))
def test_no_log_command_is_left(text: str):
    for shown in (safe(text), dumps(text)):
        assert "##[" not in shown
        assert "##a[" not in shown
        assert "##ab[" not in shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_reads_back_as_the_same_text(text: str):
    assert json.loads(dumps({"text": text})) == {"text": text}


def test_json_holds_what_other_readers_cannot_take():
    values = {"surrogate": "\ud800", "large": 2**70, "nan": float("nan"), "set": {2, 1}, "other": 1j, 3: (1,)}
    read = json.loads(dumps(values))
    assert read == {
        "surrogate": "\\ud800", "large": 2**70, "nan": None, "set": ["1", "2"], "other": "1j", "3": [1],
    }  # fmt: skip


@pytest.mark.parametrize("path", ["::error::x.jsonl", " ::add-mask::x", "\u3000::debug::x"])
def test_a_path_never_begins_a_line_as_a_command(path: str):
    assert not safe_path(path).lstrip().startswith("::")


@given(st.text(st.characters()), st.integers(2, 40))
def test_shortened_text_is_safe_and_short(text: str, limit: int):
    assert len(shorten(text, limit)) <= limit
    assert not [char for char in shorten(text, limit) if acts(char)]
