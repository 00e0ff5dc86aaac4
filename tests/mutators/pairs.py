"""Faults of preference pairs, planted into clean samples as they look in the wild."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from tests.mutators.conversation import Mutator, changed, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from curate.sample import Sample


def on_pair(mutate: Callable[[Random, Sample], bool]) -> Mutator:
    """Plant a fault into a preference pair."""

    def plant(random: Random, sample: Sample) -> Sample | None:
        if not sample.rejected or sample.messages[-1].role != "assistant":
            return None
        out = changed(sample)
        return out if mutate(random, out) else None

    return plant


def chosen_equals_rejected(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    text = sample.messages[-1].text
    sample.rejected[-1].content = random.choice([text, text, text + "\n", " " + text])
    return bool(text.strip())


def near_identical_pair(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    text = sample.messages[-1].text
    words = text.split(" ")
    if len(text) < 600:
        return False
    i = random.randrange(len(words))
    edited = [
        text.lower(),
        text.replace(". ", "! "),
        " ".join([*words[:i], "really", *words[i + 1 :]]),
        text + " Right?",
    ]
    sample.rejected[-1].content = random.choice(edited)
    return sample.rejected[-1].text.strip() != text.strip()


def empty_preference_side(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    side = random.choice([sample.messages, sample.rejected])
    side[-1].content = random.choice(["", " ", "\n", None, "<|endoftext|>", "</s>"])
    return True


def prompts_differ(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    users = turns(sample, "user")
    if not users:
        return False
    prompt = copy.deepcopy(sample.messages[users[-1] : -1])
    prompt[0].content = random.choice(
        [prompt[0].text + " Be brief.", prompt[0].text[:-1], "What is the capital of Peru?"]
    )
    sample.rejected = prompt + sample.rejected
    return prompt[0].text != sample.messages[users[-1]].text


def chosen_refuses(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    refusals = [
        "I'm sorry, but I can't help with that request.",
        "I cannot assist with this.",
        "As an AI language model, I cannot provide that information.",
        "Sorry, but I am unable to do this for you.",
        "I apologize, but I cannot continue with this topic.",
    ]
    if len(sample.rejected[-1].text) < 80 or sample.rejected[-1].text.startswith(
        ("I'm sorry", "I apolog", "Sorry", "As an AI", "I can")
    ):
        return False
    sample.messages[-1].content = random.choice(refusals)
    return True


# Where the task is to pick from a given text, a copied answer is right.
GIVEN_TEXT = re.compile(
    r"text|passage|article|context|paragraph|sentence|options?|choices|list|review|story|report|document|page|answer:",
    re.IGNORECASE,
)


def answer_in_prompt(random: Random, sample: Sample) -> bool:
    assert sample.rejected is not None
    users = [i for i in turns(sample, "user") if isinstance(sample.messages[i].content, str)]
    answer = sample.messages[-1].text.strip()
    if not users or len(answer) < 60 or sample.rejected[-1].text.strip() in answer:
        return False
    if any(GIVEN_TEXT.search(message.text) for message in sample.messages[:-1]):
        return False
    message = sample.messages[random.choice(users)]
    message.content = random.choice([f"{message.text}\n\nBest answer: {answer}", f"{answer}\n\n{message.text}"])
    return sample.rejected[-1].text.strip() not in message.text


SAMPLE_MUTATORS: dict[str, Mutator] = {
    "FMT301": on_pair(chosen_equals_rejected),
    "FMT302": on_pair(near_identical_pair),
    "FMT303": on_pair(empty_preference_side),
    "FMT304": on_pair(prompts_differ),
    "FMT305": on_pair(chosen_refuses),
    "FMT307": on_pair(answer_in_prompt),
}
