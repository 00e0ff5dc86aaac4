"""The frame of every page: which run, which page, and what a press does. The only part that knows Streamlit."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import traceback
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st

from curate.errors import CurateError
from curate.review.index import is_fresh, prepare
from curate.review.screens import (
    bulk,
    compare,
    edit,
    guide,
    judging,
    log,
    overview,
    queue,
    row,
    runs,
    states,
    training,
)
from curate.review.screens.desk import Desk, Page, notice
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.paper import GUARD, draw, pressed
from curate.review.screens.texts import line
from curate.review.store import Store
from curate.run import Run, why_stale
from curate.steps import check

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES: dict[str, Callable[[Desk], Page]] = {
    "queue": queue.page,
    "row": row.page,
    "judging": judging.page,
    "bulk": bulk.page,
    "overview": overview.page,
    "log": log.page,
    "training": training.page,
    "guide": guide.page,
}
NAVIGATION = (
    ("queue", "Queue", "Q"),
    ("overview", "Overview", "O"),
    ("log", "Log", "L"),
    ("training", "Training", "T"),
    ("guide", "Guide", "?"),
)
TAKEN = {"row": "T", "judging": "T"}
"""Keys that stand for something else on a page, whether it has that at the moment or not."""
BRAND = el("span", "curate", cls="brand")


def go(desk: Desk, press: dict[str, Any]) -> None:
    desk.go(**{key: str(press[key]) for key in ("view", "do", "about") if press.get(key)})


def home(desk: Desk, press: dict[str, Any]) -> None:
    """To the first row that is to be decided, or to the queue if there is none."""
    desk.query = {}


ACTS: dict[str, Callable[[Desk, dict[str, Any]], None]] = {
    "go": go,
    "home": home,
    **queue.ACTS,
    **row.ACTS,
    **judging.ACTS,
    **compare.ACTS,
    **edit.ACTS,
    **bulk.ACTS,
    **log.ACTS,
    **overview.ACTS,
    **training.ACTS,
}
GUARDED = frozenset({"decide", "keep_one", "save", "bulk", "vote"})
"""What may only be done about something that was on the screen."""


@dataclass
class Preparation:
    """search.db on its way: how far it is, or why it failed."""

    doing: str = "starting"
    done: int = 0
    total: int = 0
    error: str = ""
    changed: str = ""


_lock = threading.Lock()
_stores: dict[str, Store] = {}
_preparations: dict[str, Preparation] = {}


def show() -> None:
    """Draw the page that the address asks for."""
    memory = st.session_state
    if "session" not in memory:
        memory["session"] = uuid.uuid4().hex
        look_again()
    place = ""
    is_list = False
    try:
        desk = open_desk()
        if isinstance(desk, Page):
            page = desk
            tree = el("div", el("header", el("div", BRAND, cls="top-row"), cls="top"), page.tree)
        else:
            page = PAGES[desk.view](desk)
            tree = framed(desk, page)
            place = urlencode(sorted(desk.query.items()))
            is_list = desk.view == "queue"
            set_address(desk)
    except (CurateError, sqlite3.Error, OSError) as error:
        page = states.broken(str(error))
        tree = page.tree
    except Exception as error:
        traceback.print_exc()
        page = states.broken(f"{type(error).__name__}: {error}")
        tree = page.tree
    memory["on_screen"] = page.on_screen
    st.set_page_config(page_title=f"{line(page.title, 80)} · curate", layout="wide", initial_sidebar_state="collapsed")
    draw(
        tree,
        on_press=press,
        place=place,
        row=page.on_screen,
        session=memory["session"],
        answered=memory.get("answered", 0),
        refused=memory.get("refused", 0),
        keepScroll=is_list,
        poll=page.poll,
    )


def press() -> None:
    """Do what was pressed, before the page is drawn again."""
    said = pressed()
    memory = st.session_state
    if said is None:
        return
    memory["answered"] = int(said.get("n", 0))
    act = str(said.get("act"))
    if act == "choose":
        memory["run"] = str(said["run"])
        st.query_params.clear()
        return
    if act == "again":
        look_again()
        return
    desk = open_desk()
    if isinstance(desk, Page) or act not in ACTS:
        return
    if act in GUARDED and (said.get("onScreen") != memory.get("on_screen") or int(said.get("shown", 0)) < GUARD):
        memory["refused"] = memory.get("refused", 0) + 1
        desk.say("That press was about something that was not on the screen yet. Nothing was decided.", "warning")
        return
    try:
        ACTS[act](desk, said)
    except CurateError as error:
        desk.say(f"That was not done: {line(str(error), 1000)}", "error")
    set_address(desk)


def set_address(desk: Desk) -> None:
    if st.query_params.to_dict() != desk.query:
        st.query_params.from_dict(desk.query)


def open_desk() -> Desk | Page:
    """The run that is open; or the page that says why there is none."""
    named = st.session_state.get("run") or os.environ.get("CURATE_RUN")
    if not named:
        return runs.page(Path.cwd())
    folder = Path(named)
    try:
        run = Run.open(folder)
        if run.record("check") is None:
            return states.not_checked(folder)
    except CurateError as error:
        return states.no_such_run(folder, str(error))
    store = store_of(run)
    if isinstance(store, Preparation):
        if store.changed:
            return states.data_changed(store.changed, folder)
        if store.error:
            return states.failed(store.error, folder)
        return states.preparing(store.doing, store.done, store.total)
    store.follow()
    query = {key: str(word) for key, word in st.query_params.to_dict().items()}
    model = os.environ.get("CURATE_MODEL")
    reviewer = os.environ.get("CURATE_REVIEWER") or None
    return Desk(run, store, query, st.session_state, reviewer, model)


def look_again() -> None:
    """Forget what could not be prepared: whoever opens the page, or asks, may have mended it."""
    with _lock:
        for key in [key for key, state in _preparations.items() if state.error or state.changed]:
            del _preparations[key]


def store_of(run: Run) -> Store | Preparation:
    """The rows of a run, or how far their preparation is: it begins where search.db is missing or stale."""
    key = str(run.folder.resolve())
    with _lock:
        store = _stores.get(key)
        if store and store.is_current() and store.changed_file() is None:
            return store
        if store:
            store.close()
            del _stores[key]
        if key not in _preparations:
            if is_fresh(run):
                _stores[key] = Store(run)
                return _stores[key]
            _preparations[key] = Preparation()
            threading.Thread(target=_prepare, args=(run, _preparations[key], key), daemon=True).start()
        return _preparations[key]


def _prepare(run: Run, state: Preparation, key: str) -> None:
    def progress(doing: str, done: int, total: int) -> None:
        state.doing, state.done, state.total = doing, done, total

    try:
        config = run.config("check")
        gone = [path for path in config["data"] if not re.search(r"[*?\[]|://", path) and not run.source(path).exists()]
        stale = [f"{path} is not where it was" for path in gone] or why_stale(run, check.STEP, config)
        if stale:
            state.changed = "; ".join(stale)
            return
        prepare(run, progress)
        with _lock:
            _preparations.pop(key, None)
    except (CurateError, OSError, sqlite3.Error) as error:
        state.error = str(error)


def framed(desk: Desk, page: Page) -> Node:
    progress = desk.store.progress()
    share = progress.decided / progress.total if progress.total else 0.0
    skipped = progress.skipped / progress.total if progress.total else 0.0
    said = desk.memory.pop("said", [])
    view = "queue" if desk.view in ("row", "bulk") else desk.view
    top = el(
        "header",
        el(
            "div",
            BRAND,
            el("span", line(desk.name, 60), cls="run-name"),
            el("span", f"{progress.decided:,} of {progress.total:,} decided", cls="progress-text number"),
            None if _has_key(page.tree, "Z") else button("Undo", {"act": "undo"}, key="Z", kind="bare quiet"),
            el("span", cls="busy"),
            el(
                "nav",
                *[
                    button(
                        name,
                        {"act": "home"} if which == "queue" else {"act": "go", "view": which},
                        key=None if TAKEN.get(desk.view) == key else key,
                        kind="bare",
                        aria_current="page" if which == view else None,
                    )
                    for which, name, key in navigation(desk)
                ],
                cls="nav",
                aria_label="Pages",
            ),
            cls="top-row",
        ),
        el(
            "div",
            el("i", fill=round(share, 4)),
            el("i", fill=round(skipped, 4), cls="skipped"),
            cls="progress-line",
            role="progressbar",
            aria_valuenow=progress.decided,
            aria_valuemin=0,
            aria_valuemax=progress.total,
            aria_label="Rows decided",
        ),
        cls="top",
    )
    notices = el("div", *[notice(kind, text) for kind, text in said], cls="page said") if said else None
    return el("div", top, notices, page.tree)


def navigation(desk: Desk) -> tuple[tuple[str, str, str], ...]:
    """The pages to go to: pairs of answers, too, once there are some."""
    return (*NAVIGATION[:-1], ("judging", "Pairs", "P"), NAVIGATION[-1]) if judging.is_there(desk) else NAVIGATION


def _has_key(tree: Node, key: str) -> bool:
    if isinstance(tree, str):
        return False
    _, attributes, *children = tree
    return attributes.get("key") == key or any(child is not None and _has_key(child, key) for child in children)


def forget() -> None:
    """Close what is open: for tests, which come with other runs."""
    with _lock:
        for store in _stores.values():
            with suppress(sqlite3.Error):
                store.close()
        _stores.clear()
        _preparations.clear()
