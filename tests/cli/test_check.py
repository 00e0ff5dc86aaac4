"""The contract of the command line: what goes to which stream, and the exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GOOD = {
    "messages": [
        {"role": "user", "content": "How long is the guarantee?"},
        {"role": "assistant", "content": "Two years."},
    ]
}
EMPTY = {"messages": [{"role": "user", "content": "How long is the guarantee?"}, {"role": "assistant", "content": ""}]}


def curate(*args: str, cwd: Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([sys.executable, "-m", "curate", *args], cwd=cwd, input=stdin, capture_output=True, env=env)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "bad.jsonl").write_text(json.dumps(GOOD) + "\n" + json.dumps(EMPTY) + "\n")
    (tmp_path / "broken.jsonl").write_text(json.dumps(GOOD) + '\n{"messages": [\n')
    return tmp_path


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["check", "good.jsonl"], 0),
        (["check", "bad.jsonl"], 1),
        (["check", "broken.jsonl"], 1),
        (["check", "bad.jsonl", "--fail-on", "never"], 0),
        (["check", "bad.jsonl", "--ignore", "FMT104"], 0),
        (["check", "bad.jsonl", "--select", "PII"], 0),
        (["check", "good.jsonl", "--fail-on", "info"], 1),
        (["check", "good.jsonl", "--select", "FMT", "--fail-on", "info"], 0),
        (["check", "nothing.jsonl"], 2),
        (["check"], 2),
        (["check", "good.jsonl", "--select", "NOPE"], 2),
        (["check", "good.jsonl", "--fail-on", "fatal"], 2),
        (["check", "good.jsonl", "--output-format", "pdf"], 2),
        (["check", "good.jsonl", "--format", "nope"], 2),
        (["check", "good.jsonl", "--baseline", "good.jsonl"], 2),
        (["check", "good.jsonl", "--config", "none.toml"], 2),
        (["check", "good.jsonl", "-o", "good.jsonl"], 2),
        (["check", "good.jsonl", "--jobs", "0"], 2),
        (["check", "good.jsonl", "--show-config"], 0),
        (["chek", "good.jsonl"], 2),
        (["check", "good.jsonl", "--select", ""], 2),
        (["check", "https://example.com/data.jsonl"], 2),
        (["check", "good.jsonl", "--model", "none"], 2),
        (["check", "good.jsonl", "--model", "org/none", "--offline"], 2),
        (["check", "good.jsonl", "--max-length", "9"], 2),
        (["check", "good.jsonl", "--template-args", "{"], 2),
        (["render", "good.jsonl"], 2),
        (["render", "good.jsonl", "--model", "good.jsonl"], 2),
        (["stats", "good.jsonl"], 0),
        (["stats", "none.jsonl"], 2),
        (["--version"], 0),
        (["--help"], 0),
        (["check", "--help"], 0),
    ],
)
def test_exit_codes(data: Path, args: list[str], code: int) -> None:
    run = curate(*args, cwd=data)
    assert run.returncode == code, run.stderr.decode()
    assert b"Traceback" not in run.stderr
    if code == 2:
        assert run.stderr and not run.stdout


def test_json_on_standard_output_is_json_only(data: Path) -> None:
    run = curate("check", "bad.jsonl", "--output-format", "json", cwd=data)
    report = json.loads(run.stdout)
    assert report["schema"] == "curate.check/1"
    assert run.stderr == b""


def test_standard_input_gives_the_same_findings_as_the_file(data: Path) -> None:
    from_file = json.loads(curate("check", "bad.jsonl", "--output-format", "json", cwd=data).stdout)
    text = (data / "bad.jsonl").read_bytes()
    from_stdin = json.loads(curate("check", "-", "--output-format", "json", cwd=data, stdin=text).stdout)
    for report in (from_file, from_stdin):
        for finding in report["findings"]:
            finding.pop("path")
    assert from_stdin["findings"] == from_file["findings"]


def test_a_baseline_fails_only_on_what_is_new(data: Path) -> None:
    assert curate("check", "bad.jsonl", "--output-format", "json", "-o", "known.json", cwd=data).returncode == 1
    assert curate("check", "bad.jsonl", "--baseline", "known.json", cwd=data).returncode == 0
    with (data / "bad.jsonl").open("a") as file:
        file.write(json.dumps(EMPTY).replace("guarantee", "warranty") + "\n")
    assert curate("check", "bad.jsonl", "--baseline", "known.json", cwd=data).returncode == 1


def test_a_closed_pipe_is_silent(data: Path) -> None:
    rows = "".join(json.dumps(EMPTY).replace("long", f"long ({i})") + "\n" for i in range(3000))
    (data / "many.jsonl").write_text(rows)
    command = f"{sys.executable} -m curate check many.jsonl --output-format jsonl | head -n 1"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(["bash", "-c", command], cwd=data, capture_output=True, env=env)
    assert json.loads(run.stdout)["code"]
    assert run.stderr == b""


def test_the_report_is_written_whole_or_not_at_all(data: Path) -> None:
    run = curate("check", "bad.jsonl", "--output-format", "html", "-o", "missing/report.html", cwd=data)
    assert run.returncode == 2
    assert b"missing" in run.stderr and b"Traceback" not in run.stderr


@pytest.mark.skipif(not shutil.which("ps"), reason="ps is not installed")
def test_an_interrupted_check_leaves_no_process_and_no_traceback(data: Path) -> None:
    (data / "many.jsonl").write_text(
        "".join(json.dumps(GOOD).replace("long", f"long ({i})") + "\n" for i in range(200_000))
    )
    command = [sys.executable, "-m", "curate", "check", "many.jsonl", "--jobs", "2"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for how, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        run = subprocess.Popen(
            command, cwd=data, stderr=subprocess.PIPE, env=env, start_new_session=True, preexec_fn=heed_interrupts
        )
        deadline = time.monotonic() + 60
        while len(group(run.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        (os.killpg if how == signal.SIGINT else os.kill)(run.pid, how)
        _, said = run.communicate(timeout=60)
        assert run.returncode == code, said
        while group(run.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert group(run.pid) == []
        if how == signal.SIGINT:
            assert said.strip() == b"curate: interrupted"


def heed_interrupts() -> None:
    """Undo what a shell does to the jobs it puts in the background: they, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def group(leader: int) -> list[int]:
    """The living processes of a process group."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, pgid, state in rows if int(pgid) == leader and not state.startswith("Z")]


def test_a_full_disk_behind_standard_output_is_one_line(data: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    command = f"{sys.executable} -m curate check bad.jsonl > /dev/full"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(["bash", "-c", command], cwd=data, capture_output=True, env=env)
    assert run.returncode == 2
    assert run.stderr == b"curate: the output cannot be written (no space left on device)\n"
