"""Pairs of answers, judged blind: which of two is better, by people who do not see whose they are."""

from __future__ import annotations

import shlex
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from curate.report.phrases import count as counted
from curate.review.decisions import login_name
from curate.review.screens import states, turns
from curate.review.screens.desk import Page, command, meter
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import block, line, marked
from curate.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from curate.review.screens.desk import Desk
    from curate_evaluate.judging.pairs import Pair, Pairs, Plan
    from curate_evaluate.judging.votes import Vote

VIEW = "judging"
SLOWEST = 120.0
"""Seconds: a vote that came later came after a break."""

CHOICES = (("1", "1 is better", "1"), ("2", "2 is better", "2"), ("tie", "Tie", "3 T"), ("both bad", "Both bad", "4 B"))


def is_there(desk: Desk) -> bool:
    return (desk.run / "evaluate/examples.jsonl").is_file()


def page(desk: Desk) -> Page:
    if not is_there(desk):
        nothing = states.body(
            "There are no answers to judge yet",
            "Pairs come from an evaluation: two arms, each with its answer to every held-out row.",
            command(f"curate evaluate {shlex.quote(str(desk.run.folder))}"),
        )
        return Page(el("div", nothing, cls="page"), "Pairs")
    from curate_evaluate.judging.pairs import draw
    from curate_evaluate.judging.votes import Votes

    plan = chosen_plan(desk)
    pairs = draw(desk.run, plan)
    standing = Votes(desk.run).standing()
    own = own_votes(desk, pairs, standing)
    left = [pair for pair in pairs.asked if pair.id not in own]
    if pairs.asked and not left:
        return revealed(desk, pairs, standing)
    if not pairs.asked or desk.query.get("on") != "1":
        return begin(desk, pairs, own)
    return one(desk, pairs, left, own)


def reviewer(desk: Desk) -> str:
    return desk.reviewer or login_name()


def chosen_plan(desk: Desk) -> Plan:
    """The plan of the run, with the baseline that the address names."""
    from dataclasses import replace

    from curate_evaluate.judging.pairs import arm_titles, read_plan

    plan = read_plan(desk.run)
    against = desk.query.get("against", "")
    if against in arm_titles(desk.run) and against != plan.arms[0]:
        return replace(plan, arms=(plan.arms[0], against))
    return plan


def own_votes(desk: Desk, pairs: Pairs, standing: Sequence[Vote]) -> dict[str, Vote]:
    """What this person said of these pairs, in the order in which it was said."""
    asked = {pair.id for pair in pairs.asked}
    return {vote.pair: vote for vote in standing if not vote.judge and vote.by == reviewer(desk) and vote.pair in asked}


def begin(desk: Desk, pairs: Pairs, own: dict[str, Vote]) -> Page:
    """What will be asked, and of which arms. What others found stays hidden from who has not judged all."""
    from curate_evaluate.judging.pairs import arm_titles
    from curate_evaluate.judging.words import both_alike, minutes

    others = [
        button(
            line(title, 60),
            {"act": "judging", "against": name},
            aria_pressed="true" if name == pairs.plan.arms[1] else "false",
        )
        for name, title in arm_titles(desk.run).items()
        if name != pairs.plan.arms[0]
    ]
    one, other = (line(title, 60) for title in pairs.titles)
    asked, left = len(pairs.asked), len(pairs.asked) - len(own)
    drawn = f", drawn from {pairs.different:,}" if pairs.different > asked else ""
    said = [
        f"You see a question and two answers, of {one} and of {other}, and not which is which: the sides are shuffled, "
        "and the names come when all pairs are judged. Say which answer you would rather send.",
        f"{counted(left, 'pair')} left of {asked:,}{drawn}: {minutes(left, seconds_each(own))}. You can stop at any "
        "time and go on later.",
    ]
    tree = el(
        "div",
        el("h1", "Which answer is better?" if asked else "There is nothing to judge"),
        *[el("p", sentence, cls="narrow") for sentence in (said if asked else [])],
        el("p", both_alike(pairs.identical, pairs.rows), cls="narrow quiet") if pairs.identical else None,
        el(
            "div",
            button("Go on" if own else "Start", {"act": "judging", "on": "1"}, key="Enter", kind="main"),
            button("Undo the last", {"act": "unvote"}, key="Z") if own else None,
            cls="buttons",
        )
        if asked
        else None,
        el("section", el("h2", f"{one} against"), el("div", *others, cls="buttons"), cls="section"),
        cls="page",
    )
    return Page(tree, "Pairs")


def one(desk: Desk, pairs: Pairs, left: Sequence[Pair], own: dict[str, Vote]) -> Page:
    """The next pair."""
    from curate_evaluate.judging.pairs import context_of
    from curate_evaluate.judging.words import minutes

    pair = left[0]
    whole = desk.query.get("all") == "1"
    answers = pair.outputs[::-1] if pair.is_swapped(pairs.plan.seed, reviewer(desk)) else pair.outputs
    done, asked = len(own), len(pairs.asked)
    cards = [card(number, text, whole) for number, text in enumerate(answers, 1)]
    talk = turns.conversation(Sample(list(context_of(desk.run, pair))), [], whole=whole)
    is_cut = not whole and "'gap'" in f"{cards}{talk}"
    tree = el(
        "div",
        el(
            "header",
            button("Stop", {"act": "judging"}, key="Escape", kind="bare"),
            el("h1", f"Pair {done + 1:,} of {asked:,}"),
            el("span", f"{minutes(len(left), seconds_each(own))} left", cls="quiet number"),
            cls="row-head",
        ),
        meter(done / asked, f"{done} of {asked} judged"),
        talk,
        el("h2", "Which answer is better?"),
        el("div", *cards, cls="members"),
        el(
            "details",
            el("summary", "The answer that the data has"),
            block(marked(pair.reference, whole=whole)),
            cls="facet",
        ),
        button("Show all of the texts", {"act": "judging", "on": "1", "all": "1"}, key="A") if is_cut else None,
        cls="page",
    )
    bar = el(
        "div",
        *[
            button(name, {"act": "vote", "pair": pair.id, "choice": choice, "guard": True}, key=key)
            for choice, name, key in CHOICES
        ],
        button("Undo", {"act": "unvote"}, key="Z"),
        cls="actions-row",
    )
    shown = el("div", tree, el("div", bar, cls="actions", role="toolbar", aria_label="Judge"))
    return Page(shown, f"Pair {done + 1:,} of {asked:,}", f"{pair.id} {'whole' if whole else ''}".strip())


def card(number: int, text: str, whole: bool) -> Node:
    said = block(marked(text, whole=whole)) if text.strip() else el("p", "(no text)", cls="quiet")
    return el("article", el("header", el("h3", f"Answer {number}")), said, cls="member", aria_label=f"Answer {number}")


def seconds_each(own: dict[str, Vote]) -> float:
    """How long this person takes for a pair, breaks left out."""
    from datetime import datetime

    from curate_evaluate.judging.words import SECONDS_EACH

    times: list[datetime] = [datetime.fromisoformat(vote.at) for vote in own.values()]
    taken = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return median([seconds for seconds in taken if 0 < seconds < SLOWEST] or [SECONDS_EACH])


def revealed(desk: Desk, pairs: Pairs, standing: Sequence[Vote]) -> Page:
    """The names, and what the votes come to."""
    from curate_evaluate.judging.judge import INSTRUCTIONS
    from curate_evaluate.judging.summary import summary
    from curate_evaluate.judging.words import sentences

    found = summary(pairs, standing)
    own = own_votes(desk, pairs, standing)
    said = sentences(found)
    folder = shlex.quote(str(desk.run.folder))
    cards = [
        el(
            "div",
            el("span", f"{found['result'][name]:,}", cls="big"),
            el("span", line(title, 60), cls="quiet"),
            cls="card",
        )
        for name, title in zip(
            ("won", "lost", "ties", "both_bad"),
            (*(f"{title} is better" for title in pairs.titles), "ties", "both bad"),
            strict=True,
        )
    ]
    tree = el(
        "div",
        el("h1", "All pairs are judged"),
        el("div", *cards, cls="cards"),
        *[el("p", line(sentence, 2000), cls="narrow") for sentence in said],
        el(
            "details",
            el("summary", "What the model was told"),
            block([INSTRUCTIONS]),
            cls="facet",
        )
        if found["judges"]
        else None,
        el(
            "div",
            button("Undo the last", {"act": "unvote"}, key="Z"),
            cls="buttons",
        ),
        el(
            "section",
            el("h2", "In a terminal"),
            command(f"curate report {folder}"),
            command(f"curate judge {folder} --by URL#MODEL"),
            cls="section",
        ),
        el(
            "section",
            el("h2", "What you said"),
            el(
                "div",
                el(
                    "table",
                    el("thead", el("tr", *[el("th", name, scope="col") for name in ("Line", "You", *pairs.titles)])),
                    el("tbody", *[judged(pair, own[pair.id], pairs) for pair in pairs.asked]),
                ),
                cls="table broad",
                tabindex="0",
                role="region",
                aria_label="What you said of each pair",
            ),
            cls="section",
        ),
        cls="page",
    )
    return Page(tree, "All pairs are judged")


def judged(pair: Pair, vote: Vote, pairs: Pairs) -> Node:
    """A line of the table, now with names."""
    titles = dict(zip(pairs.plan.arms, pairs.titles, strict=True))
    return el(
        "tr",
        el("td", f"{pair.line:,}", cls="number"),
        el("td", line(titles.get(vote.preferred, vote.preferred), 60)),
        *[el("td", line(output, 240) or "(no text)") for output in pair.outputs],
    )


def go(desk: Desk, press: dict[str, Any]) -> None:
    """To a page of the judging: the same two arms, unless others are chosen."""
    wanted = {"against": desk.query.get("against")} | {
        key: press.get(key) for key in ("against", "on", "all") if key in press
    }
    desk.go(view=VIEW, **{key: None if word is None else str(word) for key, word in wanted.items()})


def vote(desk: Desk, press: dict[str, Any]) -> None:
    """Note what was said of the pair that was on the screen."""
    from curate_evaluate.judging.pairs import draw
    from curate_evaluate.judging.votes import Vote, Votes

    plan = chosen_plan(desk)
    asked = {pair.id: pair for pair in draw(desk.run, plan).asked}
    pair = asked.get(str(press["pair"]))
    if pair is None:
        desk.say("The run was evaluated again meanwhile: that pair is no more. Nothing was noted.", "warning")
        return
    who = reviewer(desk)
    sides = plan.arms[::-1] if pair.is_swapped(plan.seed, who) else plan.arms
    choice = str(press["choice"])
    said = {"1": sides[0], "2": sides[1]}.get(choice, choice)
    Votes(desk.run).add(Vote(pair.id, plan.arms, said, first=sides[0], by=who))
    go(desk, {"on": "1"})


def unvote(desk: Desk, press: dict[str, Any]) -> None:
    """Take the last vote back, and show its pair again."""
    from curate_evaluate.judging.votes import Votes

    if Votes(desk.run).undo(reviewer(desk), chosen_plan(desk).arms) is None:
        desk.say("There is nothing left to undo.")
    go(desk, {"on": "1"})


ACTS = {"judging": go, "vote": vote, "unvote": unvote}
