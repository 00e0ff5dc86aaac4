"""Plant each rule's fault into clean real rows and count how many are found again.

    python benchmarks/recall.py DATA... [--rows 50] [--seed 0] [--select TXT]

A row is clean for a rule if the rule says nothing about it. Mutators live in tests/mutators. Prints a table: rule by
file, planted and found.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

sys.path.insert(0, str(Path(__file__).parent.parent))

import curate
from curate.formats import FORMATS
from curate.io import find_inputs
from curate.rules import RULES
from curate.sample import Message, Sample, ToolCall
from tests import mutators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Planted = tuple[int, int]  # planted, found


def registers(name: str) -> dict[str, Callable[..., Any]]:
    """The union of one register (`SAMPLE_MUTATORS`, ...) over the modules of tests/mutators."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.iter_modules(mutators.__path__):
        found |= getattr(importlib.import_module(f"tests.mutators.{module.name}"), name, {})
    return found


def as_row(sample: Sample) -> bytes:
    if sample.rejected is not None:
        return orjson.dumps(FORMATS["preference"].write(sample))
    row = FORMATS["messages"].write(replace(sample, label=None))
    return orjson.dumps(row if sample.label is None else {**row, "label": sample.label})


def flagged_lines(code: str, lines: Iterable[bytes]) -> tuple[set[int], bool]:
    """The lines that the rule flags, and whether it flags the file as a whole."""
    return flagged(code, b"".join(line + b"\n" for line in lines))


def flagged(code: str, data: bytes, name: str = "rows.jsonl") -> tuple[set[int], bool]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(data)
        findings = [f for f in curate.check(file, select=[code]).findings if f.code == code]
    return {f.place.line for f in findings if f.place.sample_id}, any(not f.place.sample_id for f in findings)


def variants(sample: Sample) -> Iterator[Sample]:
    """The sample, and the same with a sound tool call or a rejected answer: not every file has rows that hold them."""
    yield sample
    if sample.messages[-1].role != "assistant":
        return
    *before, answer = sample.messages
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    function = {"name": "search", "description": "Search the handbook.", "parameters": parameters}
    call = Message("assistant", None, tool_calls=[ToolCall("search", {"query": answer.text[:40]}, "call_1")])
    result = Message("tool", '{"pages": [3, 4]}', tool_call_id="call_1", name="search")
    yield Sample([*before, call, result, answer], tools=[{"type": "function", "function": function}])
    yield Sample(
        sample.messages, "preference", rejected=[Message("assistant", f"That is not known. {answer.text[:60]}")]
    )


def plant_in_samples(
    code: str, mutate: Callable[..., Sample | None], samples: list[Sample], rng: random.Random, rows: int
) -> Planted:
    clean, _ = flagged_lines(code, map(as_row, samples))
    candidates = [sample for line, sample in enumerate(samples, 1) if line not in clean]
    lines: list[bytes] = []  # each mutant after the row that it was made of, so that the file keeps its format
    for sample in candidates:
        if len(lines) == 2 * rows:
            break
        pairs = ((variant, mutate(rng, variant)) for variant in variants(sample))
        pair = next(((variant, mutant) for variant, mutant in pairs if mutant is not None), None)
        if pair:
            lines += map(as_row, pair)
    found, _ = flagged_lines(code, lines)
    return len(lines) // 2, sum(line % 2 == 0 for line in found)


def spellings(line: bytes, sample: Sample) -> Iterator[bytes]:
    """A row as it stands in the file, and the same sample in formats that can carry other faults."""
    yield line
    yield from map(as_row, variants(sample))
    answered = sample.messages[-1].role == "assistant"
    if answered and sample.rejected is None:
        yield as_row(replace(sample, label=True))
        for name in ("prompt-completion", "alpaca"):
            if not FORMATS[name].cannot_hold(sample):
                yield orjson.dumps(FORMATS[name].write(sample))


def plant_in_bytes(
    code: str,
    mutate: Callable[..., bytes | None],
    rows: list[tuple[bytes, Sample]],
    rng: random.Random,
) -> Planted:
    planted = found = 0
    for line, sample in rows:
        pairs = ((whole, mutate(rng, whole)) for whole in spellings(line, sample))
        pair = next(((whole, mutant) for whole, mutant in pairs if mutant is not None), None)
        if pair:
            planted += 1
            found += any(flagged_lines(code, [pair[0], pair[1], pair[0]]))
    return planted, found


def plant_in_file(
    code: str, mutate: Callable[..., tuple[str, bytes]], lines: list[bytes], rng: random.Random
) -> Planted:
    """Several faulty files of the first rows; a 64 MB line is planted once."""
    files = [mutate(rng, b"\n".join(lines) + b"\n") for _ in range(1 if code == "FMT011" else 5)]
    return len(files), sum(any(flagged(code, data, name)) for name, data in files)


def plant_in_dataset(
    code: str, mutate: Callable[..., tuple[list[Sample], set[int]]], samples: list[Sample], rng: random.Random
) -> Planted:
    mutants, planted = mutate(rng, samples)
    found, whole = flagged_lines(code, map(as_row, mutants))
    if not planted:
        return 1, int(whole)
    return len(planted), len(planted & {line - 1 for line in found})


def measure(files: list[str], rows: int, seed: int, selected: str) -> dict[str, dict[str, Planted]]:
    """Return {code: {file: (planted, found)}}."""
    table: dict[str, dict[str, Planted]] = {}
    for file in files:
        samples = list(curate.read(file))
        lines = [orjson.dumps(orjson.loads(row.data)) for row in find_inputs([file])[0].rows()][: min(rows, 20)]
        pairs = list(zip(lines, samples, strict=False))
        random.Random(seed).shuffle(samples)
        samples = samples[: 12 * rows]
        rng = random.Random(seed)
        for code, mutate in registers("SAMPLE_MUTATORS").items():
            if code.startswith(selected):
                table.setdefault(code, {})[file] = plant_in_samples(code, mutate, samples, rng, rows)
        for code, mutate in registers("BYTE_MUTATORS").items():
            if code.startswith(selected):
                table.setdefault(code, {})[file] = plant_in_bytes(code, mutate, pairs, rng)
        for code, mutate in registers("FILE_MUTATORS").items():
            if code.startswith(selected):
                table.setdefault(code, {})[file] = plant_in_file(code, mutate, lines, rng)
        for code, mutate in registers("DATASET_MUTATORS").items():
            if code.startswith(selected):
                table.setdefault(code, {})[file] = plant_in_dataset(code, mutate, samples, rng)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--select", default="")
    given = parser.parse_args()
    table = measure(given.data, given.rows, given.seed, given.select)
    names = [Path(file).name.split(".")[0][:14] for file in given.data]
    print("| rule | " + " | ".join(names) + " | found |\n|" + "---|" * (len(names) + 2))
    for code in sorted(table):
        cells = [table[code].get(file, (0, 0)) for file in given.data]
        planted, found = sum(p for p, _ in cells), sum(f for _, f in cells)
        share = f"{found / planted:.0%}" if planted else "none planted"
        print(f"| {code} {RULES[code].name} | " + " | ".join(f"{f}/{p}" for p, f in cells) + f" | {share} |")
    for code in sorted(RULES.keys() - table.keys()):
        if code.startswith(given.select):
            print(f"| {code} {RULES[code].name} | no mutator |")


if __name__ == "__main__":
    main()
