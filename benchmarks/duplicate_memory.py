"""Memory and time of DUP002 as the rows grow: a file repeated, with other words replaced in each repeat.

    python benchmarks/duplicate_memory.py DATA [--rows 27000,100000,250000,500000] [--edited 0.1] [--jobs 1]
                                               [--write FILE]

A tenth of the words leaves the repeats near-duplicates, which grow in number with the rows; with `--edited 0.5` they
are not, and only the rows grow.

Each size is checked in a process of its own (`curate.check` with DUP002 alone). Prints the peak of the resident memory
of the process and its workers, less that of a check of one row, and the CPU seconds of the stage, all processes
together, less those of a check with DUP001 alone, by row. Needs psutil (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
import psutil  # type: ignore[import-untyped]
from near_duplicates import machine

import curate

if TYPE_CHECKING:
    from collections.abc import Iterator


class Use(NamedTuple):
    """What one check took: `memory` is the highest sum of resident bytes over its processes."""

    memory: int
    seconds: float
    findings: int


def repeated(data: Path, edited: float, rng: random.Random) -> Iterator[bytes]:
    """The rows of the file, then the same again and again, each time with other words replaced in each prompt."""
    rows = [(sample.messages[0].text, sample.messages[-1].text) for sample in curate.read(data)]
    vocabulary = sorted({word for prompt, _ in rows for word in prompt.split()})
    share = 0.0
    while True:
        for prompt, completion in rows:
            yield orjson.dumps({"prompt": _edited(prompt, share, vocabulary, rng), "completion": completion}) + b"\n"
        share = edited


def _edited(text: str, share: float, vocabulary: list[str], rng: random.Random) -> str:
    parts = re.split(r"(\s+)", text)  # words at even places
    for place in range(0, len(parts), 2):
        if parts[place] and rng.random() < share:
            parts[place] = rng.choice(vocabulary)
    return "".join(parts)


def measured(file: Path, code: str, jobs: int) -> Use:
    """Check a file in a process of its own and watch it."""
    child = f"import curate; print(len(curate.check({str(file)!r}, select=[{code!r}], jobs={jobs}).findings))"
    before = _cpu_seconds()
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
    watched, highest = psutil.Process(process.pid), 0
    while process.poll() is None:
        highest = max(highest, _resident(watched))
        time.sleep(0.02)
    spent = _cpu_seconds() - before
    if process.returncode:
        raise SystemExit(process.returncode)
    assert process.stdout
    return Use(highest, spent, int(process.stdout.read()))


def _cpu_seconds() -> float:
    """What the processes that this one has waited for took, and those that they have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:  # one of them ended meanwhile
        pass
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", default="27000,100000,250000,500000")
    parser.add_argument("--edited", type=float, default=0.1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    lines = [
        f"{given.data.name} repeated, {given.edited:.0%} of the words of the prompt replaced in each repeat; "
        f"jobs {given.jobs}. {machine()}.",
        "",
        "| rows | peak memory, MB | bytes a row | check, CPU s | DUP002, CPU s | microseconds a row | growth "
        "| findings |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        before = 0.0
        file.write_bytes(next(repeated(given.data, given.edited, random.Random(0))))
        base = measured(file, "DUP002", given.jobs)
        for rows in map(int, given.rows.split(",")):
            with file.open("wb") as out:
                out.writelines(islice(repeated(given.data, given.edited, random.Random(0)), rows))
            reading = measured(file, "DUP001", given.jobs)
            use = measured(file, "DUP002", given.jobs)
            stage = use.seconds - reading.seconds
            growth = f"{stage / rows / before - 1:+.0%}" if before else ""
            before = stage / rows
            lines.append(
                f"| {rows:,} | {use.memory / 1e6:,.0f} | {(use.memory - base.memory) / rows:,.0f} | {use.seconds:.1f} "
                f"| {stage:.1f} | {before * 1e6:.0f} | {growth} | {use.findings:,} |"
            )
            print(lines[-1], flush=True)
    if given.write:
        given.write.write_text("# Memory and growth of DUP002\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
