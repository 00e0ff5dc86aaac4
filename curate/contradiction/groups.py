"""What the answers to one request say of each other: contradictory, divergent, or the same in other words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.answers import Claim, Disagreement, disagreement, read_answer
from curate.contradiction.questions import asks_for_variety
from curate.contradiction.values import values_in
from curate.dedup.asks import Member, asks
from curate.dedup.words import meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.dedup.corpus import Corpus

MOST_JUDGED = 8  # the same for a model, to which each pair is work
LEAST_PROBABILITY = 0.5
MOST_COMPARED = 40  # different answers of one group that are compared all with all; the others with the first

# A number as the answer belongs to the numbers in the request, and those are the same: other words may be edited. Any
# other answer may turn on one word.
MOST_EDITED = 0.25
LEAST_NUMBERS = 2


@dataclass(slots=True)
class Answer:
    """One of the answers to a request: its exchange, where its context differs from the others, and what it claims."""

    exchange: int
    context: int
    edits: float
    text: str
    claim: Claim


class Conflict(NamedTuple):
    """An answer and another one to the same request that cannot both be right.

    `probability`: what the model of `--nli` says of two answers in free text, of which it is the only judge.
    """

    answer: Answer
    other: Answer
    why: Disagreement
    probability: float = 1.0


@dataclass(slots=True)
class Group:
    """The answers to one request: `question` is its last turn as the first exchange has it.

    `conflicts` holds the first conflict of each answer that has one, those to the request in other words included,
    which `--semantic` finds and which are not among the `answers`.
    """

    question: str
    answers: list[Answer]
    conflicts: list[Conflict]
    invites_variety: bool


def answered(corpus: Corpus) -> list[Group]:
    """The requests that were answered more than once, with their answers compared.

    Raises:
        CurateError: the model of `--semantic` or `--nli` cannot be used.
    """
    found: list[Group] = []
    free: list[list[Answer]] = []
    for members in asks(corpus):
        question = corpus.exchange(members[0].exchange).question
        members = [member for member in members if corpus.exchange(member.exchange).answer.beside != "calls"]
        answers = [_read(corpus, member) for member in members]
        invites_variety = asks_for_variety(question)
        conflicts = [] if invites_variety else list(_conflicts(question, answers))
        own = [answer for answer, member in zip(answers, members, strict=True) if not member.is_paraphrased]
        found.append(Group(question, own, conflicts, invites_variety))
        free.append([] if invites_variety else [answer for answer in answers if _is_free(answer)])
    if corpus.config.nli:
        _judge(Path(corpus.config.nli), found, free)
    return found


def _read(corpus: Corpus, member: Member) -> Answer:
    exchange = corpus.exchange(member.exchange)
    claim = read_answer(exchange.question, exchange.answer.text)
    context = int(corpus.context_hash[member.exchange])
    return Answer(member.exchange, context, member.same.changed, exchange.answer.text, claim)


def _conflicts(question: str, answers: Sequence[Answer]) -> Iterator[Conflict]:
    by_claim: dict[object, list[Answer]] = {}
    for answer in answers:
        by_claim.setdefault(answer.claim.key or answer.text, []).append(answer)
    different = [same[0] for same in by_claim.values()]
    against: dict[int, list[tuple[Answer, Disagreement]]] = {}
    for i, one in enumerate(different):
        for other in different[i + 1 :] if len(different) <= MOST_COMPARED or i == 0 else ():
            if why := disagreement(one.claim, other.claim):
                against.setdefault(id(one), []).append((other, why))
                against.setdefault(id(other), []).append((one, why.reversed()))
    for answer in answers:
        first = by_claim[answer.claim.key or answer.text][0]
        for rival, why in against.get(id(first), ()):
            others = by_claim[rival.claim.key or rival.text]
            if found := next((other for other in others if _must_agree(answer, other, why)), None):
                yield Conflict(answer, found, why)
                break


def _must_agree(one: Answer, other: Answer, why: Disagreement) -> bool:
    return have_to_agree(one.claim.asks.whole, other.claim.asks.whole, _edits(one, other), why)


def _edits(one: Answer, other: Answer) -> float:
    """How many words that carry meaning differ in the two requests, at most."""
    return 0.0 if one.context == other.context else one.edits + other.edits


def have_to_agree(question: str, other: str, edits: float, why: Disagreement) -> bool:
    """Whether two requests, with so many edited words between them, are so much the same that their answers must be.

    They are where the answers are numbers that were calculated from the numbers of the request, and those are the same.
    A number that stands in the request was picked from it, and one word decides which one.
    """
    if not edits:
        return True
    numbers = _numbers(question)
    return (
        why.kind == "number"
        and len(numbers) >= LEAST_NUMBERS
        and numbers == _numbers(other)
        and edits <= MOST_EDITED * meaning(question)
        and not set(numbers) & {value.key for text in (why.left, why.right) for value in values_in(text)}
    )


def _numbers(text: str) -> list[str]:
    return sorted(value.key for value in values_in(text) if value.kind in {"number", "unit-number"})


_FREE_FORMS = frozenset({"sentence", "prose", "list"})


def _is_free(answer: Answer) -> bool:
    return answer.claim.key is None and answer.claim.form in _FREE_FORMS


def _judge(model: Path, found: Sequence[Group], free: Sequence[Sequence[Answer]]) -> None:
    """Add the conflicts that a model sees between answers in free text to equal or paraphrased requests."""
    from curate.contradiction.nli import Contradictor

    pairs: list[tuple[Group, Answer, Answer]] = []
    for group, answers in zip(found, free, strict=True):
        settled = {conflict.answer.exchange for conflict in group.conflicts}
        worded = {answer.text: answer for answer in reversed(answers) if answer.exchange not in settled}
        different = list(worded.values())[::-1]
        for i, one in enumerate(different):
            for other in different[i + 1 :] if len(different) <= MOST_JUDGED or i == 0 else ():
                if not _edits(one, other):
                    pairs.append((group, one, other))
    said = Contradictor(model).contradicts([(one.text, other.text) for _, one, other in pairs])
    worst: dict[int, tuple[Group, Conflict]] = {}
    for (group, one, other), probability in zip(pairs, said, strict=True):
        if probability < LEAST_PROBABILITY:
            continue
        why = Disagreement("nli", one.claim.text, other.claim.text, one.claim.span, other.claim.span)
        for conflict in (Conflict(one, other, why, probability), Conflict(other, one, why.reversed(), probability)):
            known = worst.get(conflict.answer.exchange)
            if known is None or known[1].probability < probability:
                worst[conflict.answer.exchange] = group, conflict
    for group, conflict in worst.values():
        group.conflicts.append(conflict)
