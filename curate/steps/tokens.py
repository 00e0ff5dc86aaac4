"""The step tokens: the ids of each split by the model's chat template, and which of them are to be learned."""

from __future__ import annotations

import datetime
import hashlib
import json
import shlex
from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import orjson

from curate.api import read
from curate.errors import CurateError
from curate.run import Run, Step
from curate.run.data import as_seen_from
from curate.template import TOO_LONG, ChatTemplate, Masked, Masker, Rejected, load, template_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from arro3.core import Array, RecordBatch

    from curate.sample import Sample

Config = dict[str, Any]

SCHEMA = "curate.tokens/1"
SPLITS = ("train", "val", "test")
BATCH_ROWS = 256
NAMED = 5


def default_config() -> Config:
    """The settings but for the model, which has no default: `max_length` in tokens (None: any), what to do with longer
    rows ("drop" or "error"), and the arguments that every rendering of the template gets."""
    return {"max_length": None, "too_long": "drop", "template_args": {}}


def model_of(run: Run, model: Path) -> str:
    """A model's folder as the config names it."""
    return as_seen_from(run, [str(model)])[0]


def reads(run: Run, config: Config) -> Sequence[Path]:
    if "model" not in config:
        raise CurateError(f"tokens are made by a model's own template; name it: curate tokens {run.folder} --model DIR")
    rows = [run / "split" / f"{split}.jsonl" for split in SPLITS]
    return [*rows, run / "split" / "split.json", *template_files(run.source(config["model"]))]


def make(run: Run, config: Config, out: Path) -> str:
    chat = load(run.source(config["model"]))
    args, clock = config["template_args"], _clock(run)
    masker = Masker(chat, args, clock, max_length=config["max_length"])
    folder = out / "tokens"
    folder.mkdir()
    made = {split: _Split(split) for split in SPLITS}
    for split in SPLITS:
        _write(folder / f"{split}.arrow", made[split], _samples(run, split), masker)
    rejected = [row for split in made.values() for row in split.rejected]
    too_long = [row for row in rejected if row["code"] == TOO_LONG]
    if too_long and config["too_long"] == "error":
        named = ", ".join(f"split/{row['split']}.jsonl:{row['line']} ({row['reason']})" for row in too_long[:NAMED])
        more = " ..." if len(too_long) > NAMED else ""
        raise CurateError(
            f"rows longer than --max-length {config['max_length']}: {len(too_long):,}: {named}{more}; "
            "raise it, or leave them out: --too-long drop"
        )
    (folder / "rejected.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rejected))
    facts = {
        "schema": SCHEMA,
        "model": config["model"],
        "tokenizer_sha256": chat.tokenizer_sha256,
        "template_sha256": chat.template_sha256,
        "template_args": args,
        "max_length": config["max_length"],
        "clock": clock.isoformat() if ChatTemplate(chat, args, clock).reads_clock else None,
        "stop_token": masker.stop_token,
        "stop_token_id": masker.stop_token_id,
        "vocabulary": chat.tokenizer.get_vocab_size(),
        "rows": {name: split.rows for name, split in made.items()},
        "tokens": {name: split.tokens for name, split in made.items()},
        "trained": {name: split.trained for name, split in made.items()},
        "rejected": len(rejected),
        "ids_sha256": {name: split.digest.hexdigest() for name, split in made.items()},
    }
    (folder / "tokens.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return _said(list(made.values()), rejected)


def command(run: Run, config: Config) -> str:
    words = ["curate", "tokens", str(run.folder), "--model", config["model"]]
    if config["max_length"] is not None:
        words += ["--max-length", str(config["max_length"])]
    if config["too_long"] != "drop":
        words += ["--too-long", config["too_long"]]
    if config["template_args"]:
        words += ["--template-args", json.dumps(config["template_args"], ensure_ascii=False)]
    return shlex.join(words)


@dataclass
class _Split:
    """What was made of one split. The hash is over each row: its id, a zero byte, the number of its ids (int64), its
    ids and its labels (int32), all little-endian."""

    name: str
    rows: int = 0
    tokens: int = 0
    trained: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, sample: Sample, masked: Masked) -> None:
        self.rows += 1
        self.tokens += len(masked.ids)
        self.trained += sum(label >= 0 for label in masked.labels)
        self.digest.update(sample.id.encode() + b"\0" + len(masked.ids).to_bytes(8, "little"))
        self.digest.update(array("i", masked.ids).tobytes() + array("i", masked.labels).tobytes())


def _clock(run: Run) -> datetime.date:
    """The day that a template may write into prompts: today, or the day of this run's first tokens, which it keeps."""
    try:
        kept = json.loads((run / "tokens" / "tokens.json").read_bytes())["clock"]
    except (OSError, ValueError, KeyError):
        kept = None
    return datetime.date.fromisoformat(kept) if kept else datetime.datetime.now(datetime.UTC).date()


def _samples(run: Run, split: str) -> Iterator[Sample]:
    """The samples of one split, as the check read them.

    Raises:
        CurateError: no such file, rows that read as other samples than those that were split, or preference data.
    """
    file = run / "split" / f"{split}.jsonl"
    rows = _rows_of(run)
    check = run.config("check")
    try:
        is_empty = file.stat().st_size == 0
    except FileNotFoundError as error:
        raise CurateError(f"{file}: is missing; make it: curate split {run.folder}") from error
    expected = [(row["line"], row["sample_id"]) for row in rows if row["split"] == split]
    samples = [] if is_empty else read(file, format=check.get("format"), columns=check.get("columns"))
    found = 0
    for sample in samples:
        if found >= len(expected) or expected[found] != (sample.line, sample.id):
            raise CurateError(
                f"{file}:{sample.line}: reads as another row than split.json says; name the format of the data: "
                f"curate check DATA --format FORMAT --run {run.folder}, then clean and split again"
            )
        if sample.rejected is not None or sample.label is not None:
            raise CurateError(
                f"{file}:{sample.line}: an answer with a verdict (preference data) is not made into tokens; take the "
                "good answers first: curate convert DATA -o sft.jsonl --to messages --use chosen"
            )
        found += 1
        yield sample
    if found < len(expected):
        line = expected[found][0]
        raise CurateError(f"{file}:{line}: split.json has a row there that cannot be read; curate split {run.folder}")


def _rows_of(run: Run) -> list[dict[str, Any]]:
    file = run / "split" / "split.json"
    try:
        rows: list[dict[str, Any]] = json.loads(file.read_bytes())["rows"]
    except FileNotFoundError as error:
        raise CurateError(f"{file}: is missing; make it: curate split {run.folder}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CurateError(f"{file}: cannot be read ({error}); make it again: curate split {run.folder}") from error
    return rows


def _write(file: Path, split: _Split, samples: Iterator[Sample], masker: Masker) -> None:
    """Write the verified rows of a split as an Arrow file, batch by batch, and note the others."""
    from arro3.core import DataType, Field, RecordBatchReader, Schema
    from arro3.io import write_ipc

    numbers = _lists([[0]]).type
    types = {
        "sample_id": DataType.utf8(),
        "line": DataType.int32(),
        "text": DataType.utf8(),
        "input_ids": numbers,
        "labels": numbers,
        "prompt_length": DataType.int32(),
        "answer": DataType.utf8(),
    }
    schema = Schema([Field(name, type) for name, type in types.items()])
    # The samples are read from within the writer, which would hide their errors behind its own.
    failed: list[Exception] = []

    def batches() -> Iterator[RecordBatch]:
        try:
            while chunk := list(islice(samples, BATCH_ROWS)):
                if kept := list(_kept(chunk, split, masker)):
                    yield _batch(kept, schema)
        except Exception as error:
            failed.append(error)

    write_ipc(RecordBatchReader.from_batches(schema, batches()), str(file))
    if failed:
        raise failed[0]


def _kept(samples: Sequence[Sample], split: _Split, masker: Masker) -> Iterator[tuple[Sample, Masked]]:
    for sample, masked in zip(samples, masker.mask(samples), strict=True):
        if isinstance(masked, Rejected):
            place = {"sample_id": sample.id, "split": split.name, "line": sample.line}
            split.rejected.append({**place, **masked._asdict()})
        else:
            split.add(sample, masked)
            yield sample, masked


def _batch(rows: Sequence[tuple[Sample, Masked]], schema: Any) -> RecordBatch:
    from arro3.core import Array, DataType, RecordBatch

    text = DataType.utf8()
    return RecordBatch.from_arrays(
        [
            Array([sample.id for sample, _ in rows], text),
            _integers([sample.line for sample, _ in rows]),
            Array([masked.text for _, masked in rows], text),
            _lists([masked.ids for _, masked in rows]),
            _lists([masked.labels for _, masked in rows]),
            _integers([masked.prompt_length for _, masked in rows]),
            Array([masked.answer for _, masked in rows], text),
        ],
        schema=schema,
    )


def _integers(values: Sequence[int]) -> Array:
    from arro3.core import Array

    return Array.from_buffer(array("i", values))


def _lists(values: Sequence[Sequence[int]]) -> Array:
    """A column of lists of int32; none of them may be empty, nor the column."""
    from arro3.core import list_array

    ends = array("i", [0])
    for value in values:
        ends.append(ends[-1] + len(value))
    return list_array(_integers(ends), _integers(list(chain.from_iterable(values))))


def _said(splits: Sequence[_Split], rejected: Sequence[Mapping[str, Any]]) -> str:
    kept = sum(split.rows for split in splits)
    rows = ", ".join(f"{split.name} {split.rows:,}" for split in splits)
    tokens, trained = sum(split.tokens for split in splits), sum(split.trained for split in splits)
    said = (
        f"tokens: {kept:,} of {kept + len(rejected):,} rows verified ({rows}): {tokens:,} tokens, {trained:,} trained"
    )
    if rejected:
        codes = Counter(row["code"] for row in rejected)
        why = ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
        said += f"; {len(rejected):,} rejected ({why}): tokens/rejected.jsonl"
    return said


STEP = Step("tokens", reads, ("tokens",), make, command, after="split", libraries=("tokenizers", "jinja2"))
