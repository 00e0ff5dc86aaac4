"""Compare the rows that DUP002 (near-duplicate) flags with the candidates of each engine.

    python benchmarks/engines.py [--data DIR] [--rows 6000]

DIR holds t0_prompt_completion.jsonl (its first `--rows` rows are read), gsm8k_train.jsonl and alpaca_en_demo.json.
Prints a table: the rows, those that each engine flags, and the share of rows on which both say the same. Exit codes: 0
agreement of at least 99% of the rows on every file, 1 less, 2 if the data or datasketch is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import curate

CODE = "DUP002"
ENGINES = ("sketch", "datasketch")
LEAST = 0.99
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
FILES = ("t0_prompt_completion.jsonl", "gsm8k_train.jsonl", "alpaca_en_demo.json")


def flagged(file: Path, engine: str) -> tuple[set[int], int, float]:
    """The lines of a file that DUP002 flags, its number of samples, and the seconds of the whole check."""
    started = time.perf_counter()
    report = curate.check(file, select=[CODE], engine=engine)
    lines = {finding.place.line for finding in report.findings if finding.code == CODE}
    return lines, sum(info.samples for info in report.inputs), time.perf_counter() - started


def first_lines(file: Path, count: int, folder: Path) -> Path:
    """The first lines of a JSONL file as a file of their own; any other file as it is."""
    if file.suffix != ".jsonl":
        return file
    copy = folder / file.name
    with file.open("rb") as lines:
        copy.write_bytes(b"".join(islice(lines, count)))
    return copy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--rows", type=int, default=6000)
    options = parser.parse_args()
    if find_spec("datasketch") is None:
        print("not installed: datasketch", file=sys.stderr)
        return 2
    if missing := [name for name in FILES if not (options.data / name).is_file()]:
        print(f"missing in {options.data}: {', '.join(missing)}", file=sys.stderr)
        return 2
    agreements = []
    print(f"{'file':30} {'rows':>6} {'sketch':>8} {'datasketch':>11} {'both':>6} {'agreement':>10} {'seconds':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            count = options.rows if name == FILES[0] else sys.maxsize
            file = first_lines(options.data / name, count, Path(folder))
            (ours, rows, quick), (theirs, _, slow) = (flagged(file, engine) for engine in ENGINES)
            agreements.append(1 - len(ours ^ theirs) / rows)
            print(
                f"{name:30} {rows:6} {len(ours):8} {len(theirs):11} {len(ours & theirs):6} {agreements[-1]:10.2%} "
                f"{quick:6.1f} {slow:7.1f}",
                flush=True,
            )
    return 0 if min(agreements) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
