"""Results in the notation of TeX, and those that are more than one number: roots, powers, lists, formulas."""

from __future__ import annotations

import re

from curate.contradiction.numbers import quantities

_TEX = (
    (re.compile(r"(?<=\d)\s*\\[dtc]?frac(?=\s*\{?\d)"), r" \\frac"),
    (re.compile(r"\\[dtc]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))"), r"\1\2/\3\4"),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{\s*([^{}]*)\}"), r" \1"),
    (re.compile(r"\\(?:left|right|quad|displaystyle)(?![A-Za-z])|\\[,;:! ]"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:approx|simeq)(?![A-Za-z])"), "="),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "×"),
    (re.compile(r"\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)"), "°"),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<=[a-z])\^(?:\{2\}|2)"), "²"),
    (re.compile(r"(?<=[a-z])\^(?:\{3\}|3)"), "³"),
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
# The squares of units (cm²) are no formula, those of variables are.
_SYMBOL = re.compile(r"\\[A-Za-z]+|[\^√π]|(?<![^\W\d_][^\W\d_])[²³]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_JOINT = re.compile(r"\s*,?\s*(?<![^\W\d_])(?:and|or)(?![^\W\d_])\s*", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z](?![^\W_])")
_NAMED = re.compile(r"\A[^\W\d_]=")
_GROUP = re.compile(r"\{(\w)\}")
_TUPLE = re.compile(r"\A[\s$]*[(\[{][^()\[\]{}]*,[^()\[\]{}]*[)\]}][\s$.]*\Z")
# Prose around a number: more words than a unit and what is counted.
_FEW_WORDS = 2


def plain(text: str) -> str:
    r"""A text with its fractions (`\frac{3}{4}`), units and spaces of TeX written as elsewhere."""
    if "\\" in text or "^" in text:
        for pattern, replacement in _TEX:
            text = pattern.sub(replacement, text)
    return text


def is_expression(span: str) -> bool:
    """Whether a result, as `plain` writes it, is more than one number with its unit: a root, a formula, a list."""
    found = list(quantities(span))
    rest = span
    for quantity in found:
        rest = f"{rest[: quantity.start]}{' ' * (quantity.end - quantity.start)}{rest[quantity.end :]}"
    rest = _JOINT.sub(",", rest)
    words = len(_WORD.findall(_COMMAND.sub("", rest)))
    if words > _FEW_WORDS or not found:
        return False
    if _SYMBOL.search(rest) or _TUPLE.match(span) or any(_VARIABLE.match(span, quantity.end) for quantity in found):
        return True
    # "3 * 6 = 18" comes to one number; "x = 3, y = 4" does not.
    return not words and len({quantity.in_base() for quantity in found}) > 1 and ("=" not in rest or "," in rest)


def expression_key(span: str) -> str:
    """What the spellings of an expression share: case, white space, "and" for a comma, and x = before it."""
    key = "".join(_JOINT.sub(",", span).casefold().split()).replace("$", "").strip(".*")
    key = _GROUP.sub(r"\1", key[1:-1] if key.startswith("(") and key.endswith(")") else key)
    return _NAMED.sub("", key) if key.count("=") == 1 else key
