"""Cleaning loses nothing: every row is kept as it was or rejected with its reason."""

from __future__ import annotations

import base64
import gzip
import json
import stat
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import curate
from curate.config import Config
from curate.errors import CurateError
from curate.review.decisions import Decision, Decisions, dumped
from curate.run import Run, make, why_stale
from curate.run.data import open_run
from curate.steps import check, clean
from tests.template.byte_model import write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def row(question: str, answer: str, **extra: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **extra}


def line(question: str, answer: str, **extra: Any) -> bytes:
    return json.dumps(row(question, answer, **extra)).encode()


def checked(folder: Path, data: bytes, name: str = "data.jsonl", **settings: Any) -> Run:
    """A run whose data is checked."""
    (folder / name).write_bytes(data)
    run = open_run([str(folder / name)], str(folder / "run"))
    make(run, check.STEP, check.config(run, [str(folder / name)], Config(**settings)))
    return run


def cleaned(run: Run, fix: str = "safe") -> tuple[list[bytes], list[dict[str, Any]]]:
    make(run, clean.STEP, {"fix": fix}, force=True)
    kept = (run / "clean" / "kept.jsonl").read_bytes().split(b"\n")
    assert kept.pop() == b""
    rejected = (run / "clean" / "rejected.jsonl").read_bytes().splitlines()
    return kept, [json.loads(entry) for entry in rejected]


def said(run: Run) -> str:
    return str((run.record("clean") or {})["said"])


def changed(run: Run) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in (run / "clean" / "changed.jsonl").read_bytes().splitlines()]


def sample_id(data: bytes) -> str:
    (sample,) = curate.read([json.loads(data)])
    return sample.id


def decide(run: Run, *decisions: tuple[bytes, str, Sequence[str]], after: dict[str, Any] | None = None) -> None:
    for data, action, codes in decisions:
        Decisions(run).record(sample_id(data), action, codes, by="ana", after=after)  # type: ignore[arg-type]


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
    first, near, _ = ASKED
    run = checked(tmp_path, b"\n".join([first, near, near]))
    kept, rejected = cleaned(run)
    assert kept == [first]
    assert [(entry["line"], entry["code"]) for entry in rejected] == [(2, "DUP002"), (3, "DUP001")]


ANSWER = "Yes, to every island of the republic: a parcel takes about a week and costs six euros, tracking included."
ASKED = [
    line(f"Do you also {verb} parcels of any size to the islands of Malta{end}", ANSWER)
    for verb, end in (("ship", "?"), ("send", "?"), ("ship", ", please?"))
]


@pytest.mark.parametrize("by", ["decision", "fix"])
def test_a_kept_row_that_goes_does_not_take_its_near_copies_with_it(tmp_path: Path, by: str) -> None:
    first = ASKED[0] if by == "decision" else b'{"x": 1, "x": 2, ' + ASKED[0][1:]
    run = checked(tmp_path, b"\n".join([first, *ASKED[1:], OTHER]))
    if by == "decision":
        decide(run, (ASKED[0], "drop", ["DUP002"]))
    kept, rejected = cleaned(run, "safe" if by == "decision" else "all")
    assert kept == [ASKED[1], OTHER], "one of those that are left stays"
    assert [(entry["line"], entry["code"], entry["reason"]) for entry in rejected] == [
        (1, "DUP002", "dropped in review") if by == "decision" else (1, "FMT008", rejected[0]["reason"]),
        (3, "DUP002", rejected[1]["reason"]),
    ]
    assert rejected[1]["reason"].endswith("the same as line 2")


def test_a_near_copy_that_a_person_kept_stays(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([*ASKED, OTHER]))
    decide(run, (ASKED[1], "keep", []))
    assert cleaned(run)[0] == cleaned(run, "all")[0] == [ASKED[0], ASKED[1], OTHER]


def test_keeping_one_of_a_group_is_a_decision_about_each_member(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([*ASKED, OTHER]))
    Decisions(run).record_all(
        [Decision(sample_id(row), "keep" if row is ASKED[2] else "drop", ("DUP002",), by="ana") for row in ASKED]
    )
    assert cleaned(run, "none")[0] == cleaned(run, "all")[0] == [ASKED[2], OTHER]
    Decisions(run).undo(by="ana")
    assert cleaned(run)[0] == [ASKED[0], OTHER]


DIRTY = line("Where is the caf\u00c3\u00a9?", "Left of the en\u200btrance.", source="caf\u00c3\u00a9", n=1e5)
MENDED = DIRTY.replace(rb"caf\u00c3\u00a9?", rb"caf\u00e9?").replace(rb"en\u200btrance", b"entrance")
CONTROL = line("What is half of four?", "It is two\u0007 exactly.")


def test_a_text_fix_changes_the_text_and_nothing_else_of_the_row(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, DIRTY, CONTROL]))
    kept, rejected = cleaned(run)
    assert kept == [GOOD, MENDED, CONTROL] and rejected == []
    (entry,) = changed(run)
    assert (entry["line"], entry["codes"], entry["by"]) == (2, ["TXT011", "TXT012"], "curate clean --fix safe")
    assert (entry["parent"], entry["sample_id"]) == (sample_id(DIRTY), sample_id(MENDED))
    assert (entry["before"], entry["after"]) == (json.loads(DIRTY), json.loads(MENDED))
    assert "reads as" in entry["reason"] and "U+200B" in entry["reason"]
    assert (run.record("clean") or {})["said"] == (
        "clean: 3 rows read: 2 kept, 1 changed (1 TXT011, 1 TXT012), 0 rejected"
    )
    kept, _ = cleaned(run, "all")
    assert kept == [GOOD, MENDED, CONTROL.replace(rb"\u0007", b"")], "an unsafe fix is one that was asked for"
    assert cleaned(run, "none")[0] == [GOOD, DIRTY, CONTROL] and changed(run) == []


def test_a_fault_that_another_one_hid_is_mended_too(tmp_path: Path) -> None:
    hidden = line("Where is the caf\u00c3\u200b\u00a9?", "Left of the entrance.")
    run = checked(tmp_path, b"\n".join([GOOD, hidden]))
    assert b"reads as" not in (run / "check.json").read_bytes()
    assert cleaned(run)[0] == [GOOD, line("Where is the caf\u00e9?", "Left of the entrance.")]
    (entry,) = changed(run)
    assert entry["codes"] == ["TXT012", "TXT011"] and entry["parent"] == sample_id(hidden)


@pytest.mark.parametrize("with_model", [False, True])
def test_a_stop_token_at_the_end_of_an_answer_is_stripped_where_that_is_asked_for(
    tmp_path: Path, with_model: bool
) -> None:
    stopped = line("Is it open on Sundays?", "No, but on Saturdays.<|im_end|>")
    settings = {"model": str(write_model(tmp_path / "model", eos_token="<|im_end|>"))} if with_model else {}
    run = checked(tmp_path, b"\n".join([GOOD, OTHER, stopped]), **settings)
    assert cleaned(run)[0] == [GOOD, OTHER, stopped]
    kept, rejected = cleaned(run, "all")
    assert kept == [GOOD, OTHER, stopped.replace(b"<|im_end|>", b"")] and rejected == []
    assert changed(run)[0]["codes"] == ["TPL004"]


QUARREL = """
import curate

DOC = "Why it matters: it does not.\\n\\nExample: one.\\n\\nHow to fix it: leave it."


def own(code, old, new):
    def check(sample):
        for i, message in sample.answers():
            if old in message.text:
                yield curate.Fault(f"it says {old}", curate.Where(i, "content"))

    check.__name__, check.__doc__ = f"says_{old}", f"An answer says {old}.\\n\\n{DOC}"
    fix = curate.Fix("edit", safe=True)
    curate.rule(code, severity="warning", fix=fix, repair=lambda text: text.replace(old, new))(check)


own("OWN001", "grey", "gray")
own("OWN002", "gray", "grey")
"""


def test_fixes_that_undo_each_other_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(QUARREL)
    run = checked(tmp_path, GOOD + b"\n" + line("What colour is it?", "Grey."), rules=[str(tmp_path / "own.py")])
    assert len(cleaned(run)[0]) == 2
    run = checked(tmp_path, GOOD + b"\n" + line("What colour is it?", "It is grey."), rules=[str(tmp_path / "own.py")])
    with pytest.raises(CurateError, match=r"data.jsonl:2: the fixes of OWN001 and OWN002 undo each other; leave one"):
        cleaned(run)


def test_a_row_that_was_kept_is_not_mended(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, DIRTY]))
    decide(run, (DIRTY, "keep", []))
    assert cleaned(run, "all")[0] == [GOOD, DIRTY]
    decide(run, (DIRTY, "skip", []))
    assert cleaned(run)[0] == [GOOD, MENDED], "a skip decides nothing"


def test_a_row_that_was_mended_and_is_now_a_copy_goes(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([MENDED, DIRTY, DIRTY]))
    kept, rejected = cleaned(run)
    assert kept == [MENDED]
    assert [(entry["line"], entry["code"], entry["reason"]) for entry in rejected] == [
        (2, "DUP001", "the same as line 1"),
        (3, "DUP001", "the same as line 1"),
    ]
    assert rejected[0]["row"] == json.loads(DIRTY), "what was left out is the row of the data"
    assert changed(run) == []


def test_an_edit_takes_the_place_of_the_row(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, EMPTY, OTHER]))
    after = row("Who are you?", "The assistant of the shop.", note="\u00e9", big=10**30)
    decide(run, (EMPTY, "edit", ["FMT104"]), after=after)
    for fix in ("none", "safe", "all"):
        kept, rejected = cleaned(run, fix)
        assert [json.loads(text) for text in kept[1:-1]] == [after] * (2 if fix == "none" else 1)
        assert kept[0] == GOOD and kept[-1] == OTHER
        assert [entry["code"] for entry in rejected] == ([] if fix == "none" else ["DUP001"])
    (entry,) = changed(run)
    assert (entry["parent"], entry["by"], entry["reason"]) == (sample_id(EMPTY), "ana", "edited in review")
    assert entry["sample_id"] == sample_id(line("Who are you?", "The assistant of the shop."))
    assert (run.record("clean") or {})["said"] == (
        "clean: 4 rows read: 2 kept, 1 changed (1 edited in review), 1 rejected (1 DUP001)"
    )


def test_decisions_hold_in_a_file_that_was_sorted_extended_and_written_in_another_way(tmp_path: Path) -> None:
    lines = [line(f"Who is number {n}?", "" if n % 3 == 0 else f"The {n}th of them.") for n in range(30)]
    run = checked(tmp_path, b"\n".join(lines))
    decide(run, *((text, "keep", ["FMT104"]) for text in lines[:15:3]))
    decide(run, *((text, "drop", []) for text in lines[1:15:3]))
    decide(run, *((text, "edit", []) for text in lines[2:15:3]), after=row("Who is it?", "Nobody."))
    before = Decisions(run).current()

    rows = [json.loads(text) for text in lines]
    other = [
        {"split": n, "messages": [dict(reversed(turn.items())) for turn in rows[n]["messages"]]} for n in range(30)
    ]
    data = json.dumps([*reversed(other), row("Who came later?", "The last one.")], indent=1, ensure_ascii=False)
    (tmp_path / "data.jsonl").write_text(data)
    make(run, check.STEP, run.config("check"))
    assert Decisions(run).current() == before
    findings = json.loads((run / "check.json").read_bytes())["findings"]
    accepted = {finding["sample_id"] for finding in findings if finding.get("accepted")}
    assert accepted == {sample_id(text) for text in lines[:15:3]}
    kept = [sample.id for sample in curate.read(map(orjson.loads, cleaned(run, "all")[0]))]
    assert set(map(sample_id, lines[:15:3])) <= set(kept)
    assert not set(map(sample_id, [*lines[1:15:3], *lines[2:15:3], *lines[15::3]])) & set(kept)
    assert kept.count(sample_id(line("Who is it?", "Nobody."))) == 1
    assert "about no row of the data" not in said(run)


def test_a_decision_about_no_row_of_the_data_is_said(tmp_path: Path) -> None:
    run = checked(tmp_path, GOOD)
    Decisions(run).record(sample_id(GOOD), "edit", after=json.loads(FENCE))
    Decisions(run).record(sample_id(OTHER), "drop")
    cleaned(run)
    assert said(run).endswith("; 1 decision about no row of the data")


def test_an_edit_that_is_no_row_is_named(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY]))
    decide(run, (EMPTY, "edit", []), after={"messages": 3})
    with pytest.raises(CurateError, match=r"data.jsonl:2: the edit by ana is no row that can be read; undo it"):
        cleaned(run)


def test_the_decisions_of_a_file_take_the_place_of_those_of_the_run(tmp_path: Path) -> None:
    run = checked(tmp_path, b"\n".join([GOOD, EMPTY, OTHER]))
    decide(run, (GOOD, "drop", []))
    file = tmp_path / "decisions.jsonl"
    file.write_bytes(dumped(Decision(sample_id(OTHER), "drop", by="ben")))
    make(run, clean.STEP, {"fix": "safe", "decisions": str(file)})
    assert (run / "clean" / "kept.jsonl").read_bytes() == GOOD + b"\n" + EMPTY + b"\n"
    file.write_bytes(dumped(Decision(sample_id(OTHER), "undo", by="ben")))
    assert why_stale(run, clean.STEP, run.config("clean")) == [f"{file} changed"]
    with pytest.raises(CurateError, match=r"decisions.jsonl: v1:.*: ben has no decision left to undo"):
        make(run, clean.STEP, {"fix": "safe", "decisions": str(file)})


def test_several_values_on_a_line_are_judged_one_by_one(tmp_path: Path) -> None:
    run = checked(tmp_path, GOOD + b" " + OTHER + b'{"messages": 3}' + EMPTY + b"\n" + FENCE)
    decide(run, (OTHER, "drop", []))
    kept, rejected = cleaned(run)
    assert kept == [GOOD, EMPTY, FENCE]
    assert [(entry["line"], entry["code"], entry["row"]) for entry in rejected] == [
        (1, None, json.loads(OTHER)),
        (1, "FMT043", {"messages": 3}),
    ]
    assert (run.record("clean") or {})["said"] == (
        "clean: 2 rows read: 2 kept, 0 changed, 0 rejected (1 cannot be read, 1 dropped in review); "
        "in samples: 5 read, 3 kept, 2 rejected"
    )


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
    with pytest.raises(CurateError, match=r"data.jsonl: changed since it was checked; .* curate check"):
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
