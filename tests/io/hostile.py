"""Inputs that break readers, as data: the bytes, the rows that are right, and what must be said about the others.

Each case is one file. `rows` are the values that must come out, in order; `faults` the (rule, line, column) of each
fault of a row; `file_faults` the rules of the faults of the file as a whole.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import TYPE_CHECKING, Any, NamedTuple

from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = b"\xef\xbb\xbf"
A, B, C = {"q": "one", "a": "1"}, {"q": "two", "a": "2"}, {"q": "three", "a": "3"}
LA, LB, LC = (json.dumps(row).encode() for row in (A, B, C))
GOOD = LA + b"\n" + LB + b"\n"


class Case(NamedTuple):
    name: str
    data: bytes
    rows: list[Any]
    faults: Sequence[tuple[str, int, int | None]] = ()
    file_faults: Sequence[str] = ()


def between(name: str, line: bytes, rule: str, column: int | None) -> Case:
    """A bad line between two good ones."""
    return Case(name, LA + b"\n" + line + b"\n" + LB + b"\n", [A, B], [(rule, 2, column)])


def deep(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 2):
        value = [value]
    return {"a": value}


def pretty(*rows: Any, indent: int = 2) -> bytes:
    return b"\n".join(json.dumps(row, indent=indent).encode() for row in rows) + b"\n"


MULTI_LINE = {"messages": [{"role": "user", "content": "hi {"}, {"role": "assistant", "content": "}]"}], "n": []}
BROKEN_PRETTY = pretty(A).replace(b'"one",', b'"one"') + pretty(B, C)

CASES = [
    Case("ok.jsonl", GOOD, [A, B]),
    Case("no-final-newline.jsonl", GOOD[:-1], [A, B]),
    Case("utf8-mark.jsonl", MARK + GOOD, [A, B], [], ["byte-order-mark"]),
    Case("mark-inside.jsonl", LA + b"\n" + MARK + LB + b"\n", [A, B], [("byte-order-mark", 2, 1)]),
    Case("utf16le-mark.jsonl", GOOD.decode().encode("utf-16"), [A, B], [], ["not-utf8-file"]),
    Case("utf16be-mark.jsonl", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), [A, B], [], ["not-utf8-file"]),
    Case("utf16le-no-mark.jsonl", GOOD.decode().encode("utf-16-le"), [A, B], [], ["not-utf8-file"]),
    Case("utf16be-no-mark.jsonl", GOOD.decode().encode("utf-16-be"), [A, B], [], ["not-utf8-file"]),
    Case("utf32-mark.jsonl", GOOD.decode().encode("utf-32"), [A, B], [], ["not-utf8-file"]),
    Case("utf32be-no-mark.jsonl", GOOD.decode().encode("utf-32-be"), [A, B], [], ["not-utf8-file"]),
    Case(
        "utf16-odd-length.jsonl",
        GOOD.decode().encode("utf-16") + b"x",
        [A, B],
        [("invalid-utf8", 3, 1)],
        ["not-utf8-file"],
    ),
    Case(
        "utf16-lone-surrogate.jsonl",
        '{"q": "\ud800"}\n{"q": "😀"}\n'.encode("utf-16-le", "surrogatepass"),
        [{"q": "😀"}],
        [("invalid-utf8", 1, 8)],
        ["not-utf8-file"],
    ),
    between("latin1-byte.jsonl", b'{"q": "caf\xe9", "a": "x"}', "invalid-utf8", 11),
    between("surrogate-bytes.jsonl", b'{"q": "\xed\xa0\x80"}', "invalid-utf8", 8),
    Case("crlf.jsonl", GOOD.replace(b"\n", b"\r\n"), [A, B], [], ["crlf-line-ends"]),
    Case("crlf-in-part.jsonl", LA + b"\r\n" + LB + b"\n", [A, B], [], ["crlf-line-ends"]),
    Case("cr-only.jsonl", GOOD.replace(b"\n", b"\r"), [A, B]),
    Case("cr-only-bad-row.jsonl", LA + b"\r{x}\r" + LB, [A, B], [("invalid-json", 2, 2)]),
    Case("blank-lines.jsonl", b"\n" + LA + b"\n \t\n" + LB + b"\n\n", [A, B], [], ["blank-lines"]),
    between("trailing-comma.jsonl", b'{"q": "x",}', "invalid-json", 10),
    between("trailing-comma-list.jsonl", b'{"q": [1, 2, ]}', "invalid-json", 12),
    between("comma-after-row.jsonl", LC + b",", "invalid-json", len(LC) + 1),
    Case("duplicate-key.jsonl", b'{"a": 1, "b": 2, "a": 3}\n', [{"a": 3, "b": 2}], [("duplicate-key", 1, 18)]),
    Case("duplicate-inside.jsonl", b'{"m": [{"k": 1, "k": 1}]}\n', [{"m": [{"k": 1}]}], [("duplicate-key", 1, 17)]),
    Case("duplicate-escaped.jsonl", b'{"a": 1, "\\u0061": 3}\n', [{"a": 3}], [("duplicate-key", 1, 10)]),
    Case(
        "duplicate-odd-space.jsonl",
        b'{"a": ":\\":", "b": 1, "b" : 2}',
        [{"a": ':":', "b": 2}],
        [("duplicate-key", 1, 23)],
    ),
    between("nan.jsonl", b'{"a": NaN}', "non-finite-number", 7),
    between("infinity.jsonl", b'{"a": [1, -Infinity]}', "non-finite-number", 11),
    between("1e999.jsonl", b'{"a": 1e999}', "non-finite-number", 7),
    between("lone-surrogate.jsonl", b'{"q": "x\\ud800y"}', "lone-surrogate", 9),
    between("low-surrogate-first.jsonl", b'{"q": "\\ude00\\ud83d"}', "lone-surrogate", 8),
    Case("surrogate-pair.jsonl", b'{"q": "\\ud83d\\ude00"}\n', [{"q": "😀"}]),
    Case("escaped-backslash-u.jsonl", b'{"q": "\\\\ud800"}\n', [{"q": "\\ud800"}]),
    between("raw-nul.jsonl", b'{"q": "x\x00"}', "nul-byte", 9),
    Case("nul-tail.jsonl", GOOD + b"\x00" * 4096, [A, B], [("nul-byte", 3, 1)]),
    Case("nul-after-row.jsonl", LA + b"\x00\x00\n" + LB, [B], [("nul-byte", 1, len(LA) + 1)]),
    Case("nul-escape.jsonl", b'{"q": "x\\u0000"}\n', [{"q": "x\x00"}]),
    between("raw-tab.jsonl", b'{"q": "x\ty"}', "invalid-json", 9),
    between("raw-escape.jsonl", b'{"q": "\x1b[31m"}', "invalid-json", 8),
    between("bad-escape.jsonl", b'{"q": "\\d+"}', "invalid-json", 8),
    Case(
        "line-separators.jsonl",
        '{"q": "a\u2028b\u2029c\u0085d\x0b"}\n'.replace("\x0b", "\\u000b").encode(),
        [{"q": "a\u2028b\u2029c\u0085d\x0b"}],
    ),
    between("form-feed.jsonl", b"\x0c", "invalid-json", 1),
    Case(
        "largest-u64.jsonl",
        b'{"n": 18446744073709551615, "m": -9223372036854775808}\n',
        [{"n": 2**64 - 1, "m": -(2**63)}],
    ),
    Case(
        "int-beyond-64-bits.jsonl",
        b'{"n": 1000000000000000000000000000000}\n',
        [{"n": 10**30}],
        [("integer-beyond-64-bits", 1, 7)],
    ),
    Case(
        "negative-int-beyond.jsonl",
        b"[-9223372036854775809, 1]\n{}",
        [[-(2**63) - 1, 1], {}],
        [("integer-beyond-64-bits", 1, 2)],
    ),
    Case("float-1e30.jsonl", b'{"n": 1e30}\n', [{"n": 1e30}]),
    between("int-5000-digits.jsonl", b'{"n": ' + b"9" * 5000 + b"}", "non-finite-number", 7),
    between("depth-100000.jsonl", b"[" * 100_000, "nested-too-deep", 101),
    between("depth-100000-objects.jsonl", b'{"a":' * 100_000, "nested-too-deep", 501),
    between("depth-900.jsonl", deep(900), "nested-too-deep", 105),
    Case("depth-100.jsonl", deep(100), [nested(100)]),
    Case("brackets-in-text.jsonl", json.dumps({"q": "[" * 500 + '"{'}).encode(), [{"q": "[" * 500 + '"{'}]),
    Case("truncated-last.jsonl", GOOD + b'{"q": "thr', [A, B], [("truncated-row", 3, 10)]),
    Case("truncated-in-character.jsonl", GOOD + b'{"q": "\xe2\x82', [A, B], [("truncated-row", 3, 8)]),
    between("truncated-inside.jsonl", b'{"q": "x", "a": ', "truncated-row", 15),
    between("truncated-after-comma.jsonl", b'{"q": "x",', "truncated-row", 10),
    between("truncated-in-list.jsonl", b'{"q": [1,', "truncated-row", 9),
    Case("two-on-a-line.jsonl", LA + LB + b"\n" + LC, [A, B, C], [("several-values-on-a-line", 1, len(LA) + 1)]),
    Case("two-with-space.jsonl", LA + b" " + LB, [A, B], [("several-values-on-a-line", 1, len(LA) + 2)]),
    Case("array.json", b"[\n" + LA + b",\n" + LB + b"\n]\n", [A, B]),
    Case("array-on-a-line.json", b"[" + LA + b"," + LB + b"]", [A, B]),
    Case("array-named.jsonl", b"[\n" + LA + b",\n" + LB + b"\n]\n", [A, B], [], ["json-array-in-jsonl"]),
    Case("array-pretty.json", pretty([A, MULTI_LINE, B]), [A, MULTI_LINE, B]),
    Case("array-bad-element.json", b"[" + LA + b", {'q': 1}, " + LB + b"]", [A, B], [("invalid-json", 2, 2)]),
    Case(
        "array-missing-quote.json",
        b"[" + LA + b',{"q": "x, "a": "y"},' + LB + b"," + LC + b"]",
        [A, B, C],
        [("invalid-json", 2, 12)],
    ),
    Case("array-missing-brace.json", b"[" + LA + b',{"q": "x",' + LB + b"]", [A, B], [("truncated-row", 2, 9)]),
    Case(
        "array-missing-bracket.json",
        b"[" + LA + b',{"q": [1},' + LB + b"," + LC + b"]",
        [A, B, C],
        [("invalid-json", 2, 9)],
    ),
    Case("array-extra-brace.json", b"[" + LA + b',{"q": 1}},' + LB + b"]", [A, B], [("invalid-json", 2, 9)]),
    Case("array-extra-bracket.json", b"[" + LA + b"]," + LB + b"]", [B], [("invalid-json", 1, len(LA) + 1)]),
    Case("array-two-commas.json", b"[" + LA + b",," + LB + b"]", [A, B], [("invalid-json", 2, 1)]),
    Case("array-trailing-comma.json", b"[" + LA + b"," + LB + b",]", [A, B], [], ["invalid-json"]),
    Case("array-cut.json", b"[" + LA + b"," + LB + b',{"q": "x', [A, B], [("truncated-row", 3, 8)], ["truncated-row"]),
    Case("array-cut-between.json", b"[" + LA + b"," + LB + b",", [A, B], [], ["truncated-row"]),
    Case("array-twice.json", b"[" + LA + b"]\n[" + LB + b"]\n", [[A], [B]]),
    Case("array-pretty-twice.json", b"[\n" + LA + b"\n]\n[\n" + LB + b"\n]\n", [A, B]),
    Case("array-then-text.json", b"[\n" + LA + b"\n]\nthe end", [A], [("invalid-json", 2, 1)]),
    Case(
        "array-no-comma.json", b"[\n" + LA + b"\n" + LB + b"]", [A, B], [("several-values-on-a-line", 1, len(LA) + 2)]
    ),
    Case("array-empty.json", b"[ ]", [], [], ["empty-file"]),
    Case("array-of-odd-things.json", b'[1, "x]", null, [2], ' + LA + b"]", [1, "x]", None, [2], A]),
    Case(
        "lists-of-turns.jsonl",
        b'[{"role": "user", "content": "x"}]\n[{"role": "user", "content": "y"}]\n',
        [[{"role": "user", "content": "x"}], [{"role": "user", "content": "y"}]],
    ),
    Case(
        "one-list-of-turns.jsonl",
        b'[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]\n',
        [[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]],
    ),
    Case("pretty.jsonl", pretty(A, MULTI_LINE, B), [A, MULTI_LINE, B], [], ["pretty-printed"]),
    Case("pretty-no-indent.jsonl", pretty(A, MULTI_LINE, B, indent=0), [A, MULTI_LINE, B], [], ["pretty-printed"]),
    Case("pretty-one-among-lines.jsonl", LA + b"\n" + pretty(B) + LC + b"\n", [A, B, C], [], ["pretty-printed"]),
    Case("pretty-bad-object.jsonl", BROKEN_PRETTY, [B, C], [("invalid-json", 1, 18)], ["pretty-printed"]),
    Case("pretty-cut.jsonl", pretty(A) + b'{\n  "q": "x",\n', [A], [("truncated-row", 5, 13)], ["pretty-printed"]),
    between("python-repr.jsonl", b"{'q': 'x', 'a': None}", "invalid-json", 2),
    between("python-words.jsonl", b'{"q": "x", "ok": True}', "invalid-json", 18),
    between("comment.jsonl", b"// a comment", "invalid-json", 1),
    between("comment-inside.jsonl", b'{"q": 1 /* one */}', "invalid-json", 9),
    between("hash-comment.jsonl", b"# a comment", "invalid-json", 1),
    between("unquoted-key.jsonl", b'{q: "x"}', "invalid-json", 2),
    between("curly-quotes.jsonl", "{“q”: “x”}".encode(), "invalid-json", 2),
    between("unescaped-quotes.jsonl", b'{"q": "she said "hi" to me"}', "invalid-json", 18),
    between("unclosed-string.jsonl", b'{"q": "x, "a": "y"}', "invalid-json", 12),
    between("leading-zero.jsonl", b'{"n": 007}', "invalid-json", 7),
    between("text.jsonl", b"and here is the next row:", "invalid-json", 1),
    between("merge-conflict.jsonl", b"<<<<<<< HEAD", "invalid-json", 1),
    Case("not-objects.jsonl", b'"text"\n42\nnull\n[1]\n', ["text", 42, None, [1]]),
    Case("empty.jsonl", b"", [], [], ["empty-file"]),
    Case("only-a-mark.jsonl", MARK, [], [], ["byte-order-mark", "empty-file"]),
    Case("only-blank.jsonl", b"\n \n", [], [], ["blank-lines", "empty-file"]),
    Case("dates.jsonl", b'{"d": "2024-01-01"}\n{"d": "2024-01-02"}\n', [{"d": "2024-01-01"}, {"d": "2024-01-02"}]),
    Case("numeric-strings.jsonl", b'{"z": "007"}\n{"z": "1e5"}\n', [{"z": "007"}, {"z": "1e5"}]),
    Case(
        "types-drift.jsonl",
        b'{"x": 1}\n{"x": "s"}\n{"x": 1.0}\n{"x": {}}\n{"y": []}\n',
        [{"x": 1}, {"x": "s"}, {"x": 1.0}, {"x": {}}, {"y": []}],
    ),
    Case("c.jsonl.gz", gzip.compress(GOOD, mtime=0), [A, B]),
    Case("c.jsonl.bz2", bz2.compress(GOOD), [A, B]),
    Case("c.jsonl.xz", lzma.compress(GOOD), [A, B]),
    Case("c.jsonl.zst", zstd.compress(GOOD), [A, B]),
    Case("gzip-misnamed.jsonl", gzip.compress(GOOD, mtime=0), [A, B]),
    Case("plain-misnamed.jsonl.gz", GOOD, [A, B]),
    Case("gzip-two-members.gz", gzip.compress(GOOD, mtime=0) + gzip.compress(LC), [A, B, C]),
    Case("zstd-two-frames.zst", zstd.compress(GOOD) + zstd.compress(LC), [A, B, C]),
    Case("bz2-two-streams.bz2", bz2.compress(GOOD) + bz2.compress(LC), [A, B, C]),
    Case("xz-two-streams.xz", lzma.compress(GOOD) + b"\x00" * 8 + lzma.compress(LC), [A, B, C]),
    Case("gzip-of-array.json.gz", gzip.compress(b"[" + LA + b"," + LB + b"]", mtime=0), [A, B]),
    Case(
        "gzip-of-utf16.jsonl.gz", gzip.compress(GOOD.decode().encode("utf-16"), mtime=0), [A, B], [], ["not-utf8-file"]
    ),
    Case("gzip-padded.gz", gzip.compress(GOOD, mtime=0) + b"\x00" * 512, [A, B]),
    Case("gzip-then-text.gz", gzip.compress(GOOD, mtime=0) + b"and more", [A, B], [], ["corrupt-compression"]),
    Case("gzip-empty.gz", gzip.compress(b"", mtime=0), [], [], ["empty-file"]),
    Case("t.csv", b"q,a\none,1\ntwo,2\n", [A, B]),
    Case("t.tsv", b"q\ta\none\t1\ntwo\t2\n", [A, B]),
    Case("semicolons.csv", b"q;a\none, or 1;1\ntwo;2\n", [{"q": "one, or 1", "a": "1"}, B]),
    Case("crlf.csv", b"q,a\r\none,1\r\ntwo,2\r\n", [A, B]),
    Case("mark.csv", MARK + b"q,a\none,1\ntwo,2\n", [A, B], [], ["byte-order-mark"]),
    Case("lines-in-cells.csv", b'q,a\n"one\r\n,""x""",1\ntwo,2\n', [{"q": 'one\r\n,"x"', "a": "1"}, B]),
    Case(
        "numbers-stay-text.csv",
        b"q,a\n007,2024-01-01\n1e5,\n",
        [{"q": "007", "a": "2024-01-01"}, {"q": "1e5", "a": ""}],
    ),
    Case("fewer-cells.csv", b"q,a\none\ntwo,2\n", [{"q": "one"}, B], [("uneven-csv-row", 1, None)]),
    Case("more-cells.csv", b"q,a\none,1,x\ntwo,2\n", [{**A, "extra_cells": ["x"]}, B], [("uneven-csv-row", 1, None)]),
    Case("quotes-inside.csv", b'q,a\n"he said "no" to me",1\ntwo,2\n', [B], [("broken-csv-quotes", 1, 1)]),
    Case("quote-never-closed.csv", b'q,a\n"one,1\ntwo,2\nthree,3\n', [B, C], [("broken-csv-quotes", 1, 1)]),
    Case("latin1.csv", b"q,a\ncaf\xe9,1\ntwo,2\n", [B], [("invalid-utf8", 1, 10)]),
    Case("nul.csv", b"q,a\nx\x00,1\ntwo,2\n", [B], [("nul-byte", 1, None)]),
    Case("same-column-twice.csv", b"q,q\none,1\n", [{"q": "one", "q_2": "1"}], [], ["duplicate-key"]),
    Case("only-header.csv", b"q,a\n", [], [], ["empty-file"]),
    Case("jsonl-named.csv", GOOD, [A, B]),
    Case("t.csv.gz", gzip.compress(b"q,a\none,1\ntwo,2\n", mtime=0), [A, B]),
]
