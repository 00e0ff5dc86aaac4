"""What there is to say about a row as one model sees it: a code, the reason, and where in the row."""

from __future__ import annotations

from typing import Any, NamedTuple

REFUSED = "TPL001"
REWRITTEN = "TPL002"
TYPED = "TPL003"
TYPED_STOP = "TPL004"
LEFT_OUT = "TPL005"
BOUNDARY = "TPL006"
UNVERIFIED = "TPL007"
NO_STOP = "TPL008"
NOTHING_TRAINED = "TPL009"
DOUBLE_BOS = "TPL010"
NO_REASONING = "TPL013"
IGNORED_REASONING = "TPL014"

ADVICE = frozenset({TYPED_STOP, DOUBLE_BOS, NO_REASONING, IGNORED_REASONING})
"""Notes that leave the proof as it is: the mask is right, but what it trains may not be what is wanted."""


class Note(NamedTuple):
    """One thing to know about a row. `where` names a span of the row as a finding does (`message`, `field`, `start`,
    `end` in code points of that field)."""

    code: str
    message: str
    where: dict[str, Any] | None = None
    evidence: dict[str, Any] | None = None
