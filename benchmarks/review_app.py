"""Time the review app in a browser: first paint, key to next row, memory; side by side on a small and a large file.

    python benchmarks/review_app.py SMALL DATA [--rows 500000] [--presses 40] [--rounds 5] [--folder DIR] [--write FILE]

SMALL is reviewed as it is. DATA (JSON Lines with a `prompt`) is repeated to --rows rows, each copy with another number
before its prompt, and checked with FMT, DUP001 and TXT. Both are checked and prepared first, as `curate review` does
once (in --folder they are found again the next time); then both are served at the same time, and their measures
alternate, so that both see the same load. First paint: from the navigation of a new window until the first row of the
queue is on the screen. Key to next row: from the event of the key until the frame after the one that was drawn with the
next row. Needs chromium and `playwright`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from near_duplicates import machine

from curate.review.index import is_fresh
from curate.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CURATE = [sys.executable, "-m", "curate"]
PRESS = """key => new Promise((resolve, reject) => {
    const stage = document.querySelector(".paper");
    const start = performance.now();
    const watch = new MutationObserver(() => { watch.disconnect(); resolve(performance.now() - start); });
    watch.observe(stage, { attributeFilter: ["data-painted"] });
    setTimeout(() => reject(new Error("no next row")), 10000);
    window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
})"""


@dataclass
class Measured:
    name: str
    rows: int
    flagged: int
    check: float
    prepare: float
    paints: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    memory: int = 0


def repeated(data: Path, rows: int, out: Path) -> Path:
    """The rows of a file over and over, each time with another number before the prompt."""
    originals = [json.loads(line) for line in data.read_bytes().splitlines()]
    with out.open("w", encoding="utf-8") as file:
        for number in range(rows):
            turn, row = divmod(number, len(originals))
            value = originals[row]
            if turn:
                value = value | {"prompt": f"({turn}) {value['prompt']}"}
            file.write(json.dumps(value, ensure_ascii=False) + "\n")
    return out


def prepared(data: Path, folder: Path, *flags: str) -> Measured:
    """Check a file into a run folder and make its index, and count what is there to review; once for a folder."""
    kept = folder.with_suffix(".json")
    if kept.exists() and is_fresh(Run.open(folder)):
        return Measured(**json.loads(kept.read_bytes()))
    start = time.perf_counter()
    command = [*CURATE, "check", str(data), *flags, "--fail-on", "never", "--run", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    checked = time.perf_counter()
    (folder / "search.db").unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "curate.review.index", str(folder)], check=True, stdout=subprocess.DEVNULL)
    made = time.perf_counter()
    summary = json.loads((folder / "check.json").read_bytes())["summary"]
    made_of = Measured(folder.name, summary["rows"], summary["rows_flagged"], checked - start, made - checked)
    kept.write_text(json.dumps(asdict(made_of)), encoding="utf-8")
    return made_of


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a review and the id of its process."""
    command = [*CURATE, "review", str(folder), "--no-browser", "--reviewer", "benchmark"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def opened(browser: Any, address: str) -> tuple[Any, float]:
    """A new window on the queue, and the seconds until its first row was on the screen."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(".list .item")
    return page, time.perf_counter() - start


def measure(browser: Any, address: str, presses: int, out: Measured) -> None:
    page, seconds = opened(browser, address)
    out.paints.append(seconds)
    page.keyboard.press("Enter")
    page.wait_for_selector(".row-head")
    page.wait_for_timeout(500)
    for key, times in (("ArrowRight", out.steps), ("d", out.decisions)):
        for _ in range(presses):
            times.append(page.evaluate(PRESS, key))
            page.wait_for_timeout(250)
    page.context.close()


def memory(process: int) -> int:
    """The most bytes that a process ever held (VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def table(measured: list[Measured]) -> list[str]:
    small, large = measured
    rows: list[tuple[str, str, Any]] = [
        ("rows", "", lambda one: f"{one.rows:,}"),
        ("rows flagged", "", lambda one: f"{one.flagged:,}"),
        ("check, once", "", lambda one: f"{one.check:.1f} s"),
        ("index, once", "", lambda one: f"{one.prepare:.1f} s"),
        ("first paint, median", "3 s", lambda one: f"{median(one.paints):.2f} s"),
        ("→ to next row painted, median", "150 ms", lambda one: f"{median(one.steps):.0f} ms"),
        ("→ to next row painted, 95th percentile", "250 ms", lambda one: f"{percentile(one.steps, 0.95):.0f} ms"),
        ("D to next row painted, median", "150 ms", lambda one: f"{median(one.decisions):.0f} ms"),
        ("D to next row painted, 95th percentile", "250 ms", lambda one: f"{percentile(one.decisions, 0.95):.0f} ms"),
        ("server memory, peak", "300 MB", lambda one: f"{one.memory / 1e6:.0f} MB"),
    ]
    ratios = {
        "first paint, median": median(large.paints) / median(small.paints),
        "→ to next row painted, median": median(large.steps) / median(small.steps),
        "D to next row painted, median": median(large.decisions) / median(small.decisions),
    }
    lines = ["| | at most | small | large | large / small |", "|---|---|---|---|---|"]
    for name, most, value in rows:
        ratio = f"{ratios[name]:.2f}" if name in ratios else ""
        lines.append(f"| {name} | {most} | {value(small)} | {value(large)} | {ratio} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to keep the large file and both runs")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="curate-")))
        folder.mkdir(exist_ok=True)
        large = folder / "large.jsonl"
        if not large.exists():
            repeated(given.data, given.rows, large)
        cheap = ("--select", "FMT,DUP001,TXT")
        measured = [prepared(given.small, folder / "small"), prepared(large, folder / "large", *cheap)]
        for decided in folder.glob("*/review.db*"):
            decided.unlink()
        servers = [stack.enter_context(served(folder / one.name)) for one in measured]
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for address, _ in servers:  # a warm-up: the first window of a server loads its modules
            opened(browser, address)[0].context.close()
        for _ in range(given.rounds):
            for (address, _), one in zip(servers, measured, strict=True):
                measure(browser, address, given.presses // given.rounds, one)
        for (_, process), one in zip(servers, measured, strict=True):
            one.memory = memory(process)
        browser.close()
    lines = [
        "# The review app",
        "",
        f"`review_app.py` on {given.small.name} and on {given.rows:,} rows made from {given.data.name}: "
        f"{given.presses} presses of each key in {given.rounds} alternating rounds. {machine()}, load {load:.1f}.",
        "",
        *table(measured),
    ]
    print("\n".join(lines))
    if given.write:
        given.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
