"""Formats with a verdict: preference (a better and a worse answer) and kto (one answer and whether it is good)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curate.finding import Fault, Where
from curate.formats.chat import CONTAINERS, container, read_conversation, read_row_tools, read_system, turns_of
from curate.formats.columns import JOINER, PROMPTS, SYSTEMS, columns_of
from curate.formats.flat import ALPACA, PROMPT_COMPLETION, answer_start, build_prompt
from curate.formats.format import Format, Names, Row, Unreadable, rest
from curate.formats.text import parse_transcript
from curate.formats.turns import as_text, is_conversation, read_turns, short
from curate.sample import SYSTEM_ROLES, Message, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

CHOSEN = ("chosen", "chosen_response", "response_chosen", "response_j", "preferred", "accepted")
REJECTED = ("rejected", "rejected_response", "response_rejected", "response_k", "dispreferred", "non_preferred")
LABELS = ("label", "kto_tag")
_PROMPTS = (*PROMPTS, "context", "history", *CONTAINERS)
_SCORES = ("overall_score", "fine-grained_score", "score", "rating", "rank")


class Pair(NamedTuple):
    """The two answers of a row as they stand there, and the columns they (and the verdict) were read from."""

    chosen: Any
    rejected: Any
    columns: tuple[str, ...]


def _named(value: Any) -> int | None:
    """0 or 1 for a winner that is named, as in arena data; None for a tie."""
    word = str(value).strip().lower()
    if word in ("model_a", "a", "assistant_a", "response_a"):
        return 0
    return 1 if word in ("model_b", "b", "assistant_b", "response_b") else None


def _signed(value: Any) -> int | None:
    return None if not isinstance(value, (int, float)) or value == 0 else int(value > 0)


def _indexed(value: Any) -> int | None:
    return int(value) if value in (0, 1) else None


def _first_is_one(value: Any) -> int | None:
    return 1 - int(value) if value in (0, 1) else None


# Two answers and a verdict on them: Arena, PKU-SafeRLHF, HelpSteer3, SHP.
_VERDICTS: tuple[tuple[str, str, str, Callable[[Any], int | None]], ...] = (
    ("conversation_a", "conversation_b", "winner", _named),
    ("response_a", "response_b", "winner", _named),
    ("response_0", "response_1", "better_response_id", _indexed),
    ("response1", "response2", "overall_preference", _signed),
    ("human_ref_A", "human_ref_B", "labels", _first_is_one),
)


def _find_pair(row: Row) -> Pair | None:
    """The two answers of a row, better first; None if the row holds no pair in a known shape.

    Raises:
        Unreadable: there are two answers, but neither won.
    """
    chosen = next((name for name in CHOSEN if name in row), None)
    rejected = next((name for name in REJECTED if name in row), None)
    if chosen or rejected:
        found = tuple(name for name in (chosen, rejected) if name)
        return Pair(row.get(chosen or ""), row.get(rejected or ""), found)
    for first, second, verdict, judge in _VERDICTS:
        if first in row and second in row and verdict in row:
            winner = judge(row[verdict])
            if winner is None:
                raise _no_winner(f"{verdict} is {short(row[verdict])}: neither answer won")
            sides = (row[first], row[second])
            return Pair(sides[winner], sides[1 - winner], (first, second, verdict))
    return _find_ranked(row)


def _find_ranked(row: Row) -> Pair | None:
    for column, text in (("completions", "response"), ("answers", "answer")):
        scored = _scored(row.get(column), text)
        if not scored:
            continue
        best, worst = max(scored, key=lambda each: each[0]), min(scored, key=lambda each: each[0])
        if best[0] == worst[0]:
            raise _no_winner(f"all {len(scored)} {column} have the same score")
        return Pair(best[1], worst[1], ())
    return None


def _scored(value: Any, text: str) -> list[tuple[float, str]]:
    """The answers of a ranked list with their scores, a lower rank being a higher score."""
    if not isinstance(value, list):
        return []
    out = []
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get(text), str):
            continue
        key = next((name for name in _SCORES if isinstance(item.get(name), (int, float))), None)
        if key is not None:
            out.append((-item[key] if key == "rank" else item[key], item[text]))
    return out if len(out) > 1 else []


def _no_winner(message: str) -> Unreadable:
    return Unreadable([Fault(message, rule="no-winner")])


def _has_pair(names: Names) -> bool:
    return (
        not names.isdisjoint(CHOSEN)
        or not names.isdisjoint(REJECTED)
        or any(names >= {first, second, verdict} for first, second, verdict, _ in _VERDICTS)
        or not names.isdisjoint(("completions", "answers"))
    )


def _is_preference(row: Row) -> bool:
    try:
        pair = _find_pair(row)
    except Unreadable:
        return True
    if pair is None:
        return False
    if any(map(_is_answer, pair[:2])):
        return True
    return pair.columns[0] in (CHOSEN[0], REJECTED[0]) and any(name in row for name in _PROMPTS)


def _is_answer(value: Any) -> bool:
    return isinstance(value, str) or is_conversation(value) or is_conversation([value])


def _prompt(row: Row, faults: list[Fault], used: set[str]) -> list[Message]:
    name = container(row)
    if name is not None and turns_of(row[name]):
        messages, found = read_conversation(row, faults)
        used |= found
        return messages
    name = columns_of(row).prompt or next((name for name in ("context", "history") if name in row), None)
    messages = []
    if name is not None:
        value = row[name]
        used.add(name)
        if is_conversation(value):
            messages = read_turns(value, faults)
        elif isinstance(value, str):
            messages = _transcript_prompt(value)
        elif value is not None and value != []:
            messages = [Message("user", as_text(value, faults, Where(0, "content"), name))]
        if name == "instruction" and isinstance(row.get("input"), str):
            used.add("input")
            said = [message.text for message in messages]
            messages = [Message("user", JOINER.join(filter(None, (*said, row["input"]))))]
    used |= read_system(row, messages)
    used.update(name for name in SYSTEMS if name in row and row[name] is None)
    return messages


def _transcript_prompt(text: str) -> list[Message]:
    """Take a prompt apart that ends in `Assistant:`, waiting for the answer (HH, Nectar)."""
    if text.rstrip().endswith("Assistant:") and (turns := parse_transcript(text)):
        return turns[:-1] if not turns[-1].text else turns
    return [Message("user", text)]


def _side(value: Any, name: str, faults: list[Fault]) -> list[Message] | None:
    if isinstance(value, str):
        if value.lstrip().startswith("Human:") and (turns := parse_transcript(value)):
            return turns
        return [Message("assistant", value)]
    if is_conversation([value]):
        value = [value]
    if is_conversation(value):
        return read_turns(value, faults)
    if value is None or value == []:
        said = f"{name} is missing" if value is None else f"{name} is empty"
        faults.append(Fault(said, Where(field=name), rule="missing-preference-side"))
        return None
    return [Message("assistant", as_text(value, faults, Where(0, "content"), name))]


def _is_whole(turns: list[Message] | None) -> bool:
    """Whether an answer is the whole dialogue, its prompt included."""
    return bool(turns) and turns is not None and turns[0].role in ("user", *SYSTEM_ROLES)


def _shared(one: list[Message], other: list[Message]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    # Two equal dialogues share their last answer too, which is not prompt.
    return min(count, answer_start(one), answer_start(other))


def _moved(faults: list[Fault], by: int, *, rejected: bool = False) -> list[Fault]:
    """Faults of an answer, placed where the answer stands in the sample."""
    out = []
    for fault in faults:
        where = fault.where
        if where is not None and where.message is not None:
            field = "rejected" if rejected and where.field == "content" else where.field
            where = where._replace(message=max(where.message + by, 0), field=field)
        out.append(fault._replace(where=where))
    return out


def _read_preference(row: Row) -> list[Sample]:
    pair = _find_pair(row) or Pair(None, None, ())
    faults: list[Fault] = []
    used = set(pair.columns)
    asked: set[str] = set()
    prompt = _prompt(row, faults, asked)
    tools = read_row_tools(row, faults, used)
    chosen_faults: list[Fault] = []
    rejected_faults: list[Fault] = []
    chosen = _side(pair.chosen, "chosen", chosen_faults)
    rejected = _side(pair.rejected, "rejected", rejected_faults)
    lead = lead_rejected = 0
    whole = chosen if _is_whole(chosen) else rejected if _is_whole(rejected) else None
    both = _is_whole(chosen) and _is_whole(rejected)
    if whole and not both and prompt and prompt[-1].role == "user" and prompt[-1].text not in {m.text for m in whole}:
        whole = None  # the side begins with a turn of its own, not with the prompt
    if whole:
        lead = _shared(chosen or [], rejected or []) if both else answer_start(whole)
        inside = whole[:lead]
        if {message.text for message in prompt} <= {message.text for message in whole}:
            used |= asked
        elif prompt and prompt[0].role in SYSTEM_ROLES and whole[0].role not in SYSTEM_ROLES:
            inside = [prompt[0], *inside]
            used |= asked & set(SYSTEMS)
        prompt = inside
        lead, lead_rejected = (lead if whole is chosen else 0), (lead if both or whole is rejected else 0)
    else:
        used |= asked
    chosen = chosen[lead:] if chosen else []
    rejected = rejected[lead_rejected:] if rejected else None
    messages = prompt + chosen
    questions = [message.text for message in prompt if message.role == "user"]
    used.update(name for name in PROMPTS if row.get(name) in questions)  # said once more beside the dialogues
    if not prompt and not any(message.role == "user" for message in messages):
        said = "no prompt: neither in a column of its own nor inside the answers"
        faults.append(Fault(said, rule="missing-prompt"))
    faults += _moved(chosen_faults, len(prompt) - lead) + _moved(rejected_faults, -lead_rejected, rejected=True)
    if not messages:
        raise Unreadable(faults)
    return [Sample(messages, "preference", rejected, tools=tools, metadata=rest(row, *used), faults=faults)]


def _preference_losses(sample: Sample) -> list[str]:
    if not sample.rejected:
        return ["it has no rejected answer to make a pair of"]
    reasons = ["the label of the answer"] if sample.label is not None else []
    start = chosen_start(sample)
    if start in (0, len(sample.messages)) or _is_whole(sample.rejected) or _is_whole(sample.messages[start:]):
        reasons.append("a pair whose answers do not both follow the prompt")
    return reasons


def chosen_start(sample: Sample) -> int:
    """Where the chosen answer starts: it holds as many turns of the user as the rejected one."""
    messages = sample.messages
    start = answer_start(messages)
    for _ in range(sum(message.role == "user" for message in sample.rejected or ())):
        start = answer_start(messages[: max(start - 1, 0)])
    return start


def _build_preference(sample: Sample) -> Row:
    start = chosen_start(sample)
    prompt, chosen, rejected = build_prompt(sample.messages[:start], sample.messages[start:], sample.rejected or [])
    row: Row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return {**row, "tools": sample.tools} if sample.tools else row


def _has_label(names: Names) -> bool:
    return not names.isdisjoint(LABELS)


def _is_kto(row: Row) -> bool:
    if not ("kto_tag" in row or isinstance(row.get("label"), bool)):
        return False
    name = container(row)
    return is_conversation(turns_of(row[name])) if name else PROMPT_COMPLETION.detect(row)


def _read_kto(row: Row) -> list[Sample]:
    column = next((name for name in reversed(LABELS) if name in row), LABELS[0])
    inner = {name: value for name, value in row.items() if name != column}
    if container(inner) is not None:
        faults: list[Fault] = []
        messages, used = read_conversation(inner, faults)
        tools = read_row_tools(inner, faults, used)
        sample = Sample(messages, "kto", tools=tools, metadata=rest(inner, *used), faults=faults)
    else:
        (sample,) = (ALPACA if ALPACA.detect(inner) else PROMPT_COMPLETION).read_row(inner)
        sample.format = "kto"
    label = row.get(column)
    if isinstance(label, bool):
        sample.label = label
        return [sample]
    said = f"{column} is {short(label) if label is not None else 'null'}" if column in row else f"no {column}"
    fault = Fault(f"{said}; it must be true or false", Where(field=column), {"value": label}, "invalid-label")
    sample.faults.append(fault)
    word = str(label).strip().lower()
    if word in ("true", "1", "1.0", "false", "0", "0.0"):
        sample.label = word in ("true", "1", "1.0")
    else:
        sample.metadata[column] = label
    return [sample]


def _kto_losses(sample: Sample) -> list[str]:
    reasons = (
        ["the rejected answer (choose which of the two to keep with --use)"] if sample.rejected is not None else []
    )
    if sample.label is None:
        reasons.append("it has no label that says whether the answer is good")
    start = answer_start(sample.messages)
    if start in (0, len(sample.messages)):
        reasons.append("a conversation that is not a prompt and an answer to it")
    return reasons


def _build_kto(sample: Sample) -> Row:
    start = answer_start(sample.messages)
    prompt, completion = build_prompt(sample.messages[:start], sample.messages[start:])
    row: Row = {"prompt": prompt, "completion": completion, "label": sample.label}
    return {**row, "tools": sample.tools} if sample.tools else row


PREFERENCE = Format(
    name="preference",
    summary="prompt, chosen, rejected; or two answers and a verdict (Arena, PKU-SafeRLHF, SHP, HelpSteer3)",
    columns=frozenset((*CHOSEN, *REJECTED)),
    has_columns=_has_pair,
    signs=frozenset({"completions", "answers", *(name for *names, _ in _VERDICTS for name in names)}),
    fits=_is_preference,
    read_row=_read_preference,
    build=_build_preference,
    losses=_preference_losses,
)
KTO = Format(
    name="kto",
    summary="prompt and completion, or messages, with label (or kto_tag) true or false",
    columns=frozenset({*LABELS, "prompt", "completion", "messages", "conversations"}),
    has_columns=_has_label,
    fits=_is_kto,
    read_row=_read_kto,
    build=_build_kto,
    losses=_kto_losses,
)
