"""search.db: every row found again in the file it came from, whatever the format, and made anew when it is stale."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sqlite3
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.config import Config
from curate.errors import CurateError
from curate.review.filters import SHOWN, Filter, State
from curate.review.index import BESIDE, build, database, is_fresh, prepare
from curate.review.reading import DataChanged, read_part
from curate.review.store import Store
from curate.run import Run, make
from curate.run.data import open_run, run_rows
from curate.steps import check
from tests.review_app.pages import chat, checked

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = Path(__file__).parents[2] / "samples"
ROWS = [chat(f"Question {n}?", f"Answer {n}.") for n in range(5)]


def stored(run: Run) -> Store:
    prepare(run)
    store = Store(run)
    store.follow()
    return store


def run_on(folder: Path, files: Sequence[Path], **settings: Any) -> Run:
    names = [str(file) for file in files]
    run = open_run(names, str(folder / "run"))
    make(run, check.STEP, check.config(run, names, Config(**settings)))
    return run


def in_pieces(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """The same rows as files of every kind whose bytes are not simply lines."""
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    pretty = b"".join(json.dumps(row, indent=2).encode() + b"\n" for row in rows)
    return {
        "plain.jsonl": lines,
        "mark.jsonl": b"\xef\xbb\xbf" + lines,
        "crlf.jsonl": lines.replace(b"\n", b"\r\n"),
        "cr.jsonl": lines.replace(b"\n", b"\r"),
        "pretty.jsonl": pretty,
        "pretty_crlf.jsonl": pretty.replace(b"\n", b"\r\n"),
        "wide.jsonl": lines.decode().encode("utf-16"),
        "array.json": json.dumps(rows, indent=1).encode(),
        "packed.jsonl.gz": gzip.compress(lines),
        "two_a_line.jsonl": lines.replace(b"\n", b"", 1),
    }


@pytest.mark.parametrize("name", sorted(in_pieces(ROWS)))
def test_rows_are_read_again_as_they_were_checked(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(in_pieces(ROWS)[name])
    run = run_on(tmp_path, [file])
    store = stored(run)
    wanted = {part.place: part for row in run_rows(run) for part in row.parts}
    found = [read_part(store, row) for row in store.everything(Filter(show="all"))]
    assert {part.place: part for part in found} == wanted
    assert len(found) == len(ROWS)
    is_direct = name.split(".")[0] not in {"wide", "packed", "pretty_crlf"}
    assert bool((run / BESIDE).stat().st_size) != is_direct, (
        "rows are copied only where the file has no bytes of theirs"
    )


def test_the_samples_of_every_format_are_read_again(tmp_path: Path) -> None:
    files = [tmp_path / file.name for file in SAMPLES.iterdir() if file.suffix in {".jsonl", ".json", ".csv"}]
    for file in files:
        shutil.copy(SAMPLES / file.name, file)
    data = [file for file in files if file.name not in {"support.defects.json", "support.decisions.jsonl"}]
    run = run_on(tmp_path, data)
    store = stored(run)
    wanted = {part.place.sample_id: part for row in reversed(list(run_rows(run))) for part in reversed(row.parts)}
    found = {row.id: read_part(store, row) for row in store.everything(Filter(show="all"))}
    assert found == wanted
    copies = Counter(place for row in store.everything(Filter(show="all")) for place in store.copies(row))
    assert copies.total() == sum(len(row.parts) for row in run_rows(run))


def test_it_is_of_this_check_and_this_data(tmp_path: Path) -> None:
    run = checked(tmp_path, ROWS)
    assert not is_fresh(run)
    prepare(run)
    assert is_fresh(run)
    assert stat.S_IMODE(database(run).stat().st_mode) == 0o600, "it holds what the data says"
    assert stat.S_IMODE((run / BESIDE).stat().st_mode) == 0o600
    os.utime(tmp_path / "data.jsonl")
    assert not is_fresh(run)
    prepare(run)
    assert is_fresh(run)
    make(run, check.STEP, run.config("check"))
    assert not is_fresh(run)
    assert not list(run.folder.glob(".curate-*"))


def test_one_that_is_damaged_or_of_another_version_is_made_again(tmp_path: Path) -> None:
    run = checked(tmp_path, ROWS)
    database(run).write_bytes(b"not a database")
    assert not is_fresh(run)
    prepare(run)
    with sqlite3.connect(database(run)) as connection:
        connection.execute("pragma user_version = 999")
    connection.close()
    assert not is_fresh(run)
    prepare(run)
    assert is_fresh(run)


def test_data_that_is_not_what_was_checked_is_refused(tmp_path: Path) -> None:
    run = checked(tmp_path, [chat("Who?", "")])
    (tmp_path / "data.jsonl").write_bytes(json.dumps(chat("Who?", "Me.")).encode())
    with pytest.raises(CurateError, match="not the row that was checked; check the data again: curate check"):
        prepare(run)
    with pytest.raises(CurateError, match="not the row that was checked"):
        build(run)
    (tmp_path / "data.jsonl").unlink()
    with pytest.raises(CurateError, match=r"data\.jsonl"):
        prepare(run)


def test_a_row_that_changed_behind_the_index_is_not_shown(tmp_path: Path) -> None:
    store = stored(checked(tmp_path, ROWS))
    row = store.after(Filter(show="all"), -1)
    assert row is not None
    file = tmp_path / "data.jsonl"
    data = file.read_bytes()
    file.write_bytes(data.replace(b"Answer 0", b"Answer 9"))
    with pytest.raises(DataChanged, match="changed since it was checked"):
        read_part(store, row)
    assert store.changed_file() == str(file)
    file.unlink()
    with pytest.raises(DataChanged, match="cannot be read"):
        read_part(store, row)


def test_decisions_are_taken_up_by_an_index_that_is_made_anew(tmp_path: Path) -> None:
    run = checked(tmp_path, [chat("Who?", ""), chat("What?", "")])
    store = stored(run)
    first, second = store.everything(Filter())
    store.decisions.record(first.id, "drop")
    store.decisions.record(second.id, "keep", ["FMT104"])
    make(run, check.STEP, run.config("check"))
    again = stored(run)
    assert [row.state for row in again.everything(Filter(show="flagged"))] == [State.DROPPED, State.KEPT]
    assert again.progress().decided == 2
    # The log was taken away: what it said holds no more.
    store.close()
    again.close()
    for file in run.folder.glob("review.db*"):
        file.unlink()
    fresh = Store(run)
    fresh.follow()
    assert fresh.progress().decided == 0


def test_a_keep_holds_until_a_finding_is_new(tmp_path: Path) -> None:
    store = stored(checked(tmp_path, [chat("Who?", "")]))
    (row,) = store.everything(Filter())
    store.decisions.record(row.id, "keep", ["TXT001"])
    store.follow()
    assert store.count(Filter()) == 1
    store.decisions.record(row.id, "keep", store.codes(row))
    store.follow()
    assert store.count(Filter()) == 0


def test_the_worst_comes_first_and_groups_stay_together(tmp_path: Path) -> None:
    long = "Our shop opens at nine in the morning and closes at six in the evening on every day but Sunday."
    rows = [
        chat("When do you open?", long),
        chat("Is it dear?", "Here:\n```python\nprint(1)"),
        chat("When do you open? Thanks", long),
        chat("Who?", ""),
        chat("Fine?", "Yes, fine."),
        chat("Hello, when do you open?", long),
    ]
    store = stored(checked(tmp_path, rows))
    queue = [(row.line, store.codes(row)) for row in store.everything(Filter())]
    assert queue == [(4, ["FMT104"]), (3, ["DUP002"]), (6, ["DUP002"]), (2, ["TXT001"])]
    (finding,) = store.findings(next(row for row in store.everything(Filter()) if row.line == 3))
    assert [row.line for row in store.group(str(finding.group))] == [1, 3, 6]


SEARCHES = {
    "refund": [1, 2],
    "ref": [1, 2],
    '"the refund"': [1],
    "refund -late": [1],
    "-refund": [3, 4, 5],
    "退款": [3],
    "退": [3],
    "款退": [],
    "คืนเงิน": [4],
    "café": [5],
    "cafe": [5],
    "line:4": [4],
    "<|im_end|>": [5],
    '"unclosed': [],
    "' or 1=1 --": [],
    '"': [],
    "NEAR(refund": [],
}


@pytest.mark.parametrize("words", list(SEARCHES))
def test_words_are_found_in_any_script_and_no_query_is_an_error(tmp_path: Path, words: str) -> None:
    rows = [
        chat("How long?", "We pay the refund in 14 days."),
        chat("Late?", "Refunds that come late are paid with interest."),
        chat("多久？", "我们在十四天内退款。"),
        chat("นานไหม", "เราจะคืนเงินใน 14 วัน"),
        chat("Where?", "In the café <|im_end|> at the corner."),
    ]
    store = stored(checked(tmp_path, rows))
    assert sorted(row.line for row in store.everything(Filter(show="all", text=words))) == SEARCHES[words]


def test_an_id_finds_its_row(tmp_path: Path) -> None:
    store = stored(checked(tmp_path, ROWS))
    row = store.after(Filter(show="all"), 2)
    assert row is not None
    assert list(store.everything(Filter(show="all", text=row.id[:12]))) == [row]


def matches(store: Store, row: Any, chosen: Filter) -> bool:
    """What a filter means, said a second time and slowly."""
    codes = store.codes(row)
    values = dict(
        zip(
            ("length", "turns", "zone"),
            store._one("select length, turns, zone from rows where number = ?", row.number),
            strict=True,
        )
    )
    is_flagged = row.flagged or (chosen.rule is not None and chosen.show == "open")
    shown = {
        "open": row.state == State.OPEN and is_flagged,
        "skipped": row.state == State.SKIPPED,
        "kept": row.state == State.KEPT,
        "dropped": row.state == State.DROPPED,
        "edited": row.state == State.EDITED,
        "flagged": row.flagged,
        "all": True,
    }[chosen.show]
    return (
        shown
        and (chosen.rule is None or chosen.rule in codes)
        and (chosen.severity is None or ("error", "warning", "info", None)[row.severity] == chosen.severity)
        and all(getattr(chosen, name) in (None, value) for name, value in values.items())
        and (not chosen.text or chosen.text in json.dumps(read_part(store, row).data.decode("utf-8", "replace")))
    )


def test_every_filter_counts_and_walks_what_it_means(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "support.jsonl", tmp_path / "support.jsonl")
    store = stored(run_on(tmp_path, [tmp_path / "support.jsonl"]))
    rng = random.Random(7)
    everything = list(store.everything(Filter(show="all")))
    actions: list[Any] = ["keep", "drop", "skip"]
    for _ in range(60):
        row = rng.choice(everything[:90])
        store.decisions.record(row.id, rng.choice(actions), store.codes(row))
        if rng.random() < 0.3:
            store.decisions.undo()
        if rng.random() < 0.5:
            store.follow()
    store.follow()
    everything = list(store.everything(Filter(show="all")))
    for _ in range(120):
        chosen = Filter(
            show=rng.choice(list(SHOWN)),
            rule=rng.choice([None, None, *store.rules]),
            severity=rng.choice([None, None, "error", "warning", "info"]),
            text=rng.choice(["", "", "refund"]),
            length=rng.choice([None, None, None, 9]),
            turns=rng.choice([None, None, None, 3]),
            zone=rng.choice([None, None, None, 5]),
        )
        wanted = [row for row in everything if matches(store, row, chosen)]
        assert list(store.everything(chosen)) == wanted, chosen
        assert store.count(chosen) == len(wanted), chosen
        assert store.page(chosen, 2, 5) == wanted[5:10]
        rank = rng.randrange(len(everything))
        assert store.after(chosen, rank) == next((row for row in wanted if row.rank > rank), None)
        assert store.before(chosen, rank) == next((row for row in reversed(wanted) if row.rank < rank), None)
        counts = store.counts(chosen, "rule")
        for code in store.rules:
            assert counts.get(code, 0) == store.count(replace(chosen, rule=code)), (chosen, code)
