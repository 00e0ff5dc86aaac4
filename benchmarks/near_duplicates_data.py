"""Rows for the examination of DUP002: real ones, composed ones in other languages, templated ones, and planted edits.

A pair is a row and its copy, in which some words of the prompt are replaced by random other words of the same rows and
the answer is unchanged. The phrases that rows are composed of, and the templates, are in benchmarks/data.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import curate

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

COMPOSED = Path(__file__).parent / "data"
LANGUAGES = ("chinese", "japanese", "thai", "arabic", "code")
UNSPACED = frozenset({"chinese", "japanese", "thai"})
REAL = (
    "t0_prompt_completion.jsonl",
    "gsm8k_train.jsonl",
    "gsm8k_test.jsonl",
    "alpaca_en_demo.json",
    "glaive_toolcall_en_demo.json",
    "kto_en_demo.json",
    "dpo_en_demo.json",
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Replacing one of these by another of its kind asks something else, so it is no edit (a slot, or a negation).
NEGATIONS = _set("no not never none nobody nothing neither nor without cannot لا لم لن ليس ما غير دون بلا")
NEGATING_PARTS = ("n't", "n’t", *"不没别未无", "ない", "なく", "なかっ", "ませ", "まい", "ず", "ไม่", "ไร้", "อย่า")
NUMBER_WORDS = _set("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third quarter
    first second once twice thrice double triple dozen
""")
UNITS = _set("""
    second seconds minute minutes hour hours day days week weeks month months year years inch inches foot feet yard
    yards mile miles meter meters metre metres km cm mm gram grams kg pound pounds lb lbs ounce ounces oz ton tons liter
    liters litre litres gallon gallons cup cups pint pints quart quarts percent cent cents dollar dollars euro euros
    dime dimes nickel nickels penny pennies am pm
""")

Span = tuple[int, int, int]  # index of the message, start and end in its text


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file in the format `messages`. `words` are the spans of the words that an edit may replace."""

    messages: list[dict[str, Any]]
    words: list[Span] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(message.get("content") or "" for message in self.messages)

    def word(self, span: Span) -> str:
        message, start, end = span
        return str(self.messages[message]["content"][start:end])

    def as_json(self) -> bytes:
        return orjson.dumps({"messages": self.messages})


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines of an Exam that are near-duplicates, and the words that were replaced: (old, new)."""

    lines: tuple[int, int]
    share: float
    edits: list[tuple[str, str]]

    @property
    def swaps_values(self) -> bool:
        return any(same_kind(old, new) for old, new in self.edits)


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows in file order, and which of them are planted pairs. Lines count from 1."""

    rows: list[Row]
    pairs: list[Pair]

    def write(self, path: Path) -> Path:
        path.write_bytes(b"".join(row.as_json() + b"\n" for row in self.rows))
        return path


# ---- rows


WORD = r"\d+(?:[.,:/]\d+)*(?!\w)|\w+(?:['’-]\w+)*"  # 1,000 and 3/4 and 9:30 and don't are one word each
IDENTIFIER = r"\w+"
TOKEN = r"\S+"  # with the punctuation that clings to it
UNSPACED_SCRIPT = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")  # Thai, Lao, Japanese, Chinese


def asked_words(messages: list[dict[str, Any]], word: str) -> list[Span]:
    """The spans of the words, by their pattern, in the user's turns."""
    return [
        (index, match.start(), match.end())
        for index, message in enumerate(messages)
        if message["role"] == "user"
        for match in re.finditer(word, message["content"])
    ]


def real_rows(data: Path, rng: random.Random, count: int, most_per_file: int = 3000) -> list[Row]:
    """Rows of several public files whose prompts have 20 words or more and of which no two share a run of 12 words."""
    rows: list[Row] = []
    for name in REAL:
        found = [row for sample in curate.read(data / name) if (row := as_row(sample)) and len(row.words) >= 20]
        rng.shuffle(found)
        rows += found[: 2 * most_per_file]
    rng.shuffle(rows)
    return sharing_no_run(rows, count)


def as_row(sample: curate.Sample) -> Row | None:
    """A row that ends with an answer and whose words have spaces between them."""
    if sample.messages[-1].role != "assistant" or any(UNSPACED_SCRIPT.search(turn.text) for turn in sample.messages):
        return None
    messages: list[dict[str, Any]] = []
    for message in sample.messages:
        turn: dict[str, Any] = {"role": message.role, "content": message.text}
        if message.tool_calls:
            calls = [{"name": call.name, "arguments": call.parsed_arguments()} for call in message.tool_calls]
            turn["tool_calls"] = [{"type": "function", "function": call} for call in calls]
        messages.append(turn)
    return Row(messages, asked_words(messages, WORD))


def composed_rows(language: str, rng: random.Random, count: int) -> list[Row]:
    """Rows made of phrases that were written for this purpose; no two share a run (`sharing_no_run`).

    A pattern names slots, a slot has phrases, and a phrase may name slots again. In a language without spaces the
    phrases are written with a space between words, which is taken out here.
    """
    lines = (COMPOSED / f"{language}.jsonl").read_bytes().splitlines()
    phrases: dict[str, list[str]] = {entry["slot"]: entry["phrases"] for entry in map(orjson.loads, lines)}

    def expand(slot: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda m: expand(m[1]) if m[1] in phrases else m[0], rng.choice(phrases[slot]))

    def candidates() -> Iterator[Row]:
        while True:
            answer = expand("answer")
            if language not in UNSPACED:
                messages = _turns(expand("prompt"), answer)
                yield Row(messages, asked_words(messages, IDENTIFIER if language == "code" else WORD))
                continue
            prompt, words = "", []
            for token in expand("prompt").split():
                if any(unicodedata.category(char)[0] in "LM" for char in token):
                    words.append((0, len(prompt), len(prompt) + len(token)))
                prompt += token
            yield Row(_turns(prompt, answer.replace(" ", "")), words)

    tries = islice(candidates(), 100 * count)
    return sharing_no_run(tries, count, characters=20 if language in UNSPACED else None)


def _turns(prompt: str, answer: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def in_tokens(row: Row) -> Row:
    """The row, with all that stands between spaces as its words."""
    return replace(row, words=asked_words(row.messages, TOKEN))


def sharing_no_run(rows: Iterable[Row], count: int, characters: int | None = None) -> list[Row]:
    """The first `count` rows of which no two share a run of 12 words, or of that many characters, in any message."""
    seen: set[int] = set()
    kept: list[Row] = []
    for row in rows:
        if len(kept) == count:
            break
        runs = set(_runs(row, characters))
        if runs and seen.isdisjoint(runs):
            seen |= runs
            kept.append(row)
    return kept


def _runs(row: Row, characters: int | None) -> Iterator[int]:
    for message in row.messages:
        text = (message.get("content") or "").casefold()
        units = [char for char in text if not unicodedata.combining(char)] if characters else re.findall(r"\w+", text)
        length = characters or 12
        for start in range(len(units) - length + 1):
            yield hash(tuple(units[start : start + length]))


def template_rows() -> dict[str, list[Row]]:
    """The families of benchmarks/data/templates.jsonl: rows that differ in their slot, or in the question asked."""
    families: dict[str, list[Row]] = {}
    for family in map(orjson.loads, (COMPOSED / "templates.jsonl").read_bytes().splitlines()):
        slots = family.get("slots") or family["prompts"]
        answers = slots if family["answers"] == "echo" else family["answers"]
        pattern = family.get("messages") or [{"role": "user", "content": family.get("prompt") or "{}"}]
        families[family["family"]] = [
            Row(
                [
                    *({**turn, "content": turn["content"].replace("{}", slot)} for turn in pattern),
                    {"role": "assistant", "content": answer},
                ]
            )
            for slot, answer in zip(slots, cycle(answers), strict=False)
        ]
    return families


# ---- planting


def vocabulary(rows: Iterable[Row]) -> list[str]:
    return sorted({row.word(span) for row in rows for span in row.words})


def edited(row: Row, share: float, words: list[str], rng: random.Random, *, keep_values: bool) -> tuple[Row, list[Any]]:
    """A copy in which `share` of the words that are asked (at least one) are other words, and the list of (old, new).

    With `keep_values` a number, name or unit never becomes another one, and no negation comes or goes.
    """
    asked = [span for span in row.words if not (keep_values and negates(row.word(span)))]
    chosen = rng.sample(asked, max(1, round(share * len(row.words))))
    messages = [dict(message) for message in row.messages]
    edits: list[tuple[str, str]] = []
    for span in sorted(chosen, reverse=True):
        index, start, end = span
        old = row.word(span)
        new = old
        while new.casefold() == old.casefold() or (keep_values and same_kind(old, new)):
            new = rng.choice(words)
        text = messages[index]["content"]
        messages[index]["content"] = text[:start] + new + text[end:]
        edits.append((old, new))
    return replace(row, messages=messages, words=[]), edits[::-1]


def same_kind(old: str, new: str) -> bool:
    """Whether both words are numbers, capitalised words or units, so that both fill a slot, or either is a negation."""
    if negates(old) or negates(new):
        return True
    return any(kind(old) and kind(new) for kind in (_is_number, _is_capitalised, _is_unit))


def negates(word: str) -> bool:
    return word.casefold() in NEGATIONS or any(part in word.casefold() for part in NEGATING_PARTS)


def _is_number(word: str) -> bool:
    return any(unicodedata.category(char)[0] == "N" for char in word) or word.casefold() in NUMBER_WORDS


def _is_capitalised(word: str) -> bool:
    return word[0].isupper()


def _is_unit(word: str) -> bool:
    return word.casefold() in UNITS


def plant(
    groups: Iterable[list[Row]], shares: Iterable[float], copies: int, rng: random.Random, *, keep_values: bool = True
) -> Exam:
    """All rows of all groups in random order, with `copies` edited copies for each share and group.

    No row is copied twice. The words that replace others come from the same group.
    """
    rows: list[Row] = []
    planted: list[tuple[int, int, float, list[tuple[str, str]]]] = []
    for group in groups:
        words = vocabulary(group)
        first = len(rows)
        rows += group
        sources = iter(rng.sample(range(len(group)), len(group)))
        for share in shares:
            for _ in range(copies):
                source = next(sources)
                copy, edits = edited(group[source], share, words, rng, keep_values=keep_values)
                planted.append((first + source, len(rows), share, edits))
                rows.append(copy)
    order = rng.sample(range(len(rows)), len(rows))
    line = {row: line for line, row in enumerate(order, 1)}
    pairs = [Pair((line[a], line[b]), share, edits) for a, b, share, edits in planted]
    return Exam([rows[index] for index in order], pairs)
