"""What all object stores have in common."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from batchscribe_server.storage.objects import in_parts


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
