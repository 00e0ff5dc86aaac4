"""Time the whole DUP002 stage beside the plain scripts of other libraries, on texts that are in memory already.

    python benchmarks/duplicate_speed.py DATA [--runs 5] [--jobs 1] [--write FILE]

Ours: shingles, signatures, bands, verification and clusters of every row. Theirs (near_duplicates_peers.py): word
5-grams, 128 permutations, threshold 0.8, every row inserted and queried, no verification. One warm-up each, then
alternating runs; prints medians and ratios. Needs benchmarks/requirements.txt beside curate.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import near_duplicates_peers as peers
from near_duplicates import machine

import curate

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.dedup.corpus import Pack

BATCH = 500  # rows, as the check packs them


def dup002(samples: list[curate.Sample], jobs: int = 1) -> list[object]:
    """The DUP002 stage on samples that were read: all that the rule adds to a check, with as many processes."""
    from curate.config import Config
    from curate.dedup.corpus import Corpus
    from curate.rules import RULES

    corpus = Corpus(Config(jobs=jobs))
    starts = range(0, len(samples), BATCH)
    if jobs > 1:
        with ProcessPoolExecutor(jobs, get_context("fork"), initializer=_share, initargs=(samples,)) as pool:
            for packed in pool.map(_packed, starts):
                corpus.add(packed)
    else:
        _share(samples)
        for start in starts:
            corpus.add(_packed(start))
    check = RULES["DUP002"].check
    assert check
    return list(check(corpus))


_samples: list[curate.Sample] = []


def _share(samples: list[curate.Sample]) -> None:
    global _samples
    _samples = samples


def _packed(start: int) -> Pack:
    from curate.dedup.corpus import pack

    return pack(_samples[start : start + BATCH])


def seconds(work: Callable[[], list[object]]) -> tuple[float, int]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()

    samples = list(curate.read(given.data))
    texts = ["\n".join(message.text for message in sample.messages) for sample in samples]
    for sample in samples:
        _ = sample.id  # every check has it, whatever it looks for
    stages: dict[str, Callable[[], list[object]]] = {
        f"curate {version('curate')}, DUP002": lambda: dup002(samples, given.jobs),
        f"datasketch {version('datasketch')}": lambda: list(peers.datasketch(texts)),
        f"rensa {version('rensa')}": lambda: list(peers.rensa(texts)),
    }
    runs: dict[str, list[tuple[float, int]]] = {name: [] for name in stages}
    for number in range(given.runs + 1):
        for name, work in stages.items():
            result = seconds(work)
            if number:  # the first is the warm-up
                runs[name].append(result)
    medians = {name: median(spent for spent, _ in results) for name, results in runs.items()}
    ours = next(iter(medians.values()))
    lines = [
        f"{Path(given.data).name}: {len(samples):,} rows, {sum(map(len, texts)) / 1e6:.1f} M characters; "
        f"jobs {given.jobs}, median of {given.runs} alternating runs. {machine()}.",
        "",
        "| stage | seconds | fastest to slowest | times ours | found |",
        "|---|---|---|---|---|",
    ]
    for name, results in runs.items():
        times = [spent for spent, _ in results]
        unit = "rows, verified" if "DUP002" in name else "pairs, not verified"
        lines.append(
            f"| {name} | {medians[name]:.2f} | {min(times):.2f} to {max(times):.2f} | {medians[name] / ours:.2f} "
            f"| {results[-1][1]:,} {unit} |"
        )
    print("\n".join(lines))
    if given.write:
        given.write.write_text("# Speed of DUP002\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
