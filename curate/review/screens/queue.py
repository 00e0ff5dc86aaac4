"""The queue: the flagged rows, the worst first, by facets, histograms and words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.finding import SEVERITIES
from curate.report.phrases import count as counted
from curate.review.filters import SHOWN, words_of
from curate.review.index import LENGTHS, MOST_TURNS, ZONES, searchable
from curate.review.reading import read_part
from curate.review.screens import states
from curate.review.screens.desk import PAGE, Page, badge, notice
from curate.review.screens.nodes import Node, button, el, kbd
from curate.review.screens.texts import Mark, line, marked
from curate.sample import SYSTEM_ROLES

if TYPE_CHECKING:
    from curate.finding import Finding
    from curate.review.filters import Filter
    from curate.review.screens.desk import Desk
    from curate.review.store import Row

SHOW_ORDER = ("open", "skipped", "kept", "dropped", "edited", "flagged", "all")
HISTOGRAMS = {
    "length": ("Length of a row", LENGTHS + 1),
    "turns": ("Turns", MOST_TURNS + 1),
    "zone": ("Place in the data", ZONES),
}
KEYED_RULES = 9


def page(desk: Desk) -> Page:
    chosen = desk.chosen
    total = desk.store.count(chosen)
    pages = max(1, -(-total // PAGE))
    number = desk.page_number
    said = list(desk.wrong)
    if number > pages:
        said.append(f"There is no page {number:,}: this is the last.")
        number = pages
    main = el(
        "div",
        *[notice("warning", text) for text in said],
        search(chosen),
        chips(chosen),
        *(results(desk, chosen, total, number, pages) if total else [nothing(desk, chosen)]),
        cls="section",
    )
    body = el("div", el("div", facets(desk, chosen), main, cls="columns"), cls="page")
    return Page(body, heading(chosen, total))


def heading(chosen: Filter, total: int) -> str:
    if chosen.show == "all":
        return counted(total, "row")
    return (
        counted(total, "flagged row") if chosen.show == "flagged" else f"{counted(total, 'row')} {SHOWN[chosen.show]}"
    )


def nothing(desk: Desk, chosen: Filter) -> Node:
    progress = desk.store.progress()
    if replace(chosen, show="open") == type(chosen)() and chosen.show == "open":
        if not progress.total:
            return states.nothing_flagged(desk, desk.store.count(replace(chosen, show="all")))
        return states.all_decided(desk, progress.decided, progress.skipped)
    beside = desk.store.shown(chosen)
    done = {show: beside[show] for show in ("kept", "dropped", "edited", "skipped") if beside[show]}
    if chosen.show == "open" and done:
        return states.filter_decided(done)
    return states.no_match(desk, words_of(chosen.text)[2])


def search(chosen: Filter) -> Node:
    field = el(
        "input",
        cls="search",
        id="search",
        type="search",
        value=chosen.text,
        press={"act": "search"},
        spellcheck="false",
        placeholder="Search words, “exact phrase”, -without, line:41",
        aria_label="Search the rows",
        autocomplete="off",
    )
    find = el("button", kbd("/"), cls="button bare", key="/", data_focuses="search", aria_label="To the search")
    return el("div", field, find, cls="searching", role="search")


def chips(chosen: Filter) -> Node | None:
    """What is filtered by, each to be taken away."""
    names = {
        "rule": chosen.rule,
        "severity": chosen.severity,
        "text": f"“{line(chosen.text, 40)}”" if chosen.text.strip() else None,
        **{
            name: f"{HISTOGRAMS[name][0].lower()}: {bar_name(name, value)}"
            for name in HISTOGRAMS
            if (value := getattr(chosen, name)) is not None
        },
    }
    found = [(facet, name) for facet, name in names.items() if name]
    if not found:
        return None
    return el(
        "div",
        *[
            el(
                "button",
                f"{name} ✕",
                cls="button",
                press={"act": "filter", "facet": facet, "value": None},
                aria_label=f"Take away the filter {name}",
            )
            for facet, name in found
        ],
        button("Clear", {"act": "clear"}, key="X", kind="bare"),
        cls="buttons",
    )


def facets(desk: Desk, chosen: Filter) -> Node:
    shown = desk.store.shown(chosen)
    by_severity = desk.store.counts(chosen, "severity")
    by_rule = desk.store.counts(chosen, "rule")
    states_list = [
        choice("show", show, SHOWN[show], shown[show], chosen.show == show)
        for show in SHOW_ORDER
        if shown[show] or show in ("open", "flagged", "all") or chosen.show == show
    ]
    severities = [
        choice("severity", name, name, by_severity.get(str(index), 0), chosen.severity == name, dot=name)
        for index, name in enumerate(SEVERITIES)
        if by_severity.get(str(index)) or chosen.severity == name
    ]
    codes = sorted({*by_rule, *([chosen.rule] if chosen.rule else [])}, key=lambda code: (-by_rule.get(code, 0), code))
    rules = [
        choice(
            "rule",
            code,
            f"{code} {desk.store.rules.get(code, '')}",
            by_rule.get(code, 0),
            chosen.rule == code,
            key=str(place) if place <= KEYED_RULES else None,
        )
        for place, code in enumerate(codes, 1)
    ]
    return el(
        "aside",
        el("button", el("h2", "Filters"), kbd("F"), cls="button bare", key="F", data_focuses="show-open"),
        facet("Rows", states_list, is_open=True),
        facet("Severity", severities, is_open=True),
        facet("Rule", rules, is_open=True),
        *[
            facet(title, [histogram(chosen, name, bars, counts)], is_open=True)
            for name, (title, bars) in HISTOGRAMS.items()
            if (counts := desk.store.counts(chosen, name))
        ],
        cls="facets",
        aria_label="Filters",
    )


def facet(title: str, choices: list[Node], is_open: bool) -> Node | None:
    if not choices:
        return None
    return el(
        "details",
        el("summary", title),
        el("div", *choices, cls="facet-list"),
        cls="facet",
        open=is_open,
        data_narrow="closed",
    )


def choice(
    facet: str, value: str, name: str, count: int, is_chosen: bool, *, dot: str | None = None, key: str | None = None
) -> Node:
    mark = el("i", cls=f"dot {dot}") if dot else kbd(key) if key else el("span")
    press = {"act": "filter", "facet": facet, "value": None if is_chosen and facet != "show" else value}
    return el(
        "button",
        mark,
        el("span", name, cls="name"),
        el("span", f"{count:,}", cls="count"),
        cls="choice",
        id=f"{facet}-{value}",
        press=press,
        key=key,
        aria_pressed="true" if is_chosen else "false",
        title=name,
    )


def histogram(chosen: Filter, name: str, bars: int, counts: dict[str, int]) -> Node:
    most = max(counts.values(), default=0)
    picked = getattr(chosen, name)
    drawn = [
        el(
            "button",
            el("i", fill=round(count / most, 4) if most else 0),
            cls="bar",
            id=f"{name}-{bar}",
            disabled=not count and picked != bar,
            press={"act": "filter", "facet": name, "value": None if picked == bar else bar},
            aria_pressed="true" if picked == bar else "false",
            aria_label=f"{bar_name(name, bar)}: {counted(count, 'row')}",
            title=f"{bar_name(name, bar)}: {counted(count, 'row')}",
        )
        for bar in range(bars)
        for count in [counts.get(str(bar), 0)]
    ]
    first, last = AXES[name]
    return el("div", el("div", *drawn, cls="bars"), el("div", el("span", first), el("span", last), cls="axis"))


AXES = {
    "length": ("1 character", "1 M"),
    "turns": ("0", f"{MOST_TURNS} and more"),
    "zone": ("first row", "last row"),
}


def bar_name(name: str, bar: int) -> str:
    if name == "length":
        if bar < 2:
            return ("no text", "1 character")[bar]
        return (
            f"{1 << bar - 1:,} characters and more"
            if bar == LENGTHS
            else f"{1 << bar - 1:,} to {(1 << bar) - 1:,} characters"
        )
    if name == "turns":
        return f"{bar} turns and more" if bar == MOST_TURNS else counted(bar, "turn")
    return f"{bar * 100 / ZONES:.0f} to {(bar + 1) * 100 / ZONES:.0f}% of the rows"


def results(desk: Desk, chosen: Filter, total: int, number: int, pages: int) -> list[Node]:
    rows = desk.store.page(chosen, number, PAGE)
    bulk = [
        button(f"{word} all …", {"act": "go", "view": "bulk", "do": action}, key=key, kind=f"bare {action}")
        for action, word, key in (("keep", "Keep", "K"), ("drop", "Drop", "D"), ("skip", "Skip", "S"))
    ]
    head = el(
        "div",
        el("h1", heading(chosen, total)),
        el("div", button("Start", {"act": "open", "row": rows[0].id}, key="Enter", kind="main"), *bulk, cls="buttons"),
        cls="pager",
    )
    wanted = words_of(chosen.text)[0] if chosen.text else []
    listed = el("ol", *[el("li", item(desk, row, wanted)) for row in rows], cls="list")
    return [head, listed, pager(number, pages, total)] if pages > 1 else [head, listed]


def pager(number: int, pages: int, total: int) -> Node:
    first = (number - 1) * PAGE + 1
    return el(
        "nav",
        button("Previous", {"act": "page", "page": number - 1, "repeats": True}, key="ArrowLeft", disabled=number <= 1),
        el("span", f"{first:,} to {min(total, first + PAGE - 1):,} of {total:,}", cls="quiet number"),
        button(
            "Next", {"act": "page", "page": number + 1, "repeats": True}, key="ArrowRight", disabled=number >= pages
        ),
        cls="pager",
        aria_label="Pages of the queue",
    )


def item(desk: Desk, row: Row, wanted: list[str]) -> Node:
    wanted_rule = desk.chosen.rule
    findings = sorted(desk.store.findings(row), key=lambda finding: finding.code != wanted_rule)
    severity = SEVERITIES[row.severity] if row.severity < len(SEVERITIES) else ""
    first = findings[0] if findings else None
    more = f"+{len({finding.code for finding in findings}) - 1}" if len({f.code for f in findings}) > 1 else None
    message: list[Node | None] = [
        el("span", first.code, cls=f"code {first.severity}") if first else None,
        el("span", line(first.message if first else "no findings"), cls="text"),
        badge(more) if more else None,
    ]
    path, at = desk.store.copies(row)[0]
    return el(
        "button",
        el("i", cls=f"dot {severity}"),
        el("span", *message, cls="message"),
        el(
            "span",
            places_of(desk, row),
            *([badge(row.state.name.lower(), row.state.name.lower())] if row.state else []),
            cls="place",
        ),
        el("span", *excerpt(desk, row, first, wanted), cls="excerpt", dir="auto"),
        cls="item",
        press={"act": "open", "row": row.id},
        data_item="row",
        title=line(path, 200),
        aria_label=f"Line {at:,}: {line(first.message, 120) if first else 'no findings'}",
    )


def places_of(desk: Desk, row: Row) -> str:
    """Where a row stands, shortly: with its equal copies."""
    first, *others = [at for _, at in desk.store.copies(row)]
    if len(others) == 1:
        return f"lines {first:,}, {others[0]:,}"
    return f"line {first:,}" + (f" and {len(others):,} more" if others else "")


def excerpt(desk: Desk, row: Row, finding: Finding | None, wanted: list[str]) -> list[Node]:
    """Some text of the row: around a word that was searched, or what the finding points at, or its end."""
    try:
        part = read_part(desk.store, row)
    except CurateError as error:
        return [line(str(error))]
    whole = searchable(part)
    if wanted and (found := first_hit(whole, wanted)):
        return around(whole, *found, "hit")
    if part.sample is None:
        return [line(whole, 220)]
    where = finding.where if finding else None
    if where and where.message is not None and where.start is not None and where.field == "content":
        text = part.sample.messages[where.message].text
        return around(text, where.start, where.end or where.start, SEVERITIES[row.severity])
    texts = [one.text for one in part.sample.messages if one.text.strip() and one.role not in SYSTEM_ROLES]
    return [" ⟶ ".join(line(text, 130) for text in texts[-2:])] if texts else ["(no text)"]


def first_hit(text: str, wanted: list[str]) -> tuple[int, int] | None:
    folded = text.casefold()
    for phrase in wanted:
        word = phrase.strip('*"').casefold()
        at = folded.find(word) if len(folded) == len(text) else -1
        if at >= 0:
            return at, at + len(word)
    return None


def around(text: str, start: int, end: int, kind: str) -> list[Node]:
    first = max(0, start - 60)
    end = min(end, start + 160)
    cut = text[first : end + 160].replace("\n", " ")
    head: list[Node] = ["…"] if first else []
    return head + marked(cut, [Mark(start - first, end - first, kind)])


def open_row(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(row=str(press["row"]))


def filter_by(desk: Desk, press: dict[str, Any]) -> None:
    facet, value = str(press["facet"]), press.get("value")
    query = {key: word for key, word in desk.chosen.as_query().items() if key != ("q" if facet == "text" else facet)}
    if value is not None and facet != "text":
        query[facet] = str(value)
    desk.query = query


def search_for(desk: Desk, press: dict[str, Any]) -> None:
    desk.query = replace(desk.chosen, text=str(press.get("value", ""))).as_query()


def turn_page(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(page=str(int(press["page"])))


def clear(desk: Desk, press: dict[str, Any]) -> None:
    desk.query = {}


ACTS = {"open": open_row, "filter": filter_by, "search": search_for, "page": turn_page, "clear": clear}
