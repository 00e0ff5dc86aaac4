"""Faults of a whole file: from the bytes of a JSON Lines file to the name and bytes of a faulty one."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from typing import TYPE_CHECKING, Any

import orjson

from curate.io.rows import LONGEST_ROW

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Faulty = tuple[str, bytes]


def other_encoding(rng: random.Random, data: bytes) -> Faulty:
    encoding = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    return "data.jsonl", data.decode().encode(encoding)


def one_long_line(rng: random.Random, data: bytes) -> Faulty:
    lines = data.splitlines(keepends=True)
    long = orjson.dumps({"prompt": "Go on.", "completion": "on and " * (LONGEST_ROW // 7 + rng.randrange(9, 99))})
    return "data.jsonl", b"".join([lines[0], long, b"\n", *lines[1:]])


def as_array(rng: random.Random, data: bytes) -> Faulty:
    rows = data.splitlines()
    separator = rng.choice([b",", b",\n", b",\n  "])
    return rng.choice(["data.jsonl", "rows.ndjson"]), b"[" + separator.join(rows) + b"]\n"


def pretty(rng: random.Random, data: bytes) -> Faulty:
    rows = (orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in data.splitlines())
    return rng.choice(["data.jsonl", "data.json"]), b"\n".join(rows) + b"\n"


def with_blank_lines(rng: random.Random, data: bytes) -> Faulty:
    lines = data.splitlines(keepends=True)
    for _ in range(rng.randint(1, 4)):
        lines.insert(rng.randrange(len(lines)), rng.choice([b"\n", b"  \n", b"\t\n"]))
    return "data.jsonl", b"".join(lines)


def crlf(rng: random.Random, data: bytes) -> Faulty:
    return rng.choice(["data.jsonl", "export.json"]), data.replace(b"\n", b"\r\n")


def nothing(rng: random.Random, data: bytes) -> Faulty:
    return "data.jsonl", rng.choice([b"", b"\n\n", b"   \n", b"[]"])


def cut_archive(rng: random.Random, data: bytes) -> Faulty:
    name, packed = rng.choice([("gz", gzip.compress(data)), ("bz2", bz2.compress(data)), ("xz", lzma.compress(data))])
    return f"data.jsonl.{name}", packed[: rng.randrange(len(packed) // 2, len(packed) - 20)]


def as_csv(data: bytes) -> list[list[str]]:
    rows: list[dict[str, Any]] = [orjson.loads(line) for line in data.splitlines()]
    texts = [[orjson.dumps(value).decode() for value in row.values()][:2] for row in rows]
    return [["prompt", "completion"], *([([*text, ""])[0], ([*text, ""])[1]] for text in texts)]


def csv_bytes(table: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(table)
    return out.getvalue().encode()


def uneven_csv(rng: random.Random, data: bytes) -> Faulty:
    table = as_csv(data)
    row = rng.randrange(1, len(table))
    table[row] = rng.choice([[*table[row], "left over"], table[row][:1]])
    return "data.csv", csv_bytes(table)


def open_quote(rng: random.Random, data: bytes) -> Faulty:
    table = csv_bytes(as_csv(data)).rstrip(b"\r\n")
    return "data.csv", table + b'\r\n"a question that is quoted,and never closed'


def damaged_parquet(rng: random.Random, data: bytes) -> Faulty:
    from arro3.core import Table
    from arro3.io import write_parquet

    out = io.BytesIO()
    texts = [line.decode() for line in data.splitlines()]
    write_parquet(Table.from_pydict({"prompt": _strings(texts), "completion": _strings(texts)}), out)
    packed = out.getvalue()
    return "data.parquet", packed[: len(packed) - rng.randrange(4, 200)]


def _strings(texts: list[str]) -> Any:
    from arro3.core import Array, DataType

    return Array(texts, type=DataType.string())


FILE_MUTATORS: dict[str, Callable[[random.Random, bytes], Faulty]] = {
    "FMT005": other_encoding,
    "FMT011": one_long_line,
    "FMT013": as_array,
    "FMT014": pretty,
    "FMT015": with_blank_lines,
    "FMT016": crlf,
    "FMT019": nothing,
    "FMT020": cut_archive,
    "FMT022": uneven_csv,
    "FMT023": open_quote,
    "FMT024": damaged_parquet,
}
