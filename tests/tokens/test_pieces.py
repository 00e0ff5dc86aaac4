"""The pieces of a text are its tokens: together they are the text, and each id is in one of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.model import Model
from curate.sample import Message, Sample
from curate.template.prove import Rendering
from curate.tokens.pieces import pieces, runs, trained_flags, trained_text
from tests.rules.models import model_folder
from tests.template.conftest import DEMO, SHARED, real_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.template import ChatTokenizer

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(model_folder("chatml", tmp_path_factory.mktemp("model")), clock=date(2026, 1, 1))
    yield model
    model.close()


def hold(rendering: Rendering, chat: ChatTokenizer) -> None:
    cut = pieces(rendering, chat.tokenizer)
    assert "".join(piece.text for piece in cut) == rendering.text
    ids = [i for piece in cut for i in range(piece.first, piece.last)]
    assert ids == list(range(len(rendering.ids)))
    flags = trained_flags(rendering)
    assert all(set(flags[piece.first : piece.last]) <= {piece.is_trained} for piece in cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_of_any_conversation(small: Model, question: str, answer: str) -> None:
    ((rendering,),) = small.read([Sample([Message("user", question), Message("assistant", answer)])])
    hold(rendering, small.chat)
    assert "".join(p.text for p in pieces(rendering, small.chat.tokenizer) if p.is_trained) == trained_text(rendering)


@pytest.mark.parametrize("name", [*SHARED, DEMO])
def test_of_real_tokenizers(name: str, tmp_path_factory: Any) -> None:
    chat = real_tokenizer(name, tmp_path_factory)
    texts = [
        "Hello 😀 👩\u200d👩\u200d👧 你好 สวัสดี",
        "e\u0301 \u00e9 İ ﬁ\n\n\t x",
        " a  b ",
        "🇩🇪",
        "\u200b\ufeff",
        "x" * 300,
    ]
    for text in texts:
        hold(Rendering(text, chat.ids(text), []), chat)


def test_ids_of_another_engine_are_shown_by_turns() -> None:
    class Other:
        def encode(self, _text: str, **_: Any) -> Any:
            return type("Encoding", (), {"ids": [1]})

    from curate.template.prove import TrainedTurn

    rendering = Rendering("ask answer.", [7, 8, 9], [TrainedTurn(1, 1, 3, 4, 10, 11)])
    cut = pieces(rendering, Other())  # type: ignore[arg-type]
    assert [(piece.text, piece.is_trained) for piece in cut if piece.text] == [("ask ", False), ("answer.", True)]


def test_runs() -> None:
    assert runs([]) == []
    assert runs([1, 2, 3, 7, 9, 10]) == [(1, 4), (7, 8), (9, 11)]
