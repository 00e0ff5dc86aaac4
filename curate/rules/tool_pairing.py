"""Which result of a tool answers which call."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from curate.rules.tool_schema import shorten

if TYPE_CHECKING:
    from collections.abc import Collection

    from curate.sample import Message

# What a call looks like where it is written as text: tags, ReAct, Python, JSON.
TEXTUAL_CALL = re.compile(
    r"<\W{0,2}\w*(?:tool|function|python|code)|\[TOOL_CALLS\]|\bAction\b|```|\w\(|\{\s*[\"']", re.I
)


class Pairing(NamedTuple):
    """Where calls and results do not meet.

    (turn, reason) of each result or call that has no partner, (turn, index of the call) of each call without a result.
    """

    orphans: list[tuple[int, str]]
    unanswered: list[tuple[int, int]]


def pair_calls(messages: list[Message]) -> Pairing:
    """Match every tool result with a call: by id where both have one, otherwise in order.

    Calls spread over consecutive assistant turns are one group, as ShareGPT writes parallel calls. One result without
    an id may answer all calls before it, since some formats join the results.
    """
    orphans: list[tuple[int, str]] = []
    unanswered: list[tuple[int, int]] = []
    waiting: OrderedDict[tuple[int, int], str | None] = OrderedDict()  # (turn, index of the call): id
    by_id: OrderedDict[str, deque[tuple[int, int]]] = OrderedDict()  # the same calls, those with an id

    def answer(call: tuple[int, int]) -> None:
        if identity := waiting.pop(call):
            by_id[identity].popleft()
            if not by_id[identity]:
                del by_id[identity]

    answered: set[str] = set()
    joined = False  # a result without an id came in, so it may have answered all that wait
    strays = 0  # results with a wrong id: each stands for a call that is then not said to lack its result
    caller = -1
    for i, message in enumerate(messages):
        if message.role == "tool":
            wanted = message.tool_call_id
            if wanted and by_id:
                if wanted in by_id:
                    answer(by_id[wanted][0])
                elif wanted in answered:
                    orphans.append((i, f"answers {shorten(wanted, 24)} again"))
                else:
                    open_ids = shorten(first_of(by_id), 40)
                    orphans.append((i, f"answers {shorten(wanted, 24)}, but open is {open_ids}"))
                    strays += 1
                    continue
            elif waiting:
                answer(next(iter(waiting)))
                joined = joined or not wanted
            elif wanted and wanted in answered:
                orphans.append((i, f"answers {shorten(wanted, 24)} again"))
            elif caller < 0 or messages[caller].role != "assistant":
                orphans.append((i, "answers no call: none was made before it"))
            elif messages[caller].tool_calls or not _may_call(messages[caller]):
                orphans.append((i, "answers no call: none is open"))
            if wanted:
                answered.add(wanted)
            continue
        calls = message.tool_calls if message.role == "assistant" else []
        if not calls or caller != i - 1 or not messages[caller].tool_calls:
            unanswered += [] if joined else list(waiting)[strays:]
            waiting.clear()
            by_id.clear()
            joined, strays = False, 0
        for k, call in enumerate(calls):
            if call.id in by_id:
                orphans.append((i, f"cannot be told apart: two open calls have the id {shorten(call.id or '', 24)}"))
            waiting[i, k] = call.id or None
            if call.id:
                by_id.setdefault(call.id, deque()).append((i, k))
        caller = i
    return Pairing(orphans, unanswered)


def _may_call(message: Message) -> bool:
    """Whether a turn without `tool_calls` may hold a call, as text or as a part of a kind that we do not know."""
    return message.has_media or TEXTUAL_CALL.search(message.text) is not None


def first_of(names: Collection[str], most: int = 5) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(islice(names, most)) + more
