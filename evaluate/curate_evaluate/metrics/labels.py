"""Answers that are one of a few labels."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.finals import final_span
from curate.contradiction.polarity import yes_or_no
from curate_evaluate.metrics.keys import answer_key, plain_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_CONTRACTED = re.compile(r"n['’]t\b")
_DENYING = re.compile(r"(?:not|non|no) (?=\S)")
# Right behind the word that denies, or after it and an "or": "not a bill or a shipping item".
_DENIED = re.compile(
    r"(?<!\w)(?:not|cannot|non|no|nor|neither|never)(?: be)?(?: [^.,;:!?]{1,60} n?or)?(?: an?| the)?[ \"'“‘*`(]+\Z"
)
_LONGEST_DENIAL = 90
_VERDICTS = (("yes", "no"), ("true", "false"))


class _Known(NamedTuple):
    """The labels, by the key that all spellings of one share, and the pattern that finds them in a text: a group for
    each of `found`."""

    by_key: Mapping[str, str]
    pattern: re.Pattern[str]
    found: tuple[str, ...]

    def named(self, text: str) -> str | None:
        """The label that a text is."""
        key = plain_key(text)
        return key if key in self.found else self.by_key.get(answer_key(text))


def label(text: str, labels: Collection[str]) -> str:
    """The label that an answer gives, as the key of its spellings; of the whole answer where it gives none.

    It is the whole answer, what it marks as its result, its first or last line; "yes" or "no" where it opens with one
    and both are labels; or the only label that it names. What stands behind "not" is not named.

    Args:
        text: the answer.
        labels: all known labels; two that differ in more than case, punctuation and spaces are two.
    """
    known = _known(tuple(labels))
    for candidate in _candidates(text):
        if (found := known.named(candidate)) is not None:
            return found
    for yes, no in _VERDICTS:
        if {yes, no} <= set(known.found) and (said := yes_or_no(text, asked=True)) is not None:
            return yes if said else no
    # Without another one to name, that one is named says nothing.
    named = _found(text, known) if len(known.found) > 1 else set()
    # "It is a refund request, so the refund is due" means the longer one.
    meant = [short for short in named if not any(short != long and f" {short} " in f" {long} " for long in named)]
    return meant[0] if len(meant) == 1 else plain_key(text)


def true_label(reference: str, labels: Collection[str]) -> str:
    """The label that a reference is, without looking into it: "not urgent" is no "urgent"."""
    return _known(tuple(labels)).named(reference) or plain_key(reference)


def both_labels(output: str, reference: str, labels: Collection[str]) -> tuple[str, str]:
    """The label that an output gives and the one that its reference is, which may be unknown to the training rows."""
    theirs = true_label(reference, labels)
    return label(output, (*labels, theirs)), theirs


def _candidates(text: str) -> list[str]:
    final = final_span(text)
    lines = text.strip().splitlines() or [""]
    found = [text, *([text[slice(*final)]] if final else []), lines[0], lines[-1]]
    after = [line.rpartition(":")[2] for line in found if line.count(":") == 1 and len(line) < 80]
    return [*found, *after]


def _found(text: str, known: _Known) -> set[str]:
    searched = _searched(text)
    return {
        known.found[match.lastindex - 1]
        for match in known.pattern.finditer(searched)
        if match.lastindex and not _DENIED.search(searched, max(0, match.start() - _LONGEST_DENIAL), match.start())
    }


@lru_cache(maxsize=1000)
def _known(labels: tuple[str, ...]) -> _Known:
    by_key: dict[str, set[str]] = {}
    for spelling in labels:
        by_key.setdefault(answer_key(spelling), set()).add(plain_key(spelling))
    longest_first = sorted({plain_key(spelling) for spelling in labels}, key=lambda key: (-len(_searched(key)), key))
    return _Known(
        {key: next(iter(plain)) for key, plain in by_key.items() if len(plain) == 1},
        re.compile("|".join(f"({_pattern(_searched(key))})" for key in longest_first)),
        tuple(longest_first),
    )


def _searched(text: str) -> str:
    return _CONTRACTED.sub(" not", plain_key(text))


def _pattern(label: str) -> str:
    """A label among words. One that denies is found in any words: "non_toxic" in "not a toxic comment"."""
    denying = _DENYING.match(label)
    words = rf"(?:not|non|no)(?: an?| the)? {re.escape(label[denying.end() :])}" if denying else re.escape(label)
    before = r"(?<![-.,/])" if label[:1].isdigit() else ""
    after = r"(?![-.,]\d)" if label[-1:].isdigit() else ""
    return rf"(?<!\w){before}{words}{after}(?![\w+#])(?!-(?!\w))"
