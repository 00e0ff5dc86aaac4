"""Which samples have to be in one split: those of which the one would give the other away."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from curate.dedup.asks import LEAST
from curate.dedup.lsh import candidate_pairs
from curate.dedup.near import Compare, near_duplicates, same_turns, verified
from curate.dedup.overlap import Units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.dedup.corpus import Corpus
    from curate.dedup.same import Sameness


class Kinship:
    """The samples of a corpus that belong together, by number.

    `cliques` are samples that are all alike: of one content, or with one request (whatever case, punctuation and system
    prompt). `pairs` are near-duplicates, and requests with a few words edited whose answers tie them together.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._units = Units(corpus)
        self.cliques = [*self._of_one_content(), *self._of_one_request()]
        self.pairs = [*self._near_duplicates(), *self._edited_requests()]

    def straddling(self, split: Sequence[int]) -> list[tuple[int, int]]:
        """The pairs of samples that a check of one split against another would report: `split` has a number for each
        sample, the same for those of one split.
        """
        self.corpus.split = np.array(split, dtype=np.int8)
        found = {(mine, match.theirs) for mine, match in self._units.matches()}
        return sorted(found)

    def _of_one_content(self) -> list[list[int]]:
        same: defaultdict[object, list[int]] = defaultdict(list)
        for number, place in enumerate(self.corpus.places):
            same[place.sample_id].append(number)
        return [members for members in same.values() if len(members) > 1]

    def _of_one_request(self) -> Iterator[list[int]]:
        units = self._units
        asking: defaultdict[int, list[int]] = defaultdict(list)
        for number in np.flatnonzero(~units.is_blank).tolist():
            asking[int(units.asks[number])].append(number)
        for numbers in asking.values():
            if len(numbers) == 1:
                continue
            alike = [numbers]
            if not units.request(numbers[0]).asks:  # what asks nothing is told by what it says
                saying: defaultdict[int, list[int]] = defaultdict(list)
                for number in numbers:
                    saying[int(units.answer[number])].append(number)
                alike = list(saying.values())
            for members in alike:
                samples = dict.fromkeys(units.sample[members].tolist())
                if len(samples) > 1:
                    yield list(samples)

    def _near_duplicates(self) -> list[tuple[int, int]]:
        found = near_duplicates(self.corpus, LEAST)
        return [(group.kept, other) for group in found for other, _ in group.others]

    def _edited_requests(self) -> list[tuple[int, int]]:
        units = self._units
        among: NDArray[np.intp] = np.flatnonzero(~units.is_blank)
        pairs = units.others(candidate_pairs(units.sketches, among))
        found = verified(self.corpus, pairs, units.sketches, units.gist, _tied(units))
        return [(int(units.sample[pair.left]), int(units.sample[pair.right])) for pair in found]


def _tied(units: Units) -> Compare:
    """A function that compares two requests and the answers to them."""
    request = lru_cache(maxsize=4096)(units.request)

    def compare(a: int, b: int) -> Sameness | None:
        asked = same_turns(request(a).asks, request(b).asks, LEAST)
        return asked if asked and units.match(a, b, request(a), request(b), asked) else None

    return compare
