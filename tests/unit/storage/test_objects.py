"""What all object stores have in common."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from batchscribe_server.storage.objects import in_parts, preceded


@pytest.mark.parametrize(
    ("pieces", "parts"),
    [
        ([], []),
        ([b""], []),
        ([b"ab", b"cd", b"e"], [b"abcd", b"e"]),
        ([b"abcdef"], [b"abcdef"]),
        (b"ab", [b"ab"]),
    ],
)
async def test_pieces_are_put_together_to_parts(pieces: bytes | list[bytes], parts: list[bytes]) -> None:
    assert [part async for part in in_parts(pieces, 3)] == parts


async def test_pieces_are_made_beside_the_event_loop() -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            assert threading.current_thread() is not threading.main_thread()
            yield b"piece"

    assert [part async for part in in_parts(pieces(), 5)] == [b"piece"] * 3


async def test_a_piece_that_cannot_be_made_is_told() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"piece"
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        assert [part async for part in in_parts(pieces(), 1)]


async def test_parts_go_on_after_the_first_and_end_with_whoever_takes_them() -> None:
    closed = False

    async def rest() -> AsyncGenerator[bytes]:
        nonlocal closed
        try:
            yield b"c"
            yield b"d"
        finally:
            closed = True

    first = [b"a", b"b"]
    parts = preceded(first, rest())
    assert [await anext(parts) for _ in range(3)] == [b"a", b"b", b"c"]
    assert first == []  # nothing that was given is kept
    assert not closed
    await parts.aclose()
    assert closed
