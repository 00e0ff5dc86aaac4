"""A template that does not come to an end, or wants all memory, or leaves its sandbox, ends in a clear error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.template import Exact, Rendering, load
from tests.template.byte_model import CHATML, write_model
from tests.template.conversations import PLAIN, answer, sample, user

DAY = date(2026, 3, 9)
ENDLESS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a power": "{{ 10 ** (messages | length * 10 ** 9) }}",
    "much text": "{{ lipsum(n=100000000) }}",
}
REFUSED = {
    "a long range": ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
    "a long string": ("{{ 'x' * 10**10 }}", "too much memory"),
    "a long format": ("{{ '%1000000000d' % 1 }}", "too much memory"),
    "growth": (
        "{% set ns = namespace(x='x' * 1000) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "too much memory",
    ),
    "recursion": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
    "output": ("{% for i in range(9999) %}{{ 'x' * 1000 }}{% endfor %}", "characters for one row"),
    "a class": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    "a function's globals": ("{{ cycler.__init__.__globals__.os.system('true') }}", "unsafe"),
    "a format's attribute": ("{{ '{0.__class__.__name__.x}'.format(messages) }}", "unsafe"),
    "a change of the row": ("{{ messages.append(1) }}", "unsafe"),
}
ROWS = [[user("Hi"), answer("One")], [user("a bomb"), answer("Two")], [user("Well?"), answer("Three")]]


def exact(folder: Path, template: str) -> Exact:
    return Exact(load(write_model(folder, template)), {}, DAY)


def on_a_row(hostile: str) -> str:
    return "{% if 'bomb' in messages[0].content %}" + hostile + "{% endif %}" + CHATML


def read(made: Exact, rows: list[list[object]] = ROWS) -> list[Rendering]:  # type: ignore[assignment]
    out = [row for (row,) in made.read([sample(turns) for turns in rows])]  # type: ignore[arg-type]
    made.close()
    return out


@pytest.mark.parametrize("hostile", ENDLESS.values(), ids=list(ENDLESS))
def test_a_template_without_an_end_is_an_error_at_once(tmp_path: Path, hostile: str) -> None:
    with pytest.raises(CurateError, match="its chat template takes too long or too much memory on a question and its"):
        exact(tmp_path, hostile + CHATML)


@pytest.mark.parametrize("hostile", ENDLESS.values(), ids=list(ENDLESS))
def test_a_row_on_which_it_has_no_end_is_refused_and_the_others_read(tmp_path: Path, hostile: str) -> None:
    first, bomb, last = read(exact(tmp_path, on_a_row(hostile)))
    assert (first.verified, last.verified) == (True, True)
    assert [(note.code, note.message) for note in bomb.notes] == [
        ("TPL001", "the template takes too long or too much memory on the row")
    ]
    assert (bomb.verified, bomb.ids, bomb.turns) == (False, [], [])


@pytest.mark.parametrize(("hostile", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_it_may_not_do_refuses_the_row(tmp_path: Path, hostile: str, reason: str) -> None:
    first, bomb, last = read(exact(tmp_path / "row", on_a_row(hostile)))
    assert (first.verified, last.verified) == (True, True)
    assert bomb.notes[0].code == "TPL001"
    assert reason in bomb.notes[0].message
    if reason == "too much memory":
        with pytest.raises(CurateError, match="too much memory on a question and its answer"):
            exact(tmp_path / "probe", hostile + CHATML)
    else:
        assert all(row.notes[0].code == "TPL001" for row in read(exact(tmp_path / "probe", hostile + CHATML)))


def test_several_rows_without_an_end_are_an_error(tmp_path: Path) -> None:
    made = exact(tmp_path, on_a_row(ENDLESS["loops"]))
    with pytest.raises(CurateError, match="its chat template takes too long or too much memory on 3 rows"):
        read(made, [ROWS[1]] * 6)  # type: ignore[list-item]


def test_all_that_stays_below_a_gigabyte(tmp_path: Path) -> None:
    growth, _ = REFUSED["growth"]
    made = exact(tmp_path, on_a_row(growth))
    process = made._worker.process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits")
    if not limits.exists():
        pytest.skip("there is no /proc here")
    (line,) = (line for line in limits.read_text().splitlines() if line.startswith("Max address space"))
    assert int(line.split()[3]) < 1_000_000_000  # what it takes up in memory is at most that
    made.read([sample(turns) for turns in ROWS])
    made.close()


def test_a_template_that_is_no_jinja_is_named(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no valid Jinja"):
        exact(tmp_path, "{% if %}")


def test_secrets_of_the_environment_and_files_are_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hf_abc")
    made = exact(tmp_path, CHATML)
    process = made._worker.process
    assert process is not None
    environment = Path(f"/proc/{process.pid}/environ")
    if not environment.exists():
        pytest.skip("there is no /proc here")
    assert b"SECRET_TOKEN" not in environment.read_bytes()
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert any(line.startswith("Max file size") and line.split()[3] == "0" for line in limits.splitlines())
    made.close()


def test_the_process_ends_with_the_object_and_comes_back_when_killed(tmp_path: Path) -> None:
    made = exact(tmp_path, CHATML)
    process = made._worker.process
    assert process is not None
    process.kill()
    process.wait()
    assert all(row.verified for row in read(made))
    again = exact(tmp_path, CHATML)
    process = again._worker.process
    assert process is not None
    del again
    assert process.wait(10) != 0


def test_a_process_that_is_forked_gets_its_own(tmp_path: Path) -> None:
    made = exact(tmp_path, CHATML)
    rows = [sample(PLAIN["three turns"])]
    here = made.read(rows)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(made.read, [rows] * 4) == [here] * 4
    assert made.read(rows) == here
    made.close()


def test_it_ends_when_whoever_asks_was_killed(tmp_path: Path) -> None:
    write_model(tmp_path, on_a_row(ENDLESS["loops"]))
    code = f"""
import sys, threading
from datetime import date
from pathlib import Path
from curate.template import Exact, load
from tests.template.conversations import answer, sample, user
exact = Exact(load(Path({str(tmp_path)!r})), {{}}, date(2026, 3, 9))
print(exact._worker.process.pid, flush=True)
if {{busy}}:
    threading.Thread(target=exact.read, args=([sample([user("a bomb"), answer("x")])],), daemon=True).start()
print("asked", flush=True)
sys.stdin.read()
"""
    for busy in (False, True):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        asker = subprocess.Popen(
            [sys.executable, "-c", code.replace("{busy}", str(busy))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert asker.stdout is not None and asker.stdin is not None
        pid = int(asker.stdout.readline())
        asker.stdout.readline()
        asker.send_signal(signal.SIGKILL)
        asker.wait()
        for pipe in (asker.stdin, asker.stdout):
            pipe.close()
        for _ in range(600):
            if not is_alive(pid):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the process is still there")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
