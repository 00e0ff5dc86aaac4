"""`curate stats`: lengths by role, in tokens or in characters."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from curate.cli.main import cli
from curate.rules.set_padding import grouped_share, packed_share, random_share
from curate.tokens.stats import Series
from tests.rules.models import model_folder

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How far is it?" * (1 + i % 5)},
            {"role": "assistant", "content": "Two miles." * (1 + i % 3), "reasoning_content": "They ask."},
        ]
    }
    for i in range(40)
]


@pytest.fixture
def data(tmp_path: Path) -> str:
    file = tmp_path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(file)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(model_folder("thinking", tmp_path / "model"))


def stats(*words: str) -> str:
    ran = CliRunner().invoke(cli, ["stats", *words])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_without_a_model_lengths_are_in_characters(data: str) -> None:
    document = json.loads(stats(data, "--output-format", "json"))
    assert (document["schema"], document["unit"], document["rows"]) == ("curate.stats/1", "characters", 40)
    assert list(document["series"]) == ["rows", "system", "user", "assistant", "reasoning"]
    assert document["series"]["user"]["total"] == sum(len(row["messages"][1]["content"]) for row in ROWS)
    assert document["series"]["reasoning"] | {"histogram": []} == {
        "count": 40, "total": 360, "mean": 9.0, "min": 9, "p5": 9, "p25": 9, "p50": 9, "p75": 9, "p90": 9, "p95": 9,
        "p99": 9, "max": 9, "histogram": [],
    }  # fmt: skip
    assert document["padding"] is None


def test_with_a_model_lengths_are_those_of_the_rendered_rows(data: str, model: str) -> None:
    document = json.loads(stats(data, "--model", model, "--max-length", "150", "--output-format", "json"))
    assert (document["unit"], document["verified"], document["unrendered"]) == ("tokens", 40, 0)
    series = document["series"]
    assert list(series) == ["rows", "trained", "system", "user", "assistant", "reasoning"]
    rendered = CliRunner().invoke(cli, ["render", data, "--model", model, "--output-format", "json"]).stdout
    rows = [json.loads(line) for line in rendered.splitlines()]
    assert series["rows"]["total"] == sum(len(row["ids"]) for row in rows)
    assert series["trained"]["total"] == sum(sum(row["trained"]) for row in rows)
    assert document["over_max_length"] == sum(len(row["ids"]) > 150 for row in rows)
    assert set(document["padding"]) == {"batch_size", "at_random", "grouped", "packed", "packed_to"}


def test_the_text_has_a_table_and_histograms(data: str, model: str) -> None:
    shown = stats(data, "--model", model)
    assert shown.startswith(f"{data}   40 samples, in tokens of model")
    assert re.search(r"^  assistant +40 +10 ", shown, re.MULTILINE)
    assert shown.count("█") > 10
    assert "tokens of each row that are trained" in shown
    assert re.search(r"Padding in batches of 8 rows: \d+% as they come", shown)


def test_the_page_has_a_picture_of_each_kind(data: str, model: str) -> None:
    page = stats(data, "--model", model, "--output-format", "html", "--max-length", "150")
    assert page.count("<svg") == page.count('role="img"') == 6
    assert page.count('class="limit"') == 1
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_data_without_text_and_rows_that_are_refused_are_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(json.dumps({"messages": [{"role": "user", "content": "x"}]}) + "\n")
    refusing = str(model_folder("without-system", tmp_path / "model"))
    assert "1 row not verified" in stats(str(empty), "--model", refusing)
    refused = tmp_path / "refused.jsonl"
    refused.write_text(json.dumps(ROWS[0]) + "\n")
    assert "1 row refused by the template" in stats(str(refused), "--model", refusing)


def test_a_length_needs_a_model(data: str) -> None:
    ran = CliRunner().invoke(cli, ["stats", data, "--max-length", "9"])
    assert "nothing to apply it to without a model" in str(ran.exception)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_every_length_is_in_one_bin(values: list[int]) -> None:
    bins = Series(sorted(values)).bins()
    assert sum(found.rows for found in bins) == len(values)
    assert all(a.high + 1 == b.low for a, b in pairwise(bins))
    assert len(bins) <= 19


lengths = st.lists(st.integers(1, 300), min_size=1, max_size=80).map(sorted)


@given(lengths, st.integers(1, 9))
def test_shares_of_padding_are_shares_and_order_saves_some(values: list[int], batch: int) -> None:
    at_random, grouped, packed = random_share(values, batch), grouped_share(values, batch), packed_share(values, 300)
    assert all(-1e-9 <= share < 1 for share in (at_random, grouped, packed))
    if batch == 1:
        assert at_random == pytest.approx(grouped) == pytest.approx(0)
    sequences = round(sum(values) / (1 - packed) / 300)
    assert sequences >= -(-sum(values) // 300)


@given(lengths)
def test_packing_is_best_fit_decreasing(values: list[int]) -> None:
    rooms: list[int] = []
    for length in reversed(values):
        fitting = [room for room in rooms if room >= length]
        room = min(fitting, default=300)
        if fitting:
            rooms.remove(room)
        rooms.append(room - length)
    assert packed_share(values, 300) == pytest.approx(1 - sum(values) / (300 * len(rooms)))


def test_the_expected_padding_is_what_chance_gives() -> None:
    import random

    values = sorted([10] * 50 + [100] * 50)
    chance = random.Random(0)
    longest = [max(chance.choices(values, k=4)) for _ in range(20_000)]
    assert random_share(values, 4) == pytest.approx(1 - 55 / (sum(longest) / len(longest)), abs=0.01)
