"""Serving a page to the person at this machine, and to nobody else who has no door."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import os
import re
import secrets
import socket
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
LOOPBACK = frozenset({HOST, "localhost", "::1"})
SHORTEST_TOKEN = 16
"""Characters of a token that a person chose: shorter ones can be guessed."""

REVIEW = Path(__file__).parent / "review" / "app" / "curate_app.py"


@dataclass(frozen=True)
class Doors:
    """Where a page is served and who may come in. `proxy` is the address (https://host) at which a proxy serves it."""

    host: str = HOST
    port: int | None = None
    token: str | None = None
    proxy: str | None = None

    def refuse_open_ones(self) -> None:
        """Raises:
        CurateError: anybody could come in, or the address is none.
        """
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise CurateError(
                f"--token: has {len(self.token)} characters, and needs {SHORTEST_TOKEN} to be hard to guess"
            )
        if self.token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]+", self.token):
            raise CurateError("--token: may hold letters of ASCII, digits and . _ ~ - only, as it is part of a link")
        if self.host not in LOOPBACK and self.token is None:
            raise CurateError(
                f"--host {self.host}: others could open the page, and it shows and changes your data; "
                "give a --token that only they know, or serve it through a proxy on this machine: --proxy https://NAME"
            )
        if self.proxy is not None and not (
            urlsplit(self.proxy).scheme in {"http", "https"} and urlsplit(self.proxy).netloc
        ):
            raise CurateError(f"--proxy {self.proxy}: not an address; give it as https://NAME")


def serve_page(
    page: Path,
    variables: dict[str, str],
    *,
    browser: bool,
    say: Callable[[str], None],
    doors: Doors | None = None,
    view: str = "",
) -> None:
    """Serve a Streamlit page until it is interrupted; `say` gets its address, which asks for `view` where one is given.
    `variables` reach it as environment.

    Raises:
        CurateError: Streamlit is not installed, the port is taken, or anybody could come in.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise CurateError('the page needs streamlit; install it: pip install "curate[app]"')
    doors = doors or Doors()
    doors.refuse_open_ones()
    import streamlit as st

    os.environ.update(variables)
    port, token = free_port(doors), doors.token or secrets.token_urlsafe(16)
    named = HOST if doors.host in LOOPBACK or doors.host in {"0.0.0.0", "::"} else doors.host
    address = f"{doors.proxy.rstrip('/') if doors.proxy else f'http://{named}:{port}'}/?token={token}"
    address += f"&{urlencode({'view': view})}" if view else ""
    say(address)
    if browser and not doors.proxy:
        threading.Thread(target=open_when_up, args=(port, address), daemon=True).start()
    st.App(page, middleware=guarded(token, doors)).run(
        config={
            "server.address": doors.host,
            "server.port": port,
            "server.headless": True,
            "server.fileWatcherType": "none",
            "server.showEmailPrompt": False,
            "server.enableCORS": True,
            "server.enableXsrfProtection": True,
            "server.enableStaticServing": False,
            "server.baseUrlPath": "",
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "minimal",
            "client.showErrorDetails": "none",
            "client.disableDataExport": True,
            "logger.hideWelcomeMessage": True,
        }
    )


def guarded(token: str | None = None, doors: Doors | None = None) -> list[Any]:
    """The middleware of a page: nobody comes in but through the doors. Without a token, one is made and said."""
    from starlette.middleware import Middleware

    if token is None:
        token = os.environ.get("CURATE_TOKEN") or secrets.token_urlsafe(16)
        print(f"Open the page with /?token={token} at the end of its address.", file=sys.stderr)
    return [Middleware(Guard, token=token, doors=doors or Doors())]


def open_when_up(port: int, address: str) -> None:
    """Show the page in a browser window, where there is a screen for one, once the server answers."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                break
        time.sleep(0.1)
    webbrowser.open(address)


def free_port(doors: Doors) -> int:
    """The port that was asked for, if it is free; else any free one.

    Raises:
        CurateError: the port is taken, or the host is none of this machine.
    """
    family = socket.AF_INET6 if ":" in doors.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((doors.host, doors.port or 0))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CurateError(
                f"{doors.host}:{doors.port or 'any port'}: cannot be served ({why}); without --port a free one is taken"
            ) from error
        port: int = probe.getsockname()[1]
        return port


def policy() -> str:
    """The content security policy: nothing from elsewhere, nothing to elsewhere, no script but Streamlit's and ours."""
    hashes = "".join(f" '{one}'" for one in inline_scripts())
    return (
        f"default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'{hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "frame-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )


def inline_scripts() -> list[str]:
    """The hashes of the scripts inside of the page that Streamlit itself ships."""
    import streamlit

    shipped = Path(streamlit.__file__).parent / "static" / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", shipped.read_text(encoding="utf-8"), re.DOTALL)
    return [f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" for script in scripts]


class Guard:
    """ASGI middleware: only this page's own address, only with the token, and nothing from elsewhere in the page.

    The token leaves the address bar and becomes a cookie; other users of the machine have neither. Where it has no door
    to others, who is not on this machine is turned away even if the server listens to them.
    """

    def __init__(self, app: Any, *, token: str, doors: Doors) -> None:
        self.app = app
        self.token = token
        self.doors = doors
        self.policy = policy()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        given = parse_qs(query).get("token", [""])[0]
        address, port = scope.get("server") or ("", 0)
        cookie = f"curate-{port}"
        kept = SimpleCookie(headers.get("cookie", "")).get(cookie)
        if not self.is_own(headers, address, port) or not self.is_near(scope):
            await refuse(scope, send, "This page is served to its own address only.")
        elif scope["type"] == "http" and self.is_token(given):
            await self.welcome(scope, send, cookie, query)
        elif self.is_token(kept.value if kept else ""):
            await self.app(scope, receive, with_headers(send, self.policy))
        else:
            await refuse(scope, send, "Open the whole address that curate printed, with its token.")

    def is_own(self, headers: dict[str, str], address: str, port: int) -> bool:
        """Whether a request names this server as its host, and comes from a page of this server."""
        names = (
            {HOST, "localhost", "[::1]"}
            if self.doors.host in LOOPBACK
            else {HOST, "localhost", address, self.doors.host}
        )
        own = {f"http://{name}:{port}" for name in names}
        if self.doors.proxy:
            own.add(self.doors.proxy.rstrip("/"))
        host = headers.get("host", "")
        return host in {urlsplit(one).netloc for one in own} and headers.get("origin", next(iter(own))) in own

    def is_near(self, scope: Any) -> bool:
        """Whether a request comes from this machine, if nobody else has a door."""
        client = (scope.get("client") or ("",))[0].removeprefix("::ffff:")
        return self.doors.host not in LOOPBACK or client in LOOPBACK or client.startswith("127.")

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def welcome(self, scope: Any, send: Any, cookie: str, query: str) -> None:
        """Take the token out of the address, and leave the rest of it: links to a row carry it, too."""
        rest = urlencode([(key, word) for key, word in parse_qsl(query, keep_blank_values=True) if key != "token"])
        secure = "; Secure" if (self.doors.proxy or "").startswith("https") else ""
        kept = f"{cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/{secure}"
        location = f"/{f'?{rest}' if rest else ''}"
        await respond(send, 303, b"", [(b"location", location.encode()), (b"set-cookie", kept.encode())])


def with_headers(send: Any, policy: str) -> Any:
    async def send_with_policy(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"content-security-policy", policy.encode()),
                (b"referrer-policy", b"no-referrer"),
                (b"x-content-type-options", b"nosniff"),
                (b"x-frame-options", b"DENY"),
            ]
        await send(message)

    return send_with_policy


async def refuse(scope: Any, send: Any, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await respond(send, 403, why.encode(), [(b"content-type", b"text/plain; charset=utf-8")])


async def respond(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
