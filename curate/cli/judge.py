"""`curate judge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.cli.review import doors

if TYPE_CHECKING:
    from curate.run import Run
    from curate_evaluate.judging.pairs import Plan

EPILOG = """\b
Examples:
  curate judge runs/support                          the page: 60 pairs, about 15 minutes
  curate judge runs/support --reviewer ana           under a name, where several people judge
  curate judge runs/support --against few-shot       another baseline than the one that decides
  curate judge runs/support --by http://localhost:8000/v1#Qwen/Qwen3-32B       a model judges the same pairs
  curate judge runs/support --summary                what the votes come to
  curate judge runs/support --markdown               the same for a pull request
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--arm", metavar="ARM", help="The arm in question.  [default: fine-tuned]")
@click.option("--against", metavar="ARM", help="The other one.  [default: the baseline that decides]")
@click.option("--pairs", type=click.IntRange(min=1), help="Judge so many at most, drawn at random.  [default: 60]")
@click.option("--seed", type=click.IntRange(min=0), help="Of which pairs, their order and their sides.  [default: 0]")
@click.option(
    "--by", multiple=True, metavar="URL#MODEL", help="Have a model behind an OpenAI-compatible endpoint judge."
)
@click.option("--summary", is_flag=True, help="Print what the votes come to and serve no page.")
@click.option("--markdown", is_flag=True, help="The same for a pull request.")
@doors
def judge(
    run: Path,
    arm: str | None,
    against: str | None,
    pairs: int | None,
    seed: int | None,
    by: tuple[str, ...],
    summary: bool,
    markdown: bool,
    **how: Any,
) -> int:
    """Judge pairs of answers of an evaluated RUN blind: the same question, two arms, sides shuffled, names hidden.

    Keys: 1, 2, 3 or T for a tie, 4 or B where both are bad, Z to take back. Rows on which both arms wrote the same are
    ties and not asked. Votes are in RUN/judge/votes.jsonl; several people may judge, one after another or at once.
    The names and the result are shown when all pairs are judged, and are then in the report, too.

    With --by a model judges the same pairs: each is sent to that address twice, with either answer first, and only what
    it says in both orders counts. Its key is read from the environment, where it stays: CURATE_API_KEY, or
    OPENAI_API_KEY for api.openai.com alone. What it says is set beside the votes of people and never mixed with them.
    """
    from curate.run import Run

    opened = Run.open(run)
    plan = planned(opened, arm, against, pairs, seed, is_kept=bool(by) or not (summary or markdown))
    if by:
        ask(opened, plan, by)
    if by or summary or markdown:
        tell(opened, plan, markdown)
        return 0
    from curate.cli.review import prepared, serve
    from curate.review.index import is_fresh

    if not is_fresh(opened):
        prepared(opened)
    return serve(opened, view="judging", **how)


def planned(
    run: Run, arm: str | None, against: str | None, pairs: int | None, seed: int | None, *, is_kept: bool
) -> Plan:
    """The plan of the run with what is given in its place, which holds from now on where it `is_kept`.

    Raises:
        CurateError: the run was not evaluated, or has no such arm.
    """
    from dataclasses import replace

    from curate_evaluate.judging.pairs import make_plan, read_plan, refuse_other_arms

    plan = read_plan(run)
    given = replace(
        plan,
        arms=(arm or plan.arms[0], against or plan.arms[1]),
        pairs=pairs or plan.pairs,
        seed=plan.seed if seed is None else seed,
    )
    refuse_other_arms(run, given)
    return make_plan(run, given) if is_kept and given != plan else given


def ask(run: Run, plan: Plan, by: tuple[str, ...]) -> None:
    """Have models judge the pairs of a plan."""
    from curate_evaluate.answering.endpoint import Address
    from curate_evaluate.judging.judge import judge as judge_by
    from curate_evaluate.judging.pairs import draw

    addresses = [Address.parse(word) for word in by]
    pairs = draw(run, plan)
    for address in addresses:
        judge_by(run, pairs, address)


def tell(run: Run, plan: Plan, markdown: bool) -> None:
    """Print what the votes on the pairs of a plan come to."""
    from curate.report.safe import safe
    from curate_evaluate.judging.pairs import draw
    from curate_evaluate.judging.summary import summary
    from curate_evaluate.judging.votes import Votes
    from curate_evaluate.judging.words import sentences

    said = sentences(summary(draw(run, plan), Votes(run).standing()))
    if markdown:
        from curate_evaluate.report.page import cell

        click.echo("\n".join(f"- {cell(sentence)}" for sentence in said))
    else:
        click.echo("\n".join(map(safe, said)))
