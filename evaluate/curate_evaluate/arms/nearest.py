"""The texts nearest to a question, by BM25 (bm25s), and documents cut into passages.

bm25s needs numpy alone and is kept; rank_bm25 finds about the same, 300 times slower, and has not changed since 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate_evaluate.metrics.texts import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIXES = (".txt", ".md", ".rst", ".markdown")
# About 250 tokens: some of these fit into a small context, and each still holds a paragraph or two.
PASSAGE_WORDS = 180


class Nearest:
    """An index over texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self._size = len(texts)
        self._index = bm25s.BM25()
        words = [tokens(text) for text in texts]
        # The index cannot be made of nothing but empty texts.
        self._empty = not any(words)
        if not self._empty:
            self._index.index(words, show_progress=False)

    def find(self, question: str, count: int) -> list[int]:
        """The places of the `count` best texts, the best first; of equal ones, the earlier first."""
        import numpy as np

        words = tokens(question)
        if self._empty or not words:
            return list(range(min(count, self._size)))
        scores = self._index.get_scores(words)
        return [int(i) for i in np.argsort(-scores, kind="stable")[:count]]


@dataclass(frozen=True)
class Passage:
    """A piece of a document; `line` is where it begins."""

    path: str
    line: int
    text: str


def read_documents(folder: Path) -> list[Passage]:
    """The passages of all text files below a folder: paragraphs together, up to PASSAGE_WORDS words each.

    Raises:
        CurateError: no such folder, or no text in it.
    """
    if not folder.is_dir():
        raise CurateError(f"{folder}: no folder of documents; --docs takes one that holds {', '.join(SUFFIXES)} files")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    passages = [
        passage
        for file in files
        for passage in passages_of(str(file.relative_to(folder)), file.read_text("utf-8", errors="replace"))
    ]
    if not passages:
        raise CurateError(f"{folder}: holds no text to retrieve from ({', '.join(SUFFIXES)} files)")
    return passages


def passages_of(path: str, text: str) -> Iterator[Passage]:
    """Cut at blank lines; a paragraph that is too long alone is cut between words."""
    held: list[str] = []
    first = words = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        count = len(line.split())
        is_blank = not line.strip()
        if held and ((is_blank and words >= PASSAGE_WORDS // 2) or words + count > PASSAGE_WORDS):
            yield Passage(path, first, "\n".join(held).strip())
            held, words = [], 0
        if is_blank and not held:
            continue
        if not held:
            first = number
        pieces = line.split()
        while len(pieces) > PASSAGE_WORDS:
            yield Passage(path, number, " ".join(pieces[:PASSAGE_WORDS]))
            pieces = pieces[PASSAGE_WORDS:]
            line, count = " ".join(pieces), len(pieces)
        held.append(line)
        words += count
    if held:
        yield Passage(path, first, "\n".join(held).strip())
