"""The path of a check as a whole: determinism, counts, order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from curate.config import Config
from curate.io import find_inputs
from curate.pipeline import run_check


def rows(count: int) -> list[dict[str, object]]:
    answers = ["Two years.", "", "See https://example.com", "<|im_end|> sorry", "Two years.", "I am ChatGPT."]
    return [
        {
            "messages": [
                {"role": "user", "content": f"Question {i % 900}: how long?"},
                {"role": "assistant", "content": answers[i % len(answers)]},
            ]
        }
        for i in range(count)
    ]


def without_time(report: curate.api.Report) -> str:
    document = report.to_json()
    document["summary"].pop("seconds")
    return json.dumps(document)


def test_the_same_report_whatever_the_number_of_processes(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    lines = [json.dumps(row) for row in rows(2500)]
    lines[700] = lines[700][:-5]
    file.write_text("\n".join(lines) + "\n")
    reports = [without_time(curate.check(file, jobs=jobs)) for jobs in (1, 2, 3)]
    assert reports[0] == reports[1] == reports[2]


def test_kept_and_rejected_make_the_rows_read(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text('{"prompt": "a?", "completion": "b"}\n\n{"prompt": "c\n[1]\n{"prompt": "c?", "completion": "d"}\n')
    report = curate.check(file)
    assert (report.rows, report.rows_rejected, report.samples) == (4, 2, 2)
    assert {f.place.line for f in report.findings if f.severity == "error"} == {3, 4}


def test_findings_come_in_input_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows(30)))
    report = curate.check([tmp_path / "b.jsonl", tmp_path / "a.jsonl"])
    order = [(Path(f.place.path).name, f.place.line, f.place.part, f.code) for f in report.findings]
    assert order == sorted(order, key=lambda key: ("ba".index(key[0][0]), *key[1:]))


def test_data_in_memory_is_checked_like_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(50)))
    from_file = [(f.code, f.place.line, f.message.replace(str(file), "")) for f in curate.check(file).findings]
    assert [(f.code, f.place.line, f.message) for f in curate.check(rows(50)).findings] == from_file


@pytest.mark.parametrize("kind", ["pandas", "datasets"])
def test_frames_and_data_sets_are_read(kind: str) -> None:
    library = pytest.importorskip(kind, reason=f"{kind} is not installed")
    data = library.DataFrame(rows(20)) if kind == "pandas" else library.Dataset.from_list(rows(20))
    report = curate.check(data)
    assert (report.rows, report.samples) == (20, 20)
    assert [(f.code, f.place.line) for f in report.findings] == [
        (f.code, f.place.line) for f in curate.check(rows(20)).findings
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "from",
                    "value",
                    "prompt",
                    "completion",
                    "chosen",
                    "rejected",
                    "label",
                    "tools",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "weight",
                    "instruction",
                    "input",
                    "output",
                    "text",
                    "type",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(json_values, min_size=1, max_size=5))
def test_no_rule_crashes_on_any_json(tmp_path_factory: pytest.TempPathFactory, values: list[object]) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "data.jsonl"
    lines = [json.dumps(value) + "\n" for value in [{"prompt": "a?", "completion": "b"}, *values]]
    file.write_text("".join(lines))
    report = run_check(find_inputs([str(file)]), Config())
    assert report.internal_errors == []
    assert report.rows == len(lines)
    assert 0 <= report.rows_rejected <= report.rows
    rejected = {f.place.line for f in report.findings if (f.place.sample_id or "").startswith("raw-")}
    assert len(rejected) == report.rows_rejected, "every rejected row has a reason"


@pytest.mark.parametrize(
    "record", [{1: 2}, {"prompt": "a?", "completion": object()}, {"prompt": b"a", "completion": "b"}]
)
def test_a_record_that_is_not_json_is_named(record: object) -> None:
    with pytest.raises(curate.CurateError, match="record 2 of <list> is not JSON"):
        curate.check([{"prompt": "a?", "completion": "b"}, record])
