"""Comparing two arms on the same examples: interval, test, and what a number of examples can show."""

from curate_evaluate.stats.compare import Difference, compare
from curate_evaluate.stats.power import detectable, examples_to_show, power, seeds_to_show
from curate_evaluate.stats.seeds import OverSeeds, compare_seeds

__all__ = [
    "Difference",
    "OverSeeds",
    "compare",
    "compare_seeds",
    "detectable",
    "examples_to_show",
    "power",
    "seeds_to_show",
]
