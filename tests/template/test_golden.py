"""Golden masks: what is trained of ordinary conversations, family by family, as a person read and approved it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curate.template.note import ADVICE
from tests.template.conftest import real_tokenizer
from tests.template.golden import families, golden, read, seen
from tests.template.oracle import model_of, stock

if TYPE_CHECKING:
    from curate.template import ChatTokenizer


@pytest.fixture(scope="module", params=families())
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def chat(family: str, tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    source, _, name = golden(family).model.partition(":")
    if source != "trl":
        return real_tokenizer(source, tmp_path_factory)
    templates = stock()
    if templates is None:
        pytest.skip("trl, whose templates these are, is not installed")
    return model_of(tmp_path_factory.mktemp("models") / family, name, templates[name].read_text(encoding="utf-8"))


def test_what_is_trained_of_eight_ordinary_conversations(family: str, chat: ChatTokenizer) -> None:
    wanted = golden(family)
    found = read(chat, wanted)
    assert {name: seen(chat, rows) for name, rows in found.items()} == wanted.conversations
    for name, rows in found.items():
        for row in rows:
            assert row.verified == all(note.code in ADVICE for note in row.notes), name
            assert row.ids == chat.ids(row.text), name
            for turn in row.turns:
                assert row.ids[: turn.first] == chat.ids(row.text[: turn.start]) or not row.verified, name


def test_there_are_twelve_families_and_most_of_them_take_every_conversation() -> None:
    wanted = [golden(family) for family in families()]
    assert len(wanted) >= 12
    assert all(len(family.conversations) == 8 for family in wanted)
    proven = sum(set(one["notes"]) <= ADVICE for family in wanted for one in family.conversations.values())
    assert proven / sum(len(family.conversations) for family in wanted) > 0.85
