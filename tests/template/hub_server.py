"""A small hub on this machine: as much of the Hugging Face hub's HTTP interface as fetching a model's files takes."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType


class Hub:
    """Serves `files` by path for each revision of one repository; `asked` are the requests it got.

    With `gated`, the files are refused as those of a model whose terms were not accepted.
    """

    def __init__(
        self, repo: str, commits: dict[str, dict[str, bytes]], refs: dict[str, str], *, gated: bool = False
    ) -> None:
        self.repo = repo
        self.commits = commits
        self.refs = refs
        self.gated = gated
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def fetched(self) -> set[str]:
        """The files that were sent."""
        return {asked.rpartition("/")[2] for asked in self.asked if asked.startswith("GET") and "/resolve/" in asked}

    def __enter__(self) -> Hub:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            api, files = f"/api/models/{hub.repo}", f"/{hub.repo}/resolve/"
            if not path.startswith((api, files)):
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            if path.startswith(files):
                revision, _, name = path.removeprefix(files).partition("/")
            else:
                kind, _, revision = path.removeprefix(f"{api}/").partition("/")
            commit = hub.refs.get(revision, revision)
            if commit not in hub.commits:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif path.startswith(files):
                self._send_file(commit, name)
            elif kind == "tree":
                listed = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in hub.commits[commit].items()
                ]
                self._send(200, json.dumps(listed).encode())
            else:
                siblings = [{"rfilename": name} for name in hub.commits[commit]]
                self._send(200, json.dumps({"id": hub.repo, "sha": commit, "siblings": siblings}).encode())

        def _send_file(self, commit: str, name: str) -> None:
            data = hub.commits[commit].get(name)
            if hub.gated:
                self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            elif data is None:
                self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            else:
                self._send(200, data, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'})

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
