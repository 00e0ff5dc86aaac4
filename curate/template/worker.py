"""The reader in a process of its own, which can be killed: a chat template is a program that somebody else wrote.

What goes there is pickled; what comes back is JSON, so that a template that breaks out of its sandbox cannot send code.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import orjson

from curate.errors import CurateError
from curate.template.form import Form
from curate.template.mask import Draft, Turn, Turns
from curate.template.note import REFUSED, UNVERIFIED, Note
from curate.template.probe import Facts, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from curate.template.form import Messages

MEMORY = 768 << 20
"""Bytes of address space that the process may have."""
SECONDS = 0.75
"""Seconds of CPU that a row may take, and as much again for so many characters, or pairs of an answer and a turn."""
CHARACTERS, PAIRS = 2_000_000, 10_000
SLOW = 0.25
"""The share of this time after which a row counts as slow."""
PROBE_SECONDS = 1.5
STRIKES = 3
"""So many rows may be slow, or take all memory, or end the process, before the template is given up."""
TOO_MUCH = "its chat template takes too long or too much memory"
REMEDY = "use the template that the model was trained with"
_LENGTH = 8
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from curate.template.worker import serve; serve()"


class Setup(NamedTuple):
    """What the process needs of a model: its templates and the tokens that they write, and nothing of its vocabulary
    but the tokens that cut a text."""

    source: str
    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]
    args: Mapping[str, Any]
    clock: date
    vocabulary: Vocabulary
    turns: Turns


class Row(NamedTuple):
    """A conversation, its tools, and which of its turns are trained."""

    messages: Messages
    tools: list[dict[str, Any]] | None
    trained: list[int]


class Worker:
    """The process, as seen from here. It is started again if it ended, or if this process is a fork of its owner."""

    def __init__(self, setup: Setup) -> None:
        """Start it and let it look at the template.

        Raises:
            CurateError: a template that is no Jinja, or that takes too long or too much memory on a plain conversation.
        """
        self.setup = setup
        self.strikes = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.owner = 0
        self.facts = self._start()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "process": None}

    def read(self, rows: Sequence[Row]) -> list[list[Draft]]:
        """The drafts of each row. A row that ends the process is refused, and the others are read all the same.

        Raises:
            CurateError: several rows ended it.
        """
        try:
            reply = self._ask([tuple(row) for row in rows])
        except RecursionError:
            if len(rows) == 1:
                said = "the row is nested too deeply to be verified"
                return [[Draft("", [], [Note(UNVERIFIED, said)])]]
            reply = None
        if reply is not None:
            self._strike(reply["strikes"])
            return [[_draft(*draft) for draft in drafts] for drafts in reply["rows"]]
        if len(rows) > 1:
            return [drafts for row in rows for drafts in self.read([row])]
        self._strike(1)
        why = "the template takes too long or too much memory on the row"
        return [[Draft("", [], [Note(REFUSED, why, None, {"refuses": None})])]]

    def _strike(self, rows: int) -> None:
        self.strikes += rows
        if self.strikes >= STRIKES:
            raise CurateError(f"{self.setup.source}: {TOO_MUCH} on {self.strikes} rows; {REMEDY}")

    def close(self) -> None:
        """End the process."""
        if self.process is not None and self.owner == os.getpid():
            self.process.kill()
            self._reap()
        self.process = None

    def _start(self) -> Facts:
        path = [entry or str(Path.cwd()) for entry in sys.path]
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # No secret of the environment is in reach of a template that breaks out of its sandbox.
            env={key: os.environ[key] for key in ("SYSTEMROOT", "PATH") if key in os.environ},
        )
        reply = self._exchange(tuple(self.setup))
        error = TOO_MUCH if reply is None else reply.get("error")
        if error == TOO_MUCH:
            raise CurateError(f"{self.setup.source}: {TOO_MUCH} on a question and its answer; {REMEDY}")
        if error:
            raise CurateError(error)
        return Facts(**{**reply, "form": Form(**reply["form"])})

    def _ask(self, request: Any) -> Any:
        if self.process is None or self.owner != os.getpid() or self.process.poll() is not None:
            self._forget()
            self._start()
        return self._exchange(request)

    def _exchange(self, request: Any) -> Any:
        """The reply to a request; None if the process ended on it."""
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            _send(process.stdin, pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
            reply = _receive(process.stdout)
        except OSError:
            reply = None
        except BaseException:  # interrupted between question and answer: the next answer would be that of this question
            process.kill()
            self._reap()
            raise
        if reply is None:
            self._reap()
            return None
        answer = orjson.loads(reply)
        if bug := answer.get("bug"):
            raise RuntimeError(bug)
        return answer

    def _forget(self) -> None:
        """Let go of a process that ended, or that belongs to the process that this one was forked from."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                pipe.close()
            if self.owner == os.getpid():
                self.process.wait()
        self.process = None

    def _reap(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                try:
                    assert pipe is not None
                    pipe.close()
                except OSError:
                    pass  # what was not sent is lost with it
            process.wait()

    def __del__(self) -> None:
        if getattr(self, "process", None) is not None:
            self.close()


def _draft(text: str, turns: list[list[int]], notes: list[list[Any]]) -> Draft:
    return Draft(text, [Turn(*turn) for turn in turns], [Note(*note) for note in notes])


def _send(stream: BinaryIO | Any, data: bytes) -> None:
    stream.write(len(data).to_bytes(_LENGTH, "little"))
    stream.write(data)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> bytes | None:
    head = stream.read(_LENGTH)
    size = int.from_bytes(head, "little")
    if len(head) < _LENGTH or size > MEMORY:
        return None
    data: bytes = stream.read(size)
    return data if len(data) == size else None


def serve() -> None:
    """The process itself: answers until nobody asks any more."""
    from curate.template.mask import Reader, size
    from curate.template.render import ChatTemplate

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who asks answers it
    asked, answered = sys.stdin.buffer, sys.stdout.buffer
    limit_memory()
    first = _receive(asked)
    if first is None:
        return
    setup = Setup(*pickle.loads(first))
    _limit_time(PROBE_SECONDS)
    try:
        template = ChatTemplate(setup, setup.args, setup.clock)
        reader = Reader(template, setup.vocabulary)
        error = TOO_MUCH if template.out_of_memory else ""
    except CurateError as refused:
        error = str(refused)
    _limit_time(0)
    if error:
        _send(answered, orjson.dumps({"error": error}))
        return
    _send(answered, orjson.dumps(asdict(reader.facts)))
    while request := _receive(asked):
        rows: list[Any] = []
        strikes = 0
        for messages, tools, trained in pickle.loads(request):
            template.out_of_memory = False
            seconds = SECONDS * (1 + size(messages, tools) / CHARACTERS + len(trained) * len(messages) / PAIRS)
            _limit_time(seconds)
            try:
                drafts = reader.read(messages, tools, trained, setup.turns)
            except RecursionError:
                drafts = [Draft("", [], [Note(UNVERIFIED, "the row is nested too deeply to be verified")])]
            except MemoryError:
                raise
            except Exception:
                _send(answered, orjson.dumps({"bug": traceback.format_exc()}))
                return
            strikes += _limit_time(0) < (1 - SLOW) * seconds or template.out_of_memory
            rows.append([(text, [*map(tuple, turns)], [*map(tuple, notes)]) for text, turns, notes in drafts])
            if strikes >= STRIKES:
                break
        _send(answered, _as_json({"rows": rows, "strikes": strikes}))


def _as_json(reply: Any) -> bytes:
    try:
        return orjson.dumps(reply)
    except TypeError:  # half a surrogate pair, quoted in a note
        return json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace")


def _limit_time(seconds: float) -> float:
    """End this process if it takes longer from now on (0: as long as it likes); the seconds of CPU that were left.

    The kernel ends it, whatever Python is busy with.
    """
    if sys.platform == "win32":
        import faulthandler

        faulthandler.cancel_dump_traceback_later()
        if seconds:
            faulthandler.dump_traceback_later(seconds * 2, exit=True)
        return math.inf
    left, _ = signal.setitimer(signal.ITIMER_PROF, seconds)
    return left


def limit_memory() -> None:
    if sys.platform == "win32":
        return
    import resource

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limits = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0))
    for limit, value in limits:
        with suppress(ValueError, OSError):  # there is a lower one already, or (macOS) none can be set
            resource.setrlimit(limit, (value, value))
