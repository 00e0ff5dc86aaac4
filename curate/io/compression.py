"""Decompression by content, not by name: gzip, bzip2, xz and zstandard, with memory bounded whatever the ratio."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from curate.finding import Fault
from curate.io.rows import BLOCK, peek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}
MAGIC_LENGTH = max(map(len, MAGIC))
PIECE = 1024


class Decompressor(Protocol):
    """The shape that bz2, lzma and zstd share: at most `max_length` bytes out for each call."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class GzipDecompressor:
    """zlib's gzip decoder behind the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._waiting = b""
        self._more = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._waiting or self._more or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        out = self._zlib.decompress(self._waiting + data, max_length)
        self._waiting = self._zlib.unconsumed_tail
        # After a full answer zlib may hold back more output although it took all the input.
        self._more = len(out) == max_length
        return out


def _zstandard() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14
    except ImportError:
        from backports import zstd
    return zstd


OPENERS: dict[str, Callable[[], Decompressor]] = {
    "gzip": GzipDecompressor,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    "zstandard": lambda: cast("Decompressor", _zstandard().ZstdDecompressor()),
}


def compression_of(head: bytes) -> str | None:
    """The name of the compression that the first bytes tell, or None."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def decompressed(blocks: Iterator[bytes], faults: list[Fault]) -> Iterator[bytes]:
    """The stream itself, or what it holds where it is compressed.

    A truncated or corrupt stream gives what could be read and one `corrupt-compression` fault. The compressed blocks
    are always taken to their end, so that their hash is the file's.
    """
    head, blocks = peek(blocks, MAGIC_LENGTH)
    kind = compression_of(head)
    if kind is None:
        yield from blocks
        return
    given = 0
    gathered: list[bytes] = []
    size = 0
    # A decoder that fails gives nothing of the call in which it fails, so it is fed in small pieces.
    pieces = (block[i : i + PIECE] for block in blocks for i in range(0, len(block), PIECE))
    fault: Fault | None = None
    try:
        for out in _members(kind, pieces):
            gathered.append(out)
            size += len(out)
            if size >= BLOCK:
                yield b"".join(gathered)
                given += size
                gathered.clear()
                size = 0
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, _zstandard().ZstdError) as error:
        message = f"the {kind} stream is broken ({error}); {given + size:,} bytes could be read before that"
        fault = Fault(message, None, {"bytes_read": given + size}, "corrupt-compression")
    if gathered:
        yield b"".join(gathered)
    if fault:
        faults.append(fault)
    for _ in pieces:
        pass


def _members(kind: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress one stream after the other (files joined with `cat` hold several).

    Raises:
        EOFError: the last stream ends early, or something else follows it.
    """
    data = b""
    while True:
        member = OPENERS[kind]()
        while not member.eof:
            if member.needs_input and not data:
                data = next(blocks, b"")
                if not data:
                    raise EOFError("it ends early")
            out = member.decompress(data, BLOCK)
            data = b""
            if out:
                yield out
        data = member.unused_data
        # Streams may be padded with NUL bytes (tar and xz do).
        while not (data := data.lstrip(b"\x00")):
            block = next(blocks, b"")
            if not block:
                return
            data = block
        if len(data) < MAGIC_LENGTH:
            data += next(blocks, b"")
        if compression_of(data) != kind:
            raise EOFError(f"what follows its end is not {kind}")
