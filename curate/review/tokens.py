"""A row as a model reads it: its tokens, and which of them are trained.

The model is in a process of its own: a vocabulary takes much memory, which the server shall not need.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate.run.data import found_name
from curate.tokens.pieces import Piece, pieces

if TYPE_CHECKING:
    from curate.run import Run
    from curate.sample import Sample
    from curate.template import Note

_CHILD = "from curate.review.tokens import serve; serve()"
_lock = Lock()
_reader: Reader | None = None


class Rendered(NamedTuple):
    """A rendering of a row: its text in pieces, and what there is to know about it."""

    pieces: list[Piece]
    notes: list[Note]
    is_verified: bool


class NoModel(CurateError):
    """It was not said yet whose tokens to show."""


def view(run: Run, sample: Sample, model: str | None = None) -> list[Rendered]:
    """The renderings of a sample by `model`; else by that of the run's tokens or check, with its settings there.

    Raises:
        NoModel: neither is there.
        CurateError: the model cannot be loaded, or cannot read the sample.
    """
    global _reader
    setup = json.dumps({"model": model} if model else _of_run(run))
    with _lock:  # the pages of several windows are drawn in threads of one process
        if _reader is None or _reader.setup != setup:
            if _reader:
                _reader.close()
            _reader = Reader(setup)
        return _reader.read(sample)


def _of_run(run: Run) -> dict[str, Any]:
    for step in ("tokens", "check"):
        config = run.config(step) if run.record(step) else {}
        if config.get("model"):
            template = config.get("chat_template")
            return {
                "model": found_name(run, config["model"]),
                "chat_template": found_name(run, template) if template else None,
                "template_args": config.get("template_args"),
                "turns": config.get("turns", "all"),
            }
    raise NoModel("neither the check nor the tokens of this run name a model")


class Reader:
    """The process with a model, as seen from here. It ends with this one; one that ended is started again."""

    def __init__(self, setup: str) -> None:
        self.setup = setup
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, sample: Sample) -> list[Rendered]:
        """Raises:
        CurateError: the model cannot be loaded, or cannot read the sample.
        """
        if self._process is None:
            command = [sys.executable, "-c", _CHILD, self.setup]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump(sample, self._process.stdin)
            self._process.stdin.flush()
            answer: list[Rendered] | str = pickle.load(self._process.stdout)
        except (OSError, EOFError) as error:
            self.close()
            raise CurateError("the process that holds the model ended: the terminal of this page says why") from error
        if isinstance(answer, str):
            self.close()
            raise CurateError(answer)
        return answer

    def close(self) -> None:
        process, self._process = self._process, None
        if process:
            assert process.stdin and process.stdout
            process.kill()
            with suppress(OSError):  # what was not sent is lost with it
                process.stdin.close()
            process.stdout.close()
            process.wait()


def serve() -> None:
    """Answer each sample on standard input with its renderings, or with the words of an error."""
    from curate.model import Model

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, and this ends with it
    setup = json.loads(sys.argv[1])
    samples = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what a library prints is no answer
        model: Model | None = None
        while True:
            try:
                sample = pickle.load(samples)
            except EOFError:
                return
            try:
                if model is None:
                    model = Model(setup.pop("model"), **setup, offline=True)
                (renderings,) = model.read([sample])
                tokenizer = model.chat.tokenizer
                answer: Any = [Rendered(pieces(one, tokenizer), one.notes, one.verified) for one in renderings]
            except CurateError as error:
                answer = str(error)
            pickle.dump(answer, out)
            out.flush()
