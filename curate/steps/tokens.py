"""The step tokens: the ids of each split by the model's chat template, and which of them are to be learned."""

from __future__ import annotations

import datetime
import json
import shlex
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from curate.api import read
from curate.errors import CurateError
from curate.model import Model
from curate.run import Run, Step, flag_words
from curate.run.data import found_name, kept_name, model_files
from curate.template.note import ADVICE
from curate.tokens.arrow import Digest, TrainedRow, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from curate.sample import Sample
    from curate.template import Rendering

Config = dict[str, Any]

SCHEMA = "curate.tokens/1"
SPLITS = ("train", "val", "test")
BATCH_ROWS = 256
NAMED = 5
TOO_LONG, STARTS_BEYOND, UNVERIFIED = "LEN004", "LEN005", "TPL007"


def default_config() -> Config:
    """The settings but for the model, which has no default: `max_length` in tokens (None: any), what to do with longer
    rows ("drop", "cut" or "error"), which answers are trained ("all" of a row, its "last" one, or "each" in a row of
    its own), the arguments that every rendering of the template gets, and another template than the model's."""
    return {"max_length": None, "too_long": "drop", "turns": "all", "template_args": {}, "chat_template": None}


def model_of(run: Run, model: str | Path) -> str:
    """A model as the config names it: its folder or file, or its name on the hub."""
    return kept_name(run, str(model))


def reads(run: Run, config: Config) -> Sequence[Path]:
    if "model" not in config:
        raise CurateError(f"tokens are made by a model's own template; name it: curate tokens {run.folder} --model M")
    rows = [run / "split" / f"{split}.jsonl" for split in SPLITS]
    return [*rows, run / "split" / "split.json", *model_files(run, config)]


def make(run: Run, config: Config, out: Path) -> str:
    template = config["chat_template"]
    model = Model(
        found_name(run, config["model"]),
        chat_template=found_name(run, template) if template else None,
        template_args=config["template_args"],
        turns=config["turns"],
        clock=_clock(run),
    )
    folder = out / "tokens"
    folder.mkdir()
    made = {split: _Split(split) for split in SPLITS}
    with closing(model):
        if not model.facts.stop:
            raise CurateError(
                f"{model.chat.source}: its chat template writes no stop token after an answer, so training on it would "
                "not teach the model to stop; use the template that the model was trained with"
            )
        for split in SPLITS:
            write(folder / f"{split}.arrow", _batches(_samples(run, split), made[split], model, config))
        facts = _facts(config, model, made)
    rejected = [row for split in made.values() for row in split.rejected]
    if config["too_long"] == "error":
        _refuse_too_long(rejected, config["max_length"])
    _write_lines(folder / "rejected.jsonl", rejected)
    _write_lines(folder / "cut.jsonl", [row for split in made.values() for row in split.cut])
    (folder / "tokens.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return _said(list(made.values()), rejected)


def command(run: Run, config: Config) -> str:
    words = ["curate", "tokens", str(run.folder), "--model", config["model"]]
    for key, usual in default_config().items():
        if (value := config[key]) != usual:
            words += flag_words(key, value if isinstance(value, str) else json.dumps(value))
    return shlex.join(words)


@dataclass
class _Split:
    """What was made of one split: `rows` were written, of so many `samples`; and the rows that were rejected or cut."""

    name: str
    rows: int = 0
    samples: int = 0
    tokens: int = 0
    trained: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    cut: list[dict[str, Any]] = field(default_factory=list)
    digest: Digest = field(default_factory=Digest)

    def add(self, row: TrainedRow) -> None:
        self.rows += 1
        self.tokens += len(row.rendering.ids)
        self.trained += row.rendering.trained
        self.digest.add(row)


def _clock(run: Run) -> datetime.date | None:
    """The day that a template may write into prompts: that of this run's first tokens, which it keeps; else today."""
    try:
        kept = json.loads((run / "tokens" / "tokens.json").read_bytes())["clock"]
    except (OSError, ValueError, KeyError):
        kept = None
    return datetime.date.fromisoformat(kept) if kept else None


def _facts(config: Config, model: Model, made: Mapping[str, _Split]) -> dict[str, Any]:
    """What tokens.json says: what the ids were made of and by, and how many there are."""
    chat, stop = model.chat, model.facts.stop
    identity = model.as_json()
    rejected = Counter(row["code"] for split in made.values() for row in split.rejected)
    return {
        "schema": SCHEMA,
        "model": config["model"],
        **{key: identity[key] for key in ("revision", "tokenizer_sha256", "template_sha256", "template_from")},
        "template_args": config["template_args"],
        "clock": identity["clock"],
        "engine": identity["engine"],
        "turns": config["turns"],
        "max_length": config["max_length"],
        "too_long": config["too_long"],
        "stop_token": stop,
        "stop_token_id": chat.tokenizer.token_to_id(stop),
        "vocabulary": chat.tokenizer.get_vocab_size(),
        "samples": {name: split.samples for name, split in made.items()},
        "rows": {name: split.rows for name, split in made.items()},
        "tokens": {name: split.tokens for name, split in made.items()},
        "trained": {name: split.trained for name, split in made.items()},
        "cut": {name: len(split.cut) for name, split in made.items()},
        "rejected": rejected.total(),
        "rejected_by_code": dict(rejected.most_common()),
        "ids_sha256": {name: split.digest.hexdigest() for name, split in made.items()},
    }


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
            data = shlex.join(check["data"])
            raise CurateError(
                f"{file}:{sample.line}: an answer with a verdict (preference data) is not made into tokens; take the "
                f"good answers first: curate convert {data} -o sft.jsonl --to messages --use chosen"
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


def _batches(samples: Iterator[Sample], split: _Split, model: Model, config: Config) -> Iterator[list[TrainedRow]]:
    """The verified rows of a split; the others are noted in it."""
    while some := list(islice(samples, BATCH_ROWS)):
        kept = []
        for sample, renderings in zip(some, model.read(some), strict=True):
            rows = [row for rendering in renderings if (row := _kept(sample, rendering, split, config))]
            split.samples += bool(rows)
            for row in rows:
                split.add(row)
            kept += rows
        if kept:
            yield kept


def _kept(sample: Sample, rendering: Rendering, split: _Split, config: Config) -> TrainedRow | None:
    max_length = config["max_length"]
    turn = rendering.turns[-1].message if rendering.turns else None
    place = {"sample_id": sample.id, "split": split.name, "line": sample.line, "turn": turn}
    code, reason = _fault(rendering)
    if not code and max_length is not None and len(rendering.ids) > max_length:
        shorter = cut(rendering, max_length) if config["too_long"] == "cut" else None
        if shorter is None:
            code, reason = _too_long(rendering, max_length, config["too_long"])
        else:
            lost = rendering.trained - shorter.trained
            split.cut.append({**place, "tokens": len(rendering.ids), "kept": len(shorter.ids), "trained_lost": lost})
            rendering = shorter
    if code:
        split.rejected.append({**place, "code": code, "reason": reason})
        return None
    return TrainedRow.of(sample, rendering)


def _fault(rendering: Rendering) -> tuple[str, str]:
    """What keeps a row from being trained on: its code and the reason, or nothing."""
    for note in rendering.notes:
        if note.code not in ADVICE:
            return note.code, note.message
    return ("", "") if rendering.verified else (UNVERIFIED, "its mask is not verified")


def cut(rendering: Rendering, max_length: int) -> Rendering | None:
    """The row up to the last answer that ends, its stop token included, within so many tokens; None if none does.

    An answer is never cut in two: it would teach the model to break off.
    """
    turns = [turn for turn in rendering.turns if turn.last <= max_length]
    if not turns:
        return None
    last = turns[-1]
    return replace(rendering, text=rendering.text[: last.stop], ids=rendering.ids[: last.last], turns=turns)


def _too_long(rendering: Rendering, max_length: int, too_long: str) -> tuple[str, str]:
    said = f"too long: {len(rendering.ids):,} of {max_length:,} tokens"
    if too_long != "cut":
        return TOO_LONG, said
    if rendering.turns[0].first >= max_length:
        return STARTS_BEYOND, f"{said}, and its first answer starts behind them"
    return TOO_LONG, f"{said}, and no answer ends within them"


def _refuse_too_long(rejected: Sequence[Mapping[str, Any]], max_length: int | None) -> None:
    too_long = [row for row in rejected if row["code"] == TOO_LONG]
    if too_long:
        named = ", ".join(f"split/{row['split']}.jsonl:{row['line']} ({row['reason']})" for row in too_long[:NAMED])
        more = " ..." if len(too_long) > NAMED else ""
        raise CurateError(
            f"rows longer than --max-length {max_length}: {len(too_long):,}: {named}{more}; "
            "raise it, or leave them out: --too-long drop"
        )


def _write_lines(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _said(splits: Sequence[_Split], rejected: Sequence[Mapping[str, Any]]) -> str:
    kept = sum(split.rows for split in splits)
    rows = ", ".join(f"{split.name} {split.rows:,}" for split in splits)
    tokens, trained = sum(split.tokens for split in splits), sum(split.trained for split in splits)
    said = (
        f"tokens: {kept:,} of {kept + len(rejected):,} rows verified ({rows}): {tokens:,} tokens, {trained:,} trained"
    )
    if short := [row for split in splits for row in split.cut]:
        lost = sum(row["trained_lost"] for row in short)
        said += f"; {len(short):,} cut, {lost:,} trained tokens of them lost: tokens/cut.jsonl"
    if rejected:
        codes = Counter(row["code"] for row in rejected)
        why = ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
        said += f"; {len(rejected):,} rejected ({why}): tokens/rejected.jsonl"
    return said


STEP = Step("tokens", reads, ("tokens",), make, command, after="split", libraries=("tokenizers", "fastokens", "jinja2"))
