"""Faults of a row's structure, planted into clean JSON lines as they look in the wild."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

Row = dict[str, Any]
RowMutator = Callable[[Random, Row], Row | None]

_CONTAINERS = ("messages", "conversations", "conversation")
_ANSWERS = ("completion", "output", "answer", "response")
_PROMPTS = ("prompt", "instruction", "question")


def on_lines(mutate: RowMutator) -> Callable[[Random, bytes], bytes | None]:
    def mutated(random: Random, line: bytes) -> bytes | None:
        row = json.loads(line)
        if not isinstance(row, dict):
            return None
        out = mutate(random, row)
        return None if out is None else json.dumps(out, ensure_ascii=random.random() < 0.3).encode()

    return mutated


def _container(row: Row) -> str | None:
    return next((name for name in _CONTAINERS if isinstance(row.get(name), list) and row[name]), None)


def _column(row: Row, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if isinstance(row.get(name), str)), None)


def _spoken(row: Row) -> tuple[str, str]:
    """A question and an answer of the row, as text."""
    name = _container(row)
    if name is None:
        return str(row.get(_column(row, _PROMPTS) or "", "Hi")), str(row.get(_column(row, _ANSWERS) or "", "Hello"))
    texts = [turn.get("content", turn.get("value")) for turn in row[name]]
    plain = [text if isinstance(text, str) else json.dumps(text) for text in texts]
    return plain[0], plain[-1]


def unknown_format(random: Random, row: Row) -> Row | None:
    pool = ["q", "a", "src", "tgt", "sentence", "field_1", "col2", "utterances", "x", "y", "body", "notes"]
    names = random.sample(pool, len(row)) if len(row) <= len(pool) else []
    return dict(zip(names, row.values(), strict=True)) if names else None


def mixed_formats(random: Random, row: Row) -> Row | None:
    asked, answered = _spoken(row)
    chat = _container(row) is not None or "label" in row
    rows: list[Row] = [
        {"instruction": asked, "input": "", "output": answered},
        {"text": answered},
        {"article": asked, "question": "What is it about?", "answer": answered},
    ]
    if not chat:
        rows.append({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]})
        rows.append({"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]})
    elif "label" not in row and "chosen" not in row:
        rows.append({"prompt": asked, "completion": answered})
        rows.append({"question": asked, "answer": answered})
    return random.choice([other for other in rows if not other.keys() <= row.keys()])


def pretokenised_row(random: Random, row: Row) -> Row | None:
    ids = [random.randrange(50_000) for _ in range(random.randint(1, 40))]
    out: Row = {"input_ids": ids}
    if random.random() < 0.7:
        out["attention_mask"] = [1] * len(ids)
    if random.random() < 0.7:
        out["labels"] = [-100] * (len(ids) // 2) + ids[len(ids) // 2 :]
    return out


def missing_messages(random: Random, row: Row) -> Row | None:
    name = _container(row)
    if name is None or "chosen" in row:
        return None
    return {**row, name: random.choice([[], None, "", "see attachment", {}, 0])}


def _with_turn(random: Random, row: Row, change: Callable[[Row], Any]) -> Row | None:
    name = _container(row)
    if name is None:
        return None
    turns = list(row[name])
    i = random.randrange(len(turns))
    turns[i] = change(dict(turns[i]))
    return {**row, name: turns}


def malformed_message(random: Random, row: Row) -> Row | None:
    def change(turn: Row) -> Any:
        content = "content" if "content" in turn else "value"
        role = "role" if "role" in turn else "from"
        kind = random.randrange(5)
        if kind == 0:
            return turn[content] if isinstance(turn[content], str) else None
        if kind == 1:
            del turn[role]
        elif kind == 2:
            del turn[content]
        elif kind == 3:
            turn[random.choice(["message", "contents", "Content", "body"])] = turn.pop(content)
        else:
            turn[role] = random.choice([None, 1, ["user"]])
        return turn

    return _with_turn(random, row, change)


def content_not_text(random: Random, row: Row) -> Row | None:
    value = random.choice([7, 0, True, False, 3.5, {"city": "Paris"}, {"answer": 4, "unit": "km"}])

    def change(turn: Row) -> Row:
        turn["content" if "content" in turn else "value"] = value
        return turn

    if _container(row):
        return _with_turn(random, row, change)
    name = _column(row, random.choice([_ANSWERS, _PROMPTS]))
    return {**row, name: value} if name else None


def two_content_keys(random: Random, row: Row) -> Row | None:
    def change(turn: Row) -> Row:
        content = "content" if "content" in turn else "value"
        other = random.choice([key for key in ("content", "text", "value") if key != content])
        same = isinstance(turn[content], str) and random.random() < 0.5
        return {**turn, other: turn[content] if same else "another text"}

    if (name := _container(row)) == "messages" and random.random() < 0.3:
        turns = [{"from": "human", "value": "Something else?"}, {"from": "gpt", "value": "Yes."}]
        return {**row, "conversations": turns}
    return _with_turn(random, row, change) if name else None


def json_string_column(random: Random, row: Row) -> Row | None:
    name = _container(row)
    if name is None or "chosen" in row:
        return None
    if random.random() < 0.3:
        return {**row, name: str(row[name])}
    return {**row, name: json.dumps(row[name], ensure_ascii=random.random() < 0.5, indent=random.choice([None, 2]))}


def nonstandard_role(random: Random, row: Row) -> Row | None:
    name = _container(row)
    if name is None or "role" not in row[name][0]:
        return None
    words = {
        "user": ["human", "User", "USER", "prompter", "user "],
        "assistant": ["gpt", "bot", "Assistant", "model", "ai", "chatgpt"],
        "system": ["System", "SYSTEM"],
    }
    turns = [dict(turn) for turn in row[name]]
    chosen = random.choice(sorted({turn["role"] for turn in turns} & words.keys()))
    word = random.choice(words[chosen])
    only_one = random.random() < 0.3
    for turn in turns:
        if turn["role"] == chosen:
            turn["role"] = word
            if only_one:
                break
    return {**row, name: turns}


def _without(random: Random, row: Row, name: str) -> Row:
    if random.random() < 0.5:
        return {**row, name: None}
    return {other: value for other, value in row.items() if other != name}


def missing_answer(random: Random, row: Row) -> Row | None:
    name = _column(row, _ANSWERS)
    return _without(random, row, name) if name and not _container(row) else None


def missing_prompt(random: Random, row: Row) -> Row | None:
    name = _column(row, _PROMPTS)
    if name is None or _container(row):
        return None
    out = _without(random, row, name)
    if "input" in out:
        out["input"] = None
    return out


def missing_preference_side(random: Random, row: Row) -> Row | None:
    if "chosen" not in row or "rejected" not in row:
        return None
    name = random.choice(["chosen", "rejected"])
    return {**row, name: []} if random.random() < 0.2 else _without(random, row, name)


def _answer(side: Any) -> str:
    turn = side[-1] if isinstance(side, list) and side else side
    return str(turn.get("value", turn.get("content")) if isinstance(turn, dict) else turn)


def no_winner(random: Random, row: Row) -> Row | None:
    if "chosen" not in row or "rejected" not in row:
        return None
    asked, _ = _spoken(row)
    one, other = (_answer(row[side]) for side in ("chosen", "rejected"))
    ties: list[Row] = [
        {
            "conversation_a": [{"role": "user", "content": asked}, {"role": "assistant", "content": one}],
            "conversation_b": [{"role": "user", "content": asked}, {"role": "assistant", "content": other}],
            "winner": random.choice(["tie", "tie (bothbad)", "bothbad", None]),
        },
        {
            "context": [{"role": "user", "content": asked}],
            "response1": one,
            "response2": other,
            "overall_preference": 0,
        },
        {"prompt": asked, "response_0": one, "response_1": other, "better_response_id": None},
        {"instruction": asked, "completions": [{"response": one, "score": 3}, {"response": other, "score": 3}]},
    ]
    return random.choice(ties)


def invalid_label(random: Random, row: Row) -> Row | None:
    if not isinstance(row.get("label"), bool):
        return None
    if random.random() < 0.2:
        return {name: value for name, value in row.items() if name != "label"}
    return {**row, "label": random.choice(["true", "false", "True", 1, 0, None, "good", "desirable", -1, "", []])}


def invalid_train_flag(random: Random, row: Row) -> Row | None:
    key = random.choice(["weight", "train", "loss", "masked", "loss_weight"])
    wrong = ["yes", "0", "true", -1, [], {}] if key == "loss_weight" else ["yes", "0", "True", 2, 0.5, -1, "", []]
    return _with_turn(random, row, lambda turn: {**turn, key: random.choice(wrong)})


def unread_answer_column(random: Random, row: Row) -> Row | None:
    if "chosen" in row or "label" in row:
        return None
    name = _container(row)
    column = random.choice(["assistant", "response", "output", "completion", "answer"])
    if name is None:
        answer = _column(row, _ANSWERS)
        if answer is None or answer == column or not row[answer].strip():
            return None
        other = "response" if "instruction" in row and answer == "output" else column
        return {**row, answer: random.choice(["", " ", "\n"]), other: row[answer]}
    turns = [turn for turn in row[name] if turn.get("role", turn.get("from")) in ("user", "human", "system")][:2]
    return {**row, name: turns, column: _spoken(row)[1]} if turns else None


def tree_without_root(random: Random, row: Row) -> Row | None:
    _, text = _spoken(row)
    if random.random() < 0.3:
        return {"message_tree_id": "t1", "prompt": {"text": None, "role": "prompter", "replies": [{"text": text}]}}
    flat = {"message_id": "m2", "parent_id": "m1", "text": text, "role": "assistant", "rank": 0}
    return {**flat, "message_tree_id": "t1"} if random.random() < 0.7 else flat


def unreadable_tools(random: Random, row: Row) -> Row | None:
    if _container(row) is None or "chosen" in row:
        return None
    text = row.get("tools") if isinstance(row.get("tools"), str) and row["tools"] != "[]" else '[{"name": "search"}]'
    assert isinstance(text, str)
    return {**row, "tools": random.choice([text[: len(text) // 2], ["search"], 3, "search, weather", [None], "none"])}


def malformed_tool_call(random: Random, row: Row) -> Row | None:
    name = _container(row)
    if name is None:
        return None
    turns = [dict(turn) for turn in row[name]]
    called = [turn for turn in turns if turn.get("from") == "function_call"]
    if called:
        turn = random.choice(called)
        turn["value"] = random.choice([turn["value"][:-3], "search for rice", '{"arguments": {}}', "{}", "[]"])
        return {**row, name: turns}
    answers = [turn for turn in turns if turn.get("role", turn.get("from")) in ("assistant", "gpt")]
    if not answers:
        return None
    wrong = [["search"], [{"type": "function", "function": {"arguments": "{}"}}], "search()", 1, [None], [{"id": "c1"}]]
    random.choice(answers)["tool_calls"] = random.choice(wrong)
    return {**row, name: turns}


BYTE_MUTATORS: dict[str, Callable[[Random, bytes], bytes | None]] = {
    "FMT040": on_lines(unknown_format),
    "FMT041": on_lines(mixed_formats),
    "FMT042": on_lines(pretokenised_row),
    "FMT043": on_lines(missing_messages),
    "FMT044": on_lines(malformed_message),
    "FMT045": on_lines(content_not_text),
    "FMT046": on_lines(two_content_keys),
    "FMT047": on_lines(json_string_column),
    "FMT048": on_lines(nonstandard_role),
    "FMT049": on_lines(missing_answer),
    "FMT050": on_lines(missing_prompt),
    "FMT051": on_lines(missing_preference_side),
    "FMT052": on_lines(no_winner),
    "FMT053": on_lines(invalid_label),
    "FMT054": on_lines(invalid_train_flag),
    "FMT055": on_lines(unread_answer_column),
    "FMT056": on_lines(tree_without_root),
    "FMT057": on_lines(unreadable_tools),
    "FMT058": on_lines(malformed_tool_call),
}
