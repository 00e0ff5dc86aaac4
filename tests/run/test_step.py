"""A step's outputs appear whole or not at all, and the manifest always tells what is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.run import Run, Step, ensure, file_hash, make, why_stale
from curate.run.step import recover

ROOT = Path(__file__).parents[2]


def upper(run: Run, config: dict[str, str], out: Path) -> str:
    (out / "upper").mkdir()
    (out / "upper" / "text").write_text((run / "in").read_text().upper() + config.get("end", ""))
    return "upper: done"


def count(run: Run, config: dict[str, str], out: Path) -> str:
    (out / "count.txt").write_text(str(len((run / "upper" / "text").read_text())))
    return "count: done"


UPPER = Step(
    "upper", lambda run, config: [run / "in"], ("upper",), upper, lambda run, config: f"curate upper {run.folder}"
)
COUNT = Step(
    "count",
    lambda run, config: [run / "upper" / "text"],
    ("count.txt",),
    count,
    lambda run, config: f"curate count {run.folder}",
    after="upper",
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run")
    (run / "in").write_text("one")
    return run


def tree(run: Run) -> dict[str, str]:
    """Every file of the run but its manifest, with its content."""
    return {
        str(file.relative_to(run.folder)): file.read_text()
        for file in sorted(run.folder.rglob("*"))
        if file.is_file() and file.name != "run.json"
    }


def test_a_step_is_stale_for_reasons_in_words(run: Run) -> None:
    assert why_stale(run, UPPER, {}) == ["it was not made yet"]
    make(run, UPPER, {})
    assert why_stale(run, UPPER, {}) == []
    assert why_stale(run, UPPER, {"end": "!"}) == ["end is now '!', was None"]
    (run / "in").write_text("two")
    assert why_stale(run, UPPER, {}) == ["in changed"]
    (run / "in").unlink()
    assert why_stale(run, UPPER, {}) == ["in is missing"]
    (run / "in").write_text("one")
    (run / "upper" / "text").write_text("by hand")
    assert why_stale(run, UPPER, {}) == ["upper/text was edited since"]
    (run / "upper" / "text").unlink()
    assert why_stale(run, UPPER, {}) == ["upper/text is missing"]


def test_the_manifest_says_what_was_read_written_and_how(run: Run) -> None:
    assert make(run, UPPER, {"end": "?"}, seed=3) == "upper: done"
    record = run.record("upper")
    assert record is not None
    assert record["reads"] == {"in": file_hash(run / "in")}
    assert record["writes"] == {"upper/text": file_hash(run / "upper" / "text")}
    assert (record["config"], record["seed"], record["said"]) == ({"end": "?"}, 3, "upper: done")
    assert record["command"] == f"curate upper {run.folder}"
    assert record["versions"]["curate"]


def test_ensure_makes_what_is_stale_and_only_that(run: Run) -> None:
    said: list[str] = []
    chain = [(UPPER, {}), (COUNT, {})]
    ensure(run, chain, said.append)
    assert [line for line in said if line.startswith("$")] == [
        f"$ curate {name} {run.folder}" for name in ("upper", "count")
    ]
    said.clear()
    ensure(run, chain, said.append)
    assert said == []
    (run / "in").write_text("ONE")  # another input, the same output
    said.clear()
    ensure(run, chain, said.append)
    assert said == ["upper: in changed", f"$ curate upper {run.folder}", "upper: done"]


def test_edited_outputs_are_replaced_only_by_force(run: Run) -> None:
    make(run, UPPER, {})
    (run / "upper" / "text").write_text("by hand")
    with pytest.raises(CurateError, match=r"text: was edited since .*curate upper .* --force"):
        make(run, UPPER, {})
    assert (run / "upper" / "text").read_text() == "by hand"
    make(run, UPPER, {}, force=True)
    assert tree(run) == {"in": "one", "upper/text": "ONE"}


def test_a_step_that_fails_leaves_what_was_there(run: Run) -> None:
    make(run, UPPER, {})
    before, manifest = tree(run), (run / "run.json").read_bytes()

    def fail(run: Run, config: dict[str, str], out: Path) -> str:
        (out / "upper").mkdir()
        (out / "upper" / "text").write_text("half")
        raise CurateError("no")

    with pytest.raises(CurateError, match="no"):
        make(run, Step("upper", UPPER.reads, UPPER.writes, fail, UPPER.command), {})
    assert tree(run) == before
    assert (run / "run.json").read_bytes() == manifest


def test_strays_of_dead_processes_are_swept_and_those_of_running_ones_are_not(run: Run) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        stray = run / f".curate-{process}-x.tmp"
        stray.mkdir()
        (stray / "half").write_text("x")
    make(run, UPPER, {})
    assert [path.name for path in run.folder.glob(".*")] == [f".curate-{os.getppid()}-x.tmp"]


KILLED_AT = {
    "while the step writes": "text = die\n",
    "when the old output is aside": "Path.rename = dies_after(Path.rename, 1)\n",
    "when the new output is there": "Path.rename = dies_after(Path.rename, 2)\n",
    "before the manifest is written": "Run.save = lambda *_: die()\n",
}


@pytest.mark.parametrize("when", KILLED_AT)
def test_killed_at_any_moment_the_old_output_is_there_at_the_next_start(run: Run, when: str) -> None:
    make(run, UPPER, {})
    before = tree(run) | {"in": "two"}
    (run / "in").write_text("two")
    script = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from curate.run import Run, Step, make
def die(): os.kill(os.getpid(), signal.SIGKILL)
calls = 0
def dies_after(function, times):
    def called(*args):
        global calls
        result = function(*args)
        calls += 1
        if calls == times: die()
        return result
    return called
def text(): pass
def make_(run, config, out):
    (out / 'upper').mkdir(); (out / 'upper/text').write_text('TW'); text()
    (out / 'upper/text').write_text('TWO'); return 'done'
{KILLED_AT[when]}
step = Step('upper', lambda run, config: [run / 'in'], ('upper',), make_, lambda run, config: 'c')
make(Run.open(Path({str(run.folder)!r})), step, {{}})
"""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    recover(run)
    assert tree(run) == before
    assert why_stale(run, UPPER, {}) == ["in changed"]
    make(run, UPPER, {})  # and no --force is asked for
    assert tree(run) == {"in": "two", "upper/text": "TWO"}
    assert sorted(path.name for path in run.folder.iterdir()) == ["in", "run.json", "upper"]


def test_killed_after_the_manifest_is_written_the_new_output_stays(run: Run) -> None:
    make(run, UPPER, {})
    (run / ".old-upper").mkdir()
    (run / ".old-upper" / "text").write_text("older")
    recover(run)
    assert tree(run) == {"in": "one", "upper/text": "ONE"}


def test_sigkill_at_random_moments_never_tears_an_output(run: Run) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from curate.run import Run, Step, make
def upper(run, config, out):
    (out / 'upper').mkdir()
    for name in 'abc':
        (out / 'upper' / name).write_text(str(config['n']) * 20000)
    return 'done'
step = Step('upper', lambda run, config: [], ('upper',), upper, lambda run, config: 'c')
run = Run.open(Path({str(run.folder)!r}))
n = 0
while True:
    n = (n + 1) % 10
    make(run, step, {{'n': n}})
    print(n, flush=True)
"""
    for delay in range(12):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 * delay)
        process.kill()
        process.wait()
        process.stdout.close()
        recover(run)
        record = run.record("upper")
        assert record is not None
        texts = {file.read_text() for file in (run / "upper").iterdir()}
        assert texts == {str(record["config"]["n"]) * 20000}
    assert sorted(path.name for path in run.folder.iterdir()) == ["in", "run.json", "upper"]


def test_two_commands_at_once_leave_what_the_manifest_says(run: Run) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from curate.run import Run, Step, make
def written(run, config, out):
    (out / 'both').mkdir()
    for name in 'abc':
        (out / 'both' / name).write_text(sys.argv[1] + str(config['n']))
    return 'done'
step = Step('both', lambda run, config: [], ('both',), written, lambda run, config: 'c')
run = Run.open(Path({str(run.folder)!r}))
for n in range(40):
    make(run, step, {{'n': n}}, force=True)
"""
    both = [subprocess.Popen([sys.executable, "-c", script, name]) for name in ("ana", "ben")]
    assert [process.wait() for process in both] == [0, 0]
    record = run.record("both")
    assert record is not None
    assert {name: file_hash(run / name) for name in record["writes"]} == record["writes"]
    assert [path.name for path in run.folder.glob(".*")] == []


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CurateError, match="is no run folder"):
        Run.create(tmp_path)
    with pytest.raises(CurateError, match=r"cannot be made .* name another folder"):
        Run.create(tmp_path / "notes.txt" / "run")
    with pytest.raises(CurateError, match="no run folder"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(CurateError, match="not a manifest of this version"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CurateError, match="cannot be read"):
        Run.open(tmp_path)
