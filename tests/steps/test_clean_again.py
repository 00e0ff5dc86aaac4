"""Whatever the data and the decisions are: no row is lost, kept bytes stay, and cleaning again changes nothing."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curate
from curate.io import parse_row
from curate.review.decisions import Decision, Decisions
from curate.run.data import one_line
from tests.steps.test_clean import (
    ASKED,
    CONTROL,
    CUT,
    DIRTY,
    EMPTY,
    FENCE,
    GOOD,
    MENDED,
    OTHER,
    changed,
    checked,
    cleaned,
    row,
    said,
    sample_id,
)

if TYPE_CHECKING:
    from curate.run import Run


def again(run: Run, folder: Path, fix: str) -> tuple[list[bytes], list[dict[str, Any]], list[dict[str, Any]]]:
    """What a second cleaning makes of the output of the first, with the same decisions."""
    folder.mkdir()
    second = checked(folder, (run / "clean" / "kept.jsonl").read_bytes())
    Decisions(second).add_log(Decisions(run).log())
    kept, rejected = cleaned(second, fix)
    return kept, rejected, changed(second)


@pytest.mark.parametrize("fix", ["safe", "all", "none"])
def test_the_samples_are_kept_or_rejected_whole_and_cleaning_again_changes_nothing(tmp_path: Path, fix: str) -> None:
    samples = Path(__file__).parents[2] / "samples"
    for file in sorted(path for path in samples.glob("*.*") if path.suffix in {".jsonl", ".json", ".csv"}):
        if file.name in ("support.defects.json", "support.decisions.jsonl"):
            continue
        folder = tmp_path / file.stem
        folder.mkdir()
        run = checked(folder, file.read_bytes(), file.name)
        kept, rejected = cleaned(run, fix)
        counted = re.match(
            r"clean: (\S+) rows read: (\S+) kept, (\S+) changed.*, (\S+) rejected", (run.record("clean") or {})["said"]
        )
        assert counted
        read, as_it_was, other, gone = (int(number.replace(",", "")) for number in counted.groups())
        assert read == json.loads((run / "check.json").read_bytes())["summary"]["rows"] == as_it_was + other + gone
        after = [json.dumps(entry["after"]) for entry in changed(run)]
        if file.name != "oasst_tree.jsonl":  # whose rows are gathered
            assert len(kept) + len(rejected) == read, (file.name, fix)
            assert (len(after), len(rejected)) == (other, gone)
        if file.suffix == ".jsonl" and file.name != "oasst_tree.jsonl":
            lines = file.read_bytes().splitlines()
            missing = {entry["line"] for entry in rejected}
            edited = {entry["line"] for entry in changed(run)}
            stay = [(n, text) for n, text in enumerate(lines, 1) if n not in missing and text.strip()]
            assert [n for n, _ in stay if n in edited] == [entry["line"] for entry in changed(run)]
            assert all(text == now or n in edited for (n, text), now in zip(stay, kept, strict=True)), (
                "kept rows keep their bytes"
            )
        if kept:
            assert again(run, folder / "again", fix) == (kept, [], []), (file.name, fix)


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
    st.sampled_from([*ASKED, DIRTY, DIRTY, MENDED, CONTROL]),
    st.sampled_from([GOOD + OTHER, EMPTY + b" " + GOOD, b'{"a": 1,}', b"\n".join(SPREAD)]),
    st.binary(min_size=1, max_size=6).filter(lambda b: b"\n" not in b and b"\r" not in b),
)


# Every step waits for the disk several times: in memory there are examples enough in the same time.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(PIECES, max_size=14),
    st.sampled_from(["safe", "all", "none"]),
    st.dictionaries(st.integers(0, 13), st.sampled_from(["keep", "drop", "edit", "skip"]), max_size=4),
)
def test_no_row_is_lost_kept_bytes_stay_decisions_hold_and_cleaning_again_changes_nothing(
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
        after = row("Is this edited?", "Yes, by a person.")
        Decisions(run).record_all(
            [
                Decision(id_, action, after=after if action == "edit" else None)  # type: ignore[arg-type]
                for id_, action in decided.items()
            ]
        )
        kept, rejected = cleaned(run, fix)
        entries = changed(run)
        counts = [int(count) for count in re.findall(r"(\d+) (?:rows read|kept|changed|rejected)", said(run))[:4]]
        assert counts[0] == report["summary"]["rows"] == sum(counts[1:])

        # Each sample stays as it is, is changed, or is left out; what gives no sample is left out.
        edited = {(entry["line"], entry["part"]): entry for entry in entries}
        gone = Counter((entry["line"], entry["part"]) for entry in rejected if is_sample(entry))
        stay = [sample for sample in samples if not gone[sample.line, sample.part]]
        now = list(curate.read(run / "clean" / "kept.jsonl")) if kept else []
        assert [sample.id for sample in now] == [
            edited[sample.line, sample.part]["sample_id"] if (sample.line, sample.part) in edited else sample.id
            for sample in stay
        ]
        lines = data.split(b"\n")
        for text, sample in zip(kept, stay, strict=True):
            source = lines[sample.line - 1]
            if (sample.line, sample.part) in edited:
                entry = edited[sample.line, sample.part]
                assert json.loads(text) == entry["after"] != entry["before"]
                assert entry["parent"] == sample.id
                assert entry["before"] in [*parse_row(source).values, json.loads(b"\n".join(SPREAD))]
            elif text not in source:  # a value over several lines
                assert b'"p"' in text and text == one_line(b"\n".join(lines[sample.line - 1 :][: len(SPREAD)]))
            elif source.count(b"messages") == 1:
                assert text == source
        # Decisions hold.
        ids = [sample.id for sample in now]
        for id_, action in decided.items():
            if action == "drop":
                assert id_ not in ids
            elif action == "keep":
                assert id_ in ids
            elif action == "edit":
                assert sample_id(json.dumps(after).encode()) in ids
        if fix == "none":
            assert len(ids) == sum(decided.get(sample.id) != "drop" for sample in samples)
        else:
            assert len(ids) == len(set(ids))
        # What is left has nothing that the fixes would fix.
        if kept:
            assert again(run, folder / "again", fix) == (kept, [], [])


def is_sample(entry: dict[str, Any]) -> bool:
    """Whether a rejected row was one that can be read."""
    return bool(entry["by"] != "curate clean")
