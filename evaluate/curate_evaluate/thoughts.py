"""The thoughts that a model writes before it answers, between <think> and </think>; a prompt may have opened them."""

from __future__ import annotations

BEGIN, END = "<think>", "</think>"


def thoughts(text: str) -> str:
    """What stands before the answer in a text that begins with thoughts; "" where nothing does."""
    before, mark, _ = text.partition(END)
    return before.replace(BEGIN, "").strip() if mark else ""


def without_thoughts(text: str) -> str:
    """What a model says after it has thought. What was cut while it thought says nothing."""
    _, mark, after = text.rpartition(END)
    if mark:
        return after.lstrip()
    return "" if opens_thoughts(text) else text


def opens_thoughts(text: str) -> bool:
    """Whether a text begins with thoughts that it opens itself, ended or not."""
    return text.lstrip().startswith(BEGIN)


def is_cut(text: str) -> bool:
    """Whether a text ends before the thoughts that it opens do."""
    return opens_thoughts(text) and END not in text
