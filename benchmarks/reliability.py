"""What is left when processes are killed and disks are full: decisions, and the outputs of `curate clean`.

    python benchmarks/reliability.py [--data samples/support.jsonl] [--reviewers 8] [--decisions 500] [--kills 200]
                                     [--seed 0] [--write FILE]

Decisions: as many processes as reviewers record decisions in one run, each until so many were acknowledged (`record`
returned); each is killed (SIGKILL) after a random number of them, and started again. Counted is what was acknowledged
and is not in the log, and what was refused (by a database that is locked, for one).

Kills: `curate clean RUN --force` is started with one of three settings in turn and killed at a random time of its life,
every other time at a random time after it began to write.
Right after it, a file of clean/ is torn if it is not byte for byte what one of the settings writes. Then the next start
has to leave whole outputs that the manifest knows, and no temporary file.

Full disk: `curate clean RUN --force` on a tmpfs of a few sizes, and under limits of the size of a file. The input and
the outputs that were there have to stay as they are, and the exit code is 2. Mounting a tmpfs needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

import orjson
from near_duplicates import machine

import curate
from curate.config import Config
from curate.review.decisions import Decision, Decisions, decisions_file, dumped, read_log
from curate.run import Run, file_hash, make
from curate.run.data import open_run
from curate.run.step import recover
from curate.steps import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BALLAST = "ballast"
CURATE = [sys.executable, "-m", "curate"]
REVIEWER = """
import sys, time
from pathlib import Path
from curate.review.decisions import Decisions
from curate.run import Run
folder, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
decisions = Decisions(Run(Path(folder)))
while True:
    start = time.perf_counter()
    made = decisions.record(f"v1:{name}-{number}", "drop", ["TXT001"], by=name)
    print(made.seq, made.sample_id, time.perf_counter() - start, flush=True)
    number += 1
"""


class Acknowledged(NamedTuple):
    seq: int
    sample_id: str
    seconds: float


class Reviewed(NamedTuple):
    """What came of one reviewer: what was acknowledged, how often it was killed, and how often it ended by itself."""

    acknowledged: list[Acknowledged]
    kills: int
    ended: int


def reviewer(folder: Path, name: str, wanted: int, rng: random.Random) -> Reviewed:
    """Have one reviewer record decisions until so many were acknowledged, or it ended by itself."""
    out: list[Acknowledged] = []
    kills = 0
    while len(out) < wanted:
        words = [sys.executable, "-c", REVIEWER, str(folder), name, str(10_000 * kills)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for _ in range(min(rng.randint(20, 200), wanted - len(out))):
                line = process.stdout.readline()
                if not line:
                    return Reviewed(out, kills, 1)
                out.append(acknowledged(line))
            time.sleep(rng.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines(keepends=True)
        out += [acknowledged(line) for line in rest if line.endswith("\n")]  # while nobody listened
        kills += 1
    return Reviewed(out, kills, 0)


def acknowledged(line: str) -> Acknowledged:
    seq, sample_id, seconds = line.split()
    return Acknowledged(int(seq), sample_id, float(seconds))


def decisions(reviewers: int, wanted: int, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        run = Run.create(Path(folder, "run"))
        with ThreadPoolExecutor(reviewers) as pool:
            work = [
                pool.submit(reviewer, run.folder, f"p{n}", wanted, random.Random(seed + n)) for n in range(reviewers)
            ]
            seen = [one.result() for one in work]
        log = Decisions(run).log()
        known = {(entry.seq, entry.sample_id) for entry in log}
        made = [one for each in seen for one in each.acknowledged]
        lost = [one for one in made if (one.seq, one.sample_id) not in known]
        whole = read_log(decisions_file(run)) == log and [one.seq for one in log] == list(range(1, len(log) + 1))
        times = [1000 * one.seconds for one in made]
        return [
            "| reviewers | decisions acknowledged | kills | acknowledged and lost | refused | in the log | "
            "log and copy whole | milliseconds each: median | 99th percentile | longest |",
            "|---|---|---|---|---|---|---|---|---|---|",
            f"| {reviewers} | {len(made):,} | {sum(one.kills for one in seen)} | {len(lost):,} "
            f"| {sum(one.ended for one in seen)} | {len(log):,} | {'yes' if whole else 'NO'} | {median(times):.1f} "
            f"| {quantiles(times, n=100)[98]:.1f} | {max(times):.1f} |",
        ]


class Cleaned:
    """A run that is checked, and what each of three settings writes to clean/."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.data = folder / data.name
        shutil.copyfile(data, self.data)
        self.input = file_hash(self.data)
        self.run = open_run([str(self.data)], str(folder / "run"))
        make(self.run, check.STEP, check.config(self.run, [str(self.data)], Config()))
        ids = [sample.id for sample in curate.read(self.data)]
        self.settings: list[list[str]] = []
        for start in (0, 1):
            file = folder / f"decisions-{start}.jsonl"
            file.write_bytes(b"".join(dumped(Decision(id_, "drop", by="ana")) for id_ in sorted(set(ids))[start::3]))
            self.settings.append(["--fix", "none", "--decisions", str(file)])
        self.settings.append(["--fix", "safe"])
        self.versions: list[dict[str, str]] = []
        self.seconds: list[float] = []
        for setting in self.settings:
            started = time.perf_counter()
            subprocess.run(self.command(setting), check=True, capture_output=True)
            self.seconds.append(time.perf_counter() - started)
            self.versions.append(self.outputs())
        assert len({orjson.dumps(version) for version in self.versions}) == len(self.versions)

    def command(self, setting: Sequence[str]) -> list[str]:
        return [*CURATE, "clean", str(self.run.folder), *setting, "--force"]

    def outputs(self) -> dict[str, str]:
        return {file.name: file_hash(file) for file in sorted((self.run / "clean").glob("*"))}

    def recorded(self) -> dict[str, str]:
        record = self.run.record("clean")
        return {Path(name).name: was for name, was in record["writes"].items()} if record else {}

    def is_writing(self) -> bool:
        return any(self.run.folder.glob(".curate-*"))

    def strays(self) -> list[str]:
        return [path.name for path in self.run.folder.glob(".*")]


def kills(cleaned: Cleaned, count: int, rng: random.Random) -> list[str]:
    """Kill `curate clean` so often, and count what was found after it and after the next start."""
    seen: Counter[str] = Counter()
    torn = damaged = strays = inputs = 0
    killed = 0
    for number in itertools.count():
        if killed == count:
            break
        turn = number % len(cleaned.settings)
        before = cleaned.outputs()
        process = subprocess.Popen(
            cleaned.command(cleaned.settings[turn]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while number % 2 and process.poll() is None and not cleaned.is_writing():
            time.sleep(0.001)
        life = (0.0, 0.3) if number % 2 else (0.1, 1.0)
        try:
            process.wait(timeout=cleaned.seconds[turn] * rng.uniform(*life))
            seen["ended before it was killed"] += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed += process.returncode == -signal.SIGKILL
        found = cleaned.outputs()
        torn += any(was not in {version.get(name) for version in cleaned.versions} for name, was in found.items())
        is_between = bool(list(cleaned.run.folder.glob(".old-*")))
        is_writing = cleaned.is_writing()
        if is_between:
            seen["killed between the outputs and the manifest"] += 1
        elif is_writing:
            seen["killed while it planned and wrote"] += 1
        elif found == before and process.returncode == -signal.SIGKILL:
            seen["killed before it began to write, or before anything was"] += 1
        elif process.returncode == -signal.SIGKILL:
            seen["killed after all was written"] += 1
        recover(cleaned.run)
        outputs = cleaned.outputs()
        damaged += outputs not in cleaned.versions or outputs != cleaned.recorded()
        strays += bool(cleaned.strays())
        inputs += file_hash(cleaned.data) != cleaned.input
    return [
        "| kills | files of clean/ torn | not whole, or unknown to the manifest, after the next start | "
        "temporary files after the next start | input changed |",
        "|---|---|---|---|---|",
        f"| {count} | {torn} | {damaged} | {strays} | {inputs} |",
        "",
        "; ".join(f"{times} {what}" for what, times in seen.most_common()) + ".",
    ]


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[Path | None]:
    """A tmpfs of so many bytes; None where none can be mounted."""
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
        try:
            yield None if done.returncode else Path(folder)
        finally:
            if not done.returncode:
                subprocess.run(["umount", "--lazy", folder], check=True)


def full_disk(data: Path) -> list[str]:
    """`curate clean` again, with another setting, where there is no room for its output."""
    lines = [
        "| disk | tries | exit codes | input changed | old outputs changed | decisions lost | said |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        cleaned = Cleaned(Path(folder), data)
        largest = max(file.stat().st_size for file in (cleaned.run / "clean").iterdir())
        limits = [largest * share // 20 for share in range(20)]
        lines.append(_tries("largest file limited to 0 to 95% of the largest output", cleaned, limits, _limited))
        outputs = sum(file.stat().st_size for file in (cleaned.run / "clean").iterdir())
        size = 4 * (outputs + cleaned.data.stat().st_size) + (4 << 20)
        with small_disk(size) as disk:
            if disk is None:
                lines.append("| tmpfs | not tried: mounting one needs root | | | | | |")
            else:
                subprocess.run(["cp", "-r", f"{cleaned.run.folder}/.", str(disk / "run")], check=True)
                shutil.copyfile(cleaned.data, disk / data.name)
                moved = Moved(cleaned, Run(disk / "run"), disk / data.name)
                room = [(outputs + cleaned.data.stat().st_size) * share // 24 for share in range(30)]
                lines.append(_tries("tmpfs with more and more room", moved, room, partial(_fill, disk)))
    return lines


class Moved(Cleaned):
    """A cleaned run that was copied to another disk, with its data."""

    def __init__(self, cleaned: Cleaned, run: Run, data: Path) -> None:
        self.data, self.run, self.input = data, run, cleaned.input
        self.settings, self.versions = cleaned.settings, cleaned.versions


def _fill(disk: Path, leave: int) -> None:
    (disk / BALLAST).unlink(missing_ok=True)
    free = shutil.disk_usage(disk).free - leave
    with contextlib.suppress(OSError), (disk / BALLAST).open("wb") as file:
        file.write(b"\0" * max(free, 0))


def _limited(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _tries(disk: str, cleaned: Cleaned, limits: Sequence[int], limit: Callable[[int], None]) -> str:
    decided = Decisions(cleaned.run).record("v1:x", "skip", by="ana")
    codes: Counter[int] = Counter()
    inputs = outputs = 0
    said = ""
    for size in limits:
        before = cleaned.outputs()
        words = cleaned.command(cleaned.settings[0])
        done = subprocess.run(words, capture_output=True, text=True, preexec_fn=partial(limit, size))
        codes[done.returncode] += 1
        if done.returncode == 0:
            assert cleaned.outputs() == cleaned.versions[0]
            break
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
        inputs += file_hash(cleaned.data) != cleaned.input
        outputs += cleaned.outputs() != before
    (cleaned.data.parent / BALLAST).unlink(missing_ok=True)  # SQLite needs a little room to read, too
    kept = decided in Decisions(cleaned.run).log()
    exits = ", ".join(f"{code}: {times}" for code, times in sorted(codes.items()))
    said = said.replace(str(cleaned.run.folder.parent), "...").replace("|", "/")
    return f"| {disk} | {codes.total()} | {exits} | {inputs} | {outputs} | {'none' if kept else 'LOST'} | {said} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "samples" / "support.jsonl")
    parser.add_argument("--reviewers", type=int, default=8)
    parser.add_argument("--decisions", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    parts = [f"`benchmarks/reliability.py --seed {given.seed}` with {given.data.name}. {machine()}."]
    parts.append("## Decisions\n\n" + "\n".join(decisions(given.reviewers, given.decisions, given.seed)))
    print(parts[-1], flush=True)
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        cleaned = Cleaned(Path(folder), given.data)
        parts.append(
            "## Kills of `curate clean`\n\n" + "\n".join(kills(cleaned, given.kills, random.Random(given.seed)))
        )
    print(parts[-1], flush=True)
    parts.append("## Full disk\n\n" + "\n".join(full_disk(given.data)))
    print(parts[-1], flush=True)
    if given.write:
        given.write.write_text("# Reliability\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
