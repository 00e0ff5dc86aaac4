"""Comparing two arms on the same examples: interval, test, and what a number of examples can show."""

from curate_evaluate.stats.compare import Difference, compare
from curate_evaluate.stats.power import detectable, examples_to_show, power

__all__ = ["Difference", "compare", "detectable", "examples_to_show", "power"]
