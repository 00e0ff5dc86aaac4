"""`curate mix` on the command line: streams, exit codes, and files that are whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from curate.cli.main import main
from curate.cli.mix import EPILOG
from curate.cli.mix import mix as command
from curate.mixing.mix import named_source

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
MADE = ["mixed.jsonl", "mixed.mix.json", "mixed.rejected.jsonl", "mixed.sources.jsonl"]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Curate = Callable[..., Done]


@pytest.fixture
def curate(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Curate:
    """The command line, run in this process and in the folder of the data."""
    monkeypatch.chdir(data)

    def run(*args: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["curate", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def chat(question: str, answer: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    words = random.Random(0)
    lines = [
        chat("".join(words.choices("abcdefg ", k=60)), "".join(words.choices("hijklmn ", k=60))) for _ in range(400)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines[:100]))
    (tmp_path / "general.jsonl").write_text("\n".join(lines[90:]))
    return tmp_path


def made(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in ("mine.jsonl", "general.jsonl"))


def test_a_mix_is_checked_like_any_file_and_its_rows_are_traced(data: Path, curate: Curate) -> None:
    done = curate("mix", "mine.jsonl", "general.jsonl=20%", "-o", "mixed.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("125 rows, of 410 read · messages · seed 0\n")
    assert "left out: 10 copies (DUP001), each of a row of an earlier file" in done.stdout
    assert made(data) == MADE
    next_command = shlex.split(done.stdout.splitlines()[-1])
    assert next_command == ["curate", "check", "mixed.jsonl"]
    assert curate(*next_command[1:], "--run", "run", "--fail-on", "warning").returncode == 0
    entry = json.loads((data / "mixed.sources.jsonl").read_text().splitlines()[-1])
    traced = curate("trace", "run", entry["sample_id"])
    assert f"mixed from {entry['source']['path']}:{entry['source']['line']}\n" in traced.stdout


def test_a_dry_run_writes_nothing_and_says_the_same(data: Path, curate: Curate) -> None:
    tried = curate("mix", "mine.jsonl", "general.jsonl=20%", "--dry-run")
    assert (tried.returncode, made(data)) == (0, [])
    assert "@@ general.jsonl:1 rejected by curate mix: DUP001 the same as mine.jsonl:91\n" in tried.stdout
    done = curate("mix", "mine.jsonl", "general.jsonl=20%", "-o", "mixed.jsonl")
    said = done.stdout.split("\n\n")[:3]
    assert "\n\n".join(said) in tried.stdout
    assert tried.stdout.endswith("nothing was written\n")


def test_standard_input_is_a_source(data: Path) -> None:
    words = [sys.executable, "-m", "curate", "mix", "-o", "mixed.jsonl", "mine.jsonl", "--", "-=1x"]
    stdin = chat("Is this Skye?", "It is.").encode()
    done = subprocess.run(words, cwd=data, env=ENVIRONMENT, input=stdin, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert stdin in (data / "mixed.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["mine.jsonl"], "name the file to write with -o, or give --dry-run"),
        (["mine.jsnl", "-o", "mixed.jsonl"], "did you mean mine.jsonl?"),
        (["mine.jsonl=1", "-o", "mixed.jsonl"], "write 1x for all its rows"),
        (["mine.jsonl=half", "-o", "mixed.jsonl"], "mine.jsonl=half: 'half' is no amount; write 20%"),
        (["mine.jsonl=20%", "-o", "mixed.jsonl"], "the shares add up to 20%"),
        (["mine.jsonl=400", "-o", "mixed.jsonl"], "ask for 100 or fewer, or repeat rows with --oversample"),
        (["mine.jsonl", "general.jsonl=90%", "-o", "mixed.jsonl"], "ask for 75% or less"),
        (["mine.jsonl", "mine.jsonl", "-o", "mixed.jsonl"], "is named twice"),
        (["mine.jsonl", "-o", "mine.jsonl"], "inputs are never changed"),
        (["mine.jsonl", "-o", "mixed.csv"], "only JSON lines are written"),
        (["mine.jsonl", "-o", "-"], "a mix is several files"),
        (["mine.jsonl", "-o", "no/mixed.jsonl"], "cannot be written (no such file or directory)"),
        (["mine.jsonl", "-o", "mixed.jsonl", "--to", "word"], "no such format; choose one of"),
        (["mine.jsonl", "-o", "mixed.jsonl", "--rows", "5"], "--rows says how large the mix is"),
        (["mine.jsonl", "-o", "mixed.jsonl", "--ignore", "DUP01"], "no rule is called 'DUP01'"),
    ],
)
def test_an_error_says_what_to_do_exits_with_2_and_leaves_nothing(
    data: Path, curate: Curate, args: list[str], said: str
) -> None:
    done = curate("mix", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert made(data) == []


def test_rows_that_no_format_holds_are_named(data: Path, curate: Curate) -> None:
    (data / "general.jsonl").write_text('{"prompt": "Name an island.", "chosen": "Malta.", "rejected": "Paris."}\n')
    done = curate("mix", "mine.jsonl", "general.jsonl", "-o", "mixed.jsonl")
    assert done.returncode == 2
    assert "general.jsonl:1: cannot be held: the rejected answer" in done.stderr
    assert "--drop-unsupported" in done.stderr
    assert "curate convert FILE -o OUT --to messages --use chosen" in done.stderr
    assert made(data) == []


@pytest.mark.parametrize("name", MADE)
def test_no_file_is_replaced_without_force(data: Path, curate: Curate, name: str) -> None:
    (data / name).write_text("mine")
    done = curate("mix", "mine.jsonl", "-o", "mixed.jsonl")
    assert (done.returncode, made(data)) == (2, [name])
    assert f"{name}: exists; replace it with --force" in done.stderr
    assert curate("mix", "mine.jsonl", "-o", "mixed.jsonl", "--force").returncode == 0
    assert made(data) == MADE


def test_a_full_disk_leaves_everything_as_it_was(data: Path, curate: Curate) -> None:
    assert curate("mix", "mine.jsonl", "general.jsonl=20%", "-o", "mixed.jsonl").returncode == 0
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    for blocks in (1, 8, 16):  # of 1,024 bytes
        mix = "-m curate mix mine.jsonl general.jsonl -o mixed.jsonl --force"
        limited = f"ulimit -f {blocks}; {shlex.quote(sys.executable)} {mix}"
        done = subprocess.run(["bash", "-c", limited], cwd=data, capture_output=True, env=ENVIRONMENT)
        assert done.returncode == 2
        assert b"cannot be written" in done.stderr
        assert b"Traceback" not in done.stderr
        assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_a_killed_mix_leaves_whole_files(data: Path) -> None:
    """Killed at any moment, the rows are those of one mix, and the next mix removes what was left lying about."""
    words = [sys.executable, "-m", "curate", "mix", "mine.jsonl", "general.jsonl", "-o", "mixed.jsonl", "--force"]
    hashes = set()
    for seed in "01":
        started = time.monotonic()
        subprocess.run([*words, "--seed", seed], cwd=data, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        takes = time.monotonic() - started
        hashes.add(hashlib.sha256((data / "mixed.jsonl").read_bytes()).hexdigest())
    for kill in range(8):
        seed = str(kill % 2)
        running = subprocess.Popen([*words, "--seed", seed], cwd=data, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        time.sleep(takes * (0.6 + 0.05 * kill))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert hashlib.sha256((data / "mixed.jsonl").read_bytes()).hexdigest() in hashes
        for name in ("mixed.sources.jsonl", "mixed.mix.json"):
            assert (data / name).read_bytes().endswith(b"\n")
    subprocess.run(words, cwd=data, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    assert made(data) == MADE


def test_the_help_has_examples_whose_words_are_understood() -> None:
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    examples = [shlex.split(line.split("   ")[0]) for line in EPILOG.splitlines() if line.startswith("  curate mix")]
    assert len(examples) >= 5
    for words in examples:
        parsed = command.make_context("mix", words[2:], resilient_parsing=False)
        for word in parsed.params["sources"]:
            named_source(word)
