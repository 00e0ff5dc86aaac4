"""A run on GSM8K whose test rows are the first of the published test set.

    python benchmarks/gsm8k_run.py DATA RUN --model DIR [--train 400] [--test 100] [--steps 10]

DATA is a folder with gsm8k_train.jsonl and gsm8k_test.jsonl (rows of `question` and `answer`). `curate split` draws its
test rows from the data; here they are given, so that they are put in their place behind it. The model is trained
without quantisation, as plain lm_eval can load no other.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path

from curate.api import read
from curate.cli.main import cli
from curate.run import Run, file_hash


def curate(*words: object) -> None:
    cli.main([str(word) for word in words], standalone_mode=False)


def first(file: Path, count: int) -> bytes:
    with file.open("rb") as lines:
        return b"".join(islice(lines, count))


def put_test_rows(run: Run, rows: bytes) -> None:
    """Make these the test rows of a split that has none, in its files and in their hashes."""
    file, index = run / "split/test.jsonl", run / "split/split.json"
    file.write_bytes(rows)
    split = json.loads(index.read_bytes())
    added = [{"sample_id": sample.id, "split": "test", "line": sample.line} for sample in read(file)]
    split["rows"] = [row for row in split["rows"] if row["split"] != "test"] + added
    split["counts"]["test"] = len(added)
    index.write_text(json.dumps(split) + "\n")
    manifest = run.manifest()
    for written in (file, index):
        manifest["steps"]["split"]["writes"][f"split/{written.name}"] = file_hash(written)
    run.save(manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    data = options.run.with_suffix(".jsonl")
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_bytes(first(options.data / "gsm8k_train.jsonl", options.train))
    curate("check", data, "--run", options.run, "--fail-on", "never")
    curate("clean", options.run)
    curate("split", options.run, "--val", "0.05", "--test", "0")
    put_test_rows(Run.open(options.run), first(options.data / "gsm8k_test.jsonl", options.test))
    curate("tokens", options.run, "--model", options.model)
    curate(
        *("train", options.run, "--quant", "none", "--recipe", "quick", "--max-steps", options.steps),
        *("--learning-rate", "1e-3"),
    )


if __name__ == "__main__":
    main()
