"""The step split: clean/kept.jsonl in, train, validation and test rows out."""

from __future__ import annotations

import difflib
import json
import shlex
from collections import Counter, defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import orjson

from curate.assign import LEAST_TEST, SPLITS, Assignment, Shares, Ties, assigned, folds, held_out
from curate.config import Config as Settings
from curate.errors import CurateError
from curate.io import find_inputs, parse_row
from curate.io.write import atomic_write
from curate.pipeline import packed
from curate.run import Run, Step, file_hash, flag_words
from curate.steps.check import processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.dedup.corpus import Corpus

Config = dict[str, Any]

FEW_ROWS = 500  # below it a test split says little: folds are offered
MOST_ROUNDS = 20
EXCLUDED = "excluded.jsonl"
# In the order in which a fold's splits are compared: test against train first, as its scores depend on that.
COMPARED = ("test", "train", "val")


def default_config() -> Config:
    """The settings that nobody set. `test` None: a tenth of the rows, but 100 where that is at most a fifth. `fold`:
    which of the `folds`, from 1, is the test; None to split by the shares."""
    return {"val": 0.1, "test": None, "seed": 0, "group_by": None, "stratify": None, "folds": None, "fold": None}


def reads(run: Run, config: Config) -> Sequence[Path]:
    return [run / "clean" / "kept.jsonl"]


def make(run: Run, config: Config, out: Path) -> str:
    """Write each kept row, byte for byte, to split/train.jsonl, val.jsonl or test.jsonl, and its place to split.json.

    No two rows that a check of one split against another would report are in different ones, nor in different folds; a
    new row that would tie two splits together goes to excluded.jsonl.

    Raises:
        CurateError: no row would be left to train on, no such fold, or no row has a column that the settings name.
    """
    config = default_config() | config
    if config["fold"] and config["fold"] > (config["folds"] or 0):
        raise CurateError(f"--fold {config['fold']}: --folds says how many there are, and it has to be one of them")
    folder = out / "split"
    folder.mkdir()
    kept = run / "clean" / "kept.jsonl"
    corpus = _corpus(run, kept)
    ids = [str(place.sample_id) for place in corpus.places] if corpus else []
    columns = _columns(kept, [name for name in (config["group_by"], config["stratify"]) if name])
    earlier = _earlier(run, config)
    assignment, fold = _assigned(corpus, ids, config, columns, earlier)
    if config["fold"] and fold:
        layout = held_out(ids, assignment.groups, fold, config["fold"] - 1, config["val"], config["seed"])
        assignment.split = [name and place for name, place in zip(assignment.split, layout, strict=True)]
    counts = {name: assignment.split.count(name) for name in SPLITS}
    if not counts["train"]:
        shares = f"--val {config['val']:g}" + (f" --test {config['test']:g}" if config["test"] is not None else "")
        raise CurateError(
            f"{kept}: of {len(ids):,} rows none is left to train on with {shares} --seed {config['seed']}; "
            + ("lower --val and --test, or try another --seed" if ids else "see why in clean/rejected.jsonl")
        )
    rows = _write(kept, folder, ids, assignment, fold)
    named = {key: config[key] for key in ("val", "test", "seed", "group_by", "stratify", "folds", "fold")}
    with atomic_write(folder / "split.json") as file:
        document = {**named, "counts": counts, "excluded": len(assignment.bridges), "rows": rows}
        file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    return said(counts, assignment, config, default_config() | run.config("split") if earlier else None)


def _corpus(run: Run, kept: Path) -> Corpus | None:
    """The kept rows as they are compared, one sample a line; None where there are none.

    Raises:
        CurateError: a line gives no sample, or several.
    """
    if not kept.stat().st_size:
        return None
    from curate.dedup.corpus import Corpus

    checked = run.config("check")
    (data,) = find_inputs([str(kept)])
    settings = Settings(format=checked["format"], columns=checked["columns"], jobs=processes([data]))
    corpus = Corpus(settings)
    for pack in packed([data], settings):
        corpus.add(pack)
    with kept.open("rb") as lines:
        count = sum(1 for _ in lines)
    if [place.line for place in corpus.places] != list(range(1, count + 1)):
        raise CurateError(f"{kept}: not every line is one row; clean the data again: curate clean {run.folder}")
    return corpus


def _columns(kept: Path, names: Sequence[str]) -> dict[str, list[str | None]]:
    """The values of some columns, as text, row by row; None where a row has none.

    Raises:
        CurateError: no row has a column.
    """
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    seen: set[str] = set()
    with kept.open("rb") as lines:
        for line in lines if names else ():
            (value,) = parse_row(line).values
            row = value if isinstance(value, dict) else {}
            seen.update(row)
            for name, values in columns.items():
                values.append(None if row.get(name) is None else json.dumps(row[name], sort_keys=True))
    for name, values in columns.items():
        if not any(values):
            near = difflib.get_close_matches(name, seen, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(seen)[:20])}"
            raise CurateError(f"no row has a column {name!r}; {hint}")
    return columns


def _earlier(run: Run, config: Config) -> dict[str, dict[str, Any]]:
    """Where rows were put before, by id, as long as nobody edited split.json: another seed starts anew."""
    record, file = run.record("split"), run / "split" / "split.json"
    if record is None or record["writes"].get("split/split.json") != file_hash(file):
        return {}
    document = json.loads(file.read_bytes())
    return {row["sample_id"]: row for row in document["rows"]} if document["seed"] == config["seed"] else {}


def _assigned(
    corpus: Corpus | None,
    ids: Sequence[str],
    config: Config,
    columns: dict[str, list[str | None]],
    earlier: dict[str, dict[str, Any]],
) -> tuple[Assignment, list[int] | None]:
    """Assign the rows, look whether any two would give each other away, tie those together, and assign again.

    Returns the splits, and the fold of each row, from 0, where there are folds. Rows that were split before stay where
    they are, whatever they resemble; a fold is tested on whole, so that its rows move where they have to.
    """
    ties = Ties()
    if corpus:
        from curate.dedup.together import Kinship

        kinship = Kinship(corpus)
        ties = Ties([*kinship.cliques, *_documents(columns.get(config["group_by"], []))], kinship.pairs)
    strata = [value or "" for value in columns[config["stratify"]]] if config["stratify"] else None
    shares = Shares(config["val"], config["test"])
    placed = {id_: str(row["split"]) for id_, row in earlier.items()}
    for _ in range(MOST_ROUNDS):
        found = assigned(ids, ties, shares, config["seed"], placed, strata)
        fold = _folds(ids, found, config, earlier)
        if corpus is None:
            return found, fold
        number = [SPLITS.index(name) if name else -1 for name in found.split]
        new = [(a, b) for a, b in kinship.straddling(number) if not (ids[a] in placed and ids[b] in placed)]
        for k in range(config["folds"] or 0):
            layout = held_out(ids, found.groups, fold or [], k, config["val"], config["seed"])
            new += kinship.straddling([COMPARED.index(name) for name in layout])
        new = [(a, b) for a, b in new if found.split[a] and found.split[b]]
        if not new:
            return found, fold
        ties.pairs += new
    raise CurateError("rows that resemble each other cannot be put into one split; try another --seed")


def _documents(values: Sequence[str | None]) -> list[list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for number, value in enumerate(values):
        if value is not None:
            rows[value].append(number)
    return [members for members in rows.values() if len(members) > 1]


def _folds(
    ids: Sequence[str], assignment: Assignment, config: Config, earlier: dict[str, dict[str, Any]]
) -> list[int] | None:
    if not config["folds"]:
        return None
    known = {id_: row["fold"] for id_, row in earlier.items() if row.get("fold", config["folds"]) < config["folds"]}
    return folds(ids, assignment.groups, config["folds"], config["seed"], known)


def _write(
    kept: Path, folder: Path, ids: Sequence[str], assignment: Assignment, fold: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Write the rows of each split, and those that are left out; returns where each of the former is."""
    rows: list[dict[str, Any]] = []
    count: Counter[str] = Counter()
    with kept.open("rb") as lines, ExitStack() as files:
        out = {name: files.enter_context(atomic_write(folder / f"{name}.jsonl")) for name in SPLITS}
        excluded = files.enter_context(atomic_write(folder / EXCLUDED, mode=0o600))
        for number, (line, sample_id, name) in enumerate(zip(lines, ids, assignment.split, strict=True)):
            if name is None:
                bridges = assignment.bridges[number]
                why = {"line": number + 1, "sample_id": sample_id, "splits": bridges}
                reason = f"it resembles rows of {' and '.join(bridges)}, which were split before"
                row = {**why, "reason": reason, "row": orjson.Fragment(line.rstrip(b"\n"))}
                excluded.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                continue
            count[name] += 1
            out[name].write(line)
            in_fold = {} if fold is None else {"fold": fold[number]}
            rows.append({"sample_id": sample_id, "split": name, "line": count[name], **in_fold})
    return rows


def said(counts: dict[str, int], assignment: Assignment, config: Config, before: Config | None) -> str:
    """What the split is; `before` are the settings of the earlier one, whose rows stayed."""
    return "; ".join(
        [
            f"split: {counts['train']:,} train, {counts['val']:,} val, {counts['test']:,} test rows"
            + (f", fold {config['fold']} of {config['folds']}" if config["fold"] else ""),
            *_notes(counts, assignment, config, before),
        ]
    )


def _notes(counts: dict[str, int], assignment: Assignment, config: Config, before: Config | None) -> Iterator[str]:
    empty = [name for name in ("val", "test") if not counts[name]]
    if empty:
        yield f"{' and '.join(empty)} empty"
    if assignment.bridges:
        count = len(assignment.bridges)
        rows = "new row that resembles" if count == 1 else "new rows that resemble"
        yield f"{count:,} {rows} rows of two splits left out: split/{EXCLUDED}"
    if assignment.torn:
        yield (
            f"{assignment.torn:,} rows that were split before resemble rows of another split and stay: "
            "another --seed splits anew"
        )
    if before and (shares := [f"--{key}" for key in ("val", "test") if before[key] != config[key]]):
        yield f"rows split before stay, {' and '.join(shares)} only for new ones: another --seed splits anew"
    if config["stratify"] and not before:
        yield (
            f"exact shares of each {config['stratify']}, as far as groups allow; what is given up: a row's place "
            "depends on the other rows, so that a new run of more rows splits otherwise"
        )
    elif config["stratify"]:
        yield (
            f"rows split before stay, so that the shares of each {config['stratify']} are not exact: "
            "another --seed splits anew"
        )
    if config["test"] is None and counts["test"] < LEAST_TEST and counts["test"] and not config["folds"]:
        yield f"fewer than {LEAST_TEST} test rows"


def command(run: Run, config: Config) -> str:
    flags = [
        word
        for key, default in default_config().items()
        if (value := config.get(key, default)) != default
        for word in flag_words(key, f"{value:g}" if isinstance(value, float) else value)
    ]
    return shlex.join(["curate", "split", str(run.folder), *flags])


STEP = Step("split", reads, ("split",), make, command, after="clean")
