"""Every hostile input gives its right rows, and every bad row is named with rule, line and column."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from curate.io import find_inputs, parse_row
from curate.io.records import read_rows
from curate.rules import RULES
from tests.io.hostile import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path

    from curate.finding import Fault
    from curate.io import Input

Said = list[tuple[str, int, int | None]]


def everything(source: Input) -> tuple[list[Any], Said, list[str]]:
    rows: list[Any] = []
    said: Said = []
    for row in source.rows():
        parsed = parse_row(row.data)
        rows += parsed.values
        for fault in (*row.faults, *parsed.faults):
            said.append((fault.rule, row.line, fault.where.column if fault.where else None))
    return rows, said, [fault.rule for fault in source.faults]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_right_rows_come_out_and_bad_ones_are_named(case: Case, tmp_path: Path) -> None:
    file = tmp_path / case.name
    file.write_bytes(case.data)
    (source,) = find_inputs([str(file)])
    rows, said, of_the_file = everything(source)
    assert rows == case.rows
    assert said == list(case.faults)
    assert sorted(of_the_file) == sorted(case.file_faults)
    assert everything(source) == (rows, said, of_the_file), "a second pass gives the same"


def test_every_fault_belongs_to_a_registered_rule() -> None:
    known = {rule.name for rule in RULES.values() if rule.stage == "reading"}
    said = {rule for case in CASES for rule in [*(rule for rule, _, _ in case.faults), *case.file_faults]}
    assert said <= known
    assert len(CASES) >= 55


def test_damage_in_the_middle_costs_little_of_what_stood_before_it() -> None:
    lines = [json.dumps({"n": i, "t": hashlib.sha256(str(i).encode()).hexdigest()}) for i in range(5000)]
    packed = bytearray(gzip.compress("\n".join(lines).encode(), mtime=0))
    half = len(packed) // 2
    packed[half : half + 20] = b"\xff" * 20
    faults: list[Fault] = []
    rows = list(read_rows(iter([bytes(packed)]), "x.jsonl.gz", None, faults))
    good = [value for row in rows for value in parse_row(row.data).values]
    assert [value["n"] for value in good[:2300]] == list(range(2300))
    assert "corrupt-compression" in {fault.rule for fault in faults}
