"""Rows of one group side by side: duplicates with the words that differ, contradictions with what disagrees."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import CurateError
from curate.report.phrases import count as counted
from curate.review.decisions import Decision
from curate.review.differences import differences
from curate.review.filters import State
from curate.review.reading import read_part
from curate.review.screens.desk import badge
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import block, compared, line, marked
from curate.review.screens.turns import SIDES, as_text, marks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.finding import Finding
    from curate.review.screens.desk import Desk
    from curate.review.store import Row
    from curate.sample import Sample

Said = tuple[str, int | None, str]
"""A turn of a member: who, which message of the sample (None: part of one), and the text."""

MOST = 9
"""Members that are shown at once: each has a digit for a key."""


class Group(NamedTuple):
    """A group, the finding of it that the row has, and its members: the one that cleaning keeps first."""

    name: str
    finding: Finding
    members: list[Row]


def groups_of(desk: Desk, findings: Sequence[Finding]) -> list[Group]:
    """The groups of a row that have something to compare: copies that are equal to the letter have not."""
    found: dict[str, Group] = {}
    for finding in findings:
        if finding.group and finding.group not in found:
            members = desk.store.group(finding.group)
            if len(members) > 1:
                first = str(finding.related[0].sample_id) if finding.related and finding.fix.action == "drop" else ""
                ordered = sorted(members, key=lambda row: (row.id != first, row.number))
                found[finding.group] = Group(finding.group, finding, ordered)
    return list(found.values())


def chosen_group(desk: Desk, groups: Sequence[Group]) -> Group:
    return next((group for group in groups if group.name == desk.query.get("group")), groups[0])


def next_group(desk: Desk, groups: Sequence[Group]) -> str:
    """The name of the group behind the one that is shown, from the start again behind the last."""
    return groups[(groups.index(chosen_group(desk, groups)) + 1) % len(groups)].name


def shown(desk: Desk, row: Row, groups: Sequence[Group]) -> Node:
    group = chosen_group(desk, groups)
    whole = desk.query.get("all") == "1"
    members = on_page(group, row)
    said = [said_by(desk, member) for member in members]
    common = shared([turns for turns in said if not isinstance(turns, str)])
    texts = [
        (member, turns if isinstance(turns, str) else turns[len(common) :])
        for member, turns in zip(members, said, strict=True)
    ]
    cards = [
        card(desk, row, group, number, member, turns, texts[0 if number > 1 else 1][1], whole)
        for number, (member, turns) in enumerate(texts, 1)
    ]
    more = len(group.members) - len(members)
    other = [
        button(
            f"{one.finding.code}, {counted(len(one.members), 'row')}",
            {"act": "look", "as": "compare", "group": one.name},
            kind="bare",
            aria_current="true" if one is group else None,
        )
        for one in groups
    ]
    return el(
        "div",
        el("div", *other, cls="buttons") if len(groups) > 1 else None,
        explained(group, more),
        in_all(common, whole) if common else None,
        el("div", *cards, cls="members"),
        button("Show all of the texts", {"act": "look", "as": "compare", "all": "1", "group": group.name}, key="A")
        if not whole and "'gap'" in str(cards)
        else None,
        cls="section",
    )


def on_page(group: Group, row: Row) -> list[Row]:
    """The members to show: the first ones, and in any case the row itself."""
    members = group.members[:MOST]
    if row.id not in {member.id for member in members} and any(member.id == row.id for member in group.members):
        members[-1] = next(member for member in group.members if member.id == row.id)
    return members


def explained(group: Group, more: int) -> Node:
    evidence = group.finding.evidence
    words = []
    if "here" in evidence and "there" in evidence:
        words.append(
            el(
                "p",
                "They disagree: ",
                el("mark", line(str(evidence["here"]), 80), cls="error"),
                " or ",
                el("mark", line(str(evidence["there"]), 80), cls="error"),
                cls="disagreement",
            )
        )
    else:
        words.append(
            el(
                "p",
                "Compared with row 1: ",
                el("ins", "only here"),
                ", ",
                el("del", "only in row 1"),
                ".",
                cls="quiet small",
            )
        )
    if more > 0:
        words.append(
            el(
                "p",
                f"And {counted(more, 'more row')} in this group, which a decision here covers, too.",
                cls="quiet small",
            )
        )
    return el("div", *words)


def shared(said: Sequence[list[Said]]) -> list[Said]:
    """The turns at the beginning that all members have; the last turn of a member is never among them."""
    common: list[Said] = []
    for turns in zip(*said, strict=False):
        if any(turn != turns[0] for turn in turns) or len(common) + 1 >= min(map(len, said)):
            break
        common.append(turns[0])
    return common if len(said) > 1 else []


def in_all(common: Sequence[Said], whole: bool) -> Node:
    """What all members begin with, once: what they have of their own stands below."""
    turns = [
        part
        for role, _, text in common
        for part in (el("dt", line(role, 40)), el("dd", block(marked(text, whole=whole)), cls=SIDES.get(role)))
    ]
    return el("dl", *turns, cls="in-all", aria_label="What all of them begin with")


def said_by(desk: Desk, member: Row) -> list[Said] | str:
    """What a member says, as (who, which message, text); or why that cannot be shown."""
    try:
        sample = read_part(desk.store, member).sample
    except CurateError as error:
        return str(error)
    return turns_of(sample) if sample else "it cannot be read"


def turns_of(sample: Sample) -> list[Said]:
    said: list[Said] = []
    for index, message in enumerate(sample.messages):
        if message.text or not message.tool_calls:
            said.append((message.role, index, message.text))
        said += [
            (f"{message.role} calls", None, f"{call.name} {as_text(call.arguments)}") for call in message.tool_calls
        ]
    said += [(f"{message.role}, rejected", None, message.text) for message in sample.rejected or ()]
    return said


def card(desk: Desk, row: Row, group: Group, number: int, member: Row, said: Any, other: Any, whole: bool) -> Node:
    """A member beside `other`, the first one; the first itself has only its long equal stretches cut."""
    is_first = number == 1
    path, at = desk.store.copies(member)[0]
    findings = desk.store.findings(member)
    own = [finding for finding in findings if finding.group == group.name]
    is_drop = group.finding.fix.action == "drop"
    others = sorted({finding.code for finding in findings} - {group.finding.code})
    state = badge(member.state.name.lower(), member.state.name.lower()) if member.state != State.OPEN else None
    head = el(
        "header",
        el(
            "div",
            el("strong", f"{number}", cls="nr"),
            el("span", f"line {at:,}", title=line(path, 200)),
            badge("this row") if member.id == row.id else None,
            state,
            badge("cleaning keeps it") if number == 1 and is_drop and not member.state else None,
            el("span", f"also {', '.join(others)}", cls="quiet small") if others else None,
            cls="which",
        ),
        button(
            "Keep only this",
            {"act": "keep_one", "group": group.name, "member": member.id, "guard": True},
            key=str(number),
            kind="keep",
            hint=f"Keep line {at:,}, drop the rest of the group",
        )
        if member.is_readable
        else None,
    )
    if isinstance(said, str):
        return el("article", head, el("p", line(said, 300), cls="quiet"), cls="member")
    bodies: list[Node] = []
    marks = marks_of(own)
    for mine, theirs in zip_longest(said, other if isinstance(other, list) else []):
        if mine is None:
            if not is_first:
                bodies.append(turn(theirs[0], [el("del", *marked(theirs[2], whole=whole))]))
            continue
        role, index, text = mine
        spots = (
            [mark._replace(number=0) for mark in marks[index, "content"] if mark.start >= 0]
            if index is not None
            else []
        )
        is_disputed = bool(spots) and not is_drop  # what disagrees is marked: no more is needed
        pieces = differences(theirs[2], text) if theirs is not None and not is_disputed else None
        if pieces is None:
            shown = marked(text, spots, whole=whole)
            is_own = isinstance(other, list) and theirs is None and not is_first
            bodies.append(turn(role, [el("ins", *shown)] if is_own else shown))
            continue
        if is_first or not is_drop:
            pieces = [piece for piece in pieces if piece.kind != "removed"]  # it stands beside this one
        if is_first and is_drop:
            pieces = [piece._replace(kind="same") for piece in pieces]
        bodies.append(turn(role, compared(pieces, whole=whole, marks=spots)))
    cls = "member here" if member.id == row.id else "member"
    return el("article", head, *bodies, cls=cls, aria_label=f"Row {number} of the group")


def turn(role: str, nodes: list[Node]) -> Node:
    side = SIDES.get(role.split(",")[0].split(" ")[0], "")
    return el("div", el("header", el("span", line(role, 40))), block(nodes), cls=f"turn {side}".strip())


def keep_one(desk: Desk, press: dict[str, Any]) -> None:
    """Keep one row of a group and drop the rest: one decision each, undone as one."""
    from curate.review.screens.row import go_on

    here = desk.store.row(desk.query.get("row", ""))
    members = desk.store.group(str(press["group"]))
    kept = next((member for member in members if member.id == press["member"]), None)
    if here is None or kept is None:
        desk.say("This group has changed since it was shown: look again.", "warning")
        return
    reason = str(press.get("values", {}).get("reason", ""))
    decisions = []
    for member in members:
        own = tuple(sorted({f.code for f in desk.store.findings(member) if f.group == press["group"]}))
        action: Any = "keep" if member is kept else "drop"
        said = reason or f"group {press['group']}: line {desk.store.copies(kept)[0][1]} was kept"
        decisions.append(Decision(member.id, action, own, said, desk.reviewer or ""))
    desk.store.decisions.record_all(decisions)
    go_on(desk, here)


ACTS = {"keep_one": keep_one}
