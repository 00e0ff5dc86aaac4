"""CON001 to CON003 and DUP003: several answers to one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.finding import Flag, Where, group_id, spoken
from curate.rules.prose import value
from curate.rules.rule import corpus_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.contradiction.groups import Answer
    from curate.dedup.corpus import Corpus
    from curate.finding import Place

_RELATED = 20  # members named on each member; `group` ties them all
CONTRADICTION = 0.9  # probability
_NO_ANSWER = frozenset({"empty", "question"})
_STRUCTURED = {"json": "JSON", "list": "list", "table": "table", "code": "code"}


@corpus_rule("CON001", severity="error")
def contradictory_answers(corpus: Corpus, *, min_contradiction: float = CONTRADICTION) -> Iterator[Flag]:
    """The same request is answered in two ways that cannot both be right.

    Why it matters: the model learns both answers and gives now one, now the other, with full confidence. Requests are
    compared without regard for case, punctuation and small edits, and with the system prompt, the tools and all turns
    before; a differing number, date, name, unit, option or negation makes another request. The answers are compared by
    what they claim: a final number, yes or no, a label, a date or time, the values of a JSON object, a name, a
    negation. "18", "$18" and "Janet makes 18 dollars" agree. With `--semantic DIR` the same request in other words
    counts as well, and with `--nli DIR` a model judges answers in free text: `min_contradiction` is the least
    probability that it has to give.

    Example: line 41 says that goods can be returned for 30 days, line 387 says 14 days, to the same question.

    How to fix it: find out which answer is right, and mend or drop the other. If both are, add to the request what
    makes the difference. Nothing is dropped without your decision.
    """
    for group in corpus.answered:
        conflicts = [conflict for conflict in group.conflicts if conflict.probability >= min_contradiction]
        if not conflicts:
            continue
        members = [_place(corpus, conflict.answer) for conflict in conflicts]
        name = group_id("con", members)
        for conflict in conflicts:
            place, other, why = _place(corpus, conflict.answer), _place(corpus, conflict.other), conflict.why
            yield Flag(
                place,
                f"{value(why.left)} here, {value(why.right)} on {spoken(other, seen_from=place)}, to the same question",
                _where(corpus, conflict.answer, why.left_span),
                evidence={"kind": why.kind, "here": why.left, "there": why.right}
                | ({"path": why.path} if why.path else {})
                | ({"probability": round(conflict.probability, 4)} if why.kind == "nli" else {}),
                related=[other, *(member for member in members if member not in (place, other))][:_RELATED],
                group=name,
            )


@corpus_rule("CON002", severity="info")
def divergent_answers(corpus: Corpus) -> Iterator[Flag]:
    """The same request is answered in clearly different words, and nothing says whether both are right.

    Why it matters: for open questions several answers are welcome; for a question with one right answer they blur
    what the model learns. Requests that ask for variety (write, suggest, give an example)
    are left out, and so are questions in place of an answer.

    Example: two rows ask "What does the premium plan include?" and get two different paragraphs.

    How to fix it: read the answers side by side, and keep the better one if the question has one answer.
    """
    for group in corpus.answered:
        if group.invites_variety or any(conflict.probability >= CONTRADICTION for conflict in group.conflicts):
            continue
        free = [answer for answer in group.answers if answer.claim.key is None and answer.claim.form not in _NO_ANSWER]
        yield from _others(corpus, free, "another answer than {first}, to the same question", "con")


@corpus_rule("CON003", severity="info")
def mixed_answer_formats(corpus: Corpus) -> Iterator[Flag]:
    """The same request is answered in different formats: here JSON, a list or code, there prose.

    Why it matters: the program that reads the answers expects one format; the model learns that either will do.

    Example: "Classify this ticket" gets {"label": "billing"} on line 4 and "This is about billing." on line 90.

    How to fix it: write all the answers in one format, or say in the request which one is wanted.
    """
    for group in corpus.answered:
        by_context: dict[int, list[Answer]] = {}
        for answer in group.answers:
            if answer.claim.form not in _NO_ANSWER:
                by_context.setdefault(answer.context, []).append(answer)
        for answers in by_context.values():
            if len({_format(answer) for answer in answers}) > 1:
                yield from _mixed(corpus, answers)


def _mixed(corpus: Corpus, answers: list[Answer]) -> Iterator[Flag]:
    members = [_place(corpus, answer) for answer in answers]
    name = group_id("con", members)
    for answer, place in zip(answers, members, strict=True):
        other = next(other for other in answers if _format(other) != _format(answer))
        here, there, their_place = _format(answer), _format(other), _place(corpus, other)
        yield Flag(
            place,
            f"{here} here, {there} on {spoken(their_place, seen_from=place)}, to the same request",
            _where(corpus, answer, None),
            evidence={"here": here, "there": there},
            related=[their_place],
            group=name,
        )


def _format(answer: Answer) -> str:
    return _STRUCTURED.get(answer.claim.form, "prose")


@corpus_rule("DUP003", severity="info")
def same_answer_reworded(corpus: Corpus) -> Iterator[Flag]:
    """The same request is answered with the same claim in other words.

    Why it matters: several wordings can be wanted, as in worked solutions; else the request counts twice, and a copy
    of it in the test split has been seen in training.

    Example: line 7 answers "18 dollars", line 40 "Janet makes $18 a day." to the same question.

    How to fix it: keep the better answer, or keep both if the variety is meant.
    """
    for group in corpus.answered:
        by_claim: dict[object, list[Answer]] = {}
        for answer in group.answers:
            if answer.claim.key is not None:
                by_claim.setdefault(answer.claim.key, []).append(answer)
        for same in by_claim.values():
            yield from _others(corpus, same, "the same answer as {first} in other words", "dup")


def _others(corpus: Corpus, answers: list[Answer], message: str, family: str) -> Iterator[Flag]:
    """A flag on each wording but the first, where it first stands; near copies of the first are left to DUP002."""
    from curate.dedup.asks import same_answer

    worded: dict[int, Answer] = {}
    for answer in answers:
        worded.setdefault(int(corpus.answer_hash[answer.exchange]), answer)
    if len(worded) < 2:
        return
    first, *rest = worded.values()
    place = _place(corpus, first)
    others = [answer for answer in rest if same_answer(first.text, answer.text) is None]
    if not others:
        return
    name = group_id(family, [place, *(_place(corpus, answer) for answer in others)])
    for answer in others:
        here = _place(corpus, answer)
        yield Flag(
            here,
            message.format(first=spoken(place, seen_from=here)),
            _where(corpus, answer, None),
            related=[place],
            group=name,
        )


def _place(corpus: Corpus, answer: Answer) -> Place:
    return corpus.places[int(corpus.sample[answer.exchange])]


def _where(corpus: Corpus, answer: Answer, span: tuple[int, int] | None) -> Where:
    """The turn, and the span of it where the text that was compared is all of its content."""
    turn = corpus.exchange(answer.exchange).answer
    return Where(turn.message, "content", *(span if span and not turn.beside else ()))
