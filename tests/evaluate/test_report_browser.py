"""The report in a browser, as one page and as served: links, filters, themes, sizes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from curate_evaluate.report.step import build
from tests.review_app.conftest import chromium, serving  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from curate.run import Run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
# The gains over three prompts, each of the quantised base and of the one in bf16; their scale; the curves.
PLOTS = 8
SIZES = [(scheme, width) for scheme in ("light", "dark") for width in (390, 1280)]


@pytest.fixture(scope="module")
def reported(evaluated_once: Run) -> Run:
    """A run whose report has curves too."""
    losses = [{"step": step, "loss": 4.0 / step} for step in range(1, 40)]
    log = [{"step": 0, "val_loss": 4.0}, *losses, {"step": 39, "val_loss": 0.9}]
    (evaluated_once / "train/log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return evaluated_once


@pytest.fixture(scope="module")
def page_file(reported: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from curate_evaluate.report.page import to_html

    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(to_html(build(reported), "support"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def served(reported: Run) -> Iterator[str]:
    with serving("report", str(reported.folder)) as address:
        yield address


def shown(browser: Any, address: str, scheme: str = "light", width: int = 1280) -> tuple[Any, list[str]]:
    """A page that is drawn, and what went wrong or left this machine on it."""
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    own = ("file:", address.split("/?")[0], "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
    for _ in range(100):
        try:
            page.goto(address)
            break
        except Exception:  # the server does not listen yet
            page.wait_for_timeout(100)
    page.wait_for_selector(".c-arms", timeout=60_000)
    page.wait_for_timeout(500)
    return page, wrong


def accessible(page: Any) -> list[str]:
    """What axe finds that is serious or worse. Its script is let in for that only."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_the_written_page_fits_is_accessible_and_asks_nobody(
    chromium: Any,  # noqa: F811
    page_file: Path,
    scheme: str,
    width: int,
) -> None:
    page, wrong = shown(chromium, page_file.as_uri(), scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = page.locator("svg").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert len(drawn) == PLOTS and min(drawn) > 150
    assert accessible(page) == [] and wrong == []
    page.context.close()


def test_the_written_page_filters_its_examples_without_a_script(chromium: Any, page_file: Path) -> None:  # noqa: F811
    page, wrong = shown(chromium, page_file.as_uri())
    articles = page.locator("article")
    count = articles.count()
    for name in ("different", "regressed", "improved", "all"):
        page.locator(f"#show-{name}").check()
        wanted = count if name == "all" else page.locator(f"article.{name}").count()
        assert sum(articles.nth(i).is_visible() for i in range(count)) == wanted
    name = articles.last.get_attribute("id")
    page.goto(f"{page_file.as_uri()}#{name}")
    assert page.evaluate("document.querySelector('article:target').getBoundingClientRect().top < innerHeight")
    assert wrong == []
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_the_served_page_is_accessible_and_asks_nobody(chromium: Any, served: str, scheme: str, width: int) -> None:  # noqa: F811
    page, wrong = shown(chromium, served, scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = page.locator("img.c-plot").evaluate_all("all => all.map(one => [one.naturalWidth, one.width])")
    assert len(sizes) == PLOTS and all(natural and width > 150 for natural, width in sizes)
    assert accessible(page) == [] and wrong == []
    page.context.close()


def test_the_address_says_what_is_shown(chromium: Any, served: str, reported: Run) -> None:  # noqa: F811
    entries = json.loads((reported / "report.json").read_bytes())["examples"]
    page, wrong = shown(chromium, served)
    page.locator("a.c-id").first.click()
    page.wait_for_function("() => document.querySelectorAll('.c-arms').length === 1")
    assert page.url.partition("?example=")[2] in {entry["name"] for entry in entries}
    page.get_by_text("The whole report").click()
    page.wait_for_selector(".c-verdict")
    base = served.split("/?")[0]
    page.goto(f"{base}/?show=different&baseline=few-shot&page=2")
    page.wait_for_selector(".c-arms")
    different = sum(
        entry["outputs"]["fine-tuned"]["output"] != entry["outputs"]["few-shot"]["output"] for entry in entries
    )
    page.wait_for_function("count => document.querySelectorAll('.c-arms').length === count", arg=different - 10)
    assert "show=different" in page.url and "baseline=few-shot" in page.url
    page.goto(f"{base}/?show=regressed")
    page.get_by_text("No example is like this.").wait_for()
    assert wrong == []
    page.context.close()
