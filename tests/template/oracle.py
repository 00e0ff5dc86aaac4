"""trl's training templates as an oracle: they mark by `{% generation %}` what the model writes.

Templates are read from the installed trl, never kept here. The engine gets them without their marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.sample import Message, Sample, ToolCall
from curate.template import ChatTemplate, Exact, TemplateRefuses, load, to_messages
from curate.template.note import ADVICE
from tests.template.byte_model import write_model
from tests.template.conversations import TOOLS, answer, user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from curate.template import ChatTokenizer, Rendering
    from curate.template.mask import Turns

DAY = date(2026, 3, 9)
TOKEN = re.compile(
    r"<[|｜][^<>|｜{}'\"\s]*[|｜]>|<(?:start|end)_of_\w+>|<turn[|]>|<[|]turn>|<channel[|]>|<[|]channel>|<\w+_TOKEN>|"
    r"\[/?[A-Z_]+\]|\[gMASK\]|<sop>|</?think>|</?tool_call>|</?tool_response>|<[|]tool_\w+>|<tool_\w+[|]>|<[|]\"[|]>"
)
PLAIN = re.compile(r"</?(?:think|tool_call|tool_response)>")
TWIN = "_training"
IMAGES = ("idefics3", "llava_next", "smolvlm", "qwen2_5_vl", "qwen3_vl", "lfm2_2_5_vl")
"""Families whose templates are for images: their contents are lists of parts."""
# What ends a text, by the beginning of the family's name; models are told it in tokenizer_config.json.
EOS = {
    "cohere": "<|END_OF_TURN_TOKEN|>",
    "deepseek": "<｜end▁of▁sentence｜>",
    "diffusion_gemma": "<eos>",
    "gemma": "<eos>",
    "glm": "<|endoftext|>",
    "gptoss": "<|return|>",
    "lfm2": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "muse": "<|eot|>",
    "nemotron": "<|im_end|>",
    "phi3": "<|endoftext|>",
    "qwen": "<|im_end|>",
}

QUESTION = "a plain question"
CALL = ToolCall("get_weather", {"city": "Zürich", "days": 3}, "call_1a2b")
CALL_AS_TEXT = ToolCall("get_weather", '{"city": "Zürich", "days": 3}', "call_1a2b")
RESULT = Message("tool", '{"sun": true}', tool_call_id="call_1a2b", name="get_weather")


def _asked(*turns: Message) -> list[Message]:
    return [user("Weather in Zürich?"), *turns]


CONVERSATIONS: dict[str, tuple[list[Message], bool]] = {
    "single": ([user("Hi"), answer("Hello there.")], False),
    "system": ([Message("system", "Be brief."), user("Hi"), answer("Hello.")], False),
    "three turns": (
        [user("Hi"), answer("Hello."), user("6 x 7?"), answer("42."), user("Sure?"), answer("Quite sure.")],
        False,
    ),
    "inline think": (
        [
            user("Hi"),
            answer("<think>\nThey greet.\n</think>\n\nHello."),
            user("Well?"),
            answer("<think>\nHm.\n</think>\n\nYes."),
        ],
        False,
    ),
    "reasoning field": (
        [user("Hi"), answer("Hello.", reasoning="They greet."), user("Well?"), answer("Yes.", reasoning="Hm.")],
        False,
    ),
    "tool call, object": (_asked(answer(None, tool_calls=[CALL]), RESULT, answer("Sunny.")), True),
    "tool call, text": (_asked(answer(None, tool_calls=[CALL_AS_TEXT]), RESULT, answer("Sunny.")), True),
    "content and call": (_asked(answer("Let me see.", tool_calls=[CALL]), RESULT, answer("Sunny.")), True),
    "white space": ([user(" Hi "), answer("\n\n Hello. \n")], False),
    "empty": ([user("Hi"), answer(""), user("Well?"), answer("Yes.")], False),
    "two answers": ([user("Hi"), answer("One."), answer("Two.")], False),
    "two questions": ([user("Hi"), user("Anyone?"), answer("Yes.")], False),
    "answer first": ([answer("Welcome."), user("Hi"), answer("Hello.")], False),
    "late system": (
        [user("Hi"), answer("Hello."), Message("system", "Be brief."), user("Well?"), answer("Yes.")],
        False,
    ),
    "parts": (
        [user([{"type": "text", "text": "Hi"}]), answer([{"type": "text", "text": "Hello."}])],
        False,
    ),
}


def stock() -> dict[str, Path] | None:
    """The templates of trl by name, training twins among them; None where trl is not installed."""
    found = find_spec("trl")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0], "chat_templates")
    return {file.stem: file for file in sorted(folder.glob("*.jinja")) if not file.stem.startswith(IMAGES)}


def twins() -> dict[str, Path] | None:
    """The training templates by the family's name; None where trl is not installed."""
    files = stock()
    if files is None:
        return None
    return {name.removesuffix(TWIN): file for name, file in files.items() if name.endswith(TWIN)}


def unmarked(source: str) -> str:
    """A template without its marks, which trims white space as before."""
    for mark, other in (("generation", "if true"), ("endgeneration", "endif")):
        source = re.sub(rf"\{{%(-?)\s*{mark}\s*(-?)%\}}", rf"{{%\1 {other} \2%}}", source)
    return source


def model_of(folder: Path, family: str, source: str) -> ChatTokenizer:
    """A tokenizer of bytes and of the tokens that a template writes."""
    eos = next(token for name, token in EOS.items() if family.startswith(name))
    tokens = set(TOKEN.findall(source)) | {eos, "<s>"}
    plain = {token for token in tokens if PLAIN.fullmatch(token)}
    write_model(folder, source, sorted(tokens - plain), sorted(plain), bos_token="<s>", eos_token=eos)
    return load(folder)


class Judged(NamedTuple):
    """One conversation by one family's template: "exact", "but header", "wrong", or "refused" by the template."""

    family: str
    conversation: str
    verdict: str
    is_verified: bool
    codes: tuple[str, ...]


def judge(folder: Path, family: str, twin: Path, rows: Mapping[str, Sample] | None = None) -> list[Judged]:
    """What the engine finds for each conversation without the template's marks, against what these mark."""
    return list(_judged(folder, family, twin, rows, "all"))


def judge_each(folder: Path, family: str, twin: Path, rows: Mapping[str, Sample] | None = None) -> list[Judged]:
    """The same for every answer in a rendering of its own."""
    return list(_judged(folder, family, twin, rows, "each"))


def _judged(folder: Path, family: str, twin: Path, rows: Mapping[str, Sample] | None, turns: Turns) -> Iterator[Judged]:
    source = twin.read_text(encoding="utf-8")
    exact = Exact(model_of(folder / "unmarked", family, unmarked(source)), {}, DAY, turns=turns)
    template = ChatTemplate(model_of(folder / "marked", family, source), {}, DAY)
    if rows is None:
        rows = {
            name: Sample(turns, tools=TOOLS if has_tools else None)
            for name, (turns, has_tools) in CONVERSATIONS.items()
        }
    for (name, sample), renderings in zip(rows.items(), exact.read(list(rows.values())), strict=True):
        messages = to_messages(sample, exact.facts.form)
        for row in renderings:
            codes = tuple(dict.fromkeys(note.code for note in row.notes if note.code not in ADVICE))
            seen = messages[: row.turns[-1].message + 1] if turns == "each" and row.turns else messages
            if not row.text:
                yield Judged(family, name, "refused", False, codes)
            elif row.turns:
                marked = sorted(template.marked(seen, sample.tools))
                assert template.render(seen, sample.tools) == row.text
                verdict = compare(row, _of(row, marked, seen), prompts(template, messages, sample)).verdict
                yield Judged(family, name, verdict, row.verified, codes)
            else:  # nothing is trained, and it says why
                assert not row.verified and codes
    exact.close()


def _of(row: Rendering, marked: list[tuple[int, int]], messages: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The marks of the answers that the row trains, where these are not all answers."""
    if len(row.turns) == sum(message["role"] == "assistant" for message in messages):
        return marked
    return [(a, b) for a, b in marked if any(a < turn.stop and turn.start < b for turn in row.turns)]


@dataclass
class Compared:
    """What of the trained characters differs: none ("exact"), or only the header that the inference prompt supplies,
    white space, and stop tokens ("but header"), or more ("wrong"), with the characters."""

    verdict: str
    missing: str
    extra: str


def compare(rendering: Rendering, marked: list[tuple[int, int]], prompts: list[str]) -> Compared:
    """What differs; `prompts` are the inference prompts of the row's answers."""
    text = rendering.text
    theirs = {k for start, end in marked for k in range(start, end)}
    mine = {k for turn in rendering.turns for k in range(turn.start, turn.stop)}
    if theirs == mine:
        return Compared("exact", "", "")
    missing, extra = sorted(theirs - mine), sorted(mine - theirs)
    starts = sorted(turn.start for turn in rendering.turns)
    stops = {turn.stop for turn in rendering.turns}
    # What they have right before one of my answers is its header; what follows a stop token may be white space.
    header: set[int] = set()
    for start in starts:
        k = start
        while k - 1 in theirs and k - 1 not in mine:
            k -= 1
        supplied = text[k:start].strip()
        if supplied in prompts[-1].rpartition(QUESTION)[2] or any(p.rstrip().endswith(supplied) for p in prompts):
            header.update(range(k, start))
    after: set[int] = set()
    for stop in stops:
        k = stop
        while k in theirs and k not in mine:
            after.add(k)
            k += 1
    left = "".join(text[k] for k in missing if k not in header and k not in after)
    behind = "".join(text[k] for k in sorted(after - header))
    more = "".join(text[k] for k in extra)
    scaffold = TOKEN.sub("", behind).strip()
    unmarked_stops = "".join(text[turn.end : turn.stop] for turn in rendering.turns if turn.end not in theirs)
    if not left.strip() and not scaffold and more in ("", unmarked_stops):
        return Compared("but header", "", more)
    return Compared("wrong", left + behind, more)


def prompts(template: ChatTemplate, messages: list[dict[str, Any]], sample: Sample) -> list[str]:
    """What the model gets at inference before each answer, where the template renders it, and for a plain question."""
    asked = [messages[:i] for i, turn in enumerate(messages) if turn["role"] == "assistant"]
    out = []
    for turns in (*asked, [{"role": "user", "content": QUESTION}]):
        try:
            out.append(template.render(turns, sample.tools, add_generation_prompt=True))
        except TemplateRefuses:
            continue
    return out
