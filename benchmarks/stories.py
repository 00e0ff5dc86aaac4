"""Three fine-tunings whose end is known: one that is worth it, one that a prompt equals, one that learns by heart.

    python benchmarks/stories.py wins|as-good|overfits [--folder runs/stories] [--model DIR] [--write docs/stories]

Each makes its data from a seed, runs the commands that it prints with SmolLM2-135M-Instruct, and fails where the report
does not say what it should. A story takes a few minutes on two cores. --write keeps what came out, as in docs/stories.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODEL = "SmolLM2-135M-Instruct"
SHOP = "You work for Harrow & Pine, a shop for outdoor gear."

ITEMS = (
    *("tent", "sleeping bag", "rain jacket", "head torch", "camp stove", "rucksack", "water filter", "folding chair"),
    *("climbing rope", "wool hat", "camping mat", "pocket knife", "dry sack", "fleece vest", "map case", "cooking pot"),
    *("hammock", "snow shovel", "bike lamp", "picnic rug", "lantern", "canoe paddle", "sun hat", "hip flask", "kite"),
)
BRANDS = (
    *("Alder", "Brindle", "Corvane", "Dunmore", "Eskdale", "Fennick", "Garrow", "Holmsund", "Inverly", "Jorvik"),
    *("Kestrel", "Larchen", "Merrow", "Norwyn", "Oakhart", "Penrose", "Quillan", "Rosvik", "Selwick", "Tarnby"),
)
NAMES = ("Ana", "Ben", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena", "Mila", "Nils")
TOWNS = ("Aldermere", "Port Callan", "Sennwick", "Bramford", "Eastvale", "Hollin", "Kirkby", "Marsden", "Oxley")
AISLES = "ABCDEF"
PARTS = ("zip", "seam", "strap", "handle", "lid", "frame", "buckle", "lining")
STATES = {
    "repair": ("torn", "cracked", "bent", "split", "snapped", "frayed", "dented", "ripped"),
    "exchange": ("tiny", "huge", "oversized", "undersized", "baggy", "tight", "narrow", "short"),
    "clean": ("dirty", "muddy", "stained", "dusty", "greasy", "smelly", "sticky", "mouldy"),
}
# A model of this size fits without 4-bit weights, and a CPU is several times faster without them.
FAST = ("--quant", "none", "--batch-size", "8", "--accumulate", "1", "--no-gradient-checkpointing")


def thing(random: Random) -> str:
    return f"{random.choice(BRANDS)} {random.choice(ITEMS)}"


def complains(random: Random, number: int) -> tuple[str, str]:
    """A complaint, and what is done: one word says it, among many that have no say."""
    decision, states = random.choice(list(STATES.items()))
    state, part, order = random.choice(states), random.choice(PARTS), random.randint(1000, 9999)
    name, town = random.choice(NAMES), random.choice(TOWNS)
    said = random.choice(
        [
            f"Hello, {name} from {town} here. The {part} of my {thing(random)} is {state}, order {order}.",
            f"Order {order}: the {part} of the {thing(random)} is {state}. Please help, {name}, {town}",
            f"I am sorry to say that the {part} of your {thing(random)} is {state}. {name}, {town}, order {order}",
        ]
    )
    return said, decision


def asks_for_an_order(random: Random, number: int) -> tuple[str, str]:
    """A message about an order, and the line for the clerk: the number behind a word of the house."""
    order = random.randint(1000, 9999)
    said = random.choice(
        [
            f"Where is order {order} with the {thing(random)}? {random.choice(NAMES)}",
            f"My {thing(random)} from order {order} never came to {random.choice(TOWNS)}.",
            f"{random.choice(NAMES)} here. Order {order}, a {thing(random)}, is late.",
            f"Has order {order} left for {random.choice(TOWNS)} yet? It was a {thing(random)}.",
        ]
    )
    return said, f"TRACK {order}"


def asks_for_a_shelf(random: Random, number: int) -> tuple[str, str]:
    """A thing and its aisle, which nothing but the plan of the shop tells: what is learned of one says nothing of
    another."""
    brand, item = BRANDS[number % len(BRANDS)], ITEMS[(7 * number + number // len(BRANDS)) % len(ITEMS)]
    name, town = random.choice(NAMES), random.choice(TOWNS)
    said = random.choice(
        [
            f"In which aisle of the {town} shop is the {brand} {item}?",
            f"{name} from {town} looks for the {brand} {item}. Which aisle?",
            f"Which aisle has the {brand} {item} for {name}?",
        ]
    )
    return said, f"aisle {random.choice(AISLES)}"


@dataclass(frozen=True)
class Story:
    """What is made, how, what has to come out, and what it shows.

    `watched` splits another run of the same rows, that is trained only: with validation rows, where the story has none.
    """

    title: str
    task: str
    lesson: str
    rows: int
    write: Callable[[Random, int], tuple[str, str]]
    split: Sequence[str]
    train: Sequence[str]
    evaluate: Sequence[str]
    is_right: Callable[[dict[str, Any], dict[str, Any]], bool]
    watched: Sequence[str] = ()


STORIES = {
    "wins": Story(
        title="It was worth it",
        task="What does the shop do about a complaint? One word of the message says it: what is torn, cracked or bent "
        "is repaired, what is baggy or narrow is exchanged, what is muddy or sticky is cleaned. The rest, names, "
        "towns, brands, parts and order numbers, has no say.",
        lesson="Four examples (`--shots 4`, to keep the story short) show the three answers and hardly what decides, "
        "and the nearest examples are near by the words that have no say. Hundreds of rows show it to the adapter. "
        "Each baseline is beaten by far more than the margin, so that few test rows are enough to see it.",
        rows=560,
        write=complains,
        split=("--val", "0.05", "--test", "0.12"),
        train=(*FAST, "--max-steps", "40", "--learning-rate", "1e-3"),
        evaluate=("--shots", "4", "--batch-size", "50"),
        is_right=lambda report, watched: report["verdict"]["verdict"] == "win",
    ),
    "as-good": Story(
        title="A prompt is as good",
        task="Customers write about an order, the clerk needs a line of a house form: `TRACK 4117`. Nobody could guess "
        "the word, and three examples show it. The margin is declared before: `--margin 5`, as a test of this size "
        "cannot tell differences of 2 points, and a clerk who looks at each line anyway would not see 5.",
        lesson="Where a few examples show all there is to learn, training adds nothing but a model to look after. "
        "`equivalent` says more than that no difference was seen: the whole interval lies within the margin. Against "
        "the prompt without examples the adapter wins easily, which is why that is never the only baseline. What the "
        "examples cost is in the table: several times the prompt tokens, at every request.",
        rows=300,
        write=asks_for_an_order,
        split=("--val", "0.06", "--test", "0.55"),
        train=(*FAST, "--max-steps", "32", "--learning-rate", "1e-3"),
        evaluate=("--shots", "3", "--batch-size", "55", "--margin", "5"),
        is_right=lambda report, watched: (
            report["verdict"]["verdict"] == "equivalent" and report["verdict"]["decisive"].startswith("few-shot")
        ),
    ),
    "overfits": Story(
        title="It learned its rows by heart",
        task="In which aisle is what? Only the plan of the shop tells, and the plan is not in the data: a dozen "
        "things with their aisles say nothing about any other. The adapter sees them 30 times, and no validation rows "
        "are held out that would show what happens.",
        lesson="The training loss falls to nearly nothing and means nothing. On its own rows the adapter is right, on "
        "new ones it guesses, and the report says so beside the verdict. With validation rows (the first of the two "
        "trainings) the loss on them is seen to rise, and the adapter from before it rose is kept. "
        "Facts belong into documents that are retrieved (`--docs`), not into weights.",
        rows=90,
        write=asks_for_a_shelf,
        watched=("--val", "0.16", "--test", "0.7"),
        split=("--val", "0", "--test", "0.86"),
        train=(*FAST, "--epochs", "30", "--learning-rate", "2e-3", "--patience", "30"),
        evaluate=("--shots", "3", "--batch-size", "50"),
        is_right=lambda report, watched: (
            report["verdict"]["verdict"] != "win"
            and report["training"]["p"] < 0.05
            and any(line.startswith("overfitting") for line in watched["advice"])
        ),
    ),
}


def data(story: Story) -> str:
    """The rows as JSON lines: the same each time."""
    random = Random(0)
    rows = []
    for number in range(story.rows):
        question, answer = story.write(random, number)
        turns = (("system", SHOP), ("user", question), ("assistant", answer))
        rows.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    return "".join(f"{row}\n" for row in rows)


class Commands:
    """Runs commands, and keeps them with what they said, as they would be in the folder runs/stories."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.lines: list[str] = []

    def curate(self, *words: str) -> str:
        """Run one, print it and what it says, and return the latter.

        Raises:
            SystemExit: it failed.
        """
        command = shlex.join(["curate", *words])
        print(f"\n$ {command}", flush=True)
        here = command.replace(str(self.model), f"runs/stories/{MODEL}").replace(str(self.folder), "runs/stories")
        self.lines.append(here)
        # Threads that wait actively are slow on cores that are shared.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1", **os.environ}
        ran = subprocess.run(
            [sys.executable, "-m", "curate", *words], env=environment, stdout=subprocess.PIPE, text=True
        )
        print(ran.stdout, end="", flush=True)
        if ran.returncode:
            sys.exit(f"curate {words[0]} ended with {ran.returncode}")
        return ran.stdout

    def train(self, file: Path, run: str, split: Sequence[str], train: Sequence[str]) -> dict[str, Any]:
        """Everything up to an adapter; returns train/train.json."""
        self.curate("check", str(file), "--run", run)
        self.curate("clean", run)
        self.curate("split", run, *split)
        self.curate("tokens", run, "--model", str(self.model))
        self.curate("train", run, *train)
        found: dict[str, Any] = json.loads(Path(run, "train/train.json").read_bytes())
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=STORIES)
    parser.add_argument("--folder", type=Path, default=Path("runs", "stories"))
    parser.add_argument("--model", type=Path, help=f"Where the model is.  [default: {MODEL} in the folder]")
    parser.add_argument("--write", type=Path, help="A folder to keep the story in.")
    given = parser.parse_args()

    from curate.demo_model import demo_model

    story, run = STORIES[given.name], str(given.folder / given.name)
    given.folder.mkdir(parents=True, exist_ok=True)
    commands = Commands(given.folder, demo_model(given.model or given.folder / MODEL))
    file = given.folder / f"{given.name}.jsonl"
    file.write_text(data(story), encoding="utf-8")
    started = time.perf_counter()
    watched: dict[str, Any] = {}
    if story.watched:
        watched = commands.train(file, f"{run}-watched", story.watched, story.train)
    commands.train(file, run, story.split, story.train)
    commands.curate("evaluate", run, *story.evaluate)
    commands.curate("report", run, "--no-serve")
    markdown = commands.curate("report", run, "--markdown")
    seconds = time.perf_counter() - started
    computing = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    print(f"\nThe story took {seconds:.0f} s, {computing:.0f} s of computing.")
    report = json.loads(Path(run, "report.json").read_bytes())
    if not story.is_right(report, watched):
        sys.exit(f"{given.name}: the report says something else than it should")
    if given.write:
        text = told(given.name, file, commands.lines, markdown, watched.get("advice", []), seconds, computing)
        (given.write / f"{given.name}.md").write_text(text, encoding="utf-8")


def told(
    name: str,
    file: Path,
    commands: Sequence[str],
    markdown: str,
    advice: Sequence[str],
    seconds: float,
    computing: float,
) -> str:
    """The story as it is kept in the documents."""
    story = STORIES[name]
    lines = file.read_text(encoding="utf-8").splitlines()[:3]
    rows = [[turn["content"] for turn in json.loads(line)["messages"][1:]] for line in lines]
    parts = [
        f"# {story.title}",
        story.task,
        "\n".join(["| a row | its answer |", "|---|---|", *(f"| {asked} | {answer} |" for asked, answer in rows)]),
        f"    python benchmarks/stories.py {name}",
        "## What came out",
        *([f"The training with validation rows: {'; '.join(advice)}."] if advice else []),
        markdown.strip(),
        "## What it shows",
        story.lesson,
        "## The commands",
        "\n".join(f"    {command}" for command in commands),
        f"They took {minutes(seconds)} on {os.cpu_count()} cores, with {minutes(computing)} of computing.",
    ]
    return "\n\n".join(part if part.startswith(("|", "    ", "**")) else wrapped(part) for part in parts) + "\n"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes"


def wrapped(text: str) -> str:
    return textwrap.fill(text, 119, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
