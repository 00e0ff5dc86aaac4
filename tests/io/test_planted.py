"""Faults planted into good rows at random places are found, under the right rule, in at least 95 of 100."""

from __future__ import annotations

import json
import random

import pytest

from curate.io import parse_row
from curate.rules import RULES
from tests.mutators.io import BYTE_MUTATORS

ROWS = [
    {"prompt": "What is the capital of France?", "completion": "Paris."},
    {
        "messages": [
            {"role": "user", "content": 'Write {x: 1} as "JSON".'},
            {"role": "assistant", "content": '{"x": 1}'},
        ]
    },
    {"instruction": "Übersetze: «hello»", "input": "", "output": "¡Hola! 😀", "n": [1, 2.5, None]},
    {
        "question": "It's 5\" wide; is C:\\dir a path?\nYes or no?",
        "answer": "yes :-)",
        "meta": {"id": 7, "tags": ["a", "b"]},
    },
]


@pytest.mark.parametrize("code", sorted(set(BYTE_MUTATORS) - {"FMT018"}))
def test_planted_faults_are_found(code: str) -> None:
    draw = random.Random(code)
    planted = found = 0
    for _ in range(300):
        line = json.dumps(draw.choice(ROWS), ensure_ascii=draw.random() < 0.3).encode()
        mutant = BYTE_MUTATORS[code](draw, line)
        if mutant is None:
            continue
        planted += 1
        found += RULES[code].name in {fault.rule for fault in parse_row(mutant).faults}
    assert planted >= 150
    assert found / planted >= 0.95
