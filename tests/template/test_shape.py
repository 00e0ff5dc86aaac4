"""The short ways give what the long ways give: shapes, and prompts proven by control tokens."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from curate.template import ChatTemplate, to_messages
from curate.template.exact import vocabulary
from curate.template.mask import Draft, Reader
from curate.template.note import ADVICE
from curate.template.probe import pattern
from curate.template.prove import Prover
from curate.template.shape import SENTINELS, Shape, collect, common_prefix, common_suffix
from tests.template.byte_model import CHATML
from tests.template.oracle import model_of, stock
from tests.template.random_rows import conversation
from tests.template.test_mask import THINKING

if TYPE_CHECKING:
    from pathlib import Path

    from curate.template import ChatTokenizer

DAY = date(2026, 3, 9)
OWN = {"chatml": CHATML, "thinking": THINKING}
NAMES = [*OWN, *(stock() or {})]
ROWS = 30


def model(folder: Path, name: str) -> ChatTokenizer:
    source = OWN.get(name) or (stock() or {})[name].read_text(encoding="utf-8")
    return model_of(folder, "qwen" if name in OWN else name, source)


def is_verified(draft: Draft) -> bool:
    return bool(draft.turns) and all(note.code in ADVICE for note in draft.notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_that_was_learned_gives_what_every_row_on_its_own_gives(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = model(tmp_path, name)
    reader = Reader(ChatTemplate(chat, {}, DAY), vocabulary(chat))
    random = Random(name)
    rows: list[tuple[Any, ...]] = []
    for _ in range(ROWS):
        sample = conversation(random)
        trained = [i for i, _ in sample.answers()]
        turns = random.choice(["all", "last", "each"])
        rows.append((to_messages(sample, reader.facts.form), sample.tools, trained, turns))
    short = [reader.read(*row) for row in rows]
    monkeypatch.setattr(Shape, "spans", lambda *_: None)
    for row, drafts, other in zip(rows, short, [reader.read(*row) for row in rows], strict=True):
        for mine, theirs in zip(drafts, other, strict=True):
            assert mine.text == theirs.text
            assert is_verified(mine) == is_verified(theirs), row
            if is_verified(mine):
                assert (mine.turns, mine.notes) == (theirs.turns, theirs.notes), row


def test_control_tokens_prove_what_a_tokenization_of_the_prompt_proves(real: ChatTokenizer) -> None:
    reader = Reader(ChatTemplate(real, {}, DAY), vocabulary(real))
    prover = Prover(real, reader.facts.control_tokens)
    random = Random(1)
    proven = 0
    for _ in range(300):
        row = conversation(random)
        trained = [i for i, _ in row.answers()]
        for draft in reader.read(to_messages(row, reader.facts.form), row.tools, trained, "all"):
            if not draft.turns:
                continue
            ids = real.ids(draft.text)
            notes: list[Any] = []
            by_offsets = prover.by_offsets(draft, ids, notes)
            by_tokens = prover.by_control_tokens(draft, ids)
            if by_tokens is not None:
                assert (by_tokens, notes) == (by_offsets, [])
                proven += 1
            elif is_verified(draft):
                assert notes, draft
    assert proven > 100


def test_equal_ids_and_names_are_one_leaf_and_white_space_is_none() -> None:
    call = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": {"a": " x ", "b": 3, "c": True}}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": " Hi\n"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "<t>y", "tool_call_id": "c1", "name": "f"},
    ]
    collected = collect(messages, pattern(["<t>"]))
    assert [leaf.value for leaf in collected.leaves] == ["Hi", "c1", "f", "x", 3, "y"]
    assert collected.needed == [[0], [2, 3, 4], [5]]
    word = SENTINELS.word
    assert collected.messages[0]["content"] == f" {word(0)}\n"
    assert collected.messages[1]["tool_calls"][0]["function"]["arguments"] == {
        "a": f" {word(3)} ",
        "b": SENTINELS.number(4),
        "c": True,
    }
    assert collected.messages[2] == {
        "role": "tool",
        "content": f"<t>{word(5)}",
        "tool_call_id": word(1),
        "name": word(2),
    }


def test_a_shape_finds_its_leaves_and_nothing_else() -> None:
    leaves = collect([{"role": "user", "content": "q"}, {"role": "assistant", "content": 'a"b'}], pattern([])).leaves
    shape = Shape.of(f"<{SENTINELS.word(0)}>|{SENTINELS.word(1)}.", leaves)
    assert shape.spans('<q>|a"b.', leaves) == [(0, (1, 2)), (1, (4, 7))]
    assert shape.spans('<q>|a\\"b.', leaves) == [(0, (1, 2)), (1, (4, 8))]
    assert shape.spans('<q>|a"b.!', leaves) is None
    assert shape.spans('<r>|a"b.', leaves) is None


def test_common_beginnings_and_ends() -> None:
    assert common_prefix("abc", "abd", "abx") == 2
    assert common_prefix("", "abd") == 0
    assert common_prefix("ab" * 5000 + "x", "ab" * 5000 + "y") == 10_000
    assert common_suffix("abc", "xbc") == 2
