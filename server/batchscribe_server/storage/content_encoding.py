"""Bodies that a server sends compressed, though it was not asked to: opened in pieces, whatever they grow to."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

PIECE_BYTES = 1024**2
"""How much comes out at once: a few bytes of a hostile body may stand for gigabytes."""

EXPANDED_FREELY_BYTES = 64 * 1024**2
MOST_EXPANDED = 100
"""How often its own size a body may hold beyond what is free: sound and lists come to a fifth or a tenth at best."""

ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BrokenEncodingError(ValueError):
    """The bytes are not what their encoding says, or made to fill the disk."""


class TruncatedEncodingError(ValueError):
    """The bytes end in the middle."""


async def decoded(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a body in one of `ENCODINGS`, at most `PIECE_BYTES` at a time.

    Raises BrokenEncodingError and TruncatedEncodingError.
    """
    inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
    left, padded = b"", False
    room_bytes = EXPANDED_FREELY_BYTES
    async for piece in pieces:
        room_bytes += MOST_EXPANDED * len(piece)
        left = b"" if padded else left + piece
        while not padded:
            if inflating.eof:
                # A gzip file may have several members; what else follows its end is padding.
                padded = not _GZIP_MAGIC.startswith(left[:2])
                if padded or len(left) < len(_GZIP_MAGIC):
                    break
                inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                opened = await asyncio.to_thread(inflating.decompress, left, PIECE_BYTES)
            except zlib.error:
                raise BrokenEncodingError("not what its Content-Encoding says") from None
            room_bytes -= len(opened)
            if room_bytes < 0:
                raise BrokenEncodingError(f"compressed more than {MOST_EXPANDED} times, which no recording is")
            if opened:
                yield opened
            left = inflating.unused_data if inflating.eof else inflating.unconsumed_tail
            if not (inflating.eof or left or len(opened) == PIECE_BYTES):
                break
    if not inflating.eof:
        raise TruncatedEncodingError("it ended early")
