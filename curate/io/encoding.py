"""Any Unicode encoding in, UTF-8 out: byte-order marks, and UTF-16 and UTF-32 with or without one."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from curate.finding import Fault
from curate.io.rows import peek

if TYPE_CHECKING:
    from collections.abc import Iterator

UTF8_MARK = codecs.BOM_UTF8
MARKS = {  # UTF-32 first: its little-endian mark starts with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LABELS = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE"}


def _undecodable(error: UnicodeError) -> tuple[str, int]:
    # A lone surrogate becomes bytes that are not UTF-8, so the row that holds them is reported like any other such row.
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error("curate-undecodable", _undecodable)


def wide_encoding(head: bytes) -> tuple[str | None, int]:
    """The UTF-16 or UTF-32 codec that the first bytes tell, and the length of the byte-order mark.

    Without a mark: JSON and CSV start with ASCII, so the zero bytes among the first four give it away (RFC 4627).
    """
    for mark, codec in MARKS.items():
        if head.startswith(mark):
            return codec, len(mark)
    if len(head) >= 4:
        zeros = tuple(byte == 0 for byte in head[:4])
        for pattern, codec in (
            ((False, True, True, True), "utf-32-le"),
            ((True, True, True, False), "utf-32-be"),
            ((False, True, False, True), "utf-16-le"),
            ((True, False, True, False), "utf-16-be"),
        ):
            if zeros == pattern:
                return codec, 0
    return None, 0


def as_utf8(blocks: Iterator[bytes], faults: list[Fault]) -> tuple[Iterator[bytes], int]:
    """The stream as UTF-8 without a byte-order mark, and how many bytes of a UTF-8 mark were skipped."""
    head, blocks = peek(blocks, 4)
    codec, mark = wide_encoding(head)
    if codec is not None:
        label = LABELS[codec] + ("" if mark else " without a byte-order mark")
        faults.append(Fault(f"the file is {label}; it was read, most tools will not", None, None, "not-utf8-file"))
        return _decoded(blocks, codec, mark), 0
    if head.startswith(UTF8_MARK):
        faults.append(Fault("the file starts with a UTF-8 byte-order mark", None, None, "byte-order-mark"))
        return _skipped(blocks, len(UTF8_MARK)), len(UTF8_MARK)
    return blocks, 0


def _skipped(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    yield next(blocks)[count:]
    yield from blocks


def _decoded(blocks: Iterator[bytes], codec: str, mark: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("curate-undecodable")
    for block in _skipped(blocks, mark):
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
