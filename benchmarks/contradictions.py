"""Measure CON001 (contradictory-answers) on real answers and on pairs made by hand.

    python benchmarks/contradictions.py [--data DIR] [--seed 0] [--only gsm8k|pairs] [--misses]
    python benchmarks/contradictions.py [--data DIR] --sample-t0 60 FILE

The first form prints its tables and writes them to benchmarks/contradictions.md (a run with --only prints its part
alone). DIR holds gsm8k_answers_mixed.jsonl with its labels (600 questions, five answers each) and, for the second form,
t0_prompt_completion.jsonl. The pairs are benchmarks/data/contradiction_pairs.jsonl: written without a look at the rule,
and no place to tune it on. Exit codes: 0 measured, 2 if the rule or the data is missing.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import defaultdict
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

import curate
from curate.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from curate.finding import Finding

CODE = "CON001"
HERE = Path(__file__).parent
PAIRS = HERE / "data" / "contradiction_pairs.jsonl"
RESULTS = HERE / "contradictions.md"
SHARED = HERE.parent.parent / "shared" / "data"
GSM8K = "gsm8k_answers_mixed.jsonl"
T0 = "t0_prompt_completion.jsonl"

# Everyday words, each with words that can stand for it; forms are listed one by one, since nothing here inflects.
SYNONYMS = {
    word: others.split()
    for word, others in (line.split(": ") for line in (HERE / "data" / "synonyms.txt").read_text("utf-8").splitlines())
}
NUMBER_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
# Numbers, negations, comparisons and units: dropped, they would make another question.
KEPT = re.compile(
    rf"{'|'.join(NUMBER_WORDS)}|.*teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million"
    "|one|half|halves|thirds?|fourths?|fifths?|quarters?|once|twice|thrice|double|triple|dozen|pair|first|second|last"
    "|no|not|never|none|nobody|nothing|neither|nor|without|cannot|except|.*n['’]t|more|less|fewer|than|plus|minus|times"
    "|each|every|per|percent|dollars?|cents?|hours?|minutes?|seconds|days?|weeks?|months?|years?|miles?|foot|feet|inch"
    "|inches|pounds?|ounces?|gallons?|liters?|meters?|grams?|before|after"
)
DIGITS = re.compile(r"(?<![\w.,:/])\d+(?:,\d{3})*(?:\.\d+)?(?![\w:/])")
COUNTED = re.compile(rf"(?<![\w-])(?:{'|'.join(NUMBER_WORDS)})(?![\w-])", re.IGNORECASE)
STATED = re.compile(r"-?\$?(?:\d[\d,]*)?\.?\d+")
MARKER = re.compile(r"\n(?:A:|####) *(.*)$")


class Answered(NamedTuple):
    """One row of the GSM8K file: the question's id, its prompt and answer, the final number or None if it has none."""

    question: int
    prompt: str
    answer: str
    final: float | None


def read_gsm8k(folder: Path) -> list[Answered]:
    rows = read_lines(folder / GSM8K)
    labels = read_lines(folder / GSM8K.replace(".jsonl", ".labels.jsonl"))
    read = []
    for row, label in zip(rows, labels, strict=True):
        prompt, answer = (message["content"] for message in row["messages"])
        marked = MARKER.search(answer)
        final = numbers(marked[1])[:1] if marked else []
        read.append(Answered(label["question_id"], prompt, answer, final[0] if final else None))
    return read


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "").replace("$", "")) for number in STATED.findall(text)]


def with_noise(prompt: str, rng: random.Random) -> str:
    """The prompt in another case, with punctuation that no number holds left out or doubled."""
    cases: list[Callable[[str], str]] = [str, str.lower, str.upper, str.title, str.swapcase]
    case = rng.choice(cases)
    text = " ".join(case(word) if rng.random() < 0.9 else word for word in prompt.split(" "))
    text = re.sub(r"[.,;:!?\"“”()](?=\s|$)", lambda mark: mark[0] if rng.random() < 0.5 else "", text)
    text = re.sub("[’']", lambda _: rng.choice("’'"), text)
    return text + rng.choice(["", "", "?", "!", " ?", "..."])


def with_edits(prompt: str, rng: random.Random, share: float = 0.08) -> str:
    """The prompt with a share of its words replaced by a synonym or, where the table has none, dropped."""
    words = prompt.split(" ")
    cores = [word.strip('.,;:!?"“”()') for word in words]
    ends = [index == 0 or words[index - 1][-1:] in ".!?" for index in range(len(words))]
    editable = [
        index
        for index, core in enumerate(cores)
        if core and not is_kept(core) and (core[0].islower() or (ends[index] and core.lower() in SYNONYMS))
    ]
    for index in rng.sample(editable, min(len(editable), max(1, round(share * len(words))))):
        others = SYNONYMS.get(cores[index].lower())
        other = rng.choice(others) if others else ""
        words[index] = words[index].replace(cores[index], other.capitalize() if cores[index][0].isupper() else other)
    return re.sub(r" +(?=[.,;:?!])", "", " ".join(word for word in words if word)).replace(",,", ",")


def is_kept(core: str) -> bool:
    return any(KEPT.fullmatch(part) for part in core.lower().split("-")) or any(map(str.isdigit, core))


def with_other_number(prompt: str, question: int, turn: int, seed: int) -> str | None:
    """The prompt with one number changed: the same place in all rows of a question, another value in each (`turn`).

    None if the prompt has no number.
    """
    rng = random.Random(f"{seed}:{question}")
    places = [*DIGITS.finditer(prompt), *COUNTED.finditer(prompt)]
    if not places:
        return None
    place = rng.choice(places)
    steps = rng.sample(range(1, 10), 5)
    return prompt[: place.start()] + other_number(place[0], steps[turn]) + prompt[place.end() :]


def other_number(number: str, step: int) -> str:
    if number.lower() in NUMBER_WORDS:
        other = NUMBER_WORDS[(NUMBER_WORDS.index(number.lower()) + step) % len(NUMBER_WORDS)]
        return other.capitalize() if number[0].isupper() else other
    whole, point, decimals = number.partition(".")
    value = int(whole.replace(",", "")) + step
    return (f"{value:,}" if "," in whole else str(value)) + point + decimals


def as_prose(answer: str) -> str:
    """The answer without its final marker and without the calculator's notes (`<<3*4=12>>`)."""
    return re.sub(r"<<.*?>>", "", MARKER.sub("", answer)).strip()


def last_number(row: Answered) -> bool:
    return row.final is not None and numbers(as_prose(row.answer))[-1:] == [row.final]


def in_last_sentence(row: Answered) -> bool:
    return row.final is not None and row.final in numbers(as_prose(row.answer).split("\n")[-1])


MARKERS: dict[str, tuple[Callable[[Answered], bool], Callable[[str], str]]] = {
    '"A:"': (lambda _: True, str),
    "none, last number": (last_number, as_prose),
    "none, last sentence": (in_last_sentence, as_prose),
}
PROMPTS = ["as given", "case and punctuation", "8% of the words", "one number"]


def transform(kind: str, row: Answered, turn: int, line: int, seed: int) -> str | None:
    """The prompt of a row in one of the `PROMPTS` kinds; None leaves the row out."""
    rng = random.Random(f"{seed}:{line}")
    if kind == "case and punctuation":
        return with_noise(row.prompt, rng)
    if kind == "8% of the words":
        return with_edits(row.prompt, rng)
    if kind == "one number":
        return with_other_number(row.prompt, row.question, turn, seed)
    return row.prompt


def groups_in(path: Path) -> tuple[dict[str, list[Finding]], dict[str, set[int]]]:
    """The rule's findings in a file by group, and each group's lines (of its findings and of what they point at)."""
    findings: dict[str, list[Finding]] = defaultdict(list)
    lines: dict[str, set[int]] = defaultdict(set)
    for finding in curate.check(path, select=[CODE]).findings:
        if finding.code == CODE and finding.group is not None:
            findings[finding.group].append(finding)
            lines[finding.group] |= {finding.place.line, *(place.line for place in finding.related)}
    return findings, lines


def written(folder: str, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> Path:
    """A JSONL file of chats in the temporary folder, from (prompt, answer, metadata)."""
    path = Path(folder, "rows.jsonl")
    with path.open("wb") as file:
        for prompt, answer, metadata in rows:
            turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
            file.write(orjson.dumps({"messages": turns, **metadata}) + b"\n")
    return path


def share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def measure_gsm8k(folder: Path, seed: int, misses: bool) -> list[str]:
    """Two Markdown tables; with `misses`, prints each question that the rule gets wrong."""
    rows = read_gsm8k(folder)
    truths = [
        "| prompts | marker | disagree | found | recall | false | across | precision | lines flagged | whole groups |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    others = [
        "| prompts | marker | questions | flagged | rate | pairs flagged | rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for marker, (kept, rewrite) in MARKERS.items():
        for kind in PROMPTS:
            turns: dict[int, int] = defaultdict(int)
            used: list[tuple[Answered, str, str]] = []
            for line, row in enumerate(rows, 1):
                prompt = transform(kind, row, turns[row.question], line, seed) if kept(row) else None
                if prompt is not None:
                    used.append((row, prompt, rewrite(row.answer)))
                    turns[row.question] += 1
            with tempfile.TemporaryDirectory() as scratch:
                findings, lines = groups_in(written(scratch, ((prompt, answer, {}) for _, prompt, answer in used)))
            table, row_text, wrong = score_gsm8k(kind, marker, used, findings, lines)
            (others if table == "others" else truths).append(row_text)
            if misses:
                print_questions(f"{kind}, marker {marker}", used, lines, wrong)
    return [
        "## GSM8K: real answers, right and wrong",
        "",
        "A question counts as found if the rule flags one of its lines and links it to no other question's. *false*:",
        "flagged questions whose answers agree; *across*: groups that join several questions; both count against the",
        "precision. *lines flagged*: share of the lines of disagreeing questions; *whole groups*: found questions with",
        "every line flagged. Without a marker, calculator notes go too, and only rows stay whose final number is the",
        "last number of the prose, or stands in its last sentence (the others say it nowhere).",
        "",
        *truths,
        "",
        "One number of the prompt changed, at one place per question, to a value that no other of its rows has: no two",
        "rows ask the same, so every finding is false.",
        "",
        *others,
    ]


def score_gsm8k(
    kind: str,
    marker: str,
    used: list[tuple[Answered, str, str]],
    findings: dict[str, list[Finding]],
    lines: dict[str, set[int]],
) -> tuple[str, str, dict[int, str]]:
    """Which table the result belongs to, its row, and the questions that are wrong with the reason."""
    members: dict[int, set[int]] = defaultdict(set)
    finals: dict[int, set[float]] = defaultdict(set)
    for line, (row, _, _) in enumerate(used, 1):
        members[row.question].add(line)
        if row.final is not None:
            finals[row.question].add(row.final)
    asked = {line: question for question, its in members.items() for line in its}
    across = [group for group, its in lines.items() if len({asked[line] for line in its}) > 1]
    flagged = {finding.place.line for group in findings for finding in findings[group]}
    sound = {finding.place.line for group in findings if group not in across for finding in findings[group]}
    questions = {asked[line] for line in flagged}
    if kind == "one number":
        pairs = sum(len(list(combinations(its, 2))) for its in members.values())
        linked = {
            pair for its in lines.values() for pair in combinations(sorted(its), 2) if asked[pair[0]] == asked[pair[1]]
        }
        cells = [
            len(members),
            len(questions),
            share(len(questions), len(members)),
            len(linked),
            share(len(linked), pairs),
        ]
        reasons = dict.fromkeys(questions, "prompts differ in a number")
        return "others", f"| {kind} | {marker} | " + " | ".join(map(str, cells)) + " |", reasons
    disagree = {question for question, its in finals.items() if len(its) > 1}
    found = disagree & {asked[line] for line in sound}
    false = questions - disagree
    owed = {line for question in disagree for line in members[question] if used[line - 1][0].final is not None}
    whole = sum(members[question] & owed <= flagged for question in found)
    cells = [
        *(len(disagree), len(found), share(len(found), len(disagree)), len(false), len(across)),
        *(share(len(found), len(found) + len(false) + len(across)), share(len(owed & flagged), len(owed))),
        share(whole, len(found)),
    ]
    reasons = dict.fromkeys(disagree - found, "missed") | dict.fromkeys(false, "answers agree")
    reasons |= {asked[line]: "joined with another question" for group in across for line in lines[group]}
    return "truths", f"| {kind} | {marker} | " + " | ".join(map(str, cells)) + " |", reasons


def print_questions(
    title: str, used: list[tuple[Answered, str, str]], lines: dict[str, set[int]], wrong: dict[int, str]
) -> None:
    groups = {line: group for group, its in lines.items() for line in its}
    for question, reason in wrong.items():
        print(f"\n=== {title}: question {question}: {reason}")
        for line, (row, prompt, answer) in enumerate(used, 1):
            if row.question == question:
                print(f"--- line {line}, final {row.final}, group {groups.get(line)}\nQ {prompt}\nA {answer}")


def measure_pairs(seed: int, misses: bool) -> list[str]:
    """Markdown tables by type and language, and the list of what went wrong; with `misses`, prints those in full."""
    pairs = read_lines(PAIRS)
    rows = [(pair[f"prompt_{side}"], pair[f"answer_{side}"], pair["id"]) for pair in pairs for side in "ab"]
    random.Random(seed).shuffle(rows)
    with tempfile.TemporaryDirectory() as scratch:
        chats = ((prompt, answer, {"metadata": {"pair": name}}) for prompt, answer, name in rows)
        findings, lines = groups_in(written(scratch, chats))
    found = set()
    strangers = []
    for group, its in lines.items():
        names = [rows[line - 1][2] for line in sorted(its)]
        found |= {name for name in names if names.count(name) == 2}
        if len(set(names)) > 1:
            strangers.append((group, names))
    if misses:
        print_pairs(pairs, rows, found, [findings[group][0] for group, _ in strangers])
    true = {pair["id"] for pair in pairs if pair["expected"] == "contradiction"}
    right, false = len(found & true), len(found - true) + len(strangers)
    wrong = [pair for pair in pairs if (pair["id"] in found) != (pair["id"] in true)]
    return [
        "## 300 pairs made by hand",
        "",
        f"{right} of {len(true)} contradictions found: recall {share(right, len(true))}; {len(found - true)} of "
        f"{len(pairs) - len(true)} hard negatives and {len(strangers)} groups of rows of different pairs flagged: "
        f"precision {share(right, right + false)}.",
        "",
        *by("type", pairs, found),
        "",
        *by("lang", pairs, found),
        "",
        "Wrong:",
        "",
        *(f"- {pair['id']} ({pair['lang']}), expected {pair['expected']}: {pair['note']}" for pair in wrong),
        *(f"- across pairs: {', '.join(sorted(set(names)))}" for _, names in strangers),
    ]


def by(key: str, pairs: list[dict[str, Any]], found: set[str]) -> list[str]:
    table = [f"| {key} | contradictions | found | recall | hard negatives | flagged |", "|---|---|---|---|---|---|"]
    for value in dict.fromkeys(pair[key] for pair in pairs):
        mine = [pair for pair in pairs if pair[key] == value]
        true = [pair["id"] in found for pair in mine if pair["expected"] == "contradiction"]
        none = [pair["id"] in found for pair in mine if pair["expected"] == "none"]
        cells = [value, len(true), sum(true), share(sum(true), len(true)), len(none), sum(none)]
        table.append("| " + " | ".join(map(str, cells)) + " |")
    return table


def print_pairs(
    pairs: list[dict[str, Any]], rows: list[tuple[str, str, str]], found: set[str], strangers: list[Finding]
) -> None:
    for pair in pairs:
        if (pair["id"] in found) != (pair["expected"] == "contradiction"):
            print(f"\n=== {pair['id']} ({pair['lang']}), expected {pair['expected']}: {pair['note']}")
            for side in "ab":
                print(f"Q {pair[f'prompt_{side}']}\nA {pair[f'answer_{side}']}")
    for finding in strangers:
        print(f"\n=== across pairs: {finding.message}")
        for line in [finding.place.line, *(place.line for place in finding.related)]:
            prompt, answer, name = rows[line - 1]
            print(f"--- {name}\nQ {prompt}\nA {answer}")


def sample_t0(folder: Path, count: int, seed: int, out: Path) -> None:
    """Write `count` random groups, each with its first finding and the rows behind it, for a person to judge."""
    rows = read_lines(folder / T0)
    findings, _ = groups_in(folder / T0)
    picked = random.Random(seed).sample(sorted(findings), min(count, len(findings)))
    with out.open("w", encoding="utf-8") as file:
        file.write(f"{len(picked)} of {len(findings)} groups, {sum(map(len, findings.values()))} findings\n")
        for number, group in enumerate(picked, 1):
            finding = findings[group][0]
            file.write(f"\n{'=' * 100}\n{number}. {group}: {finding.message}\nevidence {dict(finding.evidence)}\n")
            for line in [finding.place.line, *(place.line for place in finding.related[:5])]:
                row = rows[line - 1]
                file.write(f"--- line {line}\n[prompt] {row['prompt']}\n[answer] {row['completion']}\n")
            if len(finding.related) > 5:
                file.write(f"--- and {len(finding.related) - 5} more rows\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED, metavar="DIR", help="default: ../shared/data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["gsm8k", "pairs"])
    parser.add_argument("--misses", action="store_true", help="print each wrong one in full")
    parser.add_argument("--sample-t0", nargs=2, metavar=("N", "FILE"), help="write N random groups for judging by hand")
    given = parser.parse_args()
    if CODE not in RULES:
        print(f"{CODE} is not registered", file=sys.stderr)
        return 2
    needed = given.data / (T0 if given.sample_t0 else GSM8K)
    if given.only != "pairs" and not needed.exists():
        print(f"{needed} is missing: give its folder with --data", file=sys.stderr)
        return 2
    if given.sample_t0:
        sample_t0(given.data, int(given.sample_t0[0]), given.seed, Path(given.sample_t0[1]))
        return 0
    parts = [] if given.only == "pairs" else [measure_gsm8k(given.data, given.seed, given.misses)]
    parts += [] if given.only == "gsm8k" else [measure_pairs(given.seed, given.misses)]
    title = f"# Contradictions that are found\n\n`benchmarks/contradictions.py`, seed {given.seed}, {date.today()}."
    text = "\n\n".join([title, *("\n".join(part) for part in parts)]) + "\n"
    print(text)
    if not given.only:
        RESULTS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
