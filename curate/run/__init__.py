"""The run folder: one folder a step, and a manifest from any score back to any row."""

from curate.run.folder import MANIFEST, Run, file_hash
from curate.run.step import Step, ensure, flag_words, make, why_stale

__all__ = ["MANIFEST", "Run", "Step", "ensure", "file_hash", "flag_words", "make", "why_stale"]
