"""Cleaning loses nothing: every row is kept as it was or rejected with its reason."""

from __future__ import annotations

import base64
import gzip
import json
import stat
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curate
from curate.config import Config
from curate.errors import CurateError
from curate.review.decisions import Decision, Decisions
from curate.run import Run, make
from curate.run.data import one_line, open_run
from curate.steps import check, clean

if TYPE_CHECKING:
    from collections.abc import Sequence


def row(question: str, answer: str, **extra: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **extra}


def line(question: str, answer: str, **extra: Any) -> bytes:
    return json.dumps(row(question, answer, **extra)).encode()


def checked(folder: Path, data: bytes, name: str = "data.jsonl") -> Run:
    """A run whose data is checked."""
    (folder / name).write_bytes(data)
    run = open_run([str(folder / name)], str(folder / "run"))
    make(run, check.STEP, check.config(run, [str(folder / name)], Config()))
    return run


def cleaned(run: Run, fix: str = "safe") -> tuple[list[bytes], list[dict[str, Any]]]:
    make(run, clean.STEP, {"fix": fix}, force=True)
    kept = (run / "clean" / "kept.jsonl").read_bytes().split(b"\n")
    assert kept.pop() == b""
    rejected = (run / "clean" / "rejected.jsonl").read_bytes().splitlines()
    return kept, [json.loads(entry) for entry in rejected]


def sample_id(data: bytes) -> str:
    (sample,) = curate.read([json.loads(data)])
    return sample.id


def decide(run: Run, *decisions: tuple[bytes, str, Sequence[str]]) -> None:
    for data, action, codes in decisions:
        Decisions(run).record(sample_id(data), action, codes, by="ana")  # type: ignore[arg-type]


GOOD = line("How long is the guarantee?", "Two years.")
OTHER = line("Do you ship to Malta?", "Yes, within a week.")
EMPTY = line("Who are you?", "")
CUT = b'{"messages": [{"role": "user", "content": "How lo'
FENCE = line("Show me.", "Here:\n```python\nprint(1)\n")


def test_safe_drops_what_cannot_be_read_and_copies_and_nothing_else(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, CUT, OTHER, b"", GOOD, FENCE]))
    kept, rejected = cleaned(run)
    assert kept == [GOOD, EMPTY, OTHER, FENCE]
    assert [(entry["line"], entry["code"], entry["by"]) for entry in rejected] == [
        (3, "FMT002", "curate clean"),
        (6, "DUP001", "curate clean --fix safe"),
    ]
    assert base64.b64decode(rejected[0]["raw_base64"]) == CUT
    assert rejected[1]["row"] == json.loads(GOOD)
    assert list(rejected[1]) == ["path", "line", "part", "code", "reason", "by", "row"]


def test_all_drops_every_row_with_an_error_or_warning_of_its_own(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, CUT, OTHER, GOOD, FENCE]))
    kept, rejected = cleaned(run, "all")
    assert kept == [GOOD, OTHER]
    assert [entry["code"] for entry in rejected] == ["FMT104", "FMT002", "DUP001", "TXT001"]


def test_none_follows_decisions_only(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, CUT, GOOD]))
    decide(run, (EMPTY, "drop", ["FMT104"]))
    kept, rejected = cleaned(run, "none")
    assert kept == [GOOD, GOOD]
    assert [(entry["code"], entry["reason"], entry["by"]) for entry in rejected] == [
        ("FMT104", "dropped in review", "ana"),
        ("FMT002", "the row ends inside the string that starts at byte 43: it was cut", "curate clean"),
    ]


def test_a_decision_wins_over_every_fix(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, OTHER, FENCE]))
    decide(run, (EMPTY, "keep", ["FMT104"]), (GOOD, "drop", []), (FENCE, "keep", []))
    for fix in ("safe", "all", "none"):
        kept, rejected = cleaned(run, fix)
        assert kept == [EMPTY, OTHER, FENCE]
        assert [entry["by"] for entry in rejected] == ["ana"]
    Decisions(run).record(sample_id(EMPTY), "undo", by="ana")
    assert cleaned(run, "all")[0] == [OTHER, FENCE]


def test_which_copy_stays_is_no_decision_unless_the_copy_was_kept_knowingly(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, GOOD, GOOD]))
    decide(run, (GOOD, "keep", ["TXT001"]))
    assert cleaned(run)[0] == [GOOD]
    decide(run, (GOOD, "keep", ["DUP001"]))
    assert cleaned(run)[0] == [GOOD, GOOD, GOOD]
    decide(run, (GOOD, "drop", ["DUP001"]))
    assert cleaned(run)[0] == []


def test_a_copy_stays_where_the_first_one_goes(tmp_path: Path) -> None:
    twice = b'{"x": 1, "x": 2, ' + GOOD[1:]
    run = checked(tmp_path, b"\n".join([twice, GOOD, GOOD]))
    kept, rejected = cleaned(run, "all")
    assert kept == [GOOD]
    assert [(entry["line"], entry["code"]) for entry in rejected] == [(1, "FMT008"), (3, "DUP001")]
    assert b'"row":{"x": 1, "x": 2, ' in (run / "clean" / "rejected.jsonl").read_bytes()


def test_a_copy_of_a_near_copy_goes_with_it(tmp_path: Path) -> None:
    answer = "Yes, to every island of the republic: a parcel takes about a week and costs six euros, tracking included."
    first = line("Do you also ship parcels of any size to the islands of Malta?", answer)
    near = line("Do you also send parcels of any size to the islands of Malta?", answer)
    run = checked(tmp_path, b"\n".join([first, near, near]))
    kept, rejected = cleaned(run)
    assert kept == [first]
    assert [(entry["line"], entry["code"]) for entry in rejected] == [(2, "DUP002"), (3, "DUP001")]


def test_several_values_on_a_line_are_judged_one_by_one(tmp_path: Path) -> None:
    run = checked(tmp_path, GOOD + b" " + OTHER + b'{"messages": 3}' + EMPTY + b"\n" + FENCE)
    decide(run, (OTHER, "drop", []))
    kept, rejected = cleaned(run)
    assert kept == [GOOD, EMPTY, FENCE]
    assert [(entry["line"], entry["code"], entry["row"]) for entry in rejected] == [
        (1, None, json.loads(OTHER)),
        (1, "FMT043", {"messages": 3}),
    ]
    assert (run.record("clean") or {})["said"].startswith("clean: 2 of 2 rows kept")


@pytest.mark.parametrize("name", ["data.json", "data.json.gz"])
def test_elements_of_an_array_keep_their_bytes_on_one_line_and_their_values_on_several(
    tmp_path: Path, name: str
) -> None:
    spread = json.dumps(row('A\n"b" : , c', "1.0 and 1e5", n=1e5, big=10**30, e="\u00e9 \\u00e9"), indent=2).encode()
    data = b"[\n  " + GOOD + b" ,\n" + spread + b"\n]"
    run = checked(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name)
    kept, _ = cleaned(run, "none")
    assert kept[0] == GOOD
    assert b"\n" not in kept[1] and b'"n":100000.0,"big":1000000000000000000000000000000' in kept[1]
    assert json.loads(kept[1]) == json.loads(spread)
    assert list(json.loads(kept[1])) == list(json.loads(spread))


def test_csv_and_parquet_become_objects(tmp_path: Path) -> None:
    run = checked(tmp_path, b'prompt,completion\n"Say ""hi""",hi\n007,2024-01-01\n007,2024-01-01\n', "data.csv")
    kept, rejected = cleaned(run)
    assert [json.loads(entry) for entry in kept] == [
        {"prompt": 'Say "hi"', "completion": "hi"},
        {"prompt": "007", "completion": "2024-01-01"},
    ]
    assert [entry["line"] for entry in rejected] == [3]


def test_files_with_personal_data_are_for_their_owner_only(tmp_path: Path) -> None:
    run = checked(tmp_path, GOOD + b"\n" + GOOD)
    decide(run, (GOOD, "keep", []))
    cleaned(run)
    for name in ("clean/rejected.jsonl", "review.db", "review/decisions.jsonl"):
        assert stat.S_IMODE((run / name).stat().st_mode) == 0o600, name


def test_data_that_changed_after_the_check_is_refused(tmp_path: Path) -> None:
    run = checked(tmp_path, GOOD + b"\n" + EMPTY)
    (tmp_path / "data.jsonl").write_bytes(EMPTY + b"\n" + GOOD)
    with pytest.raises(CurateError, match=r"data.jsonl:2: not the row that was checked"):
        make(run, clean.STEP, {"fix": "safe"})


def test_rows_that_would_read_as_other_samples_are_refused(tmp_path: Path) -> None:
    ambiguous = {"question": "Capital of France?", "answer": "Paris", "prompt": "Translate: chat", "completion": "cat"}
    rows = [
        *({"prompt": f"What is {n} plus {n}?", "completion": f"It is {2 * n}."} for n in range(3)),
        *({"question": f"Is {n} even?", "answer": f"{n} is {'even' if n % 2 == 0 else 'odd'}."} for n in range(2)),
        ambiguous,
    ]
    run = checked(tmp_path, b"\n".join(map(orjson.dumps, rows)))
    samples = list(curate.read(tmp_path / "data.jsonl"))
    for sample in samples[:3]:
        Decisions(run).record(sample.id, "drop")
    if [sample.id for sample in curate.read(rows[3:])] == [sample.id for sample in samples[3:]]:
        pytest.skip("the reader reads these rows alike in both surroundings")
    with pytest.raises(CurateError, match="reads as another sample once the left out rows are gone"):
        make(run, clean.STEP, {"fix": "safe"})


def test_every_sample_file_is_kept_or_rejected_whole(tmp_path: Path) -> None:
    samples = Path(__file__).parents[2] / "samples"
    for file in sorted(path for path in samples.glob("*.*") if path.suffix in {".jsonl", ".json", ".csv"}):
        if file.name == "support.defects.json":
            continue
        folder = tmp_path / file.stem
        folder.mkdir()
        run = checked(folder, file.read_bytes(), file.name)
        rows = json.loads((run / "check.json").read_bytes())["summary"]["rows"]
        for fix in ("safe", "all", "none"):
            kept, rejected = cleaned(run, fix)
            gathered = file.name == "oasst_tree.jsonl"
            assert gathered or len(kept) + len(rejected) == rows, (file.name, fix)
            if file.suffix == ".jsonl" and not gathered:
                lines = file.read_bytes().splitlines()
                gone = {entry["line"] for entry in rejected}
                assert kept == [text for n, text in enumerate(lines, 1) if n not in gone and text.strip()]


SPREAD = json.dumps(row("p", "q"), indent=1).encode().split(b"\n")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
PIECES = st.one_of(
    st.builds(lambda q, a: row(q, a), TEXT, TEXT).map(lambda r: json.dumps(r).encode()),
    st.builds(lambda q, a: row(q, a), TEXT, TEXT).map(lambda r: json.dumps(r, ensure_ascii=False).encode()),
    st.builds(
        lambda q, n: b"  " + json.dumps(row(q, "ok", n=n), separators=(" , ", " : ")).encode() + b" ",
        TEXT,
        st.integers(),
    ),
    st.sampled_from([GOOD, GOOD, OTHER, EMPTY, FENCE, CUT, b"[1, 2]", b"null", b"{}", b"\xff\xfe{", b"", b"   "]),
    st.sampled_from([GOOD + OTHER, EMPTY + b" " + GOOD, b'{"a": 1,}', b"\n".join(SPREAD)]),
    st.binary(min_size=1, max_size=6).filter(lambda b: b"\n" not in b and b"\r" not in b),
)


# Every step waits for the disk several times: in memory there are examples enough in the same time.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(PIECES, max_size=14),
    st.sampled_from(["safe", "all", "none"]),
    st.dictionaries(st.integers(0, 13), st.sampled_from(["keep", "drop"]), max_size=4),
)
def test_rows_kept_and_rejected_are_the_rows_read_with_their_bytes(
    pieces: list[bytes], fix: str, verdicts: dict[int, str]
) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as name:
        folder = Path(name)
        # A good first row, so that no odd bytes make the file something else than JSON Lines.
        data = b"\n".join([GOOD, *pieces])
        run = checked(folder, data)
        report = json.loads((run / "check.json").read_bytes())
        samples = list(curate.read(folder / "data.jsonl"))
        decided = {samples[n].id: action for n, action in verdicts.items() if n < len(samples)}
        Decisions(run).record_all([Decision(id_, action) for id_, action in decided.items()])  # type: ignore[arg-type]
        kept, rejected = cleaned(run, fix)

        assert len(kept) + len(rejected) >= report["summary"]["rows"]
        rejected_places = Counter((entry["line"], entry["part"]) for entry in rejected if "row" in entry)
        again = list(curate.read(run / "clean" / "kept.jsonl")) if kept else []
        # The samples that are kept are those that are not rejected, in the same order.
        dropped = [
            sample
            for sample in samples
            if rejected_places[sample.line, sample.part] and not is_unreadable(rejected, sample)
        ]
        assert [sample.id for sample in again] == [sample.id for sample in samples if sample not in dropped]
        # Rows are kept byte for byte.
        lines = data.split(b"\n")
        for text, sample in zip(kept, (sample for sample in samples if sample not in dropped), strict=True):
            source = lines[sample.line - 1]
            if text not in source:  # a value over several lines
                assert b'"p"' in text and text == one_line(b"\n".join(lines[sample.line - 1 :][: len(SPREAD)]))
            elif source.count(b"messages") == 1:
                assert text == source
        # Decisions hold.
        ids = {sample.id for sample in again}
        for id_, action in decided.items():
            assert (id_ in ids) == (action == "keep")
        # Fixes do what they say.
        with_findings = {
            f["sample_id"] for f in report["findings"] if f["severity"] != "info" and f["code"] != "DUP001"
        }
        if fix == "all":
            assert not {id_ for id_ in ids & with_findings if id_ not in decided} - clean_elsewhere(report)
        else:
            assert {sample.id for sample in samples} - ids == {i for i, action in decided.items() if action == "drop"}
        if fix == "none":
            assert [s.id for s in again] == [s.id for s in samples if decided.get(s.id) != "drop"]
        else:
            assert len(ids) == len(again)


def is_unreadable(rejected: list[dict[str, Any]], sample: Any) -> bool:
    """Whether what was rejected at a sample's place is a neighbour on its line that cannot be read."""
    at = [e for e in rejected if (e["line"], e["part"]) == (sample.line, sample.part) and "row" in e]
    return all(entry["by"] == "curate clean" for entry in at)


def clean_elsewhere(report: dict[str, Any]) -> set[str]:
    """Ids of rows that are flagged at one place for their spelling only, and stand well spelled at another."""
    return {f["sample_id"] for f in report["findings"] if f["code"].startswith("FMT0")}
