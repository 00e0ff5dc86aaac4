"""Near-duplicates of a file of chat rows as other tools find them, in their usual form and with their defaults.

    PYTHON benchmarks/near_duplicates_peers.py NAME FILE

PYTHON is an interpreter that has the tool (benchmarks/requirements.txt); nothing of curate is imported. Prints JSON:
`version`, `seconds`, and `pairs` of lines that the tool calls alike or, if it does not say which, `touched` lines.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

Pairs = list[tuple[int, int]]


def word_ngrams(text: str, length: int = 5) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[i : i + length]) for i in range(max(1, len(words) - length + 1))]


def datasketch(texts: list[str]) -> Pairs:
    """The plain script: word 5-grams, 128 permutations, threshold 0.8, every row inserted and queried, no verification.

    Pairs count from 0.
    """
    library = importlib.import_module("datasketch")
    index = library.MinHashLSH(threshold=0.8, num_perm=128)
    signed = []
    for number, text in enumerate(texts):
        sketch = library.MinHash(num_perm=128)
        sketch.update_batch([ngram.encode() for ngram in word_ngrams(text)])
        index.insert(number, sketch)
        signed.append(sketch)
    return [(other, number) for number, sketch in enumerate(signed) for other in index.query(sketch) if other < number]


def rensa(texts: list[str]) -> Pairs:
    """The same script with rensa, whose bands must divide the permutations: 8, as in its own benchmark at 0.8."""
    library = importlib.import_module("rensa")
    index = library.RMinHashLSH(threshold=0.8, num_perm=128, num_bands=8)
    signed = []
    for number, text in enumerate(texts):
        sketch = library.RMinHash(num_perm=128, seed=42)
        sketch.update(word_ngrams(text))
        index.insert(number, sketch)
        signed.append(sketch)
    return [(other, number) for number, sketch in enumerate(signed) for other in index.query(sketch) if other < number]


def dropoutt(file: Path) -> dict[str, Any]:
    """Its scan with the near-duplicate check alone; the report names six pairs, so all are read from its index."""
    runner = importlib.import_module("dropoutt.runner")
    result = runner.scan(str(file), offline=True, workers=1, only_checks=["T1-NDUP-001"])
    store = result.ctx.stats["_minhash_store"]
    lines = {key: store.doc(key)[2] + 1 for key in store.keys}
    return {"pairs": [(lines[a], lines[b]) for a, b, _ in store.index.verified_pairs()]}


def convmerge(file: Path) -> dict[str, Any]:
    """`convmerge dedupe --near`, which drops the later row and does not say of which it is a copy."""
    with tempfile.TemporaryDirectory() as folder:
        kept, dropped = Path(folder, "kept.jsonl"), Path(folder, "dropped.jsonl")
        command = [sys.executable, "-m", "convmerge", "dedupe", "--near"]
        subprocess.run(
            [*command, "-i", str(file), "-o", str(kept), "--rejects", str(dropped)], check=True, capture_output=True
        )
        gone = set(rows_of(dropped))
    return {"touched": [line for line, row in enumerate(rows_of(file), 1) if row in gone]}


def rows_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()


def texts_of(file: Path) -> list[str]:
    rows = map(json.loads, rows_of(file))
    return ["\n".join(message["content"] or "" for message in row["messages"]) for row in rows]


def main() -> None:
    name, file = sys.argv[1], Path(sys.argv[2])
    start = time.perf_counter()
    if name in {"datasketch", "rensa"}:
        found: dict[str, Any] = {"pairs": [(a + 1, b + 1) for a, b in globals()[name](texts_of(file))]}
    else:
        found = globals()[name](file)
    seconds = time.perf_counter() - start
    print(json.dumps({"version": importlib.metadata.version(name), "seconds": seconds, **found}))


if __name__ == "__main__":
    main()
