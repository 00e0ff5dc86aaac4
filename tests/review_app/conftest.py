"""A served review and a browser on it; tests skip, with a reason, where there is no browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.review_app.pages import Browser, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


# What a server is started with: it notes each connection and each look-up of a name that leads off this machine.
WATCH = """
import sys

def note(event, given):
    to = {"socket.connect": lambda: given[1], "socket.getaddrinfo": lambda: given}.get(event, lambda: None)()
    if isinstance(to, tuple) and to[0] not in (None, "", "127.0.0.1", "localhost", "::1"):
        with open(FILE, "a") as file:
            print(event, to, file=file)

sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def outbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the path of imports of a server: no server with it went off this machine."""
    folder = tmp_path_factory.mktemp("watch")
    noted = folder / "noted"
    (folder / "sitecustomize.py").write_text(WATCH.replace("FILE", repr(str(noted))))
    yield folder
    assert not noted.exists(), noted.read_text()


@contextmanager
def serving(*command: str, folder: Path = ROOT, watched: Path | None = None) -> Iterator[str]:
    """The printed address of `curate review …` or `curate app …`, while it runs."""
    roots = [*([str(watched)] if watched else []), str(ROOT), str(ROOT / "train"), str(ROOT / "evaluate")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(roots)}
    server = subprocess.Popen(
        [sys.executable, "-m", "curate", *command, "--no-browser"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said: list[str] = []
    try:
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise AssertionError("".join(said))
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """A page of a browser, and what it should never do."""

    def __init__(
        self, chromium: Any, address: str, *, scheme: str = "light", width: int = 1280, path: str = "", **more: Any
    ) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **more)
        self.page = self.context.new_page()
        self.base = address.split("/?")[0]
        self.Error = type(self).playwright_error()
        self.wrong: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.open(address, path)

    @staticmethod
    def playwright_error() -> type[Exception]:
        from playwright.sync_api import Error

        return Error

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.wrong.append(f"request {request.url}")

    def open(self, address: str, path: str = "") -> Tab:
        for _ in range(100):
            try:
                self.page.goto(address)
                break
            except self.Error:  # the server does not listen yet
                self.page.wait_for_timeout(100)
        if path:
            self.page.goto(self.base + path)
        self.settle()
        return self

    def go(self, path: str) -> Tab:
        self.page.goto(self.base + path)
        return self.settle()

    def visit(self, path: str, pause: int = 50) -> Tab:
        """Go to an address as a link inside of the page would: without loading the page again."""
        self.page.evaluate(
            "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path
        )
        place = urlencode(sorted(parse_qsl(path.partition("?")[2])))
        self.page.wait_for_function("place => document.querySelector('.paper').dataset.place === place", arg=place)
        return self.settle(pause)

    def settle(self, pause: int = 220) -> Tab:
        """Until the page is drawn and nothing is under way; and the row on it was seen for long enough."""
        self.page.wait_for_selector(".paper .page, .paper .state", timeout=30_000)
        self.page.wait_for_function(
            "() => { const s = document.querySelector('.paper'); return !s.hasAttribute('aria-busy') && "
            "(!s.dataset.row || s.dataset.painted === s.dataset.row) }"
        )
        self.page.wait_for_timeout(pause)
        return self

    def key(self, *keys: str, pause: int = 220) -> Tab:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(30)
            self.settle(pause)
        return self

    def type(self, text: str) -> Tab:
        self.page.keyboard.type(text)
        self.page.wait_for_timeout(400)
        return self.settle()

    @property
    def text(self) -> str:
        return " ".join(self.page.inner_text(".paper").split())

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def open_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session of the app on a run with these rows."""

    def opened(*rows: Any, reviewer: str = "ana", **query: str) -> Browser:
        return Browser(checked(tmp_path, rows), monkeypatch, reviewer, **query)

    return opened
