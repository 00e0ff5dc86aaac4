"""A training of a run, seen from beside it: started as the command a user would type, watched in its files, stopped.

It is a process of its own: it goes on when whoever started it ends.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.run import flag_words
from curate_train.checkpoint import FOLDER, MANIFEST, NAME
from curate_train.log import read_log
from curate_train.running import Running, latest, running
from curate_train.step import interrupted
from curate_train.sweep import ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.run import Run

OUTPUT, LAUNCH = "training.log", "training.json"
TAIL = 20_000
"""Bytes of the end of its output that are looked at."""
ERROR = "curate: "
"""How the last line of a command begins that failed."""

State = Literal["none", "running", "stopped", "failed", "done"]
_launching = threading.Lock()
_children: dict[Path, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Training:
    """What can be seen of the training of a run.

    `log` are the lines of its log.jsonl, `name` which one of a sweep it is, `steps` how many it will have (None: not
    known yet), `saved` the last step that --resume would go on from (None: none), `error` the line that it ended with,
    `asked` whether it was asked to stop, `summary` train.json, `adapter_bytes` the size of the adapter.
    """

    state: State
    command: str = ""
    asked: bool = False
    error: str = ""
    output: Sequence[str] = ()
    log: Sequence[Mapping[str, Any]] = ()
    name: str = ""
    steps: int | None = None
    saved: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    adapter_bytes: int = 0

    @property
    def last(self) -> Mapping[str, Any]:
        """The line of the last step; empty before the first."""
        return next((line for line in reversed(self.log) if "loss" in line), {})


def command(run: Run, flags: Mapping[str, str | None], *, resume: bool = False, force: bool = False) -> list[str]:
    """`curate train RUN …` with the flags that have a value."""
    words = ["curate", "train", str(run.folder)]
    for name, value in flags.items():
        if value is not None:
            words += flag_words(name, value)
    return [*words, *(["--resume"] if resume else []), *(["--force"] if force else [])]


def start(run: Run, words: Sequence[str]) -> None:
    """Run a command (`curate`, and its words) that goes on when this process ends. Its output is in training.log.

    Raises:
        CurateError: a training is running here, wherever it was started, or nothing can be written here.
    """
    with _launching:
        if now := _running(run):
            raise CurateError(f"a training is running here already: {now.command}")
        shown = shlex.join(words)
        try:
            output = (run / OUTPUT).open("wb")
        except OSError as error:
            raise CurateError(f"{run / OUTPUT}: cannot be written ({(error.strerror or '').lower()})") from error
        with output:
            output.write(f"$ {shown}\n".encode(errors="surrogateescape"))
            output.flush()
            child = _children[run.folder.resolve()] = subprocess.Popen(
                [sys.executable, "-P", "-m", *words],  # -P: no file of this folder is taken for a library
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"NO_COLOR": "1"},
            )
        _note(run, {"pid": child.pid, "command": shown, "since": time.time()})


def stop(run: Run) -> None:
    """Ask a training to save its step and stop; asked again, it is stopped at once, and the last checkpoint stays.

    Raises:
        CurateError: none is running, or it is not ours to stop.
    """
    now = _running(run)
    if now is None or now.pid == 0:
        raise CurateError("no training is running" if now is None else "it begins this moment: ask again")
    launch = _launch(run)
    _note(run, launch | {"asked": now.pid})
    how = signal.SIGKILL if launch.get("asked") == now.pid else signal.SIGTERM
    try:
        if os.getsid(now.pid) == now.pid:
            os.killpg(now.pid, how)  # a training of ours, with the processes that it started
        else:
            os.kill(now.pid, how)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise CurateError(f"process {now.pid} belongs to somebody else, who can stop it: kill {now.pid}") from error


def look(run: Run) -> Training:
    """How the training of a run stands, by what is in its files."""
    launch, last = _launch(run), latest(run)
    output = _output(run) if launch and _is_last(launch, last) else []
    if now := _running(run):
        folder, log = _log(run, now.since)
        return Training(
            "running",
            now.command,
            launch.get("asked") == now.pid,
            output=output,
            log=log,
            name=folder,
            steps=_steps(log),
        )
    error = output[-1].removeprefix(ERROR) if output and output[-1].startswith(ERROR) else ""
    ended = {launch["pid"]} if output else {last.pid} if last else set()
    asked = launch.get("asked") in ended
    if config := interrupted(run):
        folder, log = _log(run)
        saved = _saved(run / FOLDER / folder)
        return Training("stopped", "", asked, error, output, log, folder, _steps(log), saved, config)
    made = run.record("train")
    failed = bool(output) and (made is None or datetime.fromisoformat(made["at"]).timestamp() < launch["since"])
    if made and (run / "train/train.json").is_file():
        return Training(
            "done",
            made["command"],
            asked and failed,
            (error or output[-1]) if failed else "",
            output if failed else (),
            read_log(run / "train/log.jsonl"),
            config=made["config"],
            summary=json.loads((run / "train/train.json").read_bytes()),
            adapter_bytes=sum(file.stat().st_size for file in (run / "train/adapter").glob("adapter_model.*")),
        )
    return Training("failed", launch["command"], asked, error, output) if failed else Training("none")


def _is_last(launch: Mapping[str, Any], last: Running | None) -> bool:
    """Whether what was started here is the last training there was, and none began in a terminal since."""
    return "pid" in launch and (last is None or last.pid == launch["pid"] or last.since < launch["since"])


def _running(run: Run) -> Running | None:
    """The process that trains, or one that was started here and does not say so yet."""
    if now := running(run):
        return now
    child = _children.get(run.folder.resolve())
    if child is None or child.poll() is not None:
        return None
    launch = _launch(run)
    return Running(child.pid, launch.get("command", ""), launch.get("since", 0.0))


def _launch(run: Run) -> dict[str, Any]:
    """What was started here last, and which process was asked to stop; empty where nothing ever was."""
    try:
        found: dict[str, Any] = json.loads((run / LAUNCH).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _note(run: Run, facts: Mapping[str, Any]) -> None:
    with atomic_write(run / LAUNCH) as file:
        file.write(json.dumps(facts).encode() + b"\n")


def _output(run: Run) -> list[str]:
    """The last lines of what it printed, without empty ones."""
    try:
        with (run / OUTPUT).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines()[-200:] if line.strip()]


def _log(run: Run, since: float = 0.0) -> tuple[str, list[dict[str, Any]]]:
    """The newest log of a training, by the name of its folder: of a sweep that is the one under way."""
    try:
        logs = [(file.stat().st_mtime, file) for file in (run / FOLDER).glob("*/log.jsonl")]
        when, file = max(logs, default=(0.0, None))
        if file is not None and when >= since:
            return file.parent.name, read_log(file)
    except FileNotFoundError:  # it is done, and clears its checkpoints this moment
        pass
    return ONLY, []


def _steps(log: Sequence[Mapping[str, Any]]) -> int | None:
    return next((line["steps"] for line in reversed(log) if "steps" in line), None)


def _saved(folder: Path) -> int | None:
    steps = [int(name[1]) for file in folder.glob(f"*/{MANIFEST}") if (name := NAME.fullmatch(file.parent.name))]
    return max(steps, default=None)
