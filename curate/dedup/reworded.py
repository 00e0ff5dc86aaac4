"""Samples that ask and answer the same in other words."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from curate.contradiction.answers import disagreement, read_answer
from curate.dedup.folded import plain
from curate.dedup.near import Pair, distinct, groups, rank, same_turns
from curate.dedup.paraphrases import cosines, paraphrases, same_values
from curate.dedup.same import Sameness, sameness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.dedup.corpus import Corpus, Turn

NEARLY_THE_SAME = 0.8  # of the text: such rows are near-duplicates
MOST_COMPARED = 20  # rows with one request
LEAST_ANSWER = 0.95  # cosine of answers in free text: two good sentences about one thing are soon at 0.9


class Alike(NamedTuple):
    """How alike the requests and the answers of two samples are, 0 to 1."""

    request: float
    answer: float


class Group(NamedTuple):
    """Samples that mean the same: the one that stays, and the others with how alike each is to it."""

    kept: int
    others: list[tuple[int, Alike]]


def reworded(corpus: Corpus, least: float) -> list[Group]:
    """The groups of the user's samples whose last requests are paraphrases and whose last answers agree.

    Copies and near-duplicates of a member are left out: other rules name them.

    Raises:
        CurateError: see `paraphrases`.
    """
    alike = {(a, b): how for a, b, how in _agreeing(corpus, least)}
    pairs = [Pair(a, b, Sameness(how.request, 0.0)) for (a, b), how in alike.items()]
    found: list[Group] = []
    for kept, others, *_ in groups(pairs, lambda row: rank(corpus, row), lambda *_: None):
        members = [kept]
        for row, _ in others:
            if not any(same_turns(corpus.turns(row), corpus.turns(member), NEARLY_THE_SAME) for member in members):
                members.append(row)
        if len(members) > 1:
            found.append(Group(kept, [(row, alike[min(kept, row), max(kept, row)]) for row in members[1:]]))
    return found


def _agreeing(corpus: Corpus, least: float) -> Iterator[tuple[int, int, Alike]]:
    """Pairs of samples, the lesser number first, whose requests are paraphrases and whose answers agree."""
    samples = defaultdict(list)
    for sample in distinct(corpus).tolist():
        if (final := int(corpus.final[sample])) >= 0:
            samples[int(corpus.context_hash[final])].append(sample)
    pairs: list[tuple[int, int, float]] = []
    for left, right, request in paraphrases(corpus, least):
        for a in samples[int(corpus.context_hash[left])][:MOST_COMPARED]:
            for b in samples[int(corpus.context_hash[right])][:MOST_COMPARED]:
                if _rest(corpus, a) == _rest(corpus, b):
                    pairs.append((min(a, b), max(a, b), request))
    answers = [(_answer(corpus, a), _answer(corpus, b)) for a, b, _ in pairs]
    for (a, b, request), said, cosine in zip(pairs, answers, cosines(corpus, answers), strict=True):
        asked = _question(corpus, a), _question(corpus, b)
        if (answer := _agreement(asked, said, cosine)) is not None:
            yield a, b, Alike(request, answer)


def _agreement(asked: tuple[str, str], answers: tuple[str, str], cosine: float | None) -> float | None:
    """How alike two answers are, if they agree: the cosine, or what of the text is the same where there is none."""
    left, right = answers
    if plain(left) == plain(right):
        return 1.0
    mine, other = read_answer(asked[0], left), read_answer(asked[1], right)
    same = sameness(left, right, NEARLY_THE_SAME)
    if mine.key is not None and other.key is not None:
        agree = mine.key == other.key
    elif disagreement(mine, other) is not None:
        agree = False
    else:
        is_near = cosine is not None and cosine >= LEAST_ANSWER
        agree = same is not None or (is_near and same_values(left, right))
    figure = cosine if cosine is not None else same.similarity if same else None
    return figure if agree else None


def _answer(corpus: Corpus, sample: int) -> str:
    return corpus.exchange(int(corpus.final[sample])).answer.text


def _question(corpus: Corpus, sample: int) -> str:
    return corpus.exchange(int(corpus.final[sample])).question


def _rest(corpus: Corpus, sample: int) -> list[Turn]:
    """What a sample holds behind its last answer: a rejected one."""
    return corpus.turns(sample)[int(corpus.turn[corpus.final[sample]]) + 1 :]
