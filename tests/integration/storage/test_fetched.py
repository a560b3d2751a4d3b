"""Room for inputs that are fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchscribe_server.storage.fetched import FetchedFiles

pytestmark = pytest.mark.timeout(20)


async def test_what_a_crash_left_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "half").write_bytes(b"x")
    await FetchedFiles(folder, 10).start()
    assert list(folder.iterdir()) == []


async def test_who_finds_no_room_waits_for_it(tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 10)
    await fetched.start()
    order = []

    async def second() -> None:
        async with fetched.room(6):
            order.append("second")

    async with fetched.room(4), fetched.room(5) as path:
        path.write_bytes(b"12345")
        waiting = asyncio.create_task(second())
        async with fetched.room(1):
            order.append("small")
        order.append("first")
    await waiting
    assert order == ["small", "first", "second"]
    assert not path.exists()


async def test_a_file_larger_than_all_the_room_is_taken_alone(tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 10)
    await fetched.start()
    async with fetched.room(1_000):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fetched.room(1).__aenter__(), 0.01)
    async with fetched.room(1):
        pass


async def test_a_file_that_grows_is_counted_and_never_waits(tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 10)
    await fetched.start()
    order = []

    async def second() -> None:
        async with fetched.room(1):
            order.append("second")

    async with fetched.growing_room() as one, fetched.growing_room(4) as two:
        one.grow_to(6)
        one.grow_to(5)
        waiting = asyncio.create_task(second())
        async with fetched.growing_room():
            order.append("nothing yet")
        two.grow_to(20)
        order.append("first")
        assert not waiting.done()
    await waiting
    assert order == ["nothing yet", "first", "second"]
    async with fetched.room(10):  # all of it was given back
        pass
