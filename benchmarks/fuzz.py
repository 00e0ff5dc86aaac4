"""Throw broken input at the reader and the formats and count what comes through as an exception: there must be none.

    python benchmarks/fuzz.py [--examples 50000] [--seed 0]

Each example is a file: real and hostile lines that were cut, joined, shuffled and sown with the bytes that parsers
dislike. It is read as a stream, each row is parsed, and each value is given to the formats, as `curate check` does.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import lzma
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from curate.io import parse_row
from curate.io.records import read_rows
from tests.io.hostile import CASES
from tests.mutators.io import BYTE_MUTATORS

NAMES = ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.jsonl.gz", "-"]
BITES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"\n",
    b"\r",
    b"\x00",
    b"NaN",
    b"1e999",
    b"\xe9",
]
BITES += [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1f\x8b\x08",
    b"null",
    b"[" * 200,
    b"9" * 30,
    b"'",
    b"\xed\xa0\x80",
    b'{"a":1}',
    b"true",
]
TURN_ROLES = [
    "user",
    "assistant",
    "system",
    "tool",
    "human",
    "gpt",
    "function_call",
    "observation",
    "",
    None,
    3,
    {"a": 1},
]
KEYS = [
    "messages",
    "conversations",
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "instruction",
    "input",
    "output",
    "text",
]
KEYS += [
    "tools",
    "label",
    "system",
    "history",
    "question",
    "answer",
    "role",
    "content",
    "from",
    "value",
    "tool_calls",
    "weight",
]
KEYS += [
    "function",
    "arguments",
    "name",
    "type",
    "id",
    "parent_id",
    "kind",
    "response",
    "dialog",
    "turns",
    "images",
    "train",
]


def turn(draw: random.Random, role: str) -> dict[str, Any]:
    return {"role": role, "content": draw.choice(["hi", "4", "", "a\nb", [{"type": "text", "text": "x"}]])}


def sound_row(draw: random.Random) -> dict[str, Any]:
    """A row that some format understands."""
    roles = draw.choice([["user", "assistant"], ["system", "user", "assistant", "user", "assistant"]])
    turns = [turn(draw, role) for role in roles]
    arguments = draw.choice(['{"a": 1}', {"a": 1}, "", "{"])
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    calling = {"role": "assistant", "content": None, "tool_calls": [call]}
    called = [*turns[:-1], calling, {"role": "tool", "content": "1"}, turns[-1]]
    shared = [{"from": "human" if t["role"] == "user" else "gpt", "value": "x"} for t in turns]
    parts = [{"text": "x"}]
    return draw.choice(
        [
            {"messages": turns},
            {"messages": called, "tools": draw.choice([[tool], json.dumps([tool])])},
            {"conversations": shared, "system": "s"},
            {"instruction": "x", "input": "", "output": "y", "history": [["a", "b"]]},
            {"prompt": "x", "completion": "y"},
            {"prompt": turns[:-1], "completion": turns[-1:], "label": True},
            {"prompt": "x", "chosen": "y", "rejected": "z"},
            {"chosen": turns, "rejected": [*turns[:-1], turn(draw, "assistant")]},
            {"conversations": shared[:-1], "chosen": shared[-1], "rejected": shared[-1]},
            {"text": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>"},
            {"text": "### Instruction:\nx\n\n### Response:\ny"},
            {"question": "x", "answer": "y"},
            {"input": {"messages": turns[:-1]}, "preferred_output": turns[-1:], "non_preferred_output": turns[-1:]},
            {"contents": [{"role": "user", "parts": parts}, {"role": "model", "parts": parts}]},
            {"message_id": "a", "parent_id": None, "message_tree_id": "a", "role": "prompter", "text": "x"},
        ]
    )


def spoil(draw: random.Random, item: Any) -> Any:
    """The value with one of its members replaced, renamed, dropped or added, at any depth."""
    if isinstance(item, dict) and item and draw.random() < 0.9:
        out = dict(item)
        key = draw.choice(list(out))
        change = draw.random()
        if change < 0.6:
            out[key] = spoil(draw, out[key])
        elif change < 0.75:
            out[draw.choice(KEYS)] = out.pop(key)
        elif change < 0.9:
            del out[key]
        else:
            out[draw.choice(KEYS)] = value(draw, 3)
        return out
    if isinstance(item, list) and item and draw.random() < 0.9:
        i = draw.randrange(len(item))
        return [*item[:i], *([spoil(draw, item[i])] if draw.random() < 0.9 else []), *item[i + 1 :]]
    return value(draw, 3)


def row(draw: random.Random) -> Any:
    """A row: sound, spoiled, or anything."""
    kind = draw.random()
    return sound_row(draw) if kind < 0.4 else spoil(draw, sound_row(draw)) if kind < 0.8 else value(draw)


def value(draw: random.Random, depth: int = 0) -> Any:
    """Any JSON value, most often one built of the keys that formats look for."""
    kind = draw.random()
    if kind < 0.35 and depth < 5:
        return {draw.choice(KEYS): value(draw, depth + 1) for _ in range(draw.randint(0, 5))}
    if kind < 0.6 and depth < 5:
        return [value(draw, depth + 1) for _ in range(draw.randint(0, 4))]
    return draw.choice(
        [
            None,
            True,
            False,
            0,
            -1,
            1.5,
            2**70,
            "",
            "x",
            "User: hi\nAssistant: yes",
            "\x00",
            '{"a": 1}',
            "{",
            *TURN_ROLES,
        ]
    )


def example(draw: random.Random) -> bytes:
    """One file."""
    kind = draw.random()
    if kind < 0.4:
        data = draw.choice(CASES).data[:20_000]
    elif kind < 0.8:
        data = b"\n".join(
            json.dumps(row(draw), ensure_ascii=draw.random() < 0.5).encode() for _ in range(draw.randint(1, 6))
        )
    else:
        line = json.dumps({"prompt": "x y z", "completion": 'a "b" c', "n": [1, {"k": "v"}]}).encode()
        data = draw.choice(list(BYTE_MUTATORS.values()))(draw, line) or line
    for _ in range(draw.choice([0, 0, 1, 1, 2, 5])):
        at = draw.randint(0, len(data))
        change = draw.random()
        if change < 0.5:
            data = data[:at] + draw.choice(BITES) + data[at:]
        elif change < 0.8:
            data = data[:at] + data[at + draw.randint(1, 20) :]
        else:
            data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    if draw.random() < 0.1:
        data = draw.choice([gzip.compress, bz2.compress, lzma.compress])(data)
        data = data[: draw.randint(0, len(data))] if draw.random() < 0.5 else data
    return data


def read(draw: random.Random, data: bytes, counts: Counter[str]) -> None:
    """Read, parse and understand one file as a check does."""
    from curate.formats import FORMATS, Unreadable, gather, read_value, survey

    size = draw.choice([1 << 18, 7, 64])
    name = draw.choice(NAMES)
    longest = draw.choice([1 << 20, 1 << 20, 50])

    def rows() -> Any:
        return read_rows((data[i : i + size] for i in range(0, len(data), size)), name, None, [], longest=longest)

    values = [value for row in rows() for value in parse_row(row.data).values]
    forced = draw.choice([None, None, None, *FORMATS])
    layout = survey(values, forced=forced, columns={})
    for row in gather(rows(), layout):
        counts["rows"] += row.rows
        parsed = parse_row(row.data)
        if not (parsed.values or parsed.faults or row.faults):
            raise AssertionError("a row without values and without a reason")
        for item in parsed.values:
            try:
                samples = read_value(item, layout)
            except Unreadable as unreadable:
                counts["values refused"] += 1
                if not unreadable.faults:
                    raise AssertionError("refused without a reason") from unreadable
                continue
            for sample in samples:
                counts["samples"] += 1
                sample.texts()
                assert sample.id.startswith("v1:")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=3, help="tracebacks to print")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    crashes: Counter[str] = Counter()
    started = time.perf_counter()
    slowest = 0.0
    for i in range(args.examples):
        draw = random.Random(f"{args.seed}/{i}")
        data = example(draw)
        before = time.perf_counter()
        try:
            read(draw, data, counts)
        except Exception as error:
            trace = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {Path(trace.filename).name}:{trace.lineno}"
            crashes[where] += 1
            if crashes[where] == 1 and len(crashes) <= args.show:
                print(f"example {i}: {data[:300]!r}")
                traceback.print_exc()
        slowest = max(slowest, time.perf_counter() - before)
    seconds = time.perf_counter() - started
    print(
        f"{args.examples:,} files in {seconds:.0f} s, the slowest {slowest * 1000:.0f} ms; "
        + ", ".join(f"{n:,} {what}" for what, n in counts.items())
    )
    for where, n in crashes.most_common():
        print(f"{n:6,}  {where}")
    print(f"{crashes.total():,} crashes")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
