"""What the votes come to: a preference with its interval, and how far voters agree. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curate_evaluate.judging.stats import agreements, preference
from curate_evaluate.judging.votes import BOTH_BAD, TIE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from curate_evaluate.judging.pairs import Pairs
    from curate_evaluate.judging.votes import Vote

NEITHER = "neither"
PEOPLE = "people"


def summary(pairs: Pairs, votes: Iterable[Vote]) -> dict[str, Any]:
    """The judgement of these pairs.

    A pair that several people judged counts once: for the arm that more of them prefer. While some pair of the plan was
    judged by nobody there is no result: whoever stops when they like it would find what they like.
    """
    asked = {pair.id for pair in pairs.asked}
    of_people: dict[str, dict[str, str]] = defaultdict(dict)
    of_judges: dict[str, dict[str, Vote]] = defaultdict(dict)
    for vote in votes:
        if vote.pair in asked and vote.judge:
            of_judges[vote.by][vote.pair] = vote
        elif vote.pair in asked:
            of_people[vote.by][vote.pair] = vote.preferred
    together = {pair.id: said for pair in pairs.asked if (said := majority(of_people, pair.id, pairs.plan.arms))}
    is_done = len(together) == len(asked) > 0
    return {
        "arms": list(pairs.plan.arms),
        "titles": list(pairs.titles),
        "seed": pairs.plan.seed,
        "pairs": {
            "asked": len(asked),
            "different": pairs.different,
            "identical": pairs.identical,
            "rows": pairs.rows,
        },
        "judged": len(together),
        "voters": {name: len(said) for name, said in of_people.items()},
        "result": result(together, pairs.plan.arms) if is_done else None,
        "agreement": [asdict(found) for found in agreements(_three_ways(of_people))] if is_done else [],
        "judges": [_of_judge(name, said, pairs, together) for name, said in of_judges.items()],
    }


def majority(votes: Mapping[str, Mapping[str, str]], pair: str, arms: tuple[str, str]) -> str | None:
    """What people together say of a pair; None where nobody judged it."""
    said = Counter(by_pair[pair] for by_pair in votes.values() if pair in by_pair)
    if not said:
        return None
    for_one, for_other = (said[arm] for arm in arms)
    if for_one != for_other:
        return arms[0] if for_one > for_other else arms[1]
    return BOTH_BAD if said[BOTH_BAD] > said[TIE] + for_one + for_other else TIE


def result(said: Mapping[str, str], arms: Sequence[str]) -> dict[str, Any]:
    """The counts, and the preference among the decided pairs; None where no pair is decided."""
    counts = Counter(said.values())
    found = preference(counts[arms[0]], counts[arms[1]])
    return {
        "won": counts[arms[0]],
        "lost": counts[arms[1]],
        "ties": counts[TIE],
        "both_bad": counts[BOTH_BAD],
        "preference": found and asdict(found),
    }


def _of_judge(name: str, votes: Mapping[str, Vote], pairs: Pairs, together: Mapping[str, str]) -> dict[str, Any]:
    said = {pair: vote.preferred for pair, vote in votes.items()}
    # A reply without a verdict is no verdict that changed, nor one that a person could agree with.
    clear = {pair: vote for pair, vote in votes.items() if not vote.orders or None not in vote.orders}
    is_done = len(together) == len(pairs.asked)
    to_agree = {name: {pair: said[pair] for pair in clear}, PEOPLE: together}
    with_people = agreements(_three_ways(to_agree)) if is_done else []
    orders = [(vote.arms, vote.orders) for vote in clear.values() if vote.orders]
    return {
        "name": name,
        "judged": len(said),
        **result(said, pairs.plan.arms),
        "flipped": sum(found[0] != found[1] for _, found in orders),
        "for_the_first": sum(found == arms for arms, found in orders),
        "for_the_second": sum(found == arms[::-1] for arms, found in orders),
        "unclear": len(said) - len(clear),
        "agreement": asdict(with_people[0]) if with_people else None,
    }


def _three_ways(votes: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Votes for one arm, for the other, or for neither: a tie and two bad answers are no different preferences."""
    return {
        name: {pair: NEITHER if word in (TIE, BOTH_BAD) else word for pair, word in said.items()}
        for name, said in votes.items()
    }
