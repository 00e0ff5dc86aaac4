"""The names that columns of flat rows have in the wild, and reading a question and an answer from them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.finding import Fault, Where
from curate.formats.turns import as_text, is_conversation, kind, read_turns
from curate.sample import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.formats.format import Row

# Between an instruction and its input, a context and its question. The trainers that read such rows (LLaMA-Factory,
# ms-swift, convmerge) join with one newline; only linters use two. The joiner decides training text and duplicates.
JOINER = "\n"


def _cased(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(spelling for name in names for spelling in (name, name.capitalize(), name.upper()))


# In order of precedence: a full solution is read before a short answer.
PROMPTS = _cased(
    ("prompt", "instruction", "question", "query", "problem", "inputs", "input", "message_1", "user", "human")
)
ANSWERS = _cased(
    (
        "completion",
        "response",
        "output",
        "generation",
        "generated_solution",
        "solution",
        "targets",
        "target",
        "responses",
        "answer",
        "answers",
        "outputs",
        "message_2",
        "assistant",
        "gpt",
        "bot",
    )
)
# Columns that are a prompt or an answer only beside the one that they are named with.
_ONLY_WITH = (
    ("article", "summary"),
    ("document", "summary"),
    ("content", "summary"),
    ("dialogue", "summary"),
    ("prompt", "text"),
    ("question", "answerKey"),
    ("question_stem", "answerKey"),
)
SYSTEMS = ("system", "system_prompt", "System")
CONTEXTS = ("context", "article", "passage", "paragraph", "document")
CHOICES = ("choices", "options")
READ = frozenset({*PROMPTS, *ANSWERS, *SYSTEMS, *(name for pair in _ONLY_WITH for name in pair)})


class Columns(NamedTuple):
    """Where the parts of a flat row stand; `answers` in order of precedence."""

    prompt: str | None
    answers: tuple[str, ...]
    system: str | None

    def led_by(self, prompt: str, answer: str) -> Columns:
        """The same columns with this prompt, and this answer read before the others."""
        others = (name for name in self.answers if name not in (prompt, answer))
        return Columns(prompt, (answer, *others), self.system)


def columns_of(names: Iterable[str]) -> Columns:
    """Find prompt, answer and system prompt among the names of a row's columns."""
    return _columns_of(READ.intersection(names))


@lru_cache(maxsize=512)
def _columns_of(present: frozenset[str]) -> Columns:
    prompt = next((name for name in PROMPTS if name in present), None)
    answers = tuple(name for name in ANSWERS if name in present and name != prompt)
    if prompt is None or not answers:
        for left, right in _ONLY_WITH:
            if left in present and right in present and prompt in (None, left):
                prompt, answers = left, (right,)
                break
    return Columns(prompt, answers, next((name for name in SYSTEMS if name in present), None))


def read_prompt(row: Row, name: str | None, faults: list[Fault]) -> list[Message]:
    """Read the prompt of a row, a text or a list of turns; a missing one is a fault."""
    value = row.get(name) if name else None
    if isinstance(value, str):
        return [Message("user", value)]
    if value is None or value == []:
        said = f"{name} is {'null' if value is None else 'an empty list'}" if name else "no prompt"
        faults.append(Fault(said, Where(field=name), rule="missing-prompt"))
        return []
    if isinstance(value, dict) and "content" in value:
        value = [value]
    if isinstance(value, list):
        if is_conversation(value):
            return read_turns(value, faults)
        if len(value) == 1 and isinstance(value[0], str):
            return [Message("user", value[0])]
    return [Message("user", as_text(value, faults, Where(0, "content"), name or "prompt"))]


class Answer(NamedTuple):
    """The turns of an answer (empty: missing), and the column it was read from if all of the column was."""

    messages: list[Message]
    column: str | None
    whole: bool = True


def read_answer(
    row: Row, names: tuple[str, ...], at: int, faults: list[Fault], *, missing: str = "missing-answer"
) -> Answer:
    """Read the first of the columns that holds an answer: text, turns, or a list of texts (the first is taken)."""
    for name in names:
        value = row.get(name)
        if type(value) is str:
            if not value.strip():
                _note_unread(row, name, names, faults)
            text = lettered_choices(row).get(value.strip()) if name == "answerKey" else None
            if text is not None:
                return Answer([Message("assistant", text)], name, whole=False)
            return Answer([Message("assistant", value)], name)
        value = _unwrap(value)
        if value is None:
            continue
        if isinstance(value, list) and is_conversation(value):
            return Answer(read_turns(value, faults), name)
        if isinstance(value, list):
            texts = [text for item in value if (text := _answer_text(item)) is not None]
            if not texts:
                continue
            return Answer([Message("assistant", texts[0])], name, whole=len(value) == 1 and isinstance(value[0], str))
        choices = next((row[key] for key in CHOICES if isinstance(row.get(key), list)), None)
        if choices and type(value) is int and 0 <= value < len(choices) and isinstance(choices[value], str):
            return Answer([Message("assistant", choices[value])], name, whole=False)
        return Answer([Message("assistant", as_text(value, faults, Where(at, "content"), name))], name)
    name = names[0] if names else "completion"
    value = row.get(name)
    said = f"{name} is {'an empty list' if value == [] else kind(value)}" if name in row else f"no {name}"
    faults.append(Fault(said, Where(field=name), rule=missing))
    return Answer([], None)


def lettered_choices(row: Row) -> dict[str, str]:
    """The choices of a question by their letters: out of two lists (ARC, CommonsenseQA), one of pairs, or of texts."""
    for name in CHOICES:
        value = row.get(name)
        if isinstance(value, dict) and isinstance(value.get("text"), list) and isinstance(value.get("label"), list):
            pairs = list(zip(value["label"], value["text"], strict=False))
        elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
            pairs = [(each.get("label"), each.get("text")) for each in value]
        elif isinstance(value, list):
            pairs = list(zip("ABCDEFGHIJ", value, strict=False))
        else:
            continue
        return {label: text for label, text in pairs if isinstance(label, str) and isinstance(text, str)}
    return {}


def _unwrap(value: Any) -> Any:
    """A lone turn becomes a list of turns; SQuAD's {"text": [...]} the list of texts."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), list):
            return value["text"]
        if is_conversation([value]):
            return [value]
    return value


def _answer_text(item: Any) -> str | None:
    """The text of one of several answers: a text, or the text column of an object such as {"response", "model"}."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        return next(
            (item[key] for key in ("response", "answer", "text", "content") if isinstance(item.get(key), str)), None
        )
    return None


def _note_unread(row: Row, name: str, names: tuple[str, ...], faults: list[Fault]) -> None:
    for other in names:
        if other != name and isinstance(row.get(other), str) and row[other].strip():
            said = f"{name} is empty, but the column {other!r} holds text"
            faults.append(Fault(said, Where(field=other), {"column": other, "read": name}, "unread-answer-column"))
            return
