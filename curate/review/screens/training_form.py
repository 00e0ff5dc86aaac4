"""The form by which a training is started: the command that will run, and why it would be refused."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.config import section
from curate.errors import CurateError
from curate.review.screens.desk import command, notice
from curate.review.screens.nodes import Node, button, el, kbd
from curate.review.screens.texts import line
from curate.review.training import Training, look, start
from curate.review.training import command as command_of
from curate.run.data import as_seen_from, found_name
from curate_train.settings import DEFAULT, recipe_values, recipes
from curate_train.step import config, refuse_missing_libraries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.review.screens.desk import Desk

NUMBERS = {"epochs": "Epochs", "learning_rate": "Learning rate", "rank": "Rank"}
EARLIER = ("clean", "split", "tokens")
OUTPUT_LINES = 12


def form(desk: Desk, seen: Training) -> list[Node | None]:
    chosen = entered(desk, seen)
    wrong = problem(desk, chosen)
    preset = presets(chosen["recipe"])
    missing = [name for name in EARLIER if desk.run.record(name) is None]
    name, in_file = configured()
    back = button("Back", {"act": "go", "view": "training"}, key="Escape", kind="bare")
    gives_up = {
        "stopped": notice("warning", f"This gives up the training that stopped {at_step(seen)}."),
        "done": notice("warning", "This takes the place of the adapter that is there."),
        "failed": failed(seen),
    }
    return [
        el("header", back if overwrites(seen) else None, el("h1", heading(seen)), cls="row-head"),
        gives_up.get(seen.state),
        el(
            "p",
            "A LoRA adapter is trained on the tokens that were reviewed; its loss is measured on the validation rows.",
            cls="narrow",
        ),
        el(
            "div",
            field("model", "Model", chosen["model"], "A folder with config.json and *.safetensors"),
            el(
                "div",
                el("span", "Recipe", cls="label", id="recipes"),
                el(
                    "div",
                    *[
                        recipe(place, which, said, which == chosen["recipe"])
                        for place, (which, said) in enumerate(known_recipes().items(), 1)
                    ],
                    role="group",
                    aria_labelledby="recipes",
                    cls="recipes",
                ),
                cls="field",
            ),
            el(
                "div",
                *[
                    field(key, label, chosen[key], shown(preset.get(key)), narrow=True)
                    for key, label in NUMBERS.items()
                ],
                cls="in-row",
            ),
            el("p", f"{line(name, 120)} sets {line(', '.join(in_file), 200)}.", cls="quiet small") if in_file else None,
            cls="fields narrow",
        ),
        notice("warning", line(wrong, 600)) if wrong else None,
        el(
            "div",
            el("p", "What will run, here as in a terminal:", cls="quiet small"),
            command(shlex.join(words(desk, chosen, seen))),
            el("p", f"It makes {listed(missing)} first, which this run does not have yet.", cls="quiet small")
            if missing
            else None,
            cls="section narrow",
        ),
        el(
            "div",
            button(
                "Start",
                {"act": "training_start"},
                key="Ctrl+Enter",
                kind="main",
                id="start",
                disabled=True if wrong else None,
            ),
            el("span", "It goes on when this page or the app is closed.", cls="quiet small"),
            cls="buttons",
        ),
    ]


def heading(seen: Training) -> str:
    return {"stopped": "Start over", "done": "Train again"}.get(seen.state, "Train an adapter")


def overwrites(seen: Training) -> bool:
    """Whether a start takes the place of what is there, so is asked for with --force."""
    return seen.state in ("stopped", "done")


def failed(seen: Training) -> Node:
    if seen.error:
        return ended_with(seen.error, seen.output)
    if seen.asked:
        return notice("info", "The last training was stopped before it began.")
    return ended_with("The last training ended without a word: it was killed, or ran out of memory.", seen.output)


def ended_with(error: str, output: Sequence[str]) -> Node:
    return notice("error", el("strong", line(error, 1000)), printed(output))


def field(key: str, label: str, value: str, placeholder: str, *, narrow: bool = False) -> Node:
    return el(
        "div",
        el("label", label, **{"for": f"training-{key}"}),
        el(
            "input",
            id=f"training-{key}",
            name=key,
            value=value,
            placeholder=placeholder,
            cls="entry number" if narrow else "entry",
            press={"act": "training_form"},
            autocomplete="off",
            spellcheck="false",
        ),
        cls="field",
    )


def recipe(place: int, name: str, said: str, is_chosen: bool) -> Node:
    return el(
        "button",
        el("span", el("strong", line(name, 40)), kbd(str(place)), cls="recipe-name"),
        el("span", line(said, 200), cls="quiet small"),
        cls="recipe",
        id=f"recipe-{place}",
        key=str(place) if place < 10 else None,
        press={"act": "training_form", "recipe": name},
        aria_pressed="true" if is_chosen else "false",
    )


def known_recipes() -> dict[str, str]:
    """The recipes by name, with the one that is there without a word first."""
    found = recipes()
    return {DEFAULT: found[DEFAULT], **found}


def configured() -> tuple[str, dict[str, Any]]:
    """The table [train] of curate.toml; where that cannot be read, `problem` says so."""
    try:
        return section("train")
    except CurateError:
        return "", {}


def preset_recipe() -> str:
    """The recipe that is taken where none is named."""
    return str(configured()[1].get("recipe", DEFAULT))


def presets(name: str) -> dict[str, Any]:
    return {**recipe_values(DEFAULT), **(recipe_values(name) if name in recipes() else {}), **configured()[1]}


def shown(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def entered(desk: Desk, seen: Training) -> dict[str, str]:
    """What stands in the form: what was typed, else what is known of the run."""
    known = desk.run.record("tokens")
    model = found_name(desk.run, known["config"]["model"]) if known else desk.model or ""
    if model and Path(model).is_relative_to(Path.cwd()):
        model = os.path.relpath(model)
    sources = seen.config.get("_sources", {})
    numbers = {key: shown(seen.config[key]) if sources.get(key) == "flag" else "" for key in NUMBERS}
    start_with = {"model": model, "recipe": seen.config.get("recipe") or preset_recipe(), **numbers}
    return start_with | dict(desk.memory.get("training_form", {}))


def flags(chosen: Mapping[str, str]) -> dict[str, str]:
    return {key: chosen[key].strip() for key in NUMBERS if chosen[key].strip()}


def model_folder(chosen: Mapping[str, str]) -> str:
    return os.path.expanduser(chosen["model"].strip())  # noqa: PTH111 (pathlib's raises where there is no such home)


def words(desk: Desk, chosen: Mapping[str, str], seen: Training) -> list[str]:
    given = {
        "model": model_folder(chosen) or "DIR",
        "recipe": None if chosen["recipe"] == preset_recipe() else chosen["recipe"],
        **flags(chosen),
    }
    return command_of(desk.run, given, force=overwrites(seen))


def problem(desk: Desk, chosen: Mapping[str, str]) -> str | None:
    """Why the command would be refused, in its own words."""
    model = model_folder(chosen)
    if not model:
        return "Say which model to train: a folder that save_pretrained wrote, or: hf download NAME --local-dir DIR"
    try:
        refuse_missing_libraries()
        (name,) = as_seen_from(desk.run, [model])
        config(desk.run, name, flags(chosen), chosen["recipe"], section("train"))
    except (CurateError, OSError, ValueError) as error:  # the two last: no name that a file could have
        return str(error)
    return None


def at_step(seen: Training) -> str:
    step = seen.last.get("step", 0)
    if not step:
        return "before its first step"
    return f"at step {step:,}" + (f" of {seen.steps:,}" if seen.steps else "")


def printed(output: Sequence[str]) -> Node:
    lines = [el("div", line(one, 400)) for one in output[-OUTPUT_LINES:]]
    return el("div", *lines, cls="printed")


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def note(desk: Desk, press: Mapping[str, Any]) -> None:
    """Keep what stands in the form."""
    typed = {key: str(word) for key, word in press.get("values", {}).items() if key in ("model", *NUMBERS)}
    picked = {"recipe": str(press["recipe"])} if press.get("recipe") in recipes() else {}
    desk.memory["training_form"] = {**desk.memory.get("training_form", {}), **typed, **picked}


def training_form(desk: Desk, press: dict[str, Any]) -> None:
    note(desk, press)


def training_start(desk: Desk, press: dict[str, Any]) -> None:
    note(desk, press)
    seen = look(desk.run)
    chosen = entered(desk, seen)
    if wrong := problem(desk, chosen):
        raise CurateError(wrong)
    start(desk.run, words(desk, chosen, seen))
    desk.go(view="training")


ACTS = {"training_form": training_form, "training_start": training_start}
