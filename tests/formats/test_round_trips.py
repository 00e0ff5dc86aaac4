"""What a format says it can hold, it gives back; and no row, however hostile, gets past the reader as a crash."""

from __future__ import annotations

import copy
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.convert import answer_used, targets
from curate.formats import FORMATS, Unreadable, detect, read_value, survey
from curate.formats.layout import Layout
from curate.formats.tools import dump_json
from tests.formats.samples import conversations, hostile_rows, json_values, samples

if TYPE_CHECKING:
    from curate.formats.format import Format, Row
    from curate.sample import Sample

WRITABLE = targets()
EXAMPLES = int(os.environ.get("CURATE_FUZZ", "60"))  # of each property; a long run is a matter of one variable
SAMPLES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def row_of(target: Format, sample: Sample) -> Row:
    assert target.build
    return target.build(sample)


def without(row: Row, sample: Sample) -> Row:
    """The metadata less those columns that the written row holds under the same name with the same value."""
    assert all(row[name] == value for name, value in sample.metadata.items() if name in row)
    return {name: value for name, value in sample.metadata.items() if name not in row}


@pytest.mark.parametrize("name", WRITABLE)
@SAMPLES
@given(sample=samples)
def test_a_sample_that_can_be_held_reads_back_the_same(name: str, sample: Sample) -> None:
    target = FORMATS[name]
    assert sample.id
    before = copy.deepcopy(sample)
    if target.cannot_hold(sample):
        return
    row = target.write(sample)
    assert row is not None
    (again,) = target.read(json.loads(dump_json(row)))
    assert again.id == sample.id
    assert again.metadata == without(row_of(target, sample), sample)
    # A column of metadata may be a second conversation, or tools that are none: it is carried along, and reported.
    assert {fault.rule for fault in again.faults} <= {"two-content-keys", "unreadable-tools"}
    assert sample == before, "writing must not change the sample"


@pytest.mark.parametrize("first", WRITABLE)
@SAMPLES
@given(sample=samples, second=st.sampled_from(WRITABLE))
def test_there_and_back_again_is_the_same_sample(first: str, second: str, sample: Sample) -> None:
    a, b = FORMATS[first], FORMATS[second]
    if a.cannot_hold(sample):
        return
    (in_a,) = a.read(a.write(sample) or {})
    if b.cannot_hold(in_a):
        return
    (in_b,) = b.read(b.write(in_a) or {})
    assert a.cannot_hold(in_b) == []
    (back,) = a.read(a.write(in_b) or {})
    assert back.id == sample.id
    assert back.metadata == without(row_of(a, sample) | row_of(b, in_a), sample)


@SAMPLES
@given(sample=samples)
def test_what_cannot_be_held_is_said_in_words(sample: Sample) -> None:
    for name in WRITABLE:
        reasons = FORMATS[name].cannot_hold(sample)
        assert all(reason.strip() for reason in reasons)
        assert len(set(reasons)) == len(reasons)


@SAMPLES
@given(sample=samples, use=st.sampled_from(["chosen", "rejected"]))
def test_one_answer_of_a_pair_is_a_plain_conversation(sample: Sample, use: Any) -> None:
    taken = answer_used(sample, use)
    assert taken is None or (taken.rejected is None and taken.label is None)


@settings(max_examples=10 * EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(hostile_rows | conversations | json_values, min_size=1, max_size=4),
    forced=st.sampled_from([None, *FORMATS]),
)
def test_no_row_crashes_the_reader(rows: list[Any], forced: str | None) -> None:
    layout = survey(rows, forced=forced)
    assert pickle.loads(pickle.dumps(layout)) == layout
    for row in rows:
        before = copy.deepcopy(row)
        try:
            read = read_value(row, layout)
        except Unreadable as unreadable:
            assert unreadable.faults, "a row is never rejected without a reason"
            assert all(fault.rule and fault.message for fault in unreadable.faults)
            read = []
        assert row == before, "reading must not change the row"
        for sample in read:
            assert sample.messages
            assert sample.id.startswith("v1:")
            list(sample.texts())
            for message in sample.messages:
                assert isinstance(message.role, str)
                assert message.content is None or isinstance(message.content, str | list)
                assert all(isinstance(part, dict) for part in message.content or () if not isinstance(part, str))
                assert all(isinstance(call.name, str) for call in message.tool_calls)
            for name in WRITABLE:
                assert isinstance(FORMATS[name].cannot_hold(sample), list)


@settings(max_examples=5 * EXAMPLES, deadline=None)
@given(row=hostile_rows)
def test_a_detected_row_is_read_by_its_own_format_or_says_why_not(row: dict[str, Any]) -> None:
    name = detect(row)
    if name is None:
        return
    assert FORMATS[name].detect(row)
    try:
        (sample,) = read_value(row, Layout(name, {name: 1}))
    except Unreadable as unreadable:
        assert unreadable.faults
        return
    assert sample.format == name
