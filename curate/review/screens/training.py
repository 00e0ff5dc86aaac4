"""The training: start it, watch it, stop it, go on with it, and what came of it."""

from __future__ import annotations

import json
import math
import shlex
from typing import TYPE_CHECKING, Any

from curate.report.phrases import count as counted
from curate.review.screens.curves import curves
from curate.review.screens.desk import Page, command, notice
from curate.review.screens.nodes import Node, button, el
from curate.review.screens.texts import line
from curate.review.screens.training_form import ACTS as FORM_ACTS
from curate.review.screens.training_form import at_step, ended_with, form, printed
from curate.review.training import Training, look, start, stop
from curate.review.training import command as command_of
from curate_train.sweep import ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.review.screens.desk import Desk

POLL = 1000
"""Milliseconds between two looks at a training that runs."""


def page(desk: Desk) -> Page:
    seen = look(desk.run)
    if seen.state == "running":
        return Page(el("div", *watching(desk, seen), cls="page"), "Training", poll=POLL)
    if desk.query.get("do") == "again" and seen.state in ("stopped", "done"):
        body = form(desk, seen)
    else:
        body = {"stopped": stopped, "done": done}.get(seen.state, form)(desk, seen)
    return Page(el("div", *body, cls="page"), "Training")


# Meanwhile


def watching(desk: Desk, seen: Training) -> list[Node | None]:
    step = seen.last.get("step", 0)
    title = f"Step {step:,} of {seen.steps:,}" if seen.steps else "Getting ready"
    sweep = f"Sweep: {line(seen.name, 120)}" if seen.name not in ("", ONLY) else ""
    ask = (
        button("Stop at once", {"act": "training_stop"}, key="X", kind="drop", id="stop-now")
        if seen.asked
        else button("Stop", {"act": "training_stop"}, key="S", kind="drop", id="stop")
    )
    share = step / seen.steps if seen.steps else 0.0
    left = None if seen.asked else time_left(seen)
    said = f"{share:.0%} done" + (f", {duration(left)} left" if left is not None else "")
    return [
        el("header", el("h1", title), ask, cls="pager"),
        el(
            "div",
            el("i", fill=round(share, 4)),
            cls="meter tall",
            role="progressbar",
            aria_valuenow=step,
            aria_valuemin=0,
            aria_valuemax=seen.steps or 1,
            aria_label=said if seen.steps else "Getting ready",
        ),
        el("p", said if seen.steps else line(doing(seen)), cls="quiet number"),
        el("p", sweep, cls="quiet") if sweep else None,
        notice("info", "It stops after this step, which is saved." if step else "It stops.") if seen.asked else None,
        facts(desk, seen),
        curves(seen.log, steps=seen.steps),
        el("section", el("h2", "What it prints"), printed(seen.output), cls="section") if seen.output else None,
        el(
            "p",
            el("code", line(seen.command, 300)),
            " goes on when this page or the app is closed.",
            cls="quiet small",
        ),
    ]


def doing(seen: Training) -> str:
    """What it does before its first step."""
    last = seen.output[-1] if seen.output else ""
    if last.startswith(("  ", "train: ")) or "--resume" in seen.command:  # the settings, which come before the model
        return "The model is loaded, and measured on the validation rows."
    first = next((one for one in reversed(seen.output[1:]) if one.startswith("$ ")), "")
    return f"First: {first[2:]}" if first else "It starts."


def facts(desk: Desk, seen: Training) -> Node | None:
    """The figures of the last step."""
    last = seen.last
    if not last:
        return None
    measured = [one["val_loss"] for one in seen.log if "val_loss" in one]
    trained = tokens_seen(desk, last)
    return cards(
        ("training loss", number(last.get("loss"))),
        ("validation loss", number(measured[-1]) if measured else None),
        ("learning rate", f"{last['learning_rate']:.2g}" if "learning_rate" in last else None),
        ("tokens", f"{trained:,}" if trained else None),
        ("epochs", f"{last['epoch']:.2f}" if "epoch" in last else None),
        ("memory", size(last["memory_bytes"]) if "memory_bytes" in last else None),
    )


def tokens_seen(desk: Desk, last: Mapping[str, Any]) -> int:
    try:
        made: int = json.loads((desk.run / "tokens/tokens.json").read_bytes())["tokens"]["train"]
    except (OSError, ValueError, KeyError):  # they may be made anew this moment
        return 0
    return round(made * float(last.get("epoch", 0)))


def time_left(seen: Training) -> float | None:
    last = seen.last
    if not seen.steps or not last.get("step"):
        return None
    return float(last["seconds"] / last["step"] * (seen.steps - last["step"]))


# After


def stopped(desk: Desk, seen: Training) -> list[Node | None]:
    return [
        el("header", el("h1", f"Stopped {at_step(seen)}"), cls="pager"),
        why_stopped(seen),
        el(
            "div",
            button("Resume", {"act": "training_resume"}, key="Enter", kind="main", id="resume"),
            button("Start over", {"act": "go", "view": "training", "do": "again"}, key="A", id="over"),
            cls="buttons",
        ),
        el(
            "p",
            f"Resume goes on from step {seen.saved:,}, to the same adapter as without the interruption."
            if seen.saved
            else "No step was saved yet: to resume is to begin again, with the same settings.",
            cls="narrow",
        ),
        command(shlex.join(command_of(desk.run, {}, resume=True))),
        el("p", "The adapter that was trained before is still in train/, until this one is done.", cls="quiet small")
        if desk.run.record("train")
        else None,
        facts(desk, seen),
        curves(seen.log, steps=seen.steps),
        el("section", el("h2", "What it printed"), printed(seen.output), cls="section") if seen.output else None,
    ]


def why_stopped(seen: Training) -> Node | None:
    if seen.error.startswith("stopped at step"):
        return notice("good", f"Step {seen.saved or 0:,} was saved before it stopped.")
    if seen.error and seen.error != "interrupted":
        return notice("error", line(seen.error, 1000))
    lost = seen.last.get("step", 0) - (seen.saved or 0)
    again = f" {counted(lost, 'step')} since the last checkpoint will be done again." if lost > 0 else ""
    if seen.asked or seen.error:
        return notice("info", f"It was stopped at once.{again}") if seen.last else None
    why = "It ended without a word: it was killed, the machine went down, or its memory ran out."
    return notice("warning", f"{why}{again}")


def done(desk: Desk, seen: Training) -> list[Node | None]:
    made = seen.summary
    loss, seconds = made["val_loss"], made["seconds"]
    said: Sequence[str] = made.get("advice", ())
    return [
        el(
            "header",
            el("h1", "Trained"),
            button("Train again", {"act": "go", "view": "training", "do": "again"}, key="A", id="over"),
            cls="pager",
        ),
        ended_with(f"Training again did not succeed, and this is what was there before. {seen.error}", seen.output)
        if seen.error
        else None,
        cards(
            (
                f"validation loss, {number(loss['before'])} before" if loss["before"] is not None else "",
                number(loss["after"]) if loss["after"] is not None else None,
            ),
            (
                f"of {counted(made['steps'], 'step')}: the one that was kept",
                f"{made.get('best_step', made['steps']):,}",
            ),
            (
                f"for {round(made['epochs'], 2):g} epochs of {counted(made['rows']['train'], 'row')}",
                duration(seconds["train"]),
            ),
            ("tokens a second", f"{made['tokens_a_second']:,.0f}" if "tokens_a_second" in made else None),
            ("memory at most", size(made["peak_memory_bytes"])),
            (
                f"adapter of {made['adapter']['parameters']:,} parameters",
                size(seen.adapter_bytes) if seen.adapter_bytes else "gone",
            ),
        ),
        el("ul", *[el("li", notice("info", line(one, 1000))) for one in said], cls="section") if said else None,
        curves(seen.log, kept=made.get("best_step")),
        el(
            "section",
            el("h2", "Was it worth it?"),
            el("p", "The next step scores base model and adapter on the test rows:", cls="quiet small"),
            command(shlex.join(["curate", "evaluate", str(desk.run.folder)])),
            cls="section narrow",
        ),
        el("p", "It was made by ", el("code", line(seen.command, 300)), ".", cls="quiet small"),
    ]


# Parts


def cards(*named: tuple[str, str | None]) -> Node:
    return el(
        "div",
        *[
            el("div", el("span", value, cls="big"), el("span", name, cls="quiet small"), cls="card")
            for name, value in named
            if value is not None
        ],
        cls="cards",
    )


def number(loss: Any) -> str:
    return f"{loss:.3f}" if isinstance(loss, float | int) and math.isfinite(loss) else "no number"


def size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


# What the buttons do


def training_stop(desk: Desk, press: dict[str, Any]) -> None:
    stop(desk.run)


def training_resume(desk: Desk, press: dict[str, Any]) -> None:
    start(desk.run, command_of(desk.run, {}, resume=True))


ACTS = {**FORM_ACTS, "training_stop": training_stop, "training_resume": training_resume}
