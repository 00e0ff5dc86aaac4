"""Examine LEAK001 to LEAK006: test rows planted into a training file, as they are and lightly edited.

    python benchmarks/leakage.py TRAIN TEST [--share 0.01] [--seed 0] [--show] [--write FILE]

For each kind of edit, copies of random rows of TEST, edited in their prompts, take random places among the rows of
TRAIN: share of them. A copy is found if a finding on it names the row of TEST that it was made of. A row of TRAIN is
touched if it has a finding that it does not have in TRAIN alone. Then TRAIN alone is compared with TEST, and every
pair is printed with both texts, to be read by a person. --show prints each copy that was missed.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from near_duplicates_data import NEGATIONS, NUMBER_WORDS, UNITS

import curate
from curate.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate.sample import Sample

WORD = re.compile(r"(?<![\w'’$-])[a-z]{4,}(?![\w'’-])")
COMPARISONS = frozenset(["more", "less", "fewer", "than", "many", "much", "each", "every", "both", "half"])


def ordinary_words(text: str) -> list[re.Match[str]]:
    """No name, number, unit, negation or comparison: another one of these asks another question."""
    values = NUMBER_WORDS | UNITS | NEGATIONS | COMPARISONS
    return [match for match in WORD.finditer(text) if match.group() not in values]


def same(text: str, rng: random.Random, words: Sequence[str]) -> str:
    return text


def in_capitals(text: str, rng: random.Random, words: Sequence[str]) -> str:
    return text.upper() if rng.random() < 0.5 else text.lower()


def without_punctuation(text: str, rng: random.Random, words: Sequence[str]) -> str:
    """Commas and sentence ends gone or others, quotation marks straight; what stands inside numbers stays."""
    text = text.replace("’", "'").replace("“", '"').replace("”", '"')
    return re.sub(r"[,.?!;:](?!\w)", lambda found: rng.choice(["", ";", " -", "!"]), text)


def respaced(text: str, rng: random.Random, words: Sequence[str]) -> str:
    return re.sub(r"\s+", lambda found: rng.choice([" ", "  ", "\n", "\t", "\u00a0"]), text) + "\n"


def reworded(text: str, rng: random.Random, words: Sequence[str], count: int) -> str:
    """Some ordinary words replaced by ordinary words of other rows."""
    places = [match.span() for match in ordinary_words(text)]
    for start, end in sorted(rng.sample(places, min(count, len(places))), reverse=True):
        text = text[:start] + rng.choice(words) + text[end:]
    return text


EDITS: dict[str, Callable[[str, random.Random, Sequence[str]], str]] = {
    "verbatim": same,
    "case": in_capitals,
    "punctuation": without_punctuation,
    "whitespace": respaced,
    **{f"{count} word{'s'[: count > 1]} replaced": partial(reworded, count=count) for count in (1, 2, 3)},
}


class Finding(NamedTuple):
    """A finding on a row of mine: the rows of theirs that it names."""

    code: str
    line: int
    theirs: frozenset[int]
    message: str


def leaks(train: Path, test: Path) -> list[Finding]:
    found = curate.check(train, against=[str(test)], select=["LEAK"]).findings
    return [
        Finding(
            each.code,
            each.place.line,
            frozenset(place.line for place in each.related if Path(place.path) == test),
            each.message.replace(f"{test.parent}/", ""),
        )
        for each in found
        if each.code.startswith("LEAK")
    ]


def as_row(sample: Sample) -> dict[str, Any]:
    row = FORMATS["prompt-completion"].write(sample)
    assert row is not None
    return row


def prompt(row: dict[str, Any]) -> str:
    return str(row["prompt"])


def planted_table(
    train: Sequence[dict[str, Any]],
    test: Sequence[dict[str, Any]],
    share: float,
    seed: int,
    folder: Path,
    verbose: bool,
) -> list[str]:
    """Plant each kind of edit by itself; a row of the table for each."""
    target = write(folder / "test.jsonl", test)
    alone = {finding.line for finding in leaks(write(folder / "train.jsonl", train), target)}
    words = [match.group() for row in train for match in ordinary_words(prompt(row))]
    lines = ["| edit | planted | found | other rows touched | by rule |", "|---|---|---|---|---|"]
    for name, edit in EDITS.items():
        rng = random.Random(f"{seed} {name}")
        sources = rng.sample(range(len(test)), round(share * len(train)))
        rows: list[tuple[int | None, int, dict[str, Any]]] = [(None, at, row) for at, row in enumerate(train, 1)]
        for source in sources:
            copy = {**test[source], "prompt": edit(prompt(test[source]), rng, words)}
            rows.insert(rng.randrange(len(rows) + 1), (source + 1, 0, copy))
        findings = leaks(write(folder / "planted.jsonl", [row for _, _, row in rows]), target)
        named: dict[int, set[int]] = {}
        codes: Counter[str] = Counter()
        for finding in findings:
            named.setdefault(finding.line, set()).update(finding.theirs)
            codes[finding.code] += rows[finding.line - 1][0] is not None
        copies = [(line, source, row) for line, (source, _, row) in enumerate(rows, 1) if source is not None]
        missed = [(source, row) for line, source, row in copies if source not in named.get(line, ())]
        touched = [line for line in named if rows[line - 1][0] is None and rows[line - 1][1] not in alone]
        by_rule = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
        lines.append(f"| {name} | {len(copies)} | {len(copies) - len(missed)} | {len(touched)} | {by_rule} |")
        for source, row in missed if verbose else ():
            print(f"\n[{name}] missed, row {source} of the test file:\n{prompt(test[source - 1])}\n{prompt(row)}")
    return lines


def pairs_to_read(train: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]], folder: Path) -> list[str]:
    """Every pair that is found between the two files as they are, with both texts."""
    findings = leaks(write(folder / "train.jsonl", train), write(folder / "test.jsonl", test))
    lines = [f"{len(findings)} findings on {len({finding.line for finding in findings})} rows of {len(train):,}.", ""]
    for finding in findings:
        lines += [
            f"- {finding.code}, line {finding.line}: {finding.message}",
            f"  - mine: {_quoted(train, finding.line)}",
        ]
        lines += [f"  - line {line} of theirs: {_quoted(test, line)}" for line in sorted(finding.theirs)]
    return lines


def _quoted(rows: Sequence[dict[str, Any]], line: int) -> str:
    row = rows[line - 1]
    return " ".join(f"{prompt(row)} → {row['completion']}".split())


def write(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


# What a reader found between gsm8k_train.jsonl and gsm8k_test.jsonl, to which alone it applies.
READ = """\
Read by a person: nothing is found, and rightly so. Of the 22 pairs of questions that share the most character n-grams
(estimated Jaccard similarity 0.3 or more), the 14 closest were read: each is another problem, with other numbers. The
closest are "A train travels 270 miles in 3 hours ..." and "A plane travels 1200 miles in 3 hours ..." (95% the same
letters). Runs of 13 words alone would have named that pair; an item whose numbers are not all there is not held against
a row unless 50 words in a row are the same.
"""
READ_OF = ("gsm8k_train.jsonl", "gsm8k_test.jsonl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    train, test = ([as_row(sample) for sample in curate.read(file)] for file in (given.train, given.test))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = ["# Leakage", "", f"`{Path(__file__).name}` on {Path(given.train).name} ({len(train):,} rows) against "]
        lines[-1] += f"{Path(given.test).name} ({len(test):,} rows), {date.today():%d %B %Y}."
        lines += ["", "## Planted", "", *planted_table(train, test, given.share, given.seed, folder, given.show)]
        lines += ["", "## As they are", "", *pairs_to_read(train, test, folder), ""]
    if (Path(given.train).name, Path(given.test).name) == READ_OF:
        lines.append(READ)
    print("\n".join(lines))
    if given.write:
        given.write.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
