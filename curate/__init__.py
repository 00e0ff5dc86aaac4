"""curate: what ruff is to Python, for the data behind fine-tuned language models."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from curate.api import check, read
    from curate.errors import CurateError
    from curate.finding import Fault, Fix, Flag, Where
    from curate.rules import dataset_rule, rule
    from curate.sample import Message, Sample, ToolCall

_HOME = {
    "CurateError": "curate.errors",
    "Fault": "curate.finding",
    "Fix": "curate.finding",
    "Flag": "curate.finding",
    "Message": "curate.sample",
    "Sample": "curate.sample",
    "ToolCall": "curate.sample",
    "Where": "curate.finding",
    "check": "curate.api",
    "dataset_rule": "curate.rules",
    "read": "curate.api",
    "rule": "curate.rules",
}

__all__ = [
    "CurateError",
    "Fault",
    "Fix",
    "Flag",
    "Message",
    "Sample",
    "ToolCall",
    "Where",
    "__version__",
    "check",
    "dataset_rule",
    "read",
    "rule",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
