"""Texts that break tokenizers: all scripts, odd characters, control tokens whole and cut, very long words."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Ranges of code points: Latin, marks, Greek to Hebrew, Arabic to Thai, Hangul, symbols, spaces, CJK, presentation
# forms, emoji, the planes beyond, controls.
RANGES = [
    (0x20, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0xE80), (0x1100, 0x1200), (0x1E00, 0x2100), (0x2000, 0x2070),
    (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x1F000, 0x1FB00), (0x10000, 0x20000),
    (0xE0000, 0xE0200), (0x0, 0x20), (0x30, 0x3A),
]  # fmt: skip
LETTERS = "'’sStTrReEvVmMlLdD ▁<|>_/\\[]{}()\u00a0\u2028\u3000\t\r\n\x00\ufeff"
LONG = ["a", "é", "中", " ", "\n", "\t", ".", "'", "0", "\x00", "👩‍👩‍👧", "e\u0301"]


def adversarial(control_tokens: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """Random texts, the same for the same seed; the first are the empty text and some very long words."""
    chance = random.Random(seed)
    texts = ["", *(letter * 20_000 for letter in LONG)]
    while len(texts) < count:
        texts.append("".join(_piece(control_tokens, chance) for _ in range(chance.randrange(1, 14))))
    return texts


def _piece(control_tokens: Sequence[str], chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.15 and control_tokens:
        token = chance.choice(control_tokens)
        return token if chance.random() < 0.7 else token[: chance.randrange(len(token) + 1)]
    if kind < 0.3:
        return "".join(chance.choices(LETTERS, k=chance.randrange(1, 6)))
    if kind < 0.35:
        return chance.choice(LONG) * chance.choice([5, 60, 500])
    low, high = chance.choice(RANGES)
    return "".join(chr(chance.randrange(low, high)) for _ in range(chance.randrange(1, 12)))
