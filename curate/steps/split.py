"""The step split: clean/kept.jsonl in, train, validation and test rows out."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING, Any

import orjson

from curate.api import read
from curate.errors import CurateError
from curate.io.write import atomic_write
from curate.run import Run, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Config = dict[str, Any]

SPLITS = ("train", "val", "test")


def default_config() -> Config:
    return {"val": 0.1, "test": 0.1, "seed": 0}


def reads(run: Run, config: Config) -> Sequence[Path]:
    return [run / "clean" / "kept.jsonl"]


def make(run: Run, config: Config, out: Path) -> str:
    """Write each kept row, byte for byte, to split/train.jsonl, val.jsonl or test.jsonl, and its place to split.json.

    Raises:
        CurateError: no row would be left to train on.
    """
    folder = out / "split"
    folder.mkdir()
    kept = run / "clean" / "kept.jsonl"
    checked = run.config("check")
    counts = dict.fromkeys(SPLITS, 0)
    rows: list[dict[str, Any]] = []
    with (
        kept.open("rb") as lines,
        atomic_write(folder / "train.jsonl") as train,
        atomic_write(folder / "val.jsonl") as val,
        atomic_write(folder / "test.jsonl") as test,
    ):
        files = {"train": train, "val": val, "test": test}
        samples = read(kept, format=checked["format"], columns=checked["columns"]) if kept.stat().st_size else ()
        for line, sample in zip(lines, samples, strict=True):
            name = split_of(sample.id, **config)
            counts[name] += 1
            files[name].write(line)
            rows.append({"sample_id": sample.id, "split": name, "line": counts[name]})
    if not counts["train"]:
        raise CurateError(
            f"{kept}: of {len(rows):,} rows none is left to train on with --val {config['val']:g} --test "
            f"{config['test']:g} --seed {config['seed']}; "
            + ("lower --val and --test, or try another --seed" if rows else "see why in clean/rejected.jsonl")
        )
    with atomic_write(folder / "split.json") as file:
        file.write(orjson.dumps({**config, "counts": counts, "rows": rows}, option=orjson.OPT_APPEND_NEWLINE))
    return said(counts)


def split_of(sample_id: str, seed: int, val: float, test: float) -> str:
    """The split of a sample: it depends on nothing but its content and the seed, so that new rows move no old one."""
    digest = hashlib.blake2b(f"{seed}\n{sample_id}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest) / 2**64
    if share < test:
        return "test"
    return "val" if share < test + val else "train"


def said(counts: dict[str, int]) -> str:
    empty = [name for name in ("val", "test") if not counts[name]]
    note = f"; {' and '.join(empty)} empty" if empty else ""
    return f"split: {counts['train']:,} train, {counts['val']:,} val, {counts['test']:,} test rows{note}"


def command(run: Run, config: Config) -> str:
    flags = [
        word
        for key, default in default_config().items()
        if config[key] != default
        for word in (f"--{key}", f"{config[key]:g}")
    ]
    return shlex.join(["curate", "split", str(run.folder), *flags])


STEP = Step("split", reads, ("split",), make, command, after="clean")
