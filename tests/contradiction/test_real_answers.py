"""Five answers each to 600 real questions: a group disagrees exactly if its labelled numbers differ."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from curate.contradiction.answers import disagreement, read_answer

if TYPE_CHECKING:
    from pathlib import Path

MARKER = re.compile(r"\s*^(?:A:|####)\s*(?P<number>[^\n]*)\s*\Z", re.MULTILINE)


@pytest.mark.parametrize("has_marker", [True, False], ids=["marked", "unmarked"])
def test_groups_of_answers(shared_data: Path, has_marker: bool) -> None:
    groups = defaultdict(list)
    for line in (shared_data / "gsm8k_answers_mixed.jsonl").read_text(encoding="utf-8").splitlines():
        question, answer = (message["content"] for message in json.loads(line)["messages"])
        match = MARKER.search(answer)
        number = float(re.sub(r"[^\d.-]", "", match["number"]).rstrip(".") or "nan") if match else None
        groups[question].append((number, read_answer(question, answer if has_marker else MARKER.sub("", answer))))
    hits = misses = alarms = 0
    for members in groups.values():
        is_found = any(disagreement(one, two) for (_, one), (_, two) in combinations(members, 2))
        is_true = len({number for number, _ in members if number is not None}) > 1
        hits += is_found and is_true
        misses += is_true and not is_found
        alarms += is_found and not is_true
    assert hits / (hits + alarms) >= 0.99
    assert hits / (hits + misses) >= 0.98
