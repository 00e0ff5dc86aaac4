"""A server on this machine that speaks the chat protocol, answers by a rule, and has faults when it is told to."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Body = dict[str, Any]


def reply(text: str | None, finish: str = "stop", **message: Any) -> Body:
    return {
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3},
    }


class Chat:
    """What the server was asked, and what it is to do wrong next: a status, "drop", "no json", or a body to send."""

    def __init__(self, rule: Callable[[Body], Body]) -> None:
        self.rule = rule
        self.asked: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.faults: list[Any] = []
        self.pause = 0.0
        self.base = ""
        self.lock = threading.Lock()

    @property
    def questions(self) -> list[str]:
        """The last turn of each request that was answered or not."""
        return [body["messages"][-1]["content"] for body in self.asked]


@contextmanager
def serving(rule: Callable[[Body], Body]) -> Iterator[Chat]:
    chat = Chat(rule)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with chat.lock:
                chat.asked.append(body)
                chat.headers.append(dict(self.headers))
                chat.paths.append(self.path)
                fault = chat.faults.pop(0) if chat.faults else None
            time.sleep(chat.pause)
            if fault == "drop":
                self.close_connection = True
            elif fault == "no json":
                self.send(200, b"<html>Gateway</html>")
            elif isinstance(fault, int):
                key = self.headers.get("Authorization", "")
                self.send(fault, json.dumps({"error": {"message": f"no, not now ({key})"}}).encode())
            else:
                self.send(200, json.dumps(chat.rule(body) if fault is None else fault).encode())

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    chat.base = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
