"""A model as judge: asked in both orders, over real requests to a server on this machine."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.errors import CurateError
from curate_evaluate.judging import judge as by_model
from curate_evaluate.judging.pairs import Plan, draw, make_plan, read_plan
from curate_evaluate.judging.summary import summary
from curate_evaluate.judging.votes import BOTH_BAD, TIE, Vote, Votes
from curate_evaluate.judging.words import by_judge
from tests.evaluate.chat_server import Body, reply, serving
from tests.evaluate.test_judging import FEW, TUNED, reported, vote_all

if TYPE_CHECKING:
    from curate.run import Run

pytest.importorskip("tenacity", reason="tenacity, which lm-eval's API models need, is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def verdicts(rule: Any) -> Any:
    """A server whose model says what `rule` says of (answer 1, answer 2)."""

    def of(body: Body) -> Body:
        text = body["messages"][-1]["content"]
        first, second = (text.split(f"<answer {k}>\n")[1].split(f"\n</answer {k}>")[0] for k in (1, 2))
        return reply(rule(first, second))

    return serving(of)


def judged_by(run: Run, base: str, *words: str) -> Any:
    return CliRunner().invoke(cli, ["judge", str(run.folder), "--by", f"{base}#wise", *words])


def test_a_judge_that_sees_what_is_better_says_it_in_both_orders(answered: Run) -> None:
    def wise(first: str, second: str) -> str:
        if first.startswith("Yes") or second.startswith("Yes"):
            return f"It is right.\n\n**Verdict: {1 if first.startswith('Yes') else 2}**"
        return "Both are wrong.\nverdict: TIE"

    plan = make_plan(answered, Plan((TUNED, FEW)))
    is_right = [pair.outputs[0].startswith("Yes") for pair in draw(answered, plan).asked]
    pairs = vote_all(answered, plan, "ana", lambda k: TUNED if is_right[k] else BOTH_BAD)
    with verdicts(wise) as chat:
        result = judged_by(answered, chat.base)
        assert result.exit_code == 0, result.output
        n, right = len(is_right), sum(is_right)
        assert 0 < right < n and len(chat.asked) == 2 * n
        found = summary(pairs, Votes(answered).standing())
        (of_judge,) = found["judges"]
        assert (of_judge["won"], of_judge["lost"], of_judge["ties"]) == (right, 0, n - right)
        assert (of_judge["flipped"], of_judge["unclear"]) == (0, 0)
        assert of_judge["agreement"]["kappa"] == pytest.approx(1.0)
        assert found["result"]["won"] == right and found["voters"] == {"ana": n}
        assert f"The model {chat.base}#wise, asked about {n} pairs in both orders" in result.stdout
        assert f"It agrees with people on {n} of {n} pairs (Cohen's κ 1.00)." in result.stdout
        again = judged_by(answered, chat.base)
        assert len(chat.asked) == 2 * n and again.stdout == result.stdout
        texts = [body["messages"][-1]["content"] for body in chat.asked]
        assert all(FEW not in text.split("<answer 1>")[0] and TUNED not in text for text in texts), "names stay hidden"
        assert reported(answered)["judging"][0]["judges"][0]["name"] == f"{chat.base}#wise"


def test_a_judge_that_looks_at_the_order_alone_decides_nothing(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW)))
    n = len(draw(answered, plan).asked)
    with verdicts(lambda first, second: "The first.\nVerdict: 1") as chat:
        result = judged_by(answered, chat.base)
    (of_judge,) = summary(draw(answered, plan), Votes(answered).standing())["judges"]
    assert (of_judge["won"], of_judge["lost"], of_judge["ties"]) == (0, 0, n)
    assert (of_judge["flipped"], of_judge["for_the_first"], of_judge["for_the_second"]) == (n, n, 0)
    assert f"With the order its answer changed in {n} of {n}" in result.stdout
    assert f"{n} times it was for whichever stood first" in result.stdout


def test_a_judge_that_gives_no_verdict_is_said_to(answered: Run) -> None:
    make_plan(answered, Plan((TUNED, FEW), pairs=4))
    with verdicts(lambda first, second: "Hard to say.") as chat:
        said = judged_by(answered, chat.base).stdout
    assert "4 pairs got a reply without a verdict (a tie, too)." in said and "With the order" not in said


def test_no_verdict_is_none_that_changed_with_the_order_nor_one_to_agree_with(answered: Run) -> None:
    plan = make_plan(answered, Plan((TUNED, FEW), pairs=4))
    pairs = vote_all(answered, plan, "ana", lambda k: TUNED)
    orders = [(TUNED, None), (None, None), (TUNED, FEW), (TUNED, TUNED)]
    for pair, said in zip(pairs.asked, orders, strict=True):
        preferred = TUNED if said == (TUNED, TUNED) else TIE
        Votes(answered).add(Vote(pair.id, plan.arms, preferred, TUNED, "wise", judge=True, orders=said))
    found = summary(pairs, Votes(answered).standing())
    (of_judge,) = found["judges"]
    assert (of_judge["won"], of_judge["ties"]) == (1, 3)
    assert (of_judge["flipped"], of_judge["for_the_first"], of_judge["unclear"]) == (1, 1, 2)
    assert (of_judge["agreement"]["pairs"], of_judge["agreement"]["same"]) == (2, 0.5)
    said = by_judge(found, of_judge)
    assert "With the order its answer changed in 1 of 2" in said and "2 pairs got a reply without a verdict" in said


def test_a_judge_that_was_cut_off_goes_on(answered: Run) -> None:
    make_plan(answered, Plan((TUNED, FEW)))
    n = len(draw(answered, read_plan(answered)).asked)
    with verdicts(lambda first, second: "Verdict: tie") as chat:
        chat.faults = [None] * 9 + [401] * 9
        assert isinstance(judged_by(answered, chat.base).exception, CurateError)
        asked = len(chat.asked)
        chat.faults = []
        assert judged_by(answered, chat.base).exit_code == 0
        assert len(chat.asked) - asked == 2 * n - 9
    for name in ("replies.jsonl", "votes.jsonl"):
        assert stat.S_IMODE((answered / "judge" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Verdict: 1", "a"),
        ("It is.\n\n**Verdict: 2**\n", "b"),
        ("verdict: Tie.", TIE),
        ("Verdict: 1\nNo, wait.\nVerdict: 2", "b"),
        ("I think that 1 is better", None),
        ("Verdict: 12", None),
        ("Verdict: 1 or 2", None),
        ("", None),
    ],
)
def test_the_verdict_of_a_reply_is_its_last_line_of_that_form(text: str, said: str | None) -> None:
    assert by_model.verdict(text, ("a", "b")) == said
