"""`curate render`: what is trained of a row, in colours, in brackets, in JSON and on a page."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curate.cli.main import cli
from curate.errors import CurateError
from curate.template import load
from tests.report.findings import HOSTILE
from tests.report.test_safe import acts
from tests.rules.models import model_folder

Row = dict[str, Any]
ROOT = Path(__file__).parents[2]
ROWS = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello\nthere."}]},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How far?"},
            {"role": "assistant", "content": "Two miles.", "weight": 0},
            {"role": "user", "content": "And back?"},
            {"role": "assistant", "content": "Two more."},
        ]
    },
]
FIRST = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(model_folder("chatml", tmp_path / "model"))


@pytest.fixture
def data(tmp_path: Path) -> str:
    return written(tmp_path, ROWS)


def written(folder: Path, rows: list[Row]) -> str:
    file = folder / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def render(*words: str) -> Result:
    return CliRunner().invoke(cli, ["render", *words])


def objects(*words: str) -> list[Row]:
    ran = render(*words, "--output-format", "json")
    assert ran.exit_code == 0, ran.output
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_json_has_one_object_a_line_for_each_rendering(data: str, model: str) -> None:
    first, second = objects(data, "--model", model)
    assert list(first) == [
        "path", "line", "part", "sample_id", "text", "ids", "trained", "trained_text", "verified", "notes"
    ]  # fmt: skip
    assert (first["path"], first["line"], first["part"]) == (data, 1, 0)
    assert first["text"] == f"{FIRST}Hello\nthere.<|im_end|>\n"
    assert first["ids"] == load(model).ids(first["text"])
    assert first["trained_text"] == "Hello\nthere.<|im_end|>"
    start = len(load(model).ids(FIRST))
    assert first["trained"] == [False] * start + [True] * (len("Hello\nthere.") + 1) + [False]
    assert (first["verified"], first["notes"]) == (True, [])
    assert second["trained_text"] == "Two more.<|im_end|>"


def test_without_colour_the_trained_text_stands_in_brackets(data: str, model: str) -> None:
    shown = render(data, "--model", model, "--line", "2").stdout
    assert "⟦Two more.<|im_end|>⟧" in shown
    assert shown.count("⟦") == 2  # and that of the line which says how to read it
    assert "\x1b" not in shown
    assert f"{data}:2   verified   " in shown
    assert "Hello" not in shown


def test_on_a_terminal_trained_tokens_have_colours_of_their_own(data: str, model: str) -> None:
    shown = on_terminal("render", data, "--model", model, "--line", "1")
    assert re.search(r"\x1b\[30;(42mH\x1b\[0m\x1b\[30;102me|102mH\x1b\[0m\x1b\[30;42me)", shown)
    assert not re.search(r"\x1b\[30;\d+m<\|im_start\|>", shown)
    assert "⟦" not in shown
    assert "⟦Hello" in on_terminal("render", data, "--model", model, NO_COLOR="1")


def on_terminal(*words: str, **env: str) -> str:
    """What the command prints where its standard output is a terminal."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI")}
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "120", **env}
    process = subprocess.Popen([sys.executable, "-m", "curate", *words], stdout=theirs, env=environment)
    os.close(theirs)
    out = io.BytesIO()
    try:
        while piece := os.read(ours, 65536):
            out.write(piece)
    except OSError:  # on Linux, a terminal whose other end is closed says so by an error
        pass
    assert process.wait() == 0
    os.close(ours)
    return out.getvalue().decode().replace("\r\n", "\n")


def test_each_trained_turn_can_have_a_rendering_of_its_own(tmp_path: Path, model: str) -> None:
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}] * 3}]
    found = objects(written(tmp_path, rows), "--model", model, "--turns", "each")
    assert [row["trained_text"] for row in found] == ["Hello.<|im_end|>"] * 3
    assert [row["text"].count("<|im_start|>") for row in found] == [2, 4, 6]
    (last,) = objects(written(tmp_path, rows), "--model", model, "--turns", "last")
    assert last["trained_text"] == "Hello.<|im_end|>"


def test_a_row_that_the_template_refuses_says_why(tmp_path: Path) -> None:
    refusing = str(model_folder("without-system", tmp_path / "refusing"))
    data = written(tmp_path, ROWS)
    ran = render(data, "--model", refusing, "--line", "2")
    assert "not verified   0 tokens" in ran.stdout
    assert "TPL001  this template refuses a system turn" in ran.stdout
    (row,) = objects(data, "--model", refusing, "--line", "2")
    assert (row["text"], row["ids"], row["trained"], row["verified"]) == ("", [], [], False)


def test_a_line_without_a_row_is_named(data: str, model: str) -> None:
    ran = render(data, "--model", model, "--line", "9")
    assert isinstance(ran.exception, CurateError)
    assert "no row that can be read begins on line 9" in str(ran.exception)


def test_the_input_is_never_overwritten(data: str, model: str) -> None:
    ran = render(data, "--model", model, "-o", data)
    assert isinstance(ran.exception, CurateError)
    assert "is one of the inputs" in str(ran.exception)


def test_a_file_is_written_whole(data: str, model: str, tmp_path: Path) -> None:
    for kind in ("text", "json", "html"):
        out = tmp_path / f"out.{kind}"
        assert render(data, "--model", model, "--output-format", kind, "-o", str(out)).exit_code == 0
        assert out.read_text(encoding="utf-8").strip()
    assert "⟦Hello" in (tmp_path / "out.text").read_text(encoding="utf-8")


# What other trainers would do.


def test_what_other_trainers_would_do_stands_below_each_row(data: str, model: str) -> None:
    shown = render(data, "--model", model).stdout
    assert shown.count("What other trainers would do with this row") == 2
    for name in ("TRL", "Unsloth", "Axolotl", "LLaMA-Factory"):
        assert re.search(rf"^  {name} \d", shown, re.MULTILINE)
    # A turn with weight 0 is trained by those who do not read the flag.
    assert '"Two miles.<|im_end|>"' in shown


def test_wrongly_trained_tokens_are_red(data: str, model: str, tmp_path: Path) -> None:
    shown = on_terminal("render", data, "--model", model, "--line", "2")
    assert re.search(r'wrong .*\x1b\[1;31m.*"Two miles.', shown)
    page = tmp_path / "page.html"
    assert render(data, "--model", model, "--output-format", "html", "-o", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert re.search(r'<code class="wrong">&#34;Two miles.', text)
    assert re.search(r'<span class="w" title="[\d: ,]+">T</span>', text)


# The page.


class Elements(HTMLParser):
    """The tags of a page, and the texts of spans by their class."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else_and_obeys_no_row(tmp_path: Path, model: str) -> None:
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]} for text in HOSTILE
    ]
    out = tmp_path / "page.html"
    ran = render(written(tmp_path, rows), "--model", model, "--output-format", "html", "-o", str(out))
    assert ran.exit_code == 0, ran.output
    text = out.read_text(encoding="utf-8")
    assert not any(acts(char) for char in text if char != "\n")
    page = Elements()
    page.feed(text)
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "img", "iframe", "a", "link", "form", "input", "object"})
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") or key in ("href", "src") for key in attrs)]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_hostile_rows_are_inert_in_every_output(kind: str, tmp_path: Path, model: str) -> None:
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]} for text in HOSTILE
    ]
    shown = render(written(tmp_path, rows), "--model", model, "--output-format", kind).stdout
    assert not any(acts(char) for char in shown if char != "\n")
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))
    assert "##[" not in shown


def test_a_page_of_very_many_rows_says_what_is_not_in_it(tmp_path: Path, model: str) -> None:
    out = tmp_path / "page.html"
    data = written(tmp_path, [ROWS[0]] * 205)
    assert render(data, "--model", model, "--output-format", "html", "-o", str(out)).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert text.count("<article>") == 200
    assert "Shown are the first 200 rows" in text
