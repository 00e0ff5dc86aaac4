"""FMT101 to FMT115: who speaks when, and whether every turn says something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.finding import Fault, Fix, Where
from curate.rules.rule import rule
from curate.sample import ROLES, SYSTEM_ROLES, Message, Sample
from curate.special_tokens import strip_stop_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MEDIA_COLUMNS = {"image": ("images", "image"), "video": ("videos", "video"), "audio": ("audios", "audio")}
# Formats without real turns: raw text, and segments that only say what is trained.
# Rows of these formats have columns and no turns: what to call the answer that ends them.
ONE_ANSWER = {
    "prompt-completion": "the completion",
    "alpaca": "the answer",
    "dolly": "the response",
    "context-qa": "the answer",
}
TURNLESS = frozenset({"text", "input-output"})
# A row without its answer: the readers have said so.
SAID_BY_READING = frozenset({"missing-answer", "missing-preference-side"})
# No stop token is longer; a longer text is not worth looking at twice.
LONGEST_STOP_TOKEN = 80


@rule("FMT101", severity="error")
def unknown_role(sample: Sample) -> Iterator[Fault]:
    """A turn has a role that no trainer knows.

    Why it matters: chat templates raise on an unknown role or skip the turn without a word, and a loss mask that looks
    for assistant turns never sees it.

    Example: `{"role": "narrator", "content": "..."}` between a user and an assistant turn.

    How to fix it: rename the role to system, developer, user, assistant or tool; common aliases such as human, gpt and
    observation are understood as they are.
    """
    for field, turns in (("role", sample.messages), ("rejected", sample.rejected or ())):
        for i, message in enumerate(turns):
            if message.role not in ROLES:
                yield Fault(f"turn {i + 1} has the unknown role {_quote(message.role)}", Where(i, field))


@rule("FMT102", severity="error", fix=Fix("drop"))
def no_assistant_turn(sample: Sample) -> Iterator[Fault]:
    """A conversation has no assistant turn, so there is nothing to learn from it.

    Why it matters: with loss on assistant tokens the row trains nothing and can stop the run (a batch without targets
    has the loss NaN); with loss on everything the model learns to write the user's part.

    Example: `{"messages": [{"role": "user", "content": "Hi"}]}` among rows that do have answers.

    How to fix it: add the answer, or drop the row.
    """
    if sample.format == "prompts" or any(m.role == "assistant" or m.role not in ROLES for m in sample.messages):
        return
    if any(fault.rule in SAID_BY_READING for fault in sample.faults):
        return
    roles = ", ".join(message.role for message in sample.messages[:4]) or "none"
    yield Fault(f"no assistant turn (turns: {roles}{', ...' if len(sample.messages) > 4 else ''})")


@rule("FMT103", severity="warning")
def no_user_turn(sample: Sample) -> Iterator[Fault]:
    """A conversation has no user turn, so the answer answers nothing.

    Why it matters: most chat templates expect a user turn and several raise without one; the model learns to speak
    unasked.

    Example: a system turn followed by the answer, because the instruction went into the system prompt.

    How to fix it: move the request into a user turn.
    """
    if sample.format in TURNLESS or any(m.role == "user" or m.role not in ROLES for m in sample.messages):
        return
    if any(message.role == "assistant" for message in sample.messages):
        yield Fault("no user turn: nobody asks for the answer")


@rule("FMT104", severity="error", fix=Fix("drop"))
def empty_answer(sample: Sample) -> Iterator[Fault]:
    """An assistant turn holds no text, no tool call and no media.

    Why it matters: the only token left to learn is the stop token, so the row teaches the model to end at once.
    Reasoning that no answer follows teaches it to think and then say nothing.

    Example: `{"prompt": "Summarise: ...", "completion": "<|endoftext|>"}`, where the stop token was typed into the
    data.

    How to fix it: write the missing answer, or drop the row. A turn that is not trained (`weight` 0) may be empty.
    """
    if sample.format in ("prompts", "xlam"):  # xLAM's empty list of calls says that no tool fits
        return
    messages = sample.messages
    # The last answer of a preference pair is FMT303's.
    last = len(messages) - (sample.rejected is not None)
    for i, message in enumerate(messages[:last]):
        if message.role != "assistant" or message.weight == 0 or not (reason := why_empty(message)):
            continue
        if message.reasoning and i + 1 < len(messages) and messages[i + 1].role == "assistant":
            continue  # the reasoning and the answer are two turns (Harmony's channels)
        turn = f"the assistant's turn {i + 1}"
        answer = ONE_ANSWER.get(sample.format, turn) if i == last - 1 else turn
        yield Fault(f"{answer} {reason}", Where(i, "content"))


@rule("FMT105", severity="error", fix=Fix("drop"))
def empty_prompt(sample: Sample) -> Iterator[Fault]:
    """Nothing stands before the first answer: the prompt is empty.

    Why it matters: the model learns to produce this very answer out of nothing, and so to make things up when it is
    asked nothing or when the question was lost.

    Example: `{"role": "user", "content": "  "}` followed by an answer about invoices.

    How to fix it: find the lost question, or drop the row. Plain completions without any prompt belong in a `text`
    column. Empty prompts in prompt/completion data, which can be meant so, are FMT115's.
    """
    if _prompt_is_empty(sample):
        i = next(i for i, message in enumerate(sample.messages) if message.role == "user")
        yield Fault("the prompt is empty: no text before the first answer", Where(i, "content"))


@rule("FMT106", severity="warning")
def starts_with_assistant(sample: Sample, *, greeting_characters: int = 300) -> Iterator[Fault]:
    """The assistant speaks first, before any user turn.

    Why it matters: it is mostly the rest of a cut conversation, and the answer is learned without its question. Chat
    templates that demand user/assistant alternation raise on it, and some trainers drop the row. A short opening line
    after a system prompt is a greeting that is meant so and is not reported.

    Example: turns gpt, human, gpt without anything before them.

    How to fix it: restore the first user turn, drop the opening turn, or set its `weight` to 0.
    """
    opening = next((i for i, m in enumerate(sample.messages) if m.role not in SYSTEM_ROLES), None)
    if opening is None or sample.messages[opening].role != "assistant" or sample.format in TURNLESS:
        return
    message = sample.messages[opening]
    if not any(m.role == "user" for m in sample.messages[opening + 1 :]):
        return  # FMT103's
    if message.weight == 0 or (opening > 0 and len(message.text) <= greeting_characters and not message.tool_calls):
        return
    yield Fault("the assistant speaks before any user turn", Where(opening, "content"))


@rule("FMT107", severity="warning")
def ends_without_answer(sample: Sample) -> Iterator[Fault]:
    """The last turn is not the assistant's.

    Why it matters: the last question stays unanswered. With loss on answers it is dead weight; with loss on all text
    the model learns to ask. Some trainers drop such rows, others drop the last turn.

    Example: user, assistant, user.

    How to fix it: remove the turns after the last answer, or add the answer.
    """
    if sample.format == "prompts" or sample.format in TURNLESS or not sample.messages:
        return
    last = sample.messages[-1].role
    if last == "assistant" or last in SYSTEM_ROLES or last not in ROLES:
        return  # FMT109's, FMT101's
    if any(message.role == "assistant" for message in sample.messages):
        what = "a tool result that nobody answers" if last == "tool" else f"a {last} turn without an answer"
        yield Fault(f"the conversation ends with {what}", Where(len(sample.messages) - 1, "role"))


@rule("FMT108", severity="warning")
def consecutive_same_role(sample: Sample) -> Iterator[Fault]:
    """Two user turns, or two assistant turns, follow each other.

    Why it matters: a turn was lost between them or one turn was cut in two; templates that demand alternation raise. An
    answer that follows an answer is learned without a question. Several tool results or tool calls in a row, and users
    with different names, are normal and are not reported.

    Example: user "Hello", user "I need help", assistant "Sure".

    How to fix it: join the two turns, or restore what stood between them.
    """
    pairs = []
    if not any(message.role == "assistant" for message in sample.messages):
        return  # FMT102's
    for i in range(1, len(sample.messages)):
        before, after = sample.messages[i - 1], sample.messages[i]
        if before.role != after.role or before.role not in ("user", "assistant") or before.name != after.name:
            continue
        if before.tool_calls or after.tool_calls or (before.reasoning and not before.text):
            continue
        pairs.append(i)
    if pairs:
        i = pairs[0]
        same = " with the same text" if sample.messages[i].text == sample.messages[i - 1].text else ""
        more = f" (and {len(pairs) - 1} more such pairs)" if len(pairs) > 1 else ""
        role = sample.messages[i].role
        yield Fault(f"turns {i} and {i + 1} are both {role}{same}{more}", Where(i, "role"), {"pairs": len(pairs)})


@rule("FMT109", severity="warning")
def misplaced_system(sample: Sample) -> Iterator[Fault]:
    """A system turn stands after the start, or there are several.

    Why it matters: most chat templates read a system prompt only in the first place; elsewhere they raise, drop it, or
    show it to the model in a form that it never meets later. A developer turn after the system turn is normal.

    Example: user, assistant, system, user, assistant.

    How to fix it: put all of it into one system turn at the start, or split the conversation where the rules change.
    """
    if len(sample.messages) < 2:
        return
    seen: set[str] = set()
    started = False
    for i, message in enumerate(sample.messages):
        if message.role not in SYSTEM_ROLES:
            started = True
        elif started:
            yield Fault(
                f"a {message.role} turn stands at place {i + 1}, after the conversation began", Where(i, "role")
            )
            return
        elif message.role in seen:
            yield Fault(f"turns 1 to {i + 1} hold two {message.role} prompts", Where(i, "role"))
            return
        seen.add(message.role)


@rule("FMT110", severity="warning")
def repeated_turn(sample: Sample, *, min_characters: int = 100) -> Iterator[Fault]:
    """The same long turn stands twice in one conversation.

    Why it matters: it is mostly a slip of copying or merging, and it teaches the model to say again what it said.
    Repeated user turns of tool-using agents ("continue with the next step ...") are written by programs and are not
    reported.

    Example: two different questions that get the same paragraph as their answer.

    How to fix it: write the second answer anew, or drop the second exchange.
    """
    messages = sample.messages
    if len(messages) < 3:
        return
    has_tools = bool(sample.tools) or any(message.role == "tool" for message in messages)
    first: dict[tuple[str, str], int] = {}
    for i, message in enumerate(messages):
        if message.role not in ("user", "assistant") or message.tool_calls or (has_tools and message.role == "user"):
            continue
        text = message.text
        if len(text) < min_characters:
            continue
        earlier = first.setdefault((message.role, text), i)
        # Neighbours are FMT108's; images make the same words another question.
        if earlier < i - 1 and not message.has_media:
            yield Fault(f"{message.role} turn {i + 1} repeats turn {earlier + 1} word for word", Where(i, "content"))
            return


@rule("FMT114", severity="error")
def media_count_mismatch(sample: Sample) -> Iterator[Fault]:
    """The number of media placeholders in the text differs from the number of files in the column.

    Why it matters: it is among the most frequent crashes of multimodal training, often hours into the run. Files
    without any placeholder are not reported, since trainers then put them in front.

    Example: `<image>` twice in the turns, and one path in `images`.

    How to fix it: remove or add the placeholder, or correct the list of files.
    """
    if not sample.metadata:
        return
    for kind, columns in MEDIA_COLUMNS.items():
        column = next((name for name in columns if name in sample.metadata), None)
        if column is None or (files := _count_files(sample.metadata[column])) is None:
            continue
        marks = sum(_count_placeholders(message, kind) for message in sample.messages)
        if marks and marks != files:
            yield Fault(
                f"{marks} {kind} placeholder{'s' * (marks > 1)} in the turns, {files} in the column {column}",
                None,
                {"placeholders": marks, "files": files},
            )


@rule("FMT115", severity="warning")
def empty_user_turn(sample: Sample) -> Iterator[Fault]:
    """A user turn is empty, though the conversation has other text before the answer.

    Why it matters: the answer after it is learned as the answer to nothing; some templates and trainers drop or reject
    the turn. A row whose whole prompt is empty is FMT105's.

    Example: a system prompt, then `{"role": "user", "content": ""}`.

    How to fix it: restore the text, or remove the turn together with its answer.
    """
    for i, message in enumerate(sample.messages):
        if message.role == "user" and not message.text[:1].isalnum() and _is_silent(message):
            if not _prompt_is_empty(sample):
                yield Fault(f"the user's turn {i + 1} is empty", Where(i, "content"))
            return


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: empty, or only spaces, control and invisible characters."""
    return not any(char.isprintable() and char != " " for char in text)


def why_empty(message: Message) -> str | None:
    """Say why an assistant turn answers nothing ("is empty"), or None where it does answer."""
    text = message.text
    if text[:1].isalnum() or message.tool_calls or message.has_media:
        return None
    if message.extra.get("refusal") or message.extra.get("audio"):  # OpenAI puts these beside the content
        return None
    if message.reasoning and is_blank(text):
        return "holds reasoning and no answer"
    if not text:
        return "is empty"
    if is_blank(text):
        return "holds only whitespace or invisible characters"
    if len(text) <= LONGEST_STOP_TOKEN and is_blank(strip_stop_token(text)):
        return f"holds nothing but {_quote(text.strip())}"
    bare = text.strip()
    if bare.endswith("</think>") and (bare.startswith("<think>") or "<think>" not in bare):
        return "ends where its reasoning ends"
    return None


def _is_silent(message: Message) -> bool:
    return is_blank(message.text) and not message.has_media and not message.tool_calls


def _prompt_is_empty(sample: Sample) -> bool:
    if sample.format in TURNLESS or sample.format == "prompt-completion":
        return False
    has_user = False
    for message in sample.messages:
        if message.role == "assistant":
            break
        if message.text[:1].isalnum() or not _is_silent(message):
            return False
        has_user = has_user or message.role == "user"
    return has_user


def _count_files(value: Any) -> int | None:
    if value is None:
        return 0
    if isinstance(value, list):
        return sum(item is not None for item in value)
    # A list written as a string is not worth guessing at.
    return None if isinstance(value, str) and value.lstrip().startswith("[") else int(bool(value))


def _count_placeholders(message: Message, kind: str) -> int:
    count = message.text.count(f"<{kind}>")
    if isinstance(message.content, list):
        count += sum(part.get("type") == kind and not _carries_data(part) for part in message.content)
    return count


def _carries_data(part: Mapping[str, Any]) -> bool:
    return any(value for key, value in part.items() if key not in ("type", "text"))


def _quote(text: str) -> str:
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}...'"
