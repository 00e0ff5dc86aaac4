"""Physical lines of a byte stream, with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.io.rows import LONGEST_ROW

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_newlines(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The stream with `\\n` as its line end: a file whose only line end is `\\r` (old Macs, Excel) is translated.

    The translation keeps every byte offset, and in JSON a raw `\\r` can only be white space.
    """
    start = head.removesuffix(b"\r")  # its `\n` may be in the next block
    if b"\r" in start and b"\n" not in head:
        return (block.replace(b"\r", b"\n") for block in blocks)
    return blocks


def physical_lines(
    blocks: Iterator[bytes], *, start: int = 0, longest: int = LONGEST_ROW
) -> Iterator[tuple[int, bytes, int]]:
    """Yield (byte offset, line without `\\n`, full length) of each line.

    Lines are split at `\\n` alone: U+2028, U+0085 and form feeds are data. A line longer than `longest` bytes comes as
    its first bytes, with its full length, and is never held in memory whole.
    """
    offset = start
    held: list[bytes] = []
    size = 0
    for block in blocks:
        pieces = block.split(b"\n")
        tail = pieces.pop()
        if pieces and held:
            size += len(pieces[0])
            held.append(pieces[0])
            pieces[0] = b"".join(held)
            held.clear()
            if size > longest:
                yield offset, pieces[0][:1000], size
                offset += size + 1
                del pieces[0]
            size = 0
        for piece in pieces:
            length = len(piece)
            if length > longest:
                yield offset, piece[:1000], length
            else:
                yield offset, piece, length
            offset += length + 1
        if tail:
            size += len(tail)
            if size <= longest:
                held.append(tail)
            else:
                held[:] = [(held[0] if held else tail)[:1000]]
    if size:
        yield offset, b"".join(held)[: 1000 if size > longest else None], size
