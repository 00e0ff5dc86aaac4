"""Formats: from rows in the many shapes of fine-tuning data to samples, and back."""

from curate.formats.chat import MESSAGES, OPENAI_PREFERENCE, SHAREGPT
from curate.formats.flat import ALPACA, CONTEXT_QA, DOLLY, PROMPT_COMPLETION, PROMPT_ONLY
from curate.formats.format import FORMATS, Format, Unreadable, detect, register
from curate.formats.layout import Layout, gather, read_value, survey
from curate.formats.preference import KTO, PREFERENCE
from curate.formats.special import GLAIVE, INPUT_OUTPUT, PRETOKENISED, STEPWISE, XLAM
from curate.formats.text import TEXT
from curate.formats.trees import OASST

__all__ = ["FORMATS", "Format", "Layout", "Unreadable", "detect", "gather", "read_value", "survey"]

register(
    OPENAI_PREFERENCE,
    OASST,
    STEPWISE,
    XLAM,
    PREFERENCE,
    KTO,
    MESSAGES,
    SHAREGPT,
    GLAIVE,
    INPUT_OUTPUT,
    DOLLY,
    ALPACA,
    CONTEXT_QA,
    PROMPT_COMPLETION,
    TEXT,
    PROMPT_ONLY,
    PRETOKENISED,
)
