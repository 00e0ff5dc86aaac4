"""FMT301 to FMT307: pairs of a chosen and a rejected answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.finding import Fault, Fix, Where
from curate.rules.fmt_conversation import why_empty
from curate.rules.prose import request_matches
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.sample import Message, Sample

# How a refusal opens; enough to ask whether a pair is the wrong way round.
REFUSAL = re.compile(
    r"\W*(?:(?:i'?m|i am) (?:really |very |so )?sorry,? (?:but )?(?:as an ai|i (?:can(?:no|')t|am (?:not able|unable)))"
    r"|(?:sorry|i apologi[sz]e),? (?:but )?i (?:can(?:no|')t|am (?:not able|unable))"
    r"|i (?:can(?:no|')t|won't|am (?:not able|unable) to) (?:help|assist|comply|provide|fulfil|answer|do that|support)"
    r"|as an ai(?: language model| assistant)?,? i (?:can(?:no|')t|am (?:not able|unable)|do not|don't))",
    re.I,
)
_SOURCE = (
    r"(?:text|passage|article|context|paragraph|document|excerpt|sentences?|options?|choices?|list|story|abstract|"
    r"report|review|conversation|dialogue|transcript|page)"
)
_ASKS_FOR_COPY = re.compile(
    rf"\b(?:find|locate|extract|quote|cop(?:y|ied)|repeat|cite|select|choose|pick|identify|highlight|retrieve)\b"
    rf"[^.?!\n]{{0,80}}\b{_SOURCE}\b"
    rf"|\b(?:according to|based on|given|using|from|in) (?:\w+ )?(?:the|this|these|following|above|below)"
    rf"(?: \w+)? {_SOURCE}\b"
    rf"|^(?:context|passage|article|paragraph|options?|choices)\s*:|\banswer\s*:\s*\Z|\bverbatim\b|\bword for word\b",
    re.IGNORECASE | re.MULTILINE,
)
WORDS = re.compile(r"\w+")
PROSE = re.compile(r"[\w\s.,;:!?'\"…。，、！？-]")


@rule("FMT301", severity="error", fix=Fix("drop"))
def chosen_equals_rejected(sample: Sample) -> Iterator[Fault]:
    """The chosen and the rejected answer are the same.

    Why it matters: the two sides cancel out. The pair costs two forward passes and teaches nothing, and it lowers the
    measured accuracy of the preference for no reason.

    Example: `{"prompt": "2+2?", "chosen": "4", "rejected": "4"}`.

    How to fix it: drop the pair.
    """
    rejected = sample.rejected
    if not rejected or _is_silent_side(rejected):
        return
    chosen = sample.messages[-len(rejected) :]
    if len(chosen) == len(rejected) and all(map(_is_same, chosen, rejected)):
        yield Fault("chosen and rejected are the same", Where(len(rejected) - 1, "rejected"))


@rule("FMT302", severity="info")
def near_identical_pair(sample: Sample, *, min_characters: int = 200, max_changed: float = 0.02) -> Iterator[Fault]:
    """The chosen and the rejected answer hardly differ.

    Why it matters: the preference rests on a few characters. That is right where they carry the point (a wrong number
    in a long derivation) and noise where they do not (spacing, capitals, a full stop).

    Example: `"Paris."` chosen over `"Paris"`.

    How to fix it: look at what differs; drop the pair if it says nothing about which answer is better.
    """
    pair = _answers(sample)
    if pair is None:
        return
    chosen, rejected = pair
    if chosen == rejected or min(len(chosen), len(rejected)) * 2 < max(len(chosen), len(rejected)):
        return
    where = Where(len(sample.rejected or ()) - 1, "rejected")
    close = abs(len(chosen) - len(rejected)) <= 0.2 * len(chosen) + 4
    if close and (words := WORDS.findall(chosen.lower())) and words == WORDS.findall(rejected.lower()):
        if not _differ_in_symbols(chosen, rejected):
            yield Fault("chosen and rejected differ only in case, spacing or punctuation", where)
        return
    shorter, longer = sorted((len(chosen), len(rejected)))
    if shorter < min_characters or longer - shorter > max_changed * longer:
        return
    start = _common_start(chosen, rejected)
    end = min(_common_start(chosen[::-1], rejected[::-1]), shorter - start)
    changed = longer - start - end
    if changed <= max_changed * longer:
        yield Fault(
            f"chosen and rejected differ in one place, {changed} of {longer} characters", where, {"changed": changed}
        )


@rule("FMT303", severity="error", fix=Fix("drop"))
def empty_preference_side(sample: Sample) -> Iterator[Fault]:
    """The chosen or the rejected answer is empty.

    Why it matters: the log-probability of an empty answer is that of its stop token alone, so the pair teaches length
    and nothing else; some trainers divide by the length and get NaN.

    Example: `{"prompt": "Hi", "chosen": "Hello!", "rejected": ""}`.

    How to fix it: write the missing answer, or drop the pair.
    """
    if sample.rejected is None:
        return
    if sample.messages and sample.messages[-1].role == "assistant":
        last = sample.messages[-1]
        if last.weight != 0 and (reason := why_empty(last)):
            yield Fault(f"the chosen answer {reason}", Where(len(sample.messages) - 1, "content"))
    if not sample.rejected:
        yield Fault("the rejected answer is missing", Where(0, "rejected"))
        return
    answer = sample.rejected[-1]
    if answer.role == "assistant":
        if reason := why_empty(answer):
            yield Fault(f"the rejected answer {reason}", Where(len(sample.rejected) - 1, "rejected"))
    elif all(message.role != "assistant" for message in sample.rejected):
        yield Fault(f"the rejected side holds no answer, it ends with a {answer.role} turn", Where(0, "rejected"))


@rule("FMT304", severity="error")
def prompts_differ(sample: Sample) -> Iterator[Fault]:
    """The chosen and the rejected conversation begin with different prompts.

    Why it matters: the pair then compares answers to two questions. Trainers that cut the shared beginning find none
    and put the loss on the prompts too.

    Example: chosen begins with user "What is 2+2?", rejected with user "What is 2+3?".

    How to fix it: pair answers to one and the same prompt.
    """
    if not sample.rejected:
        return
    first = sample.rejected[0]
    if first.role in ("user", "system", "developer") and any(
        message.role == "assistant" for message in sample.rejected
    ):
        yield Fault(
            f"the rejected side begins with another {first.role} turn than the chosen one", Where(0, "rejected")
        )


@rule("FMT305", severity="info")
def chosen_refuses(sample: Sample, *, min_characters: int = 80) -> Iterator[Fault]:
    """The chosen answer is a refusal and the rejected one answers: the pair may be the wrong way round.

    Why it matters: it is right in safety data and teaches needless refusals elsewhere.

    Example: chosen "I'm sorry, but I can't help with that.", rejected the recipe that was asked for.

    How to fix it: look at a few; swap the two sides where the request is harmless.
    """
    pair = _answers(sample)
    if pair and len(pair[1]) >= min_characters and REFUSAL.match(pair[0]) and not REFUSAL.match(pair[1]):
        yield Fault("the chosen answer refuses, the rejected one answers", Where(len(sample.messages) - 1, "content"))


@rule("FMT307", severity="info")
def answer_in_prompt(sample: Sample, *, min_characters: int = 60) -> Iterator[Fault]:
    """The chosen answer stands word for word in the prompt, and the rejected one does not.

    Why it matters: the model learns to prefer the copy, whatever it says. Where the task is to copy, to pick or to
    find the answer in a given text, the copy is right and is left alone.

    Example: the prompt lists both candidate answers and marks the better one.

    How to fix it: remove the leaked answer from the prompt, or drop the pair.
    """
    pair = _answers(sample)
    if pair is None or len(chosen := pair[0].strip()) < min_characters:
        return
    for i, message in enumerate(sample.messages[:-1]):
        if message.role != "assistant" and (start := (text := message.text).find(chosen)) >= 0:
            if (pair[1].strip() or chosen) not in text and not request_matches(_ASKS_FOR_COPY, sample, i + 1):
                yield Fault(
                    f"the chosen answer is copied word for word from turn {i + 1}; the rejected one is not",
                    Where(i, "content", start, start + len(chosen)),
                )
            return


def _answers(sample: Sample) -> tuple[str, str] | None:
    """The texts of the last chosen and the last rejected turn, where both are answers in text."""
    if not sample.rejected or not sample.messages:
        return None
    chosen, rejected = sample.messages[-1], sample.rejected[-1]
    if chosen.role != "assistant" or rejected.role != "assistant" or chosen.tool_calls or rejected.tool_calls:
        return None
    texts = chosen.text, rejected.text
    return texts if all(texts) else None


def _is_same(one: Message, other: Message) -> bool:
    return (
        one.role == other.role
        and one.text.strip() == other.text.strip()
        and (one.reasoning or "").strip() == (other.reasoning or "").strip()
        and one.tool_calls == other.tool_calls
        and (one.content == other.content or not (one.has_media or other.has_media))
    )


def _is_silent_side(turns: list[Message]) -> bool:
    return all(not message.text.strip() and not message.tool_calls and not message.has_media for message in turns)


def _differ_in_symbols(first: str, second: str) -> bool:
    """Whether signs that carry meaning differ: operators and brackets of code and formulas, unlike full stops."""
    return PROSE.sub("", first) != PROSE.sub("", second)


def _common_start(first: str, second: str) -> int:
    """The length of the common beginning, by bisection (comparing slices is far faster than a loop)."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
