"""Time `curate check --model` beside the check without a model, and beside `tokenizers` alone on the same texts.

    python benchmarks/check_with_model.py DATA --model M [--runs 3] [--write]

Each is a process of its own on all cores: the two checks as a user would start them, every rule on, loading included;
and `tokenizers.Tokenizer.encode_batch_fast` on the rendered rows, of which only the encoding is timed. One warm-up
each, then alternating runs; medians of wall-clock and of CPU seconds (of all processes that it started), and ratios to
`tokenizers` alone. The bars: the check with a model in at most 1.6 times that, and the model adding less than that.
`--write` puts the table into check_with_model.md. Exit codes: 0 both bars hold, 1 one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from near_duplicates import machine

import curate
from curate.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
MOST, ADDS = 1.6, 1.0
ENCODE = """
import json, os, sys, time
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation(), tokenizer.no_padding()
texts = json.load(open(sys.argv[2], encoding="utf-8"))
begun, spent = time.perf_counter(), time.process_time()
count = sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
print(json.dumps([time.perf_counter() - begun, time.process_time() - spent, count]))
"""


class Spent(NamedTuple):
    """Seconds on the clock and of CPU, and the number of tokens."""

    wall: float
    cpu: float
    tokens: int


def check(data: Path, scratch: Path, *more: str) -> Spent:
    """A whole check, with the CPU of every process that it started."""
    report = scratch / "report.json"
    words = ["check", str(data), *more, "--output-format", "json", "-o", str(report), "--fail-on", "never"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "curate", *words], env=env, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise SystemExit(f"curate {' '.join(words)}: ended with {os.waitstatus_to_exitcode(status)}")
    tokens = json.loads(report.read_bytes())["summary"]["tokens"]
    return Spent(wall, used.ru_utime + used.ru_stime, tokens["total"] if tokens else 0)


def encode(tokenizer: Path, texts: Path) -> Spent:
    ran = subprocess.run(
        [sys.executable, "-c", ENCODE, tokenizer, texts], check=True, capture_output=True, text=True, env=os.environ
    )
    return Spent(*json.loads(ran.stdout))


def rendered(data: Path, model: Path) -> list[str]:
    """The texts of all rows, as the check encodes them."""
    with closing(Model(model)) as loaded:
        samples = list(curate.read(data))
        batches = (samples[at : at + 500] for at in range(0, len(samples), 500))
        return [rendering.text for batch in batches for (rendering,) in loaded.read(batch) if rendering.text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        texts = rendered(given.data, given.model)
        (scratch / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        alone = f"tokenizers {version('tokenizers')} alone"
        stages: dict[str, Callable[[], Spent]] = {
            alone: lambda: encode(given.model / "tokenizer.json", scratch / "texts.json"),
            "curate check": lambda: check(given.data, scratch),
            "curate check --model": lambda: check(given.data, scratch, "--model", str(given.model)),
        }
        runs: dict[str, list[Spent]] = {name: [] for name in stages}
        for number in range(given.runs + 1):
            for name, stage in stages.items():
                spent = stage()
                print(f"{name}: {spent.wall:.1f} s, {spent.cpu:.1f} s of CPU", file=sys.stderr)
                if number:  # the first is the warm-up
                    runs[name].append(spent)
    wall = {name: median(spent.wall for spent in of_one) for name, of_one in runs.items()}
    cpu = {name: median(spent.cpu for spent in of_one) for name, of_one in runs.items()}
    wall["what --model adds"] = wall["curate check --model"] - wall["curate check"]
    cpu["what --model adds"] = cpu["curate check --model"] - cpu["curate check"]
    tokens = {name: of_one[-1].tokens for name, of_one in runs.items()}
    assert tokens[alone] == tokens["curate check --model"], tokens
    lines = [
        f"{given.data.name}: {len(texts):,} rows, {sum(map(len, texts)) / 1e6:.1f} M characters, {tokens[alone]:,} "
        f"tokens of {given.model.name}; median of {given.runs} alternating runs. {machine()}.",
        "",
        "| | seconds | times tokenizers | CPU seconds | times tokenizers |",
        "|---|---|---|---|---|",
    ]
    for name in wall:
        cells = (of_one for spent in (wall, cpu) for of_one in (spent[name], spent[name] / spent[alone]))
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    print("\n".join(lines))
    if given.write:
        text = "\n".join(["# Speed of a check with a model", "", *lines, ""])
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    holds = wall["curate check --model"] <= MOST * wall[alone] and wall["what --model adds"] < ADDS * wall[alone]
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
