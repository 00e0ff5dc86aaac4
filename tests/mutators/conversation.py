"""Faults of turns and train flags, planted into clean samples as they look in the wild."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

from curate.sample import Message, Sample

Mutator = Callable[[Random, Sample], Sample | None]


def changed(sample: Sample) -> Sample:
    out = copy.deepcopy(sample)
    out._id = out._texts = None
    return out


def turns(sample: Sample, role: str) -> list[int]:
    return [i for i, message in enumerate(sample.messages) if message.role == role]


def unknown_role(random: Random, sample: Sample) -> Sample | None:
    out = changed(sample)
    if not out.messages:
        return None
    random.choice(out.messages).role = random.choice(["narrator", "usr", "asistant", "", "critic", "None", "speaker_2"])
    return out


def no_assistant_turn(random: Random, sample: Sample) -> Sample | None:
    if sample.rejected is not None or not turns(sample, "user") or sample.format == "text":
        return None
    out = changed(sample)
    if random.random() < 0.5:
        out.messages = [message for message in out.messages if message.role not in ("assistant", "tool")]
    else:
        out.messages = out.messages[: turns(out, "user")[0] + 1]
    return out if not turns(out, "assistant") else None


def no_user_turn(random: Random, sample: Sample) -> Sample | None:
    if not turns(sample, "user") or not turns(sample, "assistant"):
        return None
    out = changed(sample)
    if random.random() < 0.5:
        out.messages = [message for message in out.messages if message.role != "user"]
    else:
        for i in turns(out, "user"):
            out.messages[i].role = "system"
    return out


def empty_answer(random: Random, sample: Sample) -> Sample | None:
    candidates = [
        i for i in turns(sample, "assistant") if not sample.messages[i].tool_calls and sample.messages[i].text
    ]
    if sample.rejected is not None:
        candidates = [i for i in candidates if i < len(sample.messages) - 1]
    if not candidates:
        return None
    out = changed(sample)
    message = out.messages[random.choice(candidates)]
    message.weight = None
    message.content = random.choice(
        [
            None,
            "",
            " ",
            "\n\n",
            "\t",
            "\u200b",
            "<|endoftext|>",
            "</s>",
            "<|im_end|>",
            " <|eot_id|>",
            "<think>\nHm.\n</think>\n",
            [],
        ]
    )
    return out


def empty_prompt(random: Random, sample: Sample) -> Sample | None:
    first = next((i for i, message in enumerate(sample.messages) if message.role == "assistant"), 0)
    if not first or sample.format == "prompt-completion" or "user" not in {m.role for m in sample.messages[:first]}:
        return None
    out = changed(sample)
    for message in out.messages[:first]:
        message.content = random.choice(["", " ", "\n", None, "\u00a0"])
    return out


def starts_with_assistant(random: Random, sample: Sample) -> Sample | None:
    users = turns(sample, "user")
    if not users or (sample.rejected is not None and len(users) < 2):
        return None
    out = changed(sample)
    if random.random() < 0.5 and len(users) > 1:
        out.messages = out.messages[users[0] + 1 :]
    else:
        at = users[0] if random.random() < 0.5 else 0
        text = random.choice(
            [
                "Here is the rest of what I found: the second half of the report covers the costs. " * 5,
                "As I said before, no. " * 20,
            ]
        )
        out.messages.insert(at, Message("assistant", text))
    return out


def ends_without_answer(random: Random, sample: Sample) -> Sample | None:
    answers = turns(sample, "assistant")
    if not answers or sample.rejected is not None:
        return None
    out = changed(sample)
    if (
        random.random() < 0.5
        and len(answers) > 1
        and out.messages[-1].role == "assistant"
        and out.messages[-2].role != "assistant"
    ):
        out.messages.pop()
    else:
        out.messages.append(Message("user", random.choice(["Thanks!", "And what about the other one?", "谢谢", "ok"])))
    return out


def consecutive_same_role(random: Random, sample: Sample) -> Sample | None:
    candidates = [i for i in (*turns(sample, "user"), *turns(sample, "assistant")) if sample.messages[i].text]
    candidates = [i for i in candidates if not sample.messages[i].tool_calls]
    if not candidates:
        return None
    out = changed(sample)
    i = random.choice(candidates)
    message = out.messages[i]
    text = message.text
    kind = random.randrange(3)
    if kind == 0:
        out.messages.insert(i, copy.deepcopy(message))
    elif kind == 1 and len(text) > 20:
        cut = text.find(" ", len(text) // 2) + 1 or len(text) // 2
        out.messages[i : i + 1] = [Message(message.role, text[:cut]), Message(message.role, text[cut:])]
    else:
        out.messages.insert(
            i, Message(message.role, random.choice(["Wait, one more thing.", "Hello?", "Let me add this."]))
        )
    return out


def misplaced_system(random: Random, sample: Sample) -> Sample | None:
    if not turns(sample, "user"):
        return None
    out = changed(sample)
    system = Message(
        random.choice(["system", "system", "developer"]), random.choice(["Answer in French from now on.", "Be brief."])
    )
    if random.random() < 0.4 and out.messages[0].role == "system":
        system.role = "system"
        out.messages.insert(1, system)
    else:
        first = turns(out, "user")[0] + 1
        out.messages.insert(random.randint(first, len(out.messages)), system)
    return out


def repeated_turn(random: Random, sample: Sample) -> Sample | None:
    candidates = [i for i in turns(sample, "assistant") if len(sample.messages[i].text) >= 100]
    if not candidates or sample.rejected is not None:
        return None
    out = changed(sample)
    i = random.choice(candidates)
    if i and out.messages[i - 1].role == "user" and random.random() < 0.5:
        out.messages += [copy.deepcopy(out.messages[i - 1]), copy.deepcopy(out.messages[i])]
    else:
        out.messages += [Message("user", "And what else can you tell me?"), copy.deepcopy(out.messages[i])]
    return out


def nothing_trained(random: Random, sample: Sample) -> Sample | None:
    if not turns(sample, "assistant"):
        return None
    out = changed(sample)
    inverted = random.random() < 0.3
    for message in out.messages:
        if message.role == "assistant":
            message.weight = 0.0
        elif inverted:
            message.weight = 1.0
    return out


def untrained_last_answer(random: Random, sample: Sample) -> Sample | None:
    answers = turns(sample, "assistant")
    if len(answers) < 2:
        return None
    out = changed(sample)
    for i in answers[:-1]:
        out.messages[i].weight = random.choice([None, 1.0])
    out.messages[answers[-1]].weight = 0.0
    return out


def trained_prompt(random: Random, sample: Sample) -> Sample | None:
    prompts = [message for message in sample.messages if message.role in ("system", "user", "tool")]
    if not prompts:
        return None
    out = changed(sample)
    everywhere = random.random() < 0.5
    others = [i for i, message in enumerate(out.messages) if message.role in ("system", "user", "tool")]
    for i in others if everywhere else [random.choice(others)]:
        out.messages[i].weight = random.choice([1.0, 1.0, 0.5])
    return out


def media_count_mismatch(random: Random, sample: Sample) -> Sample | None:
    users = [i for i in turns(sample, "user") if isinstance(sample.messages[i].content, str)]
    if not users:
        return None
    out = changed(sample)
    kind = random.choice(["image", "video", "audio"])
    marks = random.randint(1, 3)
    files = random.choice([count for count in range(4) if count != marks])
    for _ in range(marks):
        message = out.messages[random.choice(users)]
        message.content = f"<{kind}>{message.text}" if random.random() < 0.7 else f"{message.text} <{kind}>"
    out.metadata[f"{kind}s"] = [f"media/{random.randint(1, 999)}.bin" for _ in range(files)]
    return out


def empty_user_turn(random: Random, sample: Sample) -> Sample | None:
    users = turns(sample, "user")
    if len(users) < 2 and not (users and sample.messages[0].role == "system" and sample.messages[0].text):
        return None
    out = changed(sample)
    out.messages[random.choice(users[1:] or users)].content = random.choice(["", " ", "\n\n", None])
    return out


SAMPLE_MUTATORS: dict[str, Mutator] = {
    "FMT101": unknown_role,
    "FMT102": no_assistant_turn,
    "FMT103": no_user_turn,
    "FMT104": empty_answer,
    "FMT105": empty_prompt,
    "FMT106": starts_with_assistant,
    "FMT107": ends_without_answer,
    "FMT108": consecutive_same_role,
    "FMT109": misplaced_system,
    "FMT110": repeated_turn,
    "FMT111": nothing_trained,
    "FMT112": untrained_last_answer,
    "FMT113": trained_prompt,
    "FMT114": media_count_mismatch,
    "FMT115": empty_user_turn,
}
