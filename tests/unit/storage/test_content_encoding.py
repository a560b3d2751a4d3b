"""Compressed bodies, opened in pieces."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.storage.content_encoding import (
    EXPANDED_FREELY_BYTES,
    PIECE_BYTES,
    BrokenEncodingError,
    TruncatedEncodingError,
    decoded,
)


async def in_pieces(data: bytes, piece_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece_bytes):
        yield data[start : start + piece_bytes]


async def opened(data: bytes, piece_bytes: int = 7) -> bytes:
    return b"".join([piece async for piece in decoded(in_pieces(data, piece_bytes))])


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 400))
async def test_what_was_compressed_comes_back(one: bytes, two: bytes, piece_bytes: int) -> None:
    assert await opened(gzip.compress(one) + gzip.compress(two), piece_bytes) == one + two
    assert await opened(gzip.compress(one) + b"\0" * 20, piece_bytes) == one
    assert await opened(zlib.compress(two), piece_bytes) == two


async def test_a_few_bytes_that_stand_for_many_come_in_pieces() -> None:
    size_bytes = 5 * PIECE_BYTES + 1
    sizes = [len(piece) async for piece in decoded(in_pieces(gzip.compress(bytes(size_bytes)), 100_000))]
    assert sum(sizes) == size_bytes
    assert max(sizes) == PIECE_BYTES


async def test_what_grows_too_much_is_given_up_early() -> None:
    bomb = gzip.compress(bytes(3 * EXPANDED_FREELY_BYTES))
    seen_bytes = 0
    with pytest.raises(BrokenEncodingError, match="compressed more than 100 times"):
        async for piece in decoded(in_pieces(bomb, 10_000)):
            seen_bytes += len(piece)
    assert EXPANDED_FREELY_BYTES - PIECE_BYTES <= seen_bytes < 2 * EXPANDED_FREELY_BYTES


@pytest.mark.parametrize("kept_bytes", [0, 5, 30, -1])
async def test_an_early_end_is_noticed(kept_bytes: int) -> None:
    with pytest.raises(TruncatedEncodingError):
        await opened(gzip.compress(bytes(range(256)))[:kept_bytes])


async def test_other_bytes_are_not_taken() -> None:
    with pytest.raises(BrokenEncodingError):
        await opened(b"RIFF....WAVE")
