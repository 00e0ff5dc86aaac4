"""Serving a page to the person at this machine and to nobody else."""

from __future__ import annotations

import hmac
import importlib.util
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "127.0.0.1"
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'none'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)


def serve_page(page: Path, variables: dict[str, str], *, browser: bool, say: Callable[[str], None]) -> None:
    """Serve a Streamlit page until it is interrupted; `say` gets its address. `variables` reach it as environment.

    Raises:
        CurateError: Streamlit is not installed.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise CurateError('the page needs streamlit; install it: pip install "curate[app]"')
    import streamlit as st
    from starlette.middleware import Middleware

    os.environ.update(variables)
    port, token = free_port(), secrets.token_urlsafe(16)
    address = f"http://{HOST}:{port}/?token={token}"
    say(address)
    if browser:
        threading.Thread(target=open_when_up, args=(port, address), daemon=True).start()
    st.App(page, middleware=[Middleware(Guard, port=port, token=token)]).run(
        config={
            "server.address": HOST,
            "server.port": port,
            "server.headless": True,
            "server.fileWatcherType": "none",
            "server.showEmailPrompt": False,
            "server.enableXsrfProtection": True,
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "minimal",
            "client.showErrorDetails": "none",
            "client.disableDataExport": True,
            "logger.hideWelcomeMessage": True,
        }
    )


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Guard:
    """ASGI middleware: only this host's own address, only with the token, and nothing from elsewhere in the page.

    The token leaves the address bar and becomes a cookie; other users of the machine have neither.
    """

    def __init__(self, app: Any, *, port: int, token: str) -> None:
        self.app = app
        self.hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}
        self.cookie = f"curate-{port}"
        self.token = token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        kept = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        if host not in self.hosts or headers.get("origin", f"http://{host}") not in self.origins:
            await refuse(scope, send, "This page is served to its own address only.")
        elif scope["type"] == "http" and self.is_token(given):
            await self.welcome(send)
        elif self.is_token(kept.value if kept else ""):
            await self.app(scope, receive, guarded(send))
        else:
            await refuse(scope, send, "Open the whole address that curate printed, with its token.")

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def welcome(self, send: Any) -> None:
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        await respond(send, 303, b"", [(b"location", b"/"), (b"set-cookie", cookie.encode())])


def guarded(send: Any) -> Any:
    async def send_with_policy(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"content-security-policy", POLICY.encode()),
                (b"referrer-policy", b"no-referrer"),
                (b"x-content-type-options", b"nosniff"),
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
