"""Which texts are worth comparing: one interface, behind it the engines among which `--engine` chooses.

An engine only proposes pairs; what they are is decided by whoever verifies them. So engines differ in what they miss
and in what they cost, never in what is found wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from curate.dedup.lsh import LEAST_JACCARD, candidate_pairs
from curate.dedup.minhash import SHINGLE
from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from curate.dedup.corpus import Corpus

    Pairs = Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]

Unit = Literal["samples", "contexts"]


class Engine(Protocol):
    """Proposes pairs of whole samples, or of the contexts of exchanges, that may be near-duplicates."""

    def __call__(self, corpus: Corpus, unit: Unit, among: NDArray[np.intp]) -> Pairs:
        """Pairs (a, b), a < b, of the samples or exchanges `among`, each once: arrays of their numbers, in parts."""


def candidates(corpus: Corpus, unit: Unit, among: NDArray[np.intp]) -> Pairs:
    """The pairs that the engine of the configuration proposes.

    Raises:
        CurateError: the engine is not installed.
    """
    return ENGINES[corpus.config.engine](corpus, unit, among)


def by_sketch(corpus: Corpus, unit: Unit, among: NDArray[np.intp]) -> Pairs:
    """By the sketches that the corpus holds in memory: no text is read again."""
    return candidate_pairs(corpus.rows if unit == "samples" else corpus.contexts, among)


# 32 bands of 4 out of 128 permutations, as the sketches have; beneath the least similarity there is some room for the
# error of an estimate from so many.
_PERMUTATIONS = 128
_BANDS = (32, 4)
_LEAST_ESTIMATE = LEAST_JACCARD - 0.05


def by_datasketch(corpus: Corpus, unit: Unit, among: NDArray[np.intp]) -> Pairs:
    """The plain reference: MinHash and MinHashLSH of datasketch over the same shingles, read from disk text by text.

    Raises:
        CurateError: datasketch is not installed.
    """
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError as error:
        raise CurateError('--engine datasketch needs datasketch; run: pip install "curate[scale]"') from error
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
    signatures: NDArray[np.uint64] = np.empty((len(among), _PERMUTATIONS), dtype=np.uint64)
    for place, number in enumerate(among.tolist()):
        sketch = MinHash(num_perm=_PERMUTATIONS)
        sketch.update_batch(list(_shingles(corpus, unit, number)))
        signatures[place] = sketch.hashvalues
        near = np.array(sorted(index.query(sketch)), dtype=np.intp)
        index.insert(place, sketch)
        close = (signatures[near] == signatures[place]).mean(axis=1) >= _LEAST_ESTIMATE
        found = among[near[close]]
        yield found, np.full(len(found), number, dtype=np.intp)


def _shingles(corpus: Corpus, unit: Unit, number: int) -> set[bytes]:
    from curate.dedup.folded import plain

    turns = corpus.turns(number) if unit == "samples" else corpus.exchange(number).context
    texts = [plain(turn.text).encode("utf-8", "surrogatepass") for turn in turns]
    return {text[i : i + SHINGLE] for text in texts for i in range(max(1, len(text) - SHINGLE + 1))}


ENGINES: dict[str, Engine] = {"sketch": by_sketch, "datasketch": by_datasketch}
