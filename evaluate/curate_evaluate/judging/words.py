"""The judgement in sentences, for the terminal, the page and the report alike. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.report.phrases import count as counted
from curate_evaluate.arms.arm import TUNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SECONDS_EACH = 15
# So many say enough.
ENOUGH = 60


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What a summary says: the preference of people, how far they agree, and what each judge adds.

    Args:
        found: a summary.
    """
    return [
        by_people(found),
        *(agreed(one) for one in found["agreement"]),
        *(by_judge(found, of) for of in found["judges"]),
    ]


def by_people(found: Mapping[str, Any]) -> str:
    """What people prefer; while they did not judge all pairs, how many they did."""
    one, other = found["titles"]
    pairs = found["pairs"]
    alike = f" {both_alike(pairs['identical'], pairs['rows'])}" if pairs["identical"] else ""
    if not pairs["asked"]:
        return f"{one} and {other} wrote the same on every row: there is nothing to judge."
    if found["result"] is None:
        return (
            f"People judged {found['judged']:,} of {counted(pairs['asked'], 'pair')} of {one} and {other}; the result "
            f"is given once all are judged.{alike}"
        )
    few = f" Fewer than {ENOUGH} pairs say little." if pairs["asked"] < min(ENOUGH, pairs["different"]) else ""
    judged = preferred(found["titles"], found["result"], pairs["asked"])
    return f"Judged blind by {listed(list(found['voters']))}: {judged}{alike}{few}"


def both_alike(identical: int, rows: int) -> str:
    return f"On {identical:,} of {rows:,} rows both wrote the same: ties that nobody is asked about."


def of_people(judgements: Iterable[Mapping[str, Any]], against: str) -> str | None:
    """What people prefer, the fine-tuned arm or a baseline, without a full stop; None where they did not judge all of
    the pairs, or too few."""
    for found in judgements:
        pairs = found["pairs"]
        if found["arms"] == [TUNED, against] and found["result"] and pairs["asked"] >= min(ENOUGH, pairs["different"]):
            return f"people judged, and {preferred(found['titles'], found['result'], pairs['asked'])}".removesuffix(".")
    return None


def preferred(titles: Sequence[str], result: Mapping[str, Any], judged: int) -> str:
    """Which arm is preferred how often, of so many pairs judged."""
    beside = f"{counted(result['ties'], 'tie')}, {result['both_bad']:,} with both bad, of {counted(judged, 'pair')}"
    found = result["preference"]
    if found is None:
        return f"neither is preferred in any pair ({beside})."
    which = 0 if found["won"] >= found["lost"] else 1
    most, decided = max(found["won"], found["lost"]), found["won"] + found["lost"]
    low, high = (found["low"], found["high"]) if which == 0 else (1 - found["high"], 1 - found["low"])
    sure = "" if found["p"] < 0.05 else ", which chance alone may give"
    return (
        f"{titles[which]} is preferred in {most:,} of {decided:,} decided pairs ({most / decided:.0%}, "
        f"95% CI {low:.0%} to {high:.0%}, sign test p = {probability(found['p'])}{sure}); {beside}."
    )


def agreed(found: Mapping[str, Any]) -> str:
    """How far two people agree."""
    return f"{listed(found['between'])} agree {on(found)}."


def on(found: Mapping[str, Any]) -> str:
    same = round(found["same"] * found["pairs"])
    return f"on {same:,} of {counted(found['pairs'], 'pair')} ({chance(found)})"


def chance(found: Mapping[str, Any]) -> str:
    return "Cohen's κ is not defined" if found["kappa"] is None else f"Cohen's κ {found['kappa']:.2f}"


def by_judge(found: Mapping[str, Any], judge: Mapping[str, Any]) -> str:
    """What a model says, and how far to trust it."""
    n = judge["judged"]
    clear = n - judge["unclear"]
    parts = [
        f"The model {judge['name']}, asked about {counted(n, 'pair')} in both orders: "
        f"{preferred(found['titles'], judge, n)}"
    ]
    if clear:
        parts.append(
            f"With the order its answer changed in {judge['flipped']:,} of {clear:,} (then a tie)"
            + (
                f": {judge['for_the_first']:,} times it was for whichever stood first, {judge['for_the_second']:,} for "
                "the second."
                if judge["flipped"]
                else "."
            )
        )
    if judge["unclear"]:
        parts.append(f"{counted(judge['unclear'], 'pair')} got a reply without a verdict (a tie, too).")
    if judge["agreement"]:
        parts.append(f"It agrees with people {on(judge['agreement'])}.")
    return " ".join(parts)


def probability(p: float) -> str:
    return f"{p:.2g}" if p >= 0.0001 else "under 0.0001"


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def minutes(pairs: int, seconds_each: float = SECONDS_EACH) -> str:
    """About how long so many pairs take."""
    found = max(1, round(pairs * seconds_each / 60))
    return f"about {counted(found, 'minute')}"
