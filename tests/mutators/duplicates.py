"""Plants rows that say nearly the same, and answers to one request that contradict or repeat each other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.mutators.dataset import answer, few, fresh, numbered, with_text_answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from curate.sample import Message, Sample
    from tests.mutators.dataset import Planted

SHARE = 0.03  # of the rows get a partner
WORDS_AN_EDIT = 20
LEAST_TEXT = 40  # characters that a question can be about
# Ordinary words only: a name, number or label in the place of another one would make another request.
ORDINARY = re.compile(r"(?<![^\s])[a-zß-öø-ÿ]{4,}(?=[\s,.?!]|$)")
FILLERS = (
    "rather",
    "quite",
    "simply",
    "perhaps",
    "actually",
    "somewhat",
    "mostly",
    "usually",
    "nearly",
    "again",
    "often",
)

# A question, ways to answer it that say the same, and ways that say something else.
Exchange = tuple[str, tuple[str, ...], tuple[str, ...]]
ASKED: tuple[Exchange, ...] = (
    (
        "How many words does the text above have?",
        ("42", "The text has 42 words.", "20 in the first half and 22 in the second, 20 + 22 = 42.\n#### 42"),
        ("57", "It has 57 words.", "20 in the first half and 37 in the second, 20 + 37 = 57.\n#### 57"),
    ),
    (
        "Is the text above written by a native speaker? Answer yes or no.",
        ("Yes", "Yes, every sentence of it sounds natural."),
        ("No", "No, some of the sentences sound like a translation."),
    ),
    (
        "Classify the text above as news, letter or manual.",
        ("news", "News."),
        ("letter", "Letter."),
    ),
    (
        "When was the text above written?",
        ("2019-06-04", "It was written on 4 June 2019."),
        ("2021-11-30", "It was written on 30 November 2021."),
    ),
)
# The same labels spelled apart are no rewording.
REWORDED = tuple(exchange for exchange in ASKED if exchange[1][0] != "news")


def last_question(sample: Sample) -> Message | None:
    """The turn that the last answer answers."""
    last = sample.messages[-2] if len(sample.messages) > 1 else None
    return last if last and last.role == "user" and last.text else None


def askable(samples: list[Sample], shortest: int = 1) -> list[Sample]:
    """Copies of the rows that end in a question and an answer of text meant to be learned."""
    rows = [row for row in with_text_answers(samples, shortest) if last_question(row)]
    for row in rows:
        row.label = row.rejected = None
    return rows


def with_partners(
    random: Random, rows: list[Sample], plant: Callable[[Sample], tuple[Sample, Sample] | None], *, both: bool
) -> Planted:
    """Some rows in pairs, the partner anywhere behind; planted are the partners, or both."""
    out = [(row, False) for row in rows]
    for i in reversed(few(random, rows, SHARE)):
        if pair := plant(rows[i]):
            out[i] = (pair[0], both)
            out.insert(random.randint(i + 1, len(out)), (pair[1], True))
    return numbered([row for row, _ in out]), {i for i, (_, is_planted) in enumerate(out) if is_planted}


def near_duplicates(random: Random, samples: list[Sample]) -> Planted:
    def plant(row: Sample) -> tuple[Sample, Sample] | None:
        partner = fresh(row)
        question = last_question(partner)
        assert question
        question.content = text = edited(random, question.text)
        return (row, partner) if text else None

    return with_partners(random, askable(samples), plant, both=False)


def edited(random: Random, text: str) -> str | None:
    """One word in WORDS_AN_EDIT replaced or added; None where there are too few to choose from."""
    places = list(ORDINARY.finditer(text))
    words = len(text.split())
    edits = max(1, words // WORDS_AN_EDIT)
    if words < WORDS_AN_EDIT / 2 or len(places) < 2 * edits:
        return None
    for place in sorted(random.sample(places, edits), key=lambda match: -match.start()):
        word = random.choice(FILLERS)
        end = place.start() if random.random() < 0.3 else place.end()
        text = f"{text[: place.start()]}{word}{' ' if end == place.start() else ''}{text[end:]}"
    return text


def asked(row: Sample, question: str, said: str) -> Sample:
    """The row with a question about its old answer: its old question may ask for variety."""
    out = fresh(row)
    turn = last_question(out)
    assert turn
    turn.content = f"{row.messages[-1].text}\n\n{question}"
    answer(out, said)
    return out


def respelled(random: Random, question: str) -> str:
    """The question in another case and punctuation: the same request."""
    return random.choice([question, question.lower(), question.upper(), question.replace(" ", "  "), question + " "])


def contradictory_answers(random: Random, samples: list[Sample]) -> Planted:
    def plant(row: Sample) -> tuple[Sample, Sample]:
        question, right, wrong = random.choice(ASKED)
        left, other = random.choice(right), random.choice(wrong)
        return asked(row, question, left), asked(row, respelled(random, question), other)

    return with_partners(random, askable(samples, LEAST_TEXT), plant, both=True)


def same_answer_reworded(random: Random, samples: list[Sample]) -> Planted:
    def plant(row: Sample) -> tuple[Sample, Sample]:
        question, *claims = random.choice(REWORDED)
        left, other = random.sample(random.choice(claims), 2)
        return asked(row, question, left), asked(row, respelled(random, question), other)

    return with_partners(random, askable(samples, LEAST_TEXT), plant, both=False)


def mixed_answer_formats(random: Random, samples: list[Sample]) -> Planted:
    def plant(row: Sample) -> tuple[Sample, Sample]:
        question, right, _ = random.choice(ASKED)
        formatted = json.dumps({"answer": right[0]}, indent=random.choice([None, 2]))
        left, other = random.sample([formatted, right[1]], 2)
        return asked(row, question, left), asked(row, respelled(random, question), other)

    return with_partners(random, askable(samples, LEAST_TEXT), plant, both=True)


def divergent_answers(random: Random, samples: list[Sample]) -> Planted:
    said = [
        "The writer looks back on a long year and thanks all the people who helped along the way.",
        "Mostly it shows how a small workshop grew, with its first machines and its early customers.",
    ]

    def plant(row: Sample) -> tuple[Sample, Sample]:
        question = "What is the text above about?"
        left, other = random.sample(said, 2)
        return asked(row, question, left), asked(row, respelled(random, question), other)

    return with_partners(random, askable(samples, LEAST_TEXT), plant, both=False)


DATASET_MUTATORS: dict[str, Callable[[Random, list[Sample]], Planted]] = {
    "CON001": contradictory_answers,
    "CON002": divergent_answers,
    "CON003": mixed_answer_formats,
    "DUP002": near_duplicates,
    "DUP003": same_answer_reworded,
}
