"""Plants faults of the whole data set: what is wrong shows only beside the other rows."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING

from curate.sample import Message, Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Planted = tuple[list[Sample], set[int]]


def fresh(sample: Sample) -> Sample:
    out = copy.deepcopy(sample)
    out._id = out._texts = None
    return out


def numbered(samples: list[Sample]) -> list[Sample]:
    for line, sample in enumerate(samples, 1):
        sample.line, sample.part = line, 0
    return samples


def with_text_answers(samples: list[Sample], shortest: int = 1, longest: int = 10**9) -> list[Sample]:
    """Copies of the rows that end in an answer of text, without what makes two rows hard to compare."""
    out = []
    for sample in samples:
        last = sample.messages[-1] if sample.messages else None
        if last and last.role == "assistant" and not last.tool_calls and shortest <= len(last.text) <= longest:
            mutant = fresh(sample)
            mutant.messages[-1].weight = None
            out.append(mutant)
    return numbered(out)


def answer(sample: Sample, text: str) -> None:
    sample.messages[-1].content = text


def few(random: Random, samples: list[Sample], share: float) -> list[int]:
    return sorted(random.sample(range(len(samples)), max(2, int(share * len(samples)))))


def exact_copies(random: Random, samples: list[Sample]) -> Planted:
    rows = [(fresh(sample), False) for sample in samples]
    for _ in range(max(1, len(samples) // 50)):
        i = random.randrange(len(rows))
        rows.insert(random.randint(i + 1, len(rows)), (fresh(rows[i][0]), True))
    return numbered([sample for sample, _ in rows]), {i for i, (_, is_copy) in enumerate(rows) if is_copy}


def length_outlier(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples, 60, 800)
    i = random.randrange(len(rows))
    if random.random() < 0.5:
        answer(rows[i], "\n".join(row.messages[-1].text for row in rows * (1 + 400 // len(rows)))[:60_000])
    else:
        first = next(message for message in rows[i].messages if message.role == "user")
        first.content = first.text + "\n" + "2026-01-03 04:05:06 INFO request served\n" * 6_000
    return rows, {i}


def capped_answers(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples, 1)
    for row in rows:
        answer(row, row.messages[-1].text.removesuffix("<|endoftext|>"))
    sizes = sorted(len(row.messages[-1].text) for row in rows)
    cap = max(350, sizes[int(len(sizes) * 0.8)])
    finished = sum(
        not row.messages[-1].text.rstrip()[-1:].isalnum() for row in rows if len(row.messages[-1].text) > 200
    )
    # Where answers end in a number anyway (#### 18), a limit that cuts at all lengths leaves no trace.
    how = random.choice(["characters", "words", "tokens"] if 2 * finished > len(rows) else ["characters", "words"])
    cut = set()
    for i, row in enumerate(rows):
        text = row.messages[-1].text
        # A token is four characters more or less.
        end = cap if how == "characters" else int(cap * random.gauss(1, 0.06)) if how == "tokens" else None
        end = sum(map(len, re.findall(r"\s*\S+", text)[: cap // 6])) if end is None else end
        if len(text) > end:
            text = text[:end].rstrip()
            answer(row, text)
            if text[-1].isalnum():
                cut.add(i)
    return rows, cut


def too_few_rows(random: Random, samples: list[Sample]) -> Planted:
    return numbered([fresh(sample) for sample in samples[: random.randint(3, 450)]]), set()


LABEL_SETS = (
    ("positive", "negative", "neutral"),
    ("spam", "not spam"),
    ("yes", "no"),
    ("A", "B", "C", "D"),
    ("好评", "差评"),
)


def labelled(
    random: Random, samples: list[Sample], weights: list[float] | None = None
) -> tuple[list[Sample], tuple[str, ...]]:
    labels = random.choice(LABEL_SETS)
    rows = with_text_answers(samples)
    for row in rows:
        row.messages = row.messages[-2:]
        answer(row, random.choices(labels, weights[: len(labels)] if weights else None)[0])
    return rows, labels


def label_imbalance(random: Random, samples: list[Sample]) -> Planted:
    return labelled(random, samples, [0.97, 0.01, 0.01, 0.01])[0], set()


def label_spelling_variants(random: Random, samples: list[Sample]) -> Planted:
    rows, _ = labelled(random, samples)
    variants = (
        str.upper,
        str.title,
        lambda s: s + ".",
        lambda s: s + " ",
        lambda s: f'"{s}"',
        lambda s: f"**{s}**",
        lambda s: s + "\n",
    )
    planted = set()
    for i in few(random, rows, 0.03):
        text = rows[i].messages[-1].text
        changed = random.choice(variants)(text)
        if changed != text and not any(changed.strip() in message.text for message in rows[i].messages[:-1]):
            answer(rows[i], changed)
            planted.add(i)
    return rows, planted


def mixed_output_format(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples)
    prose = set(few(random, rows, 0.05))
    fenced = random.random() < 0.3
    for i, row in enumerate(rows):
        row.tools = None
        if i not in prose:
            record = {"answer": row.messages[-1].text[:80], "confidence": round(random.random(), 2)}
            text = json.dumps(record, indent=random.choice([None, 2]))
            answer(row, f"```json\n{text}\n```" if fenced else text)
    return rows, prose


def deviating_system_prompt(random: Random, samples: list[Sample]) -> Planted:
    usual = random.choice(
        [
            "You are a helpful support agent of Northwind Traders. Answer briefly and politely.",
            "You are an expert tutor. Think step by step, then give the final answer on a line of its own.",
            "Du bist ein hilfreicher Assistent. Antworte immer auf Deutsch.",
        ]
    )
    rows = numbered([fresh(sample) for sample in samples if sample.messages])
    odd = set(few(random, rows, 0.04))
    for i, row in enumerate(rows):
        if row.messages[0].role == "system":
            row.messages.pop(0)
        prompt: str | None = usual
        if i in odd:
            at = random.randrange(len(usual) - 1)
            typo = usual[:at] + usual[at + 1] + usual[at] + usual[at + 2 :]
            prompt = random.choice(
                [None, usual.lower(), usual.rstrip("."), usual + " ", typo if typo != usual else usual.upper()]
            )
        if prompt is not None:
            row.messages.insert(0, Message("system", prompt))
    return rows, odd


def low_diversity(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples)
    prompts = [row.messages[0].content for row in rows[: len(rows) // 4]]
    is_template = random.random() < 0.5
    for row in rows:
        first = next(message for message in row.messages if message.role == "user")
        first.content = (
            f"Classify the sentiment of the following text: {first.text}" if is_template else random.choice(prompts)
        )
    return rows, set()


def formulaic_openings(random: Random, samples: list[Sample]) -> Planted:
    opening = random.choice(
        ["Sure, here is ", "Certainly! Here's a ", "Great question! Let me ", "As a helpful assistant, "]
    )
    rows = with_text_answers(samples)
    for row in rows:
        if random.random() < 0.5:
            answer(row, opening + row.messages[-1].text + " I hope this helps you with what you wanted to know today.")
    return rows, set()


def preference_length_bias(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples, 40)
    longer_chosen = random.random() < 0.5
    for row in rows:
        text = row.messages[-1].text
        short = text[: max(5, int(len(text) * random.uniform(0.1, 0.4)))]
        row.rejected = [Message("assistant", short if longer_chosen else text)]
        if not longer_chosen:
            answer(row, short)
        row.label = None
    # Lengths of one kind of text: on a mix of one-word answers and essays the effect drowns in the spread.
    middle = sorted(len(row.messages[-1].text) for row in rows)[len(rows) // 2]
    return numbered([row for row in rows if middle / 4 < len(row.messages[-1].text) < middle * 4]), set()


def kto_label_imbalance(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples)
    share = random.choice([0.0, 0.05, 0.92, 1.0])
    for row in rows:
        row.rejected, row.label = None, random.random() < share
    return rows, set()


def partial_reasoning(random: Random, samples: list[Sample]) -> Planted:
    rows = with_text_answers(samples)
    share = random.choice([0.02, 0.4, 0.95])
    in_text = random.random() < 0.5
    chosen = set(few(random, rows, share))
    for i in chosen:
        last = rows[i].messages[-1]
        if in_text:
            last.content = f"<think>\nLet me look at it step by step.\n</think>\n\n{last.text}"
        else:
            last.reasoning = "Let me look at it step by step."
    return rows, set()


def duplicate_ids(random: Random, samples: list[Sample]) -> Planted:
    rows = numbered([fresh(sample) for sample in samples])
    column = random.choice(["id", "uuid", "example_id"])
    for i, row in enumerate(rows):
        row.metadata[column] = random.choice([f"conv-{i}", f"{i:08x}"]) if column != "id" else i
    planted: set[int] = set()
    for i in few(random, rows, 0.01):
        j = random.randrange(len(rows))
        if rows[i].id != rows[j].id and not {i, j} & planted:
            rows[i].metadata[column] = rows[j].metadata[column]
            planted |= {i, j}
    return rows, planted


def conflicting_types(random: Random, samples: list[Sample]) -> Planted:
    rows = numbered([fresh(sample) for sample in samples])
    usual, odd = random.choice(
        [(0.5, "n/a"), ("news", ["news"]), (True, "true"), ({"by": "a"}, "a"), ([1, 2], [1, "two"])]
    )
    strays = set(few(random, rows, 0.02))
    for i, row in enumerate(rows):
        row.metadata["score"] = odd if i in strays else usual
    return rows, set()


def many_turns(random: Random, sample: Sample) -> Sample | None:
    if sample.rejected is not None or len(sample.messages) < 2:
        return None
    out = fresh(sample)
    out.messages = [message for _ in range(random.randint(60, 200)) for message in copy.deepcopy(sample.messages[-2:])]
    return out


SAMPLE_MUTATORS: dict[str, Callable[[Random, Sample], Sample | None]] = {"LEN003": many_turns}

DATASET_MUTATORS: dict[str, Callable[[Random, list[Sample]], Planted]] = {
    "DUP001": exact_copies,
    "FMT070": conflicting_types,
    "LEN001": length_outlier,
    "LEN002": capped_answers,
    "SET001": too_few_rows,
    "SET002": label_imbalance,
    "SET003": mixed_output_format,
    "SET004": label_spelling_variants,
    "SET005": deviating_system_prompt,
    "SET006": low_diversity,
    "SET007": formulaic_openings,
    "SET008": preference_length_bias,
    "SET009": kto_label_imbalance,
    "SET010": partial_reasoning,
    "SET011": duplicate_ids,
}
