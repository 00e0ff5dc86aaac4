"""Faults of turns, train flags, tools and preference pairs, planted into clean samples as they look in the wild."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from curate.sample import Message, Sample, ToolCall

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


def with_tools(mutate: Callable[[Random, Sample, dict[str, Any]], bool]) -> Mutator:
    """Plant a fault into the function of one of the tools."""

    def plant(random: Random, sample: Sample) -> Sample | None:
        if not sample.tools:
            return None
        out = changed(sample)
        assert out.tools
        tool = random.choice(out.tools)
        return out if mutate(random, out, tool.get("function", tool)) else None

    return plant


def malformed_tools(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    if random.random() < 0.5:
        function.pop("name")
    else:
        function["name"] = random.choice(["", None, 3, " "])
    return True


def duplicate_tool(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    other = copy.deepcopy(function)
    if random.random() < 0.5:
        other["description"] = "Another version of it."
    assert sample.tools is not None
    sample.tools.insert(
        random.randint(0, len(sample.tools)), random.choice([other, {"type": "function", "function": other}])
    )
    return True


def invalid_tool_schema(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    properties = (function.get("parameters") or {}).get("properties")
    if not properties:
        return False
    name = random.choice(list(properties))
    fault = random.randrange(5)
    if fault == 0:
        properties[name] = {"type": random.choice(["text", "date", "enum", "file"])}
    elif fault == 1:
        properties[name] = {"type": "string", "required": True}
    elif fault == 2:
        properties[name] = {"$ref": random.choice(["#/definitions/Missing", "https://example.com/other.json"])}
    elif fault == 3:
        function["parameters"]["required"] = name
    else:
        function["parameters"]["properties"] = [{"name": name, "type": "string"}]
    return True


def undescribed_tool(random: Random, sample: Sample, function: dict[str, Any]) -> bool:
    if random.random() < 0.5:
        function.pop("description", None)
    else:
        function["description"] = random.choice(["", None])
    return True


def on_call(mutate: Callable[[Random, Sample, int, ToolCall], bool]) -> Mutator:
    """Plant a fault into one of the calls."""

    def plant(random: Random, sample: Sample) -> Sample | None:
        out = changed(sample)
        calls = [(i, call) for i, message in enumerate(out.messages) for call in message.tool_calls]
        if not calls:
            return None
        i, call = random.choice(calls)
        return out if mutate(random, out, i, call) else None

    return plant


def misplaced_tool_call(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    others = [message for message in sample.messages if message.role != "assistant"]
    if not others:
        return False
    random.choice(others).tool_calls = [copy.deepcopy(call)]
    return True


def tool_arguments_not_json(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    arguments = call.parsed_arguments()
    if not arguments:
        return False
    text = json.dumps(arguments)
    call.arguments = random.choice(
        [
            str(arguments),
            text[:-1],
            text[: len(text) // 2],
            text[:-1] + ",}",
            text + "}",
            text.replace('"', "", 1),
            f"Arguments: {text}",
        ]
    )
    return call.arguments != text and not _parses(call.arguments)


def double_encoded_arguments(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    call.arguments = json.dumps(json.dumps(call.parsed_arguments(), ensure_ascii=random.random() < 0.5))
    return True


def undefined_tool(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    if not sample.tools:
        return False
    name = call.name
    call.name = random.choice(
        [name + "_v2", name.title().replace("_", ""), "search_internet", name[:-1], f"api.{name}", "get_" + name]
    )
    return call.name != name


def orphan_tool_result(random: Random, sample: Sample) -> Sample | None:
    results = turns(sample, "tool")
    out = changed(sample)
    if not results:
        users = turns(sample, "user")
        if not users:
            return None
        out.messages.insert(random.choice(users) + 1, Message("tool", '{"status": "ok"}'))
        return out
    i = random.choice(results)
    caller = out.messages[i - 1]
    kind = random.randrange(3)
    if kind == 0 and caller.tool_calls:
        caller.tool_calls[0].id = "call_1"
        out.messages[i].tool_call_id = "call_7"
    elif kind == 1:
        out.messages.insert(i + 1, copy.deepcopy(out.messages[i]))
    else:
        caller.tool_calls, caller.content = [], "One moment, please."
    return out


def missing_tool_result(random: Random, sample: Sample) -> Sample | None:
    results = [i for i in turns(sample, "tool") if i + 1 < len(sample.messages)]
    if not results:
        return None
    out = changed(sample)
    del out.messages[random.choice(results)]
    return out


def arguments_violate_schema(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    schema = _parameters(sample, call.name)
    arguments = call.parsed_arguments()
    if not schema or not isinstance(arguments, dict):
        return False
    required = [name for name in schema.get("required", []) if name in arguments]
    typed = [
        name
        for name in arguments
        if schema["properties"].get(name, {}).get("type") in ("number", "integer", "string", "boolean")
    ]
    if required and random.random() < 0.5:
        del arguments[random.choice(required)]
    elif typed:
        name = random.choice(typed)
        wrong: dict[str, list[Any]] = {
            "string": [42, ["a"], {"value": "x"}],
            "number": ["five", "12"],
            "integer": ["three", 2.5],
            "boolean": ["true", 1],
        }
        arguments[name] = random.choice(wrong[schema["properties"][name]["type"]])
    else:
        return False
    call.arguments = random.choice([arguments, json.dumps(arguments)])
    return True


def unknown_argument(random: Random, sample: Sample, turn: int, call: ToolCall) -> bool:
    schema = _parameters(sample, call.name)
    arguments = call.parsed_arguments()
    if not schema or not isinstance(arguments, dict) or "additionalProperties" in schema:
        return False
    arguments[random.choice(["verbose", "user_id", "currentTime", "option"])] = random.choice([True, "x", 3])
    call.arguments = arguments
    return True


def tool_calls_without_tools(random: Random, sample: Sample) -> Sample | None:
    names = {call.name for message in sample.messages for call in message.tool_calls}
    if not names or any(name in m.text for name in names for m in sample.messages if m.role in ("system", "developer")):
        return None
    out = changed(sample)
    out.tools = random.choice([None, []])
    return out


def invalid_parallel_tool_calls(random: Random, sample: Sample) -> Sample | None:
    out = changed(sample)
    out.metadata["parallel_tool_calls"] = random.choice(["false", "true", 0, 1, [], {}])
    return out


def broken_textual_tool_call(random: Random, sample: Sample) -> Sample | None:
    calls = [(i, call) for i, message in enumerate(sample.messages) for call in message.tool_calls]
    if not calls:
        return None
    out = changed(sample)
    i, call = random.choice(calls)
    body = json.dumps({"name": call.name, "arguments": call.parsed_arguments()})
    body = random.choice([body[:-1], body[: len(body) // 2], body.replace('"', "", 1), body[:-2] + ",,}}"])
    text = random.choice(
        [f"<tool_call>\n{body}\n</tool_call>", f"<tool_call>{body}", f"I will look. <functioncall> {body}"]
    )
    out.messages[i] = Message("assistant", text)
    return out


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


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _parameters(sample: Sample, name: str) -> dict[str, Any] | None:
    for tool in sample.tools or ():
        function = tool.get("function", tool)
        schema = function.get("parameters")
        if function.get("name") == name and isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            return schema
    return None


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
    "FMT201": with_tools(malformed_tools),
    "FMT202": with_tools(duplicate_tool),
    "FMT203": on_call(misplaced_tool_call),
    "FMT204": on_call(tool_arguments_not_json),
    "FMT205": on_call(double_encoded_arguments),
    "FMT206": on_call(undefined_tool),
    "FMT207": orphan_tool_result,
    "FMT208": missing_tool_result,
    "FMT209": on_call(arguments_violate_schema),
    "FMT210": with_tools(invalid_tool_schema),
    "FMT211": with_tools(undescribed_tool),
    "FMT212": tool_calls_without_tools,
    "FMT213": invalid_parallel_tool_calls,
    "FMT214": broken_textual_tool_call,
    "FMT215": on_call(unknown_argument),
    "FMT301": on_pair(chosen_equals_rejected),
    "FMT302": on_pair(near_identical_pair),
    "FMT303": on_pair(empty_preference_side),
    "FMT304": on_pair(prompts_differ),
    "FMT305": on_pair(chosen_refuses),
    "FMT307": on_pair(answer_in_prompt),
}
