"""The engines that propose pairs: one interface, and the reference agrees with ours."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

import curate
from curate.config import Config
from curate.dedup.corpus import Corpus, pack
from curate.dedup.engines import ENGINES, candidates
from curate.errors import CurateError
from tests.dedup.models import need

WORDS = """
    harbour ladder window copper meadow signal engine border candle forest island kettle lantern marble needle orchard
    pepper quarry ribbon saddle tunnel valley wagon yellow anchor basket cellar dragon empire feather garden hammer
"""


def texts(count: int = 60) -> list[str]:
    """Unrelated texts; then every third of them again with two words replaced."""
    draws = random.Random(5)
    plain = [" ".join(draws.choices(WORDS.split(), k=40)) for _ in range(count)]
    edited = []
    for text in plain[::3]:
        words = text.split()
        words[7], words[30] = "otherwise", "something"
        edited.append(" ".join(words))
    return plain + edited


def rows() -> list[dict[str, Any]]:
    return [{"prompt": f"Describe this: {text}", "completion": f"It says: {text[:150]}"} for text in texts()]


def corpus(engine: str) -> Corpus:
    made = Corpus(Config(engine=engine))  # type: ignore[arg-type]
    made.add(pack(list(curate.read(rows()))))
    return made


def proposed(engine: str, unit: Any) -> list[tuple[int, int]]:
    made = corpus(engine)
    among = made.final if unit == "contexts" else made.sample
    return [
        pair
        for a, b in candidates(made, unit, among.astype("intp"))
        for pair in zip(a.tolist(), b.tolist(), strict=True)
    ]


@pytest.mark.parametrize("unit", ["samples", "contexts"])
@pytest.mark.parametrize("engine", list(ENGINES))
def test_each_engine_proposes_every_edited_copy_once(engine: str, unit: str) -> None:
    if engine == "datasketch":
        need("datasketch")
    pairs = proposed(engine, unit)
    assert len(pairs) == len(set(pairs))
    assert all(a < b for a, b in pairs)
    assert {(3 * i, 60 + i) for i in range(20)} <= set(pairs)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_only_the_rows_asked_for_take_part(engine: str) -> None:
    if engine == "datasketch":
        need("datasketch")
    made = corpus(engine)
    among = made.sample[made.sample != 60].astype("intp")
    found = {int(number) for pair in candidates(made, "samples", among) for part in pair for number in part}
    assert 60 not in found
    assert 61 in found


def test_the_reference_flags_the_rows_that_ours_flags() -> None:
    need("datasketch")
    flagged = [
        {finding.place.line for finding in curate.check(rows(), select=["DUP002"], engine=engine).findings}
        for engine in ENGINES
    ]
    assert flagged[0] == flagged[1] == set(range(61, 81))


def test_without_datasketch_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(CurateError, match=r'--engine datasketch needs datasketch; run: pip install "curate\[scale\]"'):
        proposed("datasketch", "samples")
