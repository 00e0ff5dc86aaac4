"""Examine DUP002: planted pairs found, other rows touched, templates left alone, and other tools on the same files.

    python benchmarks/near_duplicates.py --data DIR [--rows 6000] [--pairs 200] [--seed 0] [--peers PYTHON] [--show]
                                         [--write FILE]

DIR holds the public data sets that near_duplicates_data.REAL names. A pair is found if its rows are in one group;
another row is touched if it is in a group without the row that it was planted with. PYTHON has the tools of
benchmarks/requirements.txt. Prints tables, which --write also puts into a file; --show prints each miss and each false
alarm.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import tempfile
from collections import defaultdict
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from near_duplicates_data import (
    LANGUAGES,
    REAL,
    Exam,
    Pair,
    as_row,
    composed_rows,
    in_tokens,
    plant,
    real_rows,
    template_rows,
)

import curate

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARES = (0.02, 0.05, 0.10)
PEERS = ("datasketch", "rensa", "dropoutt", "convmerge")
PEERS_SCRIPT = Path(__file__).parent / "near_duplicates_peers.py"
HEADINGS = "| 2% | 5% | 10% | other rows touched |"


class Score(NamedTuple):
    """What was found of an Exam: (found, planted) by share, the pairs that were missed, the other lines touched."""

    found: dict[float, tuple[int, int]]
    missed: list[Pair]
    others: set[int]

    def cells(self) -> str:
        return " | ".join(f"{found}/{planted}" for found, planted in self.found.values()) + f" | {len(self.others)}"


# ---- running


def groups_found(file: Path) -> list[set[int]]:
    """The lines of each group of DUP002."""
    groups: dict[str, set[int]] = defaultdict(set)
    for finding in curate.check(file, select=["DUP002"]).findings:
        if finding.code == "DUP002":
            groups[str(finding.group)] |= {finding.place.line, *(place.line for place in finding.related)}
    return list(groups.values())


def peer_groups(python: str, name: str, file: Path) -> tuple[list[set[int]], dict[str, Any]]:
    """The lines that a tool ties together, and what else it reported.

    A tool that only names the rows it would drop counts as if it had tied each to its planted partner.
    """
    done = subprocess.run([python, str(PEERS_SCRIPT), name, str(file)], capture_output=True, text=True)
    if done.returncode:
        return [], {"failed": done.stderr.strip().splitlines()[-1]}
    result = json.loads(done.stdout.splitlines()[-1])
    return [set(lines) for lines in result.get("pairs", [])], result


def score(exam: Exam, groups: Iterable[set[int]], dropped: Iterable[int] = ()) -> Score:
    partner = {a: b for pair in exam.pairs for a, b in (pair.lines, pair.lines[::-1])}
    touched = {line for group in groups for line in group}
    tied = {line for group in groups for line in group if partner.get(line) in group}
    for line in dropped:
        touched.add(line)
        if line in partner:
            tied |= {line, partner[line]}
    found = {share: [0, 0] for share in sorted({pair.share for pair in exam.pairs})}
    missed = []
    for pair in exam.pairs:
        is_found = pair.lines[0] in tied
        found[pair.share][0] += is_found
        found[pair.share][1] += 1
        if not is_found:
            missed.append(pair)
    return Score({share: (hit, planted) for share, (hit, planted) in found.items()}, missed, touched - tied)


def show(title: str, exam: Exam, result: Score, groups: list[set[int]]) -> None:
    """Print what was missed and what was touched wrongly, with the rows."""
    for pair in result.missed:
        print(f"\n[{title}] missed at {pair.share:.0%}, lines {pair.lines}, edits {pair.edits}", end="")
        print(", a value for another of its kind" if pair.swaps_values else "")
        print(exam.rows[pair.lines[0] - 1].text)
    for group in groups:
        if group & result.others:
            print(f"\n[{title}] touched: lines {sorted(group)}")
            for line in sorted(group):
                print(f"  {line}: {exam.rows[line - 1].text!r}")


# ---- the parts of the examination


def planted_exams(data: Path, rows: int, copies: int, seed: int) -> dict[str, Exam]:
    """By title: real rows, the same rows with blind edits, and rows in other languages."""
    real = real_rows(data, random.Random(seed), rows)
    exams = {
        "real rows": plant([real], SHARES, copies, random.Random(seed)),
        "real rows, any token": plant(
            [list(map(in_tokens, real))], SHARES, copies, random.Random(seed), keep_values=False
        ),
    }
    for language in LANGUAGES:
        rng = random.Random(seed)
        exams[language] = plant([composed_rows(language, rng, 2 * copies)], SHARES, copies // 2, rng)
    return exams


def planted_table(exams: dict[str, Exam], folder: Path, verbose: bool) -> list[str]:
    lines = [f"| rows {HEADINGS} missed, a value in the place of another of its kind |", "|---|---|---|---|---|---|"]
    for title, exam in exams.items():
        groups = groups_found(exam.write(folder / "rows.jsonl"))
        result = score(exam, groups)
        swapped = sum(pair.swaps_values for pair in result.missed)
        lines.append(f"| {title}: {len(exam.rows) - len(exam.pairs):,} | {result.cells()} | {swapped} |")
        if verbose:
            show(title, exam, result, groups)
    return lines


def template_table(folder: Path, verbose: bool) -> list[str]:
    families = template_rows()
    exam = Exam([row for rows in families.values() for row in rows], [])
    groups = groups_found(exam.write(folder / "rows.jsonl"))
    touched = {line for group in groups for line in group}
    lines = ["| family | rows | touched |", "|---|---|---|"]
    end = 0
    for family, rows in families.items():
        start, end = end, end + len(rows)
        lines.append(f"| {family} | {len(rows)} | {sum(start < line <= end for line in touched)} |")
    if verbose:
        show("templates", exam, score(exam, groups), groups)
    return [*lines, f"| all | {len(exam.rows):,} | {len(touched)} |"]


def lsh_recall(data: Path, seed: int) -> list[str]:
    """Of all pairs that verification accepts, the share that the LSH step offers to it.

    The only part that looks inside the package.
    """
    from curate.config import Config
    from curate.dedup.corpus import Corpus, pack
    from curate.dedup.lsh import candidate_pairs
    from curate.dedup.near import distinct, same_turns
    from curate.rules import RULES

    rng = random.Random(seed)
    rows = [row for sample in curate.read(data / REAL[0]) if (row := as_row(sample)) and len(row.words) >= 20]
    rows.sort(key=lambda row: row.text)  # so that those that begin alike come together
    start = rng.randrange(len(rows) - 2400)
    exam = plant([rows[start : start + 2400]], (0.05, 0.10), 50, rng)

    corpus = Corpus(Config())
    corpus.add(pack(list(curate.read([json.loads(row.as_json()) for row in exam.rows]))))
    numbers = distinct(corpus)
    offered: set[tuple[int, int]] = set()
    for a, b in candidate_pairs(corpus.rows, numbers):
        offered |= set(zip(a.tolist(), b.tolist(), strict=True))
    least = RULES["DUP002"].thresholds["min_similarity"]
    turns = [corpus.turns(number) for number in range(len(exam.rows))]
    pairs = list(combinations(numbers.tolist(), 2))
    accepted = {(a, b) for a, b in pairs if same_turns(turns[a], turns[b], least)}
    kept = len(accepted & offered)
    return [
        f"{len(numbers):,} rows, {len(pairs):,} pairs: verification accepts {len(accepted):,} of them, and LSH offers "
        f"{kept:,} of those ({kept / len(accepted):.4f}). It offers {len(offered):,} pairs in all."
    ]


def peers_table(exams: dict[str, Exam], python: str, folder: Path) -> list[str]:
    lines = [f"| tool | rows {HEADINGS} seconds |", "|---|---|---|---|---|---|---|"]
    for title in ("real rows", *LANGUAGES):
        file = exams[title].write(folder / "rows.jsonl")
        for name in PEERS:
            groups, report = peer_groups(python, name, file)
            if "failed" in report:
                lines.append(f"| {name} | {title} | {report['failed']} |")
                continue
            result = score(exams[title], groups, report.get("touched", []))
            lines.append(f"| {name} {report['version']} | {title} | {result.cells()} | {report['seconds']:.1f} |")
    return lines


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today():%d %B %Y}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    page = ["# Near-duplicates", "", f"Written by `benchmarks/near_duplicates.py --seed {given.seed}`. {machine()}."]

    def section(title: str, text: str, lines: list[str]) -> None:
        page.extend(["", f"## {title}", "", text, "", *lines])
        print("\n".join(["", f"## {title}", "", *lines]), flush=True)

    exams = planted_exams(given.data, given.rows, given.pairs, given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        section("Planted pairs", PLANTED, planted_table(exams, folder, given.show))
        section("Templates", TEMPLATES, template_table(folder, given.show))
        section("Candidates against all pairs", CANDIDATES, lsh_recall(given.data, given.seed))
        if given.peers:
            section("Other tools", OTHERS, peers_table(exams, given.peers, folder))
    if given.write:
        given.write.write_text("\n".join(page) + "\n", encoding="utf-8")


PLANTED = """\
Pairs found of those planted, by the share of the prompt's words (at least one) that was replaced by random other words
of the same rows; the answer is unchanged. No two rows share a run of 12 words (20 characters in scripts without
spaces). A number, name or unit is not replaced by another one, and no negation comes or goes, since the row would ask
something else. "Any token": what stands between spaces, punctuation included, replaced blindly, so that some pairs
need not be found."""
TEMPLATES = "Rows of one family differ in their slot, in a negation, or in the question about the same passage."
CANDIDATES = "2,400 rows of T0 in alphabetical order (prompts of 20 words or more), and 100 edited copies."
OTHERS = """\
The same files. datasketch and rensa: word 5-grams, 128 permutations, threshold 0.8 (rensa with 8 bands), no
verification; dropoutt: its near-duplicate check; convmerge: `dedupe --near`. All with their defaults otherwise."""


if __name__ == "__main__":
    main()
