"""The golden masks: conversations, and by family which text of each is trained, as a person read and approved it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import curate
from curate.template import Exact

if TYPE_CHECKING:
    from curate.sample import Sample
    from curate.template import ChatTokenizer, Rendering

FOLDER = Path(__file__).with_name("golden")
DAY = date(2026, 3, 9)


@dataclass
class Golden:
    """One family's masks. `model` is a real tokenizer, or `trl:NAME` for a stock template of trl with a tokenizer of
    bytes. Each conversation has the trained texts of its answers, stop tokens included, and the codes of its notes."""

    family: str
    model: str
    args: dict[str, Any]
    turns: str
    conversations: dict[str, dict[str, list[str]]]


def families() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml") if file.stem != "conversations")


def golden(family: str) -> Golden:
    return Golden(family, **yaml.safe_load((FOLDER / f"{family}.yaml").read_text(encoding="utf-8")))


def conversations() -> dict[str, Sample]:
    """The conversations as samples, read as rows of a file are."""
    rows: dict[str, Any] = yaml.safe_load((FOLDER / "conversations.yaml").read_text(encoding="utf-8"))
    return dict(zip(rows, curate.read(list(rows.values())), strict=True))


def read(chat: ChatTokenizer, wanted: Golden) -> dict[str, list[Rendering]]:
    """The renderings of each conversation as the family's model sees them."""
    exact = Exact(chat, wanted.args, DAY, turns=wanted.turns)  # type: ignore[arg-type]
    samples = conversations()
    try:
        return dict(zip(samples, exact.read(list(samples.values())), strict=True))
    finally:
        exact.close()


def seen(chat: ChatTokenizer, renderings: list[Rendering]) -> dict[str, list[str]]:
    """What a golden file has of a conversation."""
    decode = chat.tokenizer.decode
    return {
        "trained": [
            decode(row.ids[turn.first : turn.last], skip_special_tokens=False)
            for row in renderings
            for turn in row.turns
        ],
        "notes": sorted({note.code for row in renderings for note in row.notes}),
    }
