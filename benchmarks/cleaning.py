"""Clean and split real files, and count whether anything is lost, changed or leaked on the way.

    python benchmarks/cleaning.py FILE... [--fix safe all] [--folder DIR] [--write FILE]

For each file, as a user would: `curate check`, `clean`, `split`. Then it is counted
- whether rows kept, changed and rejected add up to the rows read, and are the lines of the files written;
- whether each kept row has the bytes of its row in the data (of a JSON array: its value);
- what cleaning the output once more, with the same rules, would do;
- what `curate check test.jsonl --against train.jsonl`, the same of val.jsonl, and the check of the three files as
  splits find of LEAK001 to LEAK005. LEAK006, runs of 50 words, is not about rows: passages that many questions share.
Seconds are those of the processor, of all processes together.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from near_duplicates import machine

import curate
from curate.assign import SPLITS
from curate.config import Config
from curate.run import Run, Step, make
from curate.run.data import open_run, run_rows
from curate.steps import check, clean, split

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = (
    "| file | --fix | read | kept | changed | rejected | adds up | kept bytes differ | a second time | train | val "
    "| test | LEAK001-005 | check s | clean s | split s |"
)


def examined(data: Path, fix: str, folder: Path) -> str:
    started = processor_seconds()
    run = open_run([str(data)], str(folder / "run"))
    make(run, check.STEP, check.config(run, [str(data)], Config()))
    seconds = [processor_seconds() - started]
    made: list[tuple[Step, dict[str, Any]]] = [(clean.STEP, {"fix": fix}), (split.STEP, split.default_config())]
    for step, config in made:
        started = processor_seconds()
        if step is clean.STEP or (run / "clean" / "kept.jsonl").stat().st_size:
            make(run, step, config)
        seconds.append(processor_seconds() - started)
    counts = counted(run)
    fate = " | ".join(f"{counts[what]:,}" for what in ("read", "kept", "changed", "rejected"))
    cleaned = f"| {data.name} | {fix} | {fate} | {'yes' if adds_up(run, counts) else 'NO'} | {differing(run)} |"
    if run.record("split") is None:
        return f"{cleaned} | | | | no row to split | | | |"
    again = open_run([str(run / "clean" / "kept.jsonl")], str(folder / "again"))
    make(again, check.STEP, check.config(again, [str(run / "clean" / "kept.jsonl")], Config()))
    make(again, clean.STEP, {"fix": fix})
    second = counted(again)
    sizes = json.loads((run / "split" / "split.json").read_bytes())["counts"]
    times = " | ".join(f"{spent:.1f}" for spent in seconds)
    return (
        f"{cleaned} {second['changed']} changed, {second['rejected']} rejected | {sizes['train']:,} | {sizes['val']:,} "
        f"| {sizes['test']:,} | {leaks(run)} | {times} |"
    )


def processor_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def counted(run: Run) -> dict[str, int]:
    said = str((run.record("clean") or {})["said"])
    words = re.findall(r"([\d,]+) (rows read|kept|changed|rejected)", said)
    return {what.removeprefix("rows "): int(number.replace(",", "")) for number, what in words[:4]}


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1]


def adds_up(run: Run, counts: dict[str, int]) -> bool:
    """Whether the numbers add up, and are those of the check and of the files, in which no row has two samples."""
    written = {name: len(lines(run / "clean" / f"{name}.jsonl")) for name in ("kept", "rejected", "changed")}
    read = json.loads((run / "check.json").read_bytes())["summary"]["rows"]
    split_rows = sum(len(lines(file)) for name in SPLITS if (file := run / "split" / f"{name}.jsonl").exists())
    return (
        counts["read"] == read == counts["kept"] + counts["changed"] + counts["rejected"]
        and written == {"kept": counts["kept"] + counts["changed"], **{k: counts[k] for k in ("rejected", "changed")}}
        and split_rows == written["kept"]
    )


def differing(run: Run) -> int:
    """How many kept rows have other bytes than in the data, or, where those stand on several lines, another value."""
    gone: Counter[tuple[Any, ...]] = Counter()
    for name in ("rejected", "changed"):
        entries = map(json.loads, lines(run / "clean" / f"{name}.jsonl"))
        gone.update((name, entry["path"], entry["line"], entry["part"]) for entry in entries)
    kept = iter(lines(run / "clean" / "kept.jsonl"))
    differ = 0
    for row in run_rows(run):
        for part in row.parts:
            place = part.place[:3]
            if ("rejected", *place) in gone:
                continue
            now = next(kept)
            if ("changed", *place) in gone:
                differ += now == part.data
            elif b"\n" in part.data:
                differ += list(json.loads(now).items()) != list(json.loads(part.data).items())
            else:
                differ += now != part.data
    return differ + sum(1 for _ in kept)


def leaks(run: Run) -> str:
    """What of one split is in another, said by the check: against the training rows, and as splits of one data set."""
    train, *held_out = [run / "split" / f"{name}.jsonl" for name in SPLITS]
    rows = [file for file in held_out if file.stat().st_size]
    options: dict[str, Any] = {"select": "LEAK", "ignore": "LEAK006"}
    reports = [
        curate.check([train, *rows], **options),
        *(curate.check(file, against=train, **options) for file in rows),
    ]
    found = Counter(finding.code for report in reports for finding in report.findings)
    return ", ".join(f"{count} {code}" for code, count in sorted(found.items())) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--fix", choices=["safe", "all", "none"], default=["safe"], nargs="+")
    parser.add_argument("--folder", type=Path, help="Where the runs go, instead of a temporary folder.")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    table = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    print("\n".join(table))
    with tempfile.TemporaryDirectory(prefix="curate-") as scratch:
        for number, (file, fix) in enumerate(product(data_files(given.files), given.fix)):
            folder = (given.folder or Path(scratch)) / f"{number}-{file.stem}"
            folder.mkdir(parents=True)
            table.append(examined(file.resolve(), fix, folder))
            print(table[-1], flush=True)
    if given.write:
        words = f"`curate clean` and `curate split`, by `benchmarks/cleaning.py`. {machine()}."
        given.write.write_text("\n".join(["# Cleaning and splitting", "", words, "", *table]) + "\n", encoding="utf-8")


def data_files(files: Sequence[Path]) -> list[Path]:
    return [file for file in files if file.suffix in {".jsonl", ".json", ".csv"}]


if __name__ == "__main__":
    main()
