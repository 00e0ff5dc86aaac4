"""The page, its command and its server."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import curate_evaluate
from curate.cli.main import cli

if TYPE_CHECKING:
    from curate.run import Run

PAGE = Path(curate_evaluate.__file__).parent / "app" / "report_page.py"
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def drawn(run: Run, monkeypatch: pytest.MonkeyPatch, **query: str) -> tuple[str, list[str]]:
    """The HTML of the page at an address, and its blocks of code."""
    from streamlit.testing.v1 import AppTest

    # AppTest leaves the page as __main__, which a process spawned by a later test would run.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("CURATE_RUN", str(run.folder))
    page = AppTest.from_file(str(PAGE), default_timeout=30)
    for key, word in query.items():
        page.query_params[key] = word
    page.run()
    assert not page.exception
    return "".join(piece.body for piece in page.html), [block.value for block in page.code]


def test_the_page_shows_the_verdict_every_example_and_the_command_that_traces_it(
    evaluated: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, code = drawn(evaluated, monkeypatch)
    report = json.loads((evaluated / "report.json").read_bytes())
    assert "Cannot tell whether this adapter is worth it" in html
    assert "Retrieval over documents: not tested" in html
    assert "Declared before the first test row was answered" in html
    for arm in report["arms"].values():
        assert f'<td class="number">{arm["title"]}</td>' in html
    traced = [f"curate trace {evaluated.folder} {example['sample_id']}" for example in report["examples"]]
    assert len(set(code)) == len(code) == 10 < report["n"]  # of the first page
    assert set(code) <= set(traced)
    assert html.count("<h4>reference</h4>") == 10
    assert "curate evaluate" in html


def test_an_example_has_a_page_of_its_own(evaluated: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = json.loads((evaluated / "report.json").read_bytes())["examples"][-1]
    html, code = drawn(evaluated, monkeypatch, example=entry["name"])
    assert html.count("<h4>reference</h4>") == 1 and f'href="?example={entry["name"]}"' in html
    assert code == [f"curate trace {evaluated.folder} {entry['sample_id']}"]
    assert "The whole report" in html and "<summary>from " in html
    html, code = drawn(evaluated, monkeypatch, example="<b>gone")
    assert "No example has the name &lt;b&gt;gone" in html and len(code) == 10


def test_the_page_says_when_a_step_was_made_again_since(evaluated: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    report = json.loads((evaluated / "report.json").read_bytes())
    report["provenance"]["breaks"] = ["evaluate read an earlier tokens/test.arrow: tokens has written another since"]
    (evaluated / "report.json").write_text(json.dumps(report))
    assert "Out of date" in drawn(evaluated, monkeypatch)[0]


def test_no_sink_of_the_page_can_draw_more_than_text() -> None:
    calls = {
        node.attr for node in ast.walk(ast.parse(PAGE.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)
    }
    assert not calls & {"markdown", "write", "caption", "table", "metric", "title", "header"}
    assert "unsafe" not in PAGE.read_text(encoding="utf-8")


def test_the_command_writes_the_report_and_says_its_headline(evaluated: Run) -> None:
    (evaluated / "report.json").unlink()
    for said in ("report: Cannot tell whether this adapter", "(up to date)"):
        result = CliRunner().invoke(cli, ["report", str(evaluated.folder), "--no-serve"], standalone_mode=False)
        assert result.exception is None, result.output
        assert said in result.output and f"  {evaluated / 'report.html'}\n" in result.output
        assert (evaluated / "report.json").exists()


def test_scores_that_are_out_of_date_are_said(evaluated: Run) -> None:
    file = evaluated / "tokens/tokens.json"
    file.write_text(file.read_text() + "\n")
    result = CliRunner().invoke(cli, ["report", str(evaluated.folder), "--no-serve"], standalone_mode=False)
    assert "out of date (tokens/tokens.json changed)" in result.output


def test_data_that_changed_after_the_scores_is_said(evaluated: Run) -> None:
    config = evaluated.config("check")
    (data,) = config["data"]
    file = evaluated.source(data)
    was = file.read_bytes()
    try:
        file.write_bytes(was + b"\n")
        result = CliRunner().invoke(cli, ["report", str(evaluated.folder), "--no-serve"], standalone_mode=False)
    finally:
        file.write_bytes(was)
    assert f"out of date ({data} changed); make them again: curate clean {evaluated.folder}" in result.output


def test_a_run_without_scores_names_the_command_that_is_missing(trained: Run) -> None:
    result = CliRunner().invoke(cli, ["report", str(trained.folder), "--no-serve"], standalone_mode=False)
    assert "curate evaluate" in str(result.exception)


def test_the_page_is_served_to_who_has_its_whole_address_only(evaluated: Run) -> None:
    command = [sys.executable, "-m", "curate", "report", str(evaluated.folder), "--no-browser"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "train"), str(ROOT / "evaluate")])}
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        address = printed_address(server)
        host = address.split("/?")[0]
        assert re.match(r"http://127\.0\.0\.1:\d+$", host)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = opened(browser, address)
        assert page.status == 200
        assert "frame-src 'none'" in page.headers["content-security-policy"]
        assert page.url == f"{host}/"
        for request in (
            host,
            f"{host}/?token=wrong",
            urllib.request.Request(address, headers={"Host": "evil.example"}),
        ):
            with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                urllib.request.urlopen(request, timeout=5)
            refused.value.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


def printed_address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("the command printed no address")


def opened(browser: urllib.request.OpenerDirector, address: str) -> urllib.request.addinfourl:
    for _ in range(150):
        try:
            return browser.open(address, timeout=5)  # type: ignore[no-any-return]
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")
