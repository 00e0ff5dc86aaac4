"""Mending the texts of a row in its own bytes: only the strings that change are written anew."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from curate.examine import CRASHES, described, read_samples
from curate.io import RawRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from curate.finding import Fault, Where
    from curate.formats import Layout
    from curate.rules import Rule
    from curate.sample import Message, Sample

_TOKEN = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:)?|[\[{}\]]', re.DOTALL)
_JSON = re.compile(r"\s*[\[{]")

Spot = tuple[int, str]  # message and field, as in a finding's `where`


class Mended(NamedTuple):
    """A row with its texts mended: its bytes, the sample in it, and the codes of the rules that mended something."""

    data: bytes
    sample: Sample
    codes: tuple[str, ...]


def mended(data: bytes, layout: Layout, faults: Mapping[Rule, Sequence[Where | None]]) -> Mended | str:
    """Apply the repairs of some rules to the texts where each found a fault; or say why not.

    What is not a text that a rule found fault with stays as it is, byte for byte. A fault that says no text is about
    all of them.
    """
    sample = only_sample(data, layout)
    if sample is None:
        return "its row cannot be read alone"
    texts = _texts(sample)
    wanted = dict(texts)
    codes = []
    try:
        for rule, spots in faults.items():
            assert rule.repair is not None
            repaired = {spot: rule.repair(wanted[spot]) for where in spots for spot in _spots(where, texts)}
            codes += [rule.code] if any(wanted[spot] != text for spot, text in repaired.items()) else []
            wanted |= repaired
    except CRASHES as error:
        return f"its repair failed ({described(error)})"
    if wanted == texts:
        return "its fix changes nothing"
    data = _with(data, sample, texts, wanted, [rule.repair for rule in faults if rule.repair])
    after = only_sample(data, layout)
    if after is None or _rest(after) != _rest(sample) or _texts(after) != wanted:
        return "its text cannot be mended in the row without changing something else"
    return Mended(data, after, tuple(codes))


def only_sample(data: bytes, layout: Layout) -> Sample | None:
    """The sample of a row's bytes, if they give one sample and no more."""
    samples, _ = samples_in(data, layout)
    return samples[0] if len(samples) == 1 else None


def samples_in(data: bytes, layout: Layout) -> tuple[list[Sample], list[Fault]]:
    """The samples of a row's bytes, and what was noticed that gives none."""
    faults: list[Fault] = []
    return read_samples(RawRow(0, data), "", layout, faults), faults


def _spots(where: Where | None, texts: Mapping[Spot, str]) -> Iterable[Spot]:
    """The texts that a fault is about; all of them where it does not say which."""
    if where is None or where.message is None or where.field is None:
        return texts
    spot = where.message, where.field
    return [spot] if spot in texts else []


def _with(
    data: bytes,
    sample: Sample,
    texts: Mapping[Spot, str],
    wanted: Mapping[Spot, str],
    repairs: Sequence[Callable[[str], str]],
) -> bytes:
    """A row's bytes with other texts in it, wherever the row has them."""
    changes = [(texts[spot], text) for spot, text in wanted.items() if text != texts[spot]]

    def replaced(text: str) -> str:
        for old, new in changes:
            if text == old:
                return new
        if _JSON.match(text) and (inner := _inside_json(text)) is not None:
            return inner
        for old, new in changes:
            if old in text:
                text = text.replace(old, new)
            elif text and text in old:  # one of several parts of a content
                for repair in repairs:
                    text = repair(text)
        return text

    def _inside_json(text: str) -> str | None:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        return replace_strings(text.encode(), replaced).decode()

    return replace_strings(data, replaced, sample.metadata)


def replace_strings(data: bytes, replace: Callable[[str], str], leave: Collection[str] = ()) -> bytes:
    """JSON with its strings replaced (not its keys), all else byte for byte; the columns `leave` stay as they are.

    A new string is written as the data writes its own: in ASCII with escapes if all of the data is.
    """
    is_ascii = data.isascii()
    pieces: list[bytes] = []
    done = depth = 0
    column: object = None
    for token in _TOKEN.finditer(data):
        string, is_key = token[1], token[2] is not None
        if string is None:
            depth += 1 if token[0] in b"[{" else -1
        elif is_key:
            column = orjson.loads(string) if depth == 1 else column
        elif column not in leave:
            old = orjson.loads(string)
            if (new := replace(old)) != old:
                pieces += [data[done : token.start(1)], json.dumps(new, ensure_ascii=is_ascii).encode()]
                done = token.end(1)
    return b"".join([*pieces, data[done:]])


def _texts(sample: Sample) -> dict[Spot, str]:
    return {(text.message, text.field): text.text for text in sample.texts()}


def _rest(sample: Sample) -> Any:
    """All of a sample but its texts."""
    turns = [[_rest_of(message) for message in turns] for turns in (sample.messages, sample.rejected or ())]
    return turns, sample.format, sample.rejected is None, sample.label, sample.tools, sample.metadata


def _rest_of(message: Message) -> Any:
    content = message.content
    parts = [{**part, "text": None} for part in content] if isinstance(content, list) else type(content)
    named = message.role, message.tool_calls, message.tool_call_id, message.name, message.weight, message.extra
    return parts, message.reasoning is None, named
