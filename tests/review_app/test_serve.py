"""Who may open the page: this machine with the token, and others only through a door that was made for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.errors import CurateError
from curate.serve import Doors, Guard, free_port, inline_scripts, policy

TOKEN = "a-token-of-some-length"
PORT = 8123
HERE = {"host": f"127.0.0.1:{PORT}"}
KEPT = {"cookie": f"curate-{PORT}={TOKEN}"}


def asked(
    headers: dict[str, str],
    *,
    query: str = "",
    kind: str = "http",
    client: str = "127.0.0.1",
    server: str = "127.0.0.1",
    doors: Doors | None = None,
) -> dict[str, Any]:
    """What a request gets: its status ("let in" if it reached the app), headers and body."""
    got: dict[str, Any] = {"headers": {}, "body": b""}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got["let in"] = True
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            got["status"] = message["status"]
            got["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "websocket.close":
            got["status"] = message["code"]
        else:
            got["body"] += message.get("body", b"")

    scope = {
        "type": kind,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "query_string": query.encode(),
        "client": (client, 50000),
        "server": (server, PORT),
    }
    asyncio.run(Guard(app, token=TOKEN, doors=doors or Doors())(scope, None, send))
    return got


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_who_has_the_cookie_comes_in_under_the_page_s_own_names(kind: str, name: str) -> None:
    host = {"host": f"{name}:{PORT}"}
    assert asked(host | KEPT, kind=kind)["let in"]
    assert asked(host | KEPT | {"origin": f"http://{name}:{PORT}"}, kind=kind)["let in"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        HERE,
        KEPT,
        HERE | {"cookie": f"curate-{PORT}=wrong"},
        HERE | {"cookie": f"curate-{PORT + 1}={TOKEN}"},
        KEPT | {"host": f"evil.example:{PORT}"},
        KEPT | {"host": "127.0.0.1:9999"},
        KEPT | {"host": f"evil.example:{PORT}", "origin": f"http://evil.example:{PORT}"},
        HERE | KEPT | {"origin": "http://evil.example"},
        HERE | KEPT | {"origin": "null"},
        HERE | KEPT | {"origin": f"https://127.0.0.1:{PORT}"},
    ],
    ids=str,
)
def test_nobody_else_comes_in(kind: str, headers: dict[str, str]) -> None:
    got = asked(headers, kind=kind)
    assert "let in" not in got and got["status"] == (403 if kind == "http" else 1008)


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    got = asked(HERE, query=f"row=v1%3Aab&token={TOKEN}&q=a%20b")
    assert got["status"] == 303 and got["headers"]["location"] == "/?row=v1%3Aab&q=a+b"
    assert got["headers"]["set-cookie"] == f"curate-{PORT}={TOKEN}; HttpOnly; SameSite=Strict; Path=/"
    assert asked(HERE, query="token=wrong")["status"] == 403
    assert asked({"host": "evil.example"}, query=f"token={TOKEN}")["status"] == 403
    assert asked(HERE, query=f"token={TOKEN}", kind="websocket")["status"] == 1008


def test_each_answer_forbids_what_is_not_ours() -> None:
    headers = asked(HERE | KEPT)["headers"]
    assert headers["x-own"] == "1"
    for rule in (
        "default-src 'self'",
        "connect-src 'self'",
        "frame-src 'none'",
        "form-action 'none'",
        "object-src 'none'",
    ):
        assert rule in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"].split("script-src")[1].split(";")[0]
    assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] == "no-referrer"
    assert inline_scripts() and all(hashed in policy() for hashed in inline_scripts())


def test_another_machine_is_turned_away_even_from_a_server_that_hears_it() -> None:
    assert "let in" not in asked(HERE | KEPT, client="192.0.2.7")
    assert "let in" not in asked({"host": f"192.0.2.1:{PORT}"} | KEPT, client="192.0.2.7", server="192.0.2.1")


def test_with_a_token_of_yours_others_come_in_by_the_address_they_reached() -> None:
    doors = Doors(host="0.0.0.0", token=TOKEN)
    own = {"host": f"192.0.2.1:{PORT}"}
    assert asked(own | KEPT, client="192.0.2.7", server="192.0.2.1", doors=doors)["let in"]
    assert "let in" not in asked(own, client="192.0.2.7", server="192.0.2.1", doors=doors)
    rebound = {"host": f"evil.example:{PORT}"} | KEPT
    assert "let in" not in asked(rebound, client="192.0.2.7", server="192.0.2.1", doors=doors)


def test_behind_a_proxy_its_address_is_the_page_s_own() -> None:
    doors = Doors(proxy="https://review.example.org")
    outside = {"host": "review.example.org", "origin": "https://review.example.org"}
    assert asked(outside | KEPT, doors=doors)["let in"]
    assert "let in" not in asked(outside | KEPT | {"origin": "https://evil.example"}, doors=doors)
    assert asked(outside, query=f"token={TOKEN}", doors=doors)["headers"]["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    ("doors", "said"),
    [
        (Doors(host="0.0.0.0"), "others could open the page"),
        (Doors(host="::"), "others could open the page"),
        (Doors(host="192.168.1.4"), "others could open the page"),
        (Doors(host="0.0.0.0", token="short"), "needs 16 to be hard to guess"),
        (Doors(token=""), "needs 16"),
        (Doors(token="a-token-of-mine; Domain=evil.example"), "part of a link"),
        (Doors(proxy="review.example.org"), "not an address"),
    ],
    ids=str,
)
def test_a_door_that_anybody_could_use_is_refused(doors: Doors, said: str) -> None:
    with pytest.raises(CurateError, match=said):
        doors.refuse_open_ones()


def test_a_port_that_is_taken_is_said() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CurateError, match="without --port a free one is taken"):
            free_port(Doors(port=taken.getsockname()[1]))
    assert free_port(Doors()) > 0
    with pytest.raises(CurateError, match="cannot be served"):
        free_port(Doors(host="192.0.2.1", token=TOKEN))


def test_the_commands_refuse_an_open_door_before_anything_is_served(tmp_path: Any) -> None:
    from tests.review_app.pages import chat, checked

    run = checked(tmp_path, [chat("Who?", "")])
    for command in ("review", "app"):
        result = CliRunner().invoke(
            cli, [command, str(run.folder), "--host", "0.0.0.0", "--no-browser"], standalone_mode=False
        )
        assert isinstance(result.exception, CurateError) and "--token" in str(result.exception)


def test_a_model_that_is_nowhere_is_said_before_anything_is_served(tmp_path: Any) -> None:
    from tests.review_app.pages import chat, checked

    run = checked(tmp_path, [chat("Who?", "")])
    words = ["review", str(run.folder), "--model", str(tmp_path / "nowhere"), "--no-browser"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert isinstance(result.exception, CurateError) and "nowhere: no such folder" in str(result.exception)
