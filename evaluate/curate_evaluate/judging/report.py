"""The judgements of a run: of each two arms that anybody compared, those of the plan first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate_evaluate.judging.pairs import Plan, arm_titles, draw, read_plan
from curate_evaluate.judging.summary import summary
from curate_evaluate.judging.votes import Votes

if TYPE_CHECKING:
    from curate.run import Run


def judged(run: Run) -> list[dict[str, Any]]:
    """A summary of each comparison that has votes.

    Raises:
        CurateError: the run was not evaluated.
    """
    votes = Votes(run).standing()
    if not votes:
        return []
    plan = read_plan(run)
    known = arm_titles(run)
    others = {
        tuple(sorted(vote.arms, key=list(known).index)) for vote in votes if all(arm in known for arm in vote.arms)
    } - {tuple(sorted(plan.arms, key=list(known).index))}
    plans = [plan, *(Plan((one, other), plan.pairs, plan.seed) for one, other in sorted(others))]
    found = [summary(draw(run, one), votes) for one in plans]
    return [one for one in found if one["judged"] or one["judges"]]
