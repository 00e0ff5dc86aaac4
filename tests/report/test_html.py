from __future__ import annotations

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from curate.report import OUTPUTS, Report
from tests.report.findings import HOSTILE, a_finding, a_report, a_warning, an_info, hostile_report
from tests.report.test_safe import acts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def page(report: Report) -> str:
    return "".join(OUTPUTS["html"](report))


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_policy_admits_our_own_script_and_style_and_nothing_else():
    text = page(hostile_report())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag in ("script", "style"):
        own = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(own) == 1
        digest = base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_hostile_data_adds_no_element_and_no_reference():
    clean, hostile = (
        [(tag, sorted(attributes)) for tag, attributes in Elements(page(report)).found]
        for report in (a_report([a_finding()]), a_report([a_finding("".join(HOSTILE), rule="".join(HOSTILE))]))
    )
    assert hostile == clean
    attributes = {name for _, names in hostile for name in names}
    assert not attributes & {"src", "href", "srcset", "action", "style", "onclick", "onerror"}


def test_hostile_data_leaves_no_control_character():
    assert not [char for char in page(hostile_report()) if acts(char) and char != "\n"]


def test_clean_data_says_so():
    assert "No findings." in page(a_report())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def opened(browser: Any, folder: Path, report: Report, width: int = 1280) -> tuple[Any, list[str]]:
    """The page in a browser, and what it should never do: requests, dialogs, errors."""
    file = folder / "report.html"
    file.write_text(page(report), encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 800})
    wrong: list[str] = []
    tab.on("request", lambda request: None if request.url == file.as_uri() else wrong.append(request.url))
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(file.as_uri())
    return tab, wrong


def test_in_a_browser_hostile_data_is_text(browser: Any, tmp_path: Path):
    tab, wrong = opened(browser, tmp_path, hostile_report(), 390)
    for summary in tab.locator(".rule summary").all():
        summary.click()
    tab.wait_for_function("[...document.querySelectorAll('.findings')].every((list) => list.children.length > 0)")
    shown = tab.locator(".findings .message").all_text_contents()
    assert "<script>alert(1)</script></script><img src=http://evil.example/a onerror=alert(1)>" in shown
    assert tab.locator("img, iframe, a").count() == 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert wrong == []


def test_in_a_browser_thirty_thousand_findings_are_paged_and_filtered(browser: Any, tmp_path: Path):
    findings = [a_warning(f"the same as line {i}", i + 1) for i in range(30_000)]
    from playwright.sync_api import expect  # waits, as the page draws after the event

    tab, wrong = opened(browser, tmp_path, a_report([a_finding(), *findings, an_info()], rows=40_000))
    rule = tab.locator(".rule", has_text="DUP001")
    rule.locator("summary").click()
    expect(rule.locator("li")).to_have_count(100)
    rule.get_by_role("button").click()
    expect(rule.locator("li")).to_have_count(200)
    tab.locator("#search").fill("the same as line 29999")
    tab.get_by_text("1 finding matches").wait_for()
    expect(rule.locator("li")).to_have_count(1)
    tab.locator("#search").fill("")
    tab.get_by_label("warning").uncheck()
    rule.wait_for(state="hidden")
    expect(tab.locator(".rule:visible")).to_have_count(2)
    assert wrong == []
