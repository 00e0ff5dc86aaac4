"""Formats whose row holds texts in columns: alpaca, dolly, context-qa, prompt-completion, prompts."""

from __future__ import annotations

from typing import Any

from curate.finding import Fault, Where
from curate.formats.chat import container, lacks_answer, pair_losses, read_conversation, read_row_tools, turn_losses
from curate.formats.columns import (
    ANSWERS,
    CHOICES,
    CONTEXTS,
    JOINER,
    PROMPTS,
    READ,
    SYSTEMS,
    Columns,
    columns_of,
    lettered_choices,
    read_answer,
    read_prompt,
)
from curate.formats.format import Format, Names, Row, Unreadable, rest
from curate.formats.tools import parse_json
from curate.formats.turns import as_text, is_conversation, write_turn
from curate.sample import SYSTEM_ROLES, Message, Sample

_ALPACA_ANSWERS = ("output", "response")
_TEXT_OF_ALPACA = "text"  # a rendered copy of the whole row, as in the published file


def _is_texty(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, dict)) and bool(value))


def _add_system(row: Row, name: str | None, messages: list[Message], used: list[str]) -> None:
    if name is None or not isinstance(row[name], str):
        return
    used.append(name)
    if row[name] and (not messages or messages[0].role not in SYSTEM_ROLES):
        messages.insert(0, Message("system", row[name]))


def _join(row: Row, names: tuple[str, ...], faults: list[Fault], used: list[str]) -> str | None:
    """The text of several columns, joined; None if all are missing or null."""
    texts = []
    for name in names:
        if name in row:
            used.append(name)
            text = as_text(row[name], faults, Where(field=name), name)
            if text is not None:
                texts.append(text)
    if not texts:
        return None
    return JOINER.join(text for text in texts if text) if len(texts) > 1 else texts[0]


def _asked(row: Row, names: tuple[str, ...], faults: list[Fault], used: list[str]) -> list[Message]:
    text = _join(row, names, faults, used)
    if text is None:
        said = f"{names[0]} is null" if names[0] in row else f"no {names[0]}"
        faults.append(Fault(said, Where(field=names[0]), rule="missing-prompt"))
        return []
    return [Message("user", text)]


def _answered(row: Row, messages: list[Message], names: tuple[str, ...], faults: list[Fault], used: list[str]) -> None:
    answer = read_answer(row, names, len(messages), faults)
    messages.extend(answer.messages)
    if answer.column is None:
        used.extend(name for name in names if name in row)
    elif answer.whole:
        used.append(answer.column)


def _finish(name: str, row: Row, messages: list[Message], faults: list[Fault], used: list[str]) -> list[Sample]:
    if not messages:
        raise Unreadable(faults)
    return [Sample(messages, name, metadata=rest(row, *used), faults=faults)]


def _read_alpaca(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    used: list[str] = []
    messages: list[Message] = []
    _read_history(row, messages, faults, used)
    messages += _asked(row, ("instruction", "input"), faults, used)
    _add_system(row, next((name for name in SYSTEMS if name in row), None), messages, used)
    names = tuple(name for name in _ALPACA_ANSWERS if name in row) or ("output",)
    _answered(row, messages, names, faults, used)
    return _finish("alpaca", row, messages, faults, used)


def _read_history(row: Row, messages: list[Message], faults: list[Fault], used: list[str]) -> None:
    """Read earlier exchanges: a list of [question, answer], or the text of one (JSON or a Python literal)."""
    if "history" not in row:
        return
    value = row["history"]
    if isinstance(value, str) and value.strip():
        try:
            value = parse_json(value)
        except ValueError:
            return
    if value is None or value == "" or value == []:
        used.append("history")
        return
    if not isinstance(value, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in value):
        said = "history is not a list of [question, answer]"
        faults.append(Fault(said, Where(field="history"), rule="content-not-text"))
        return
    used.append("history")
    for pair in value:
        for role, said in zip(("user", "assistant"), pair, strict=True):
            messages.append(Message(role, as_text(said, faults, Where(len(messages), "content"), "history")))


def _alpaca_losses(sample: Sample) -> list[str]:
    reasons = pair_losses(sample)
    reasons += ["the tools"] if sample.tools else []
    messages = sample.messages
    if messages and messages[0].role == "system" and messages[0].text:
        messages = messages[1:]
    roles = [message.role for message in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        reasons.append("turns other than questions and answers in turn")
    return reasons + _plain_losses(sample.messages)


def _plain_losses(messages: list[Message]) -> list[str]:
    """What turns hold beyond a role and a text."""
    reasons = turn_losses(messages)
    for i, message in enumerate(messages, 1):
        if message.tool_calls:
            reasons.append(f"the tool call of turn {i}")
        if message.weight is not None and message.weight != (message.role == "assistant"):
            reasons.append(f"the train flag of turn {i}")
        if message.name is not None or message.tool_call_id is not None or message.extra:
            reasons.append(f"further keys of turn {i}")
    return reasons


def _build_alpaca(sample: Sample) -> Row:
    messages = list(sample.messages)
    row: Row = {}
    if messages and messages[0].role == "system":
        row["system"] = messages.pop(0).text
    *earlier, question, answer = (
        messages if len(messages) > 1 else [Message("user", ""), *messages, Message("user")][:2]
    )
    row.update(instruction=question.text, input="", output=answer.text)
    if earlier:
        row["history"] = [[ask.text, reply.text] for ask, reply in zip(earlier[::2], earlier[1::2], strict=False)]
    return row


def _read_dolly(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    used: list[str] = []
    messages = _asked(row, ("instruction", "context"), faults, used)
    _answered(row, messages, ("response",), faults, used)
    return _finish("dolly", row, messages, faults, used)


def _read_context_qa(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    used: list[str] = []
    context = next((name for name in CONTEXTS if name in row), CONTEXTS[0])
    if row.get("question") is None:
        faults.append(Fault("no question", Where(field="question"), rule="missing-prompt"))
    messages = _asked(row, (context, "question"), faults, used)
    _add_system(row, columns_of(row).system, messages, used)
    _answered(row, messages, _answer_names(columns_of(row)), faults, used)
    return _finish("context-qa", row, messages, faults, used)


def _answer_names(columns: Columns) -> tuple[str, ...]:
    return columns.answers or ("answer",)


def _is_context_qa(row: Row) -> bool:
    return isinstance(row.get("question"), str) and any(isinstance(row.get(name), str) for name in CONTEXTS)


def read_pair(row: Row, columns: Columns | None = None) -> list[Sample]:
    """Read a prompt and its answer, out of the given columns or those with the usual names."""
    columns = columns or columns_of(row)
    faults: list[Fault] = []
    if len(row) == 2 and columns.prompt and columns.answers:
        prompt, completion = row[columns.prompt], row[columns.answers[0]]
        if type(prompt) is str and type(completion) is str:
            return [Sample([Message("user", prompt), Message("assistant", completion)], "prompt-completion")]
    used = [columns.prompt] if columns.prompt else []
    messages = read_prompt(row, columns.prompt, faults)
    _add_choices(row, messages, used, lettered="answerKey" in columns.answers)
    _add_system(row, columns.system, messages, used)
    _answered(row, messages, columns.answers or ("completion",), faults, used)
    tools_used: set[str] = set()
    tools = read_row_tools(row, faults, tools_used) if "tools" in row and columns.prompt != "query" else None
    (sample,) = _finish("prompt-completion", row, messages, faults, [*used, *tools_used])
    sample.tools = tools
    return [sample]


def _add_choices(row: Row, messages: list[Message], used: list[str], *, lettered: bool) -> None:
    """Add the choices of a multiple-choice question to it, with their letters where the answer is one of them."""
    name = next((name for name in CHOICES if isinstance(row.get(name), (list, dict))), None)
    if name is None or not messages:
        return
    if lettered:
        choices = [f"{letter}. {text}" for letter, text in lettered_choices(row).items()]
    elif isinstance(row[name], list) and all(isinstance(choice, str) for choice in row[name]):
        choices = row[name]
    else:
        return
    messages[-1].content = JOINER.join([messages[-1].text, *choices])
    used.append(name)


def _pair_fits(row: Row) -> bool:
    columns = columns_of(row)
    if not columns.prompt or not columns.answers:
        return False
    prompt = row[columns.prompt]
    return isinstance(prompt, str) or any(_is_texty(row[name]) for name in columns.answers)


def _pair_columns(names: Names) -> bool:
    columns = columns_of(names)
    return bool(columns.prompt and columns.answers)


def _pair_losses(sample: Sample) -> list[str]:
    reasons = pair_losses(sample)
    start = answer_start(sample.messages)
    if start == 0 or start == len(sample.messages):
        reasons.append("a conversation that is not a prompt and an answer to it")
    earlier = sum(message.is_trained and message.role == "assistant" for message in sample.messages[:start])
    if earlier:
        reasons.append(f"that the {earlier} earlier answers are to be learned too: only the completion is trained")
    return reasons


def answer_start(messages: list[Message]) -> int:
    """Where the last answer of a conversation starts: after the last turn of a user or of the system."""
    start = len(messages)
    while start and messages[start - 1].role not in ("user", *SYSTEM_ROLES):
        start -= 1
    return start


def plain_text(messages: list[Message], role: str) -> str | None:
    """The text of a lone turn that says nothing but its text; None for anything else."""
    if len(messages) != 1 or messages[0].role != role or _plain_losses(messages):
        return None
    return messages[0].text


def build_prompt(messages: list[Message], *answers: list[Message]) -> list[Any]:
    """A prompt and its answers as texts if all are plain, else as lists of turns (TRL reads both)."""
    asked = plain_text(messages, "user")
    texts = [plain_text(answer, "assistant") for answer in answers]
    if asked is not None and all(text is not None for text in texts):
        return [asked, *texts]
    return [[write_turn(message) for message in turns] for turns in (messages, *answers)]


def _build_pair(sample: Sample) -> Row:
    start = answer_start(sample.messages)
    prompt, completion = build_prompt(sample.messages[:start], sample.messages[start:])
    row: Row = {"prompt": prompt, "completion": completion}
    return {**row, "tools": sample.tools} if sample.tools else row


def _prompt_fits(row: Row) -> bool:
    if container(row) is not None and lacks_answer(row):
        return True
    columns = columns_of(row)
    if not columns.prompt or columns.answers:
        return False
    prompt = row[columns.prompt]
    return isinstance(prompt, str) or is_conversation(prompt)


def _read_prompts(row: Row) -> list[Sample]:
    faults: list[Fault] = []
    if container(row) is not None:
        messages, found = read_conversation(row, faults)
        used = list(found)
    else:
        columns = columns_of(row)
        used = [columns.prompt] if columns.prompt else []
        if columns.prompt == "instruction" and isinstance(row.get("input"), str):
            messages = _asked(row, ("instruction", "input"), faults, used)
        else:
            messages = read_prompt(row, columns.prompt, faults)
        _add_system(row, columns.system, messages, used)
    return _finish("prompts", row, messages, faults, used)


ALPACA = Format(
    name="alpaca",
    summary="instruction, input (may be empty), output; system and history of [question, answer] beside them",
    columns=frozenset({"instruction", "input", "output", "response", "system", "history"}),
    has_columns=lambda names: "instruction" in names and ("output" in names or {"input", "response"} <= names),
    fits=lambda row: isinstance(row["instruction"], str) or isinstance(row.get("output", row.get("response")), str),
    read_row=_read_alpaca,
    build=_build_alpaca,
    losses=_alpaca_losses,
)
DOLLY = Format(
    name="dolly",
    summary="instruction, context, response (and category)",
    columns=frozenset({"instruction", "context", "response"}),
    has_columns=lambda names: {"instruction", "context", "response"} <= names,
    fits=lambda row: isinstance(row["instruction"], str) or isinstance(row["response"], str),
    read_row=_read_dolly,
)
CONTEXT_QA = Format(
    name="context-qa",
    summary="context (article, passage), question, answer",
    columns=frozenset({*CONTEXTS, "question", *ANSWERS}),
    has_columns=lambda names: (
        "question" in names and not names.isdisjoint(CONTEXTS) and bool(columns_of(names).answers)
    ),
    fits=_is_context_qa,
    read_row=_read_context_qa,
)
PROMPT_COMPLETION = Format(
    name="prompt-completion",
    summary="prompt and completion, as texts or as lists of turns; question/answer, problem/solution and other names",
    columns=frozenset({*PROMPTS, *ANSWERS, "article", "dialogue", "summary", "answerKey"}),
    signs=READ,
    has_columns=_pair_columns,
    fits=_pair_fits,
    read_row=read_pair,
    build=_build_pair,
    losses=_pair_losses,
)
PROMPT_ONLY = Format(
    name="prompts",
    summary="prompts without any answer: prompt, question, or messages in which the assistant does not speak",
    columns=frozenset(PROMPTS),
    has_columns=lambda names: True,
    fits=_prompt_fits,
    read_row=_read_prompts,
    has_answers=False,
)
