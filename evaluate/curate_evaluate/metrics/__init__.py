"""How an output is scored against its reference, and which scores fit the data."""

from curate_evaluate.metrics.fit import Fit, fit
from curate_evaluate.metrics.metric import METRICS, Metric, macro_f1, score

__all__ = ["METRICS", "Fit", "Metric", "fit", "macro_f1", "score"]
