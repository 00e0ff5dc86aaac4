"""Which run to open, where none was named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.review.screens import states
from curate.review.screens.desk import Page
from curate.review.screens.nodes import el
from curate.review.screens.texts import line
from curate.run import MANIFEST, Run

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path) -> list[Path]:
    """The run folders in a folder and in its folder `runs`, the newest first."""
    manifests = [*folder.glob(f"*/{MANIFEST}"), *folder.glob(f"runs/*/{MANIFEST}")]
    return [manifest.parent for manifest in sorted(manifests, key=lambda file: -file.stat().st_mtime)]


def page(folder: Path) -> Page:
    runs = found(folder)
    if not runs:
        return states.no_runs(folder)
    items = []
    for run in runs:
        steps: dict[str, Any] = _steps(run)
        said = steps["check"]["said"] if "check" in steps else "not checked yet"
        items.append(
            el(
                "li",
                el(
                    "button",
                    el("i", cls="dot info"),
                    el("span", el("strong", line(str(run), 120)), cls="message"),
                    el("span", line(said, 200), cls="excerpt"),
                    el("span", ", ".join(steps), cls="place"),
                    cls="item",
                    press={"act": "choose", "run": str(run)},
                    data_item="run",
                ),
            )
        )
    return Page(el("div", el("h1", "Which run?"), el("ol", *items, cls="list"), cls="page"), "Runs")


def _steps(run: Path) -> dict[str, Any]:
    from curate.errors import CurateError

    try:
        return dict(Run.open(run).manifest()["steps"])
    except CurateError:
        return {}
