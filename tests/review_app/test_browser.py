"""The app in a browser: a whole review by keyboard, nothing decided blindly, and rows that stay text."""

from __future__ import annotations

import datetime
import importlib.resources
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.review.decisions import Decisions
from curate.run import Run
from tests.review_app.conftest import ROOT, Tab, serving
from tests.review_app.pages import chat, checked, turn
from tests.review_app.payloads import PAYLOADS
from tests.template.byte_model import write_model

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SUPPORT = ROOT / "samples" / "support.jsonl"


@pytest.fixture(scope="module")
def support(tmp_path_factory: pytest.TempPathFactory, outbound: Path) -> Iterator[tuple[str, Run]]:
    """The support sample under review, and its run: tests leave nothing decided, and the server connects to nobody."""
    folder = tmp_path_factory.mktemp("support")
    shutil.copy(SUPPORT, folder / "support.jsonl")
    model = write_model(folder / "model", eos_token="<|im_end|>")
    command = ["review", "support.jsonl", "--model", str(model), "--reviewer", "ana"]
    with serving(*command, folder=folder, watched=outbound) as address:
        yield address, Run.open(folder / "runs/support")


def decided(run: Run) -> dict[str, str]:
    return {sample_id: decision.action for sample_id, decision in Decisions(run).current().items()}


def test_a_whole_review_of_the_support_desk_by_keyboard(chromium: Any, tmp_path: Path) -> None:
    shutil.copy(SUPPORT, tmp_path / "support.jsonl")
    with serving("review", "support.jsonl", "--reviewer", "ana", folder=tmp_path) as address:
        tab = Tab(chromium, address)
        run = Run.open(tmp_path / "runs/support")
        # Find: search, leave the field, open the first hit.
        tab.key("/").type("sleeping bag").key("Enter")
        assert "q=sleeping+bag" in tab.page.url and "3 rows to decide" in tab.text
        tab.key("ArrowDown", "ArrowDown", "Enter")
        # Compare: the cluster is side by side; keep its first row, drop the rest.
        assert tab.page.locator("article.member").count() == 4 and tab.page.locator("ins").count() > 0
        tab.key("1")
        assert sorted(decided(run).values()) == ["drop", "drop", "drop", "keep"]
        # Undo takes the group back as one.
        tab.key("z")
        assert decided(run) == {}
        # Edit: the cursor is in the empty answer.
        tab.go("/?rule=FMT104").key("Enter", "e").type("Yes, on every working day.").key("Control+Enter")
        assert list(decided(run).values()) == ["edit"]
        # Drop with a reason, which stays while the row is looked at from another side; keep.
        tab.page.get_by_label("Reason").focus()
        tab.type("nobody answers").key("Enter").key("j", "v")
        assert tab.page.input_value("#reason") == "nobody answers"
        tab.key("d")
        assert tab.page.input_value("#reason") == ""
        tab.key("k")
        assert sorted(decided(run).values()) == ["drop", "edit", "keep"]
        # Bulk: everything near a duplicate, with a look before.
        tab.key("q", "1", "d")
        assert "Drop 37 rows?" in tab.text
        tab.key("Control+Enter")
        assert len(decided(run)) == 40
        tab.key("z")
        assert len(decided(run)) == 3
        assert tab.wrong == []
        tab.close()
    # A restart loses nothing, and undo goes on behind it.
    with serving("review", "runs/support", "--reviewer", "ana", folder=tmp_path) as address:
        tab = Tab(chromium, address)
        assert "3 of 83 decided" in tab.text
        tab.key("z")
        assert "2 of 83 decided" in tab.text
        tab.key("l", "e")
        exported = (run / "review/decisions.jsonl").read_text().splitlines()
        assert {json.loads(line)["reason"] for line in exported} >= {"nobody answers"}
        assert "written." in tab.text and tab.wrong == []
        tab.close()
    command = [sys.executable, "-m", "curate", "clean", "runs/support"]
    subprocess.run(command, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert "Yes, on every working day." in (run / "clean/kept.jsonl").read_text()


def test_a_whole_review_of_many_rows_by_keyboard(chromium: Any, shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "t0_prompt_completion.jsonl"
    run = Run.open(
        checked_by("check", str(data), "--select", "FMT,DUP", "--fail-on", "never", "--run", str(tmp_path / "t0"))
    )
    with serving("review", str(run.folder), "--reviewer", "ana") as address:
        tab = Tab(chromium, address)
        tab.go("/?rule=DUP002").key("Enter")
        assert tab.page.locator("article.member").count() >= 2
        tab.key("2")
        assert "keep" in decided(run).values() and "drop" in decided(run).values()
        tab.key("z").go("/?rule=FMT104").key("Enter", "d", "d", "e", "Control+a").type("Paris.").key("Control+Enter")
        assert sorted(decided(run).values())[:2] == ["drop", "drop"]
        assert re.search(r"\b3 of \d,\d{3} decided", tab.text)
        tab.go("/?rule=FMT104").key("d").key("Control+Enter")
        assert "597 rows dropped" in tab.text and len(decided(run)) == 600
        tab.key("z")
        assert len(decided(run)) == 3 and tab.wrong == []
        tab.close()


def checked_by(*command: str) -> Path:
    """The run folder, the last word, of a command that made it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "curate", *command], check=True, env=environment, capture_output=True)
    return Path(command[-1])


@pytest.mark.parametrize("gap", [0, 30, 100, 250])
def test_no_key_decides_about_a_row_that_was_not_seen(chromium: Any, support: tuple[str, Run], gap: int) -> None:
    address, run = support
    tab = Tab(chromium, address).key("Enter")
    tab.page.evaluate(
        """() => { window.seen = {}; const stage = document.querySelector('.paper');
        const note = () => {
            window.seen[stage.dataset.painted.split(' ')[0]] ??= performance.timeOrigin + performance.now();
        };
        note(); new MutationObserver(note).observe(stage, {attributeFilter: ['data-painted']}) }"""
    )
    tab.page.wait_for_timeout(300)
    with closing(sqlite3.connect(run / "review.db")) as connection:
        last = "select coalesce(max(seq), 0) from decisions"
        before = connection.execute(last).fetchone()[0] if (run / "review.db").stat().st_size else 0
        for _ in range(20):
            tab.page.keyboard.press("d")
            time.sleep(gap / 1000)
        tab.settle()
        made = connection.execute("select sample_id, at from decisions where seq > ?", (before,)).fetchall()
    seen = tab.page.evaluate("window.seen")
    for sample_id, at in made:
        shown = datetime.datetime.fromisoformat(at).timestamp() * 1000 - seen[sample_id]
        assert shown >= 150, f"decided after {shown:.0f} ms"
    assert made
    if len(made) < 20:
        assert int(tab.page.get_attribute(".paper", "data-ignored")) == 20 - len(made), "each lost press is counted"
    for _ in made:
        tab.key("z")
    assert decided(run) == {}
    tab.close()


def test_a_double_click_and_a_held_key_decide_once(chromium: Any, support: tuple[str, Run]) -> None:
    address, run = support
    tab = Tab(chromium, address).key("Enter")
    tab.page.get_by_role("button", name="Drop D", exact=True).dblclick()
    tab.settle()
    assert len(decided(run)) == 1 and "ignored" in tab.page.inner_text(".flash")
    tab.key("z")
    tab.page.keyboard.down("d")
    for _ in range(10):
        tab.page.wait_for_timeout(50)
        tab.page.keyboard.down("d")  # a held key repeats
    tab.page.keyboard.up("d")
    tab.settle()
    assert len(decided(run)) == 1
    tab.key("z")
    tab.close()


def test_the_filters_are_used_by_keyboard(chromium: Any, support: tuple[str, Run]) -> None:
    address, _ = support
    tab = Tab(chromium, address).key("f", *["ArrowDown"] * 3)
    focus = "document.activeElement.id"
    assert tab.page.evaluate(focus) == "severity-error"
    tab.key("Enter")
    assert "severity=error" in tab.page.url and tab.page.evaluate(focus) == "severity-error"
    tab.key("Escape")
    assert tab.page.evaluate(focus) == ""
    tab.key("x", "ArrowDown", "ArrowDown", "Enter")
    assert "row=v1" in tab.page.url and "severity" not in tab.page.url
    tab.close()


def test_a_field_that_is_edited_is_in_view(chromium: Any, tmp_path: Path) -> None:
    long = chat("Tell me all.", "\n".join(f"Line {n} of a long answer." for n in range(80)))
    run = checked(tmp_path, [{"messages": [*long["messages"], turn("user", "And?"), turn("assistant", "")]}])
    with serving("review", str(run.folder)) as address:
        tab = Tab(chromium, address).key("Enter", "e")
        box = (
            "(e => [e.getBoundingClientRect().bottom, document.querySelector('.actions').getBoundingClientRect().top])"
        )
        bottom, bar = tab.page.evaluate(f"{box}(document.activeElement)")
        assert tab.page.evaluate("document.activeElement.id") == "text:/messages/#3/content" and 0 < bottom <= bar
        tab.close()


def test_letters_that_are_typed_press_nothing(chromium: Any, support: tuple[str, Run]) -> None:
    address, run = support
    tab = Tab(chromium, address)
    tab.key("/").type("drop keep skip").key("Escape")
    assert tab.page.input_value("#search") == "drop keep skip" and decided(run) == {}
    tab.go("/").key("Enter", "e")
    tab.type("kdszqol")
    assert "as=edit" in tab.page.url and decided(run) == {}
    tab.key("Escape")
    assert "not saved" in tab.page.inner_text(".flash") and "as=edit" in tab.page.url
    tab.key("Escape")
    assert "as=edit" not in tab.page.url
    tab.close()


def test_the_address_is_the_page_and_back_goes_back(chromium: Any, support: tuple[str, Run]) -> None:
    address, _ = support
    tab = Tab(chromium, address).key("2", "Enter")
    first = tab.page.url
    assert "rule=CON001" in first and "row=v1" in first
    tab.key("ArrowRight")
    assert tab.page.url != first
    heading = tab.page.inner_text("h1")
    tab.page.go_back()
    tab.page.wait_for_function("was => document.querySelector('h1').innerText !== was", arg=heading)
    assert tab.page.url == first
    # A link that somebody sends: with the token it opens the very row.
    other = Tab(chromium, f"{address}&{first.split('?')[1]}")
    assert other.page.inner_text("h1") == tab.page.inner_text("h1") and "token" not in other.page.url
    other.close()
    tab.close()


def paths(run: Run) -> list[str]:
    """Every page and state of a run under review."""
    report = json.loads((run / "check.json").read_bytes())
    ids = {finding["code"]: finding["sample_id"] for finding in report["findings"] if finding["sample_id"]}
    rows = [ids[code] for code in ("CON001", "DUP002", "FMT001", "FMT209", "TPL003", "TXT012") if code in ids]
    views = [f"/?row={row}" for row in rows]
    views += [f"/?row={rows[0]}&as={view}" for view in ("talk", "tokens", "json", "history", "edit")]
    return [
        "/",
        "/?show=all",
        "/?rule=DUP002",
        "/?q=refund",
        "/?q=zebra",
        "/?q=%3C%3E",
        "/?rule=evil&page=99",
        *views,
        "/?row=v1:nothing",
        "/?view=overview",
        "/?view=log",
        "/?view=guide",
        "/?view=guide&about=CON001",
        "/?view=guide&about=XYZ1",
        "/?view=bulk&do=drop",
        "/?view=bulk&do=nothing",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium: Any, support: tuple[str, Run], scheme: str) -> None:
    """In the dark only the colours are other ones: the same elements are not looked at twice."""
    carrier = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    axe = importlib.resources.files(carrier).joinpath("axe.min.js").read_text(encoding="utf-8")
    address, run = support
    tab = Tab(chromium, address, scheme=scheme, bypass_csp=True)
    tab.page.evaluate("axe => { eval(axe) }", axe)
    asked = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if scheme == "dark" else {})
    found = []
    for path in paths(run):
        tab.visit(path, pause=0)
        for violation in tab.page.evaluate("asked => axe.run(asked)", asked)["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found.append((path, violation["id"], violation["nodes"][0]["html"]))
    assert found == []
    tab.close()


def test_it_works_at_the_width_of_a_phone(chromium: Any, support: tuple[str, Run]) -> None:
    address, run = support
    tab = Tab(chromium, address, width=390, has_touch=True)
    for path in paths(run):
        tab.visit(path, pause=0)
        widths = "[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => e.scrollWidth)"
        assert max(tab.page.evaluate(widths)) <= 390, path
    tab.go("/")
    tab.page.locator(".item").first.tap()
    tab.settle()
    tab.page.get_by_role("button", name="Skip").tap()
    tab.settle()
    assert list(decided(run).values()) == ["skip"]
    tab.page.get_by_role("button", name="Undo").tap()
    tab.settle()
    assert decided(run) == {} and tab.wrong == []
    tab.close()


def hostile_rows() -> list[dict[str, Any]]:
    def row(text: str) -> dict[str, Any]:
        call = {"id": text, "type": "function", "function": {"name": text, "arguments": json.dumps({text: text})}}
        return {
            "messages": [
                turn("system", text),
                turn("user", text, name=text),
                {"role": "assistant", "content": text, "reasoning_content": text, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": text, "content": text},
                turn(text, text),
                turn("assistant", ""),
            ],
            "tools": [
                {"type": "function", "function": {"name": text, "description": text, "parameters": {text: text}}}
            ],
            text: text,
            "metadata": {text: [text]},
        }

    plain = [{"prompt": f"{text} ?", "completion": ""} for text in PAYLOADS]
    clash = [
        chat(f"Is it {PAYLOADS[1]} safe, {n}?", f"You have {days} days {PAYLOADS[0]}.")
        for n in "ab"
        for days in (30, 14)
    ]
    twins = [
        chat("When do you open?", f"{' '.join(PAYLOADS)} every day but Sunday{end}")
        for end in (".", ". Bye", ". Hello")
    ]
    return [row(" ".join(PAYLOADS)), *map(row, PAYLOADS), *plain, *clash, *twins]


def test_hostile_rows_are_text_on_every_page(chromium: Any, tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 30
    folder = tmp_path / "<img src=x onerror=window.pwned=1>"
    folder.mkdir()
    broken = [json.dumps({"messages": text}).encode()[:-1] for text in PAYLOADS[:6]]
    run = checked(folder, [*hostile_rows(), *broken])
    Decisions(run).record(next(iter(report_ids(run))), "drop", reason=PAYLOADS[9], by=PAYLOADS[1])
    Decisions(run).record(next(iter(report_ids(run))), "keep", reason=PAYLOADS[8], by=PAYLOADS[0])
    with serving("review", str(run.folder), "--reviewer", PAYLOADS[2]) as address:
        tab = Tab(chromium, address)
        for path in [*paths(run), "/?q=script&show=all", f"/?rule={PAYLOADS[0]}&q={PAYLOADS[1]}&show={PAYLOADS[6]}"]:
            harmless(tab.visit(path, pause=0), path)
        for view in ("talk", "json", "tokens", "edit"):
            for first in list(report_ids(run))[:2]:
                harmless(tab.visit(f"/?show=all&row={first}&as={view}", pause=0), view)
        tab.go(f"/?show=all&row={next(iter(report_ids(run)))}")
        for _ in range(len(PAYLOADS) + 30):
            harmless(tab.key("ArrowRight", pause=0), tab.page.url)
        tab.close()


def report_ids(run: Run) -> dict[str, str]:
    report = json.loads((run / "check.json").read_bytes())
    return {finding["sample_id"]: finding["code"] for finding in report["findings"] if finding["sample_id"]}


LEADING = ["a[href]", "form", "img", "iframe", "script", "style", "svg", "object", "embed", "video", "base", "link"]
STRANGE = ", ".join(f".paper {one}" for one in (*LEADING, "[src]", "[onload]", "[onerror]", "[onclick]"))
STATE = """strange => ({
    pwned: window.pwned ?? null,
    strange: [...document.querySelectorAll(strange)].map(e => e.outerHTML),
    fixed: [...document.querySelectorAll('.paper *')].filter(e => getComputedStyle(e).position === 'fixed')
        .map(e => e.className),
    top: document.querySelector('.paper .top').checkVisibility(),
    title: document.title,
})"""


def harmless(tab: Tab, what: str) -> None:
    assert tab.wrong == [], what
    state = tab.page.evaluate(STATE, STRANGE)
    assert state["pwned"] is None and state["strange"] == [] and state["top"], (what, state)
    assert set(state["fixed"]) <= {"actions"} and state["title"].endswith("· curate"), (what, state)


def test_the_app_lists_the_runs_of_its_folder(chromium: Any, support: tuple[str, Run]) -> None:
    _, run = support
    with serving("app", folder=run.folder.parents[1]) as address:
        tab = Tab(chromium, address)
        assert "Which run?" in tab.text
        tab.key("ArrowDown", "Enter")
        assert "83 rows to decide" in tab.text and tab.wrong == []
        tab.close()


def test_streamlit_run_serves_the_same_page_behind_the_same_guard(support: tuple[str, Run]) -> None:
    from curate.serve import Doors, free_port

    port, token = free_port(Doors()), "a-token-for-this-test"
    roots = os.pathsep.join([str(ROOT), str(ROOT / "train"), str(ROOT / "evaluate")])
    environment = os.environ | {"PYTHONPATH": roots, "CURATE_TOKEN": token, "CURATE_RUN": str(support[1].folder)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/"
        for _ in range(200):
            try:
                urllib.request.urlopen(address, timeout=5)
            except urllib.error.HTTPError as refused:
                assert refused.code == 403
                refused.close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError("it was let in without a token, or never answered")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(f"{address}?token={token}", timeout=5) as page:
            assert page.status == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
