"""Compare the ids of whole rows with those of transformers' `apply_chat_template`, and count what is verified.

    python benchmarks/template_ids.py [--data DIR] [--rows N] [--write]

Every row of four data sets is rendered by the templates of the tokenizers beside DIR and of the demo model, whole
(`--turns all`), and each of its answers on its own (`--turns each`). transformers gets the same turns, in the form that
the template can render. `--write` puts the table into template_ids.md. Exit codes: 0 all ids are the same and every row
is verified or says why not, 1 they are not, 2 data are missing.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import curate
from curate.demo_model import demo_tokenizer
from curate.template import Exact, load, to_messages
from curate.template.note import ADVICE

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from near_duplicates import machine  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Sample
    from curate.template import Rendering

SHARED = ROOT.parent / "shared" / "data"
DATA = ("gsm8k_train.jsonl", "alpaca_en_demo.json", "glaive_toolcall_en_demo.json", "t0_prompt_completion.jsonl")
MODELS = ("qwen3", "llama3_1", "deepseek_v3", "gemma3")
DEMO = "smollm2"
BATCH = 500
CLOCK = datetime.date(2026, 1, 1)


@dataclass
class Counts:
    """Of one file by one model: rows, rows with other ids than transformers', and renderings that are verified."""

    rows: int = 0
    other: int = 0
    refused: int = 0
    verified: int = 0
    each: int = 0
    each_verified: int = 0
    silent: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    advice: Counter[str] = field(default_factory=Counter)


def batches(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    while batch := list(islice(samples, BATCH)):
        yield batch


def counted(folder: Path, file: Path, rows: int | None) -> Counts:
    from transformers import AutoTokenizer

    chat, theirs = load(folder), AutoTokenizer.from_pretrained(folder)
    whole, alone = Exact(chat, {}, CLOCK), Exact(chat, {}, CLOCK, turns="each")
    counts = Counts()
    for batch in batches(islice(curate.read(file), rows)):
        for sample, (row,), each in zip(batch, whole.read(batch), alone.read(batch), strict=True):
            counts.rows += 1
            ids = by_transformers(theirs, sample, whole)
            counts.refused += ids is None
            counts.other += (ids or []) != row.ids
            count(row, counts)
            counts.each += len(each)
            counts.each_verified += sum(one.verified for one in each)
    whole.close()
    alone.close()
    return counts


def by_transformers(tokenizer: Any, sample: Sample, exact: Exact) -> list[int] | None:
    """The ids of a row; None where the template refuses it."""
    messages = to_messages(sample, exact.facts.form)
    try:
        ids: list[int] = tokenizer.apply_chat_template(messages, tools=sample.tools, tokenize=True, return_dict=False)
    except Exception:
        return None
    return ids


def count(row: Rendering, counts: Counts) -> None:
    counts.verified += row.verified
    codes = {note.code for note in row.notes}
    counts.codes.update(codes - ADVICE)
    counts.advice.update(codes & ADVICE)
    counts.silent += not row.verified and not codes - ADVICE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--rows", type=int, help="only the first N rows of each file")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if missing := [name for name in DATA if not (options.data / name).is_file()]:
        print(f"missing in {options.data}: {', '.join(missing)}", file=sys.stderr)
        return 2
    lines = [
        "| model | file | rows | other ids | refused by the template | verified | why not | "
        "verified, each answer alone | advice |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        demo = demo_tokenizer(Path(scratch, DEMO))
        for name in (*MODELS, DEMO):
            folder = demo if name == DEMO else options.data.parent / "tokenizers" / name
            for file in DATA:
                made = counted(folder, options.data / file, options.rows)
                wrong += made.other + made.silent
                why, advice = (
                    ", ".join(f"{code} {rows:,}" for code, rows in codes.most_common())
                    for codes in (made.codes, made.advice)
                )
                alone = f"{made.each_verified:,} of {made.each:,}"
                cells = [f"{n:,}" for n in (made.rows, made.other, made.refused, made.verified)]
                lines.append(f"| {name} | {file} | {' | '.join(cells)} | {why} | {alone} | {advice} |")
                print(lines[-1], flush=True)
    parts = [
        "# Ids and proofs of whole rows",
        f"`benchmarks/template_ids.py`, transformers {version('transformers')}, tokenizers {version('tokenizers')}. "
        f"{machine()}.",
        "*other ids*: rows whose ids are not those of `apply_chat_template(tokenize=True)`; a row that the template "
        "refuses has none in both. A row that is not verified says why by a code.",
        "\n".join(lines),
    ]
    if options.write:
        Path(__file__).with_suffix(".md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
