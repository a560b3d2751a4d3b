"""Room for inputs that are fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchscribe_server.domain.party import Party
from batchscribe_server.storage.fetched import FetchedFiles

pytestmark = pytest.mark.timeout(20)


async def test_what_a_crash_left_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "half").write_bytes(b"x")
    await FetchedFiles(folder, 10).start()
    assert list(folder.iterdir()) == []


ONE, TWO, THREE = (Party("default", name) for name in ("one", "two", "three"))


class Rooms:
    """Files that are asked for one after the other; `begun` are those that got their room, in that order."""

    def __init__(self, fetched: FetchedFiles) -> None:
        self.fetched = fetched
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, size_bytes: int, party: Party = ONE) -> None:
        """Ask for a room, and let all go on that can."""
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._keep(name, size_bytes, party))
        await self._settled()

    async def end(self, *names: str) -> None:
        """Give rooms back."""
        for name in names:
            self._ends[name].set()
            await self._tasks.pop(name)
        await self._settled()

    async def give_up(self, name: str) -> None:
        """Wait no more."""
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._settled()

    async def _keep(self, name: str, size_bytes: int, party: Party) -> None:
        async with self.fetched.room(size_bytes, party):
            self.begun.append(name)
            await self._ends[name].wait()

    async def _settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def rooms(tmp_path: Path) -> Rooms:
    fetched = FetchedFiles(tmp_path / "fetched", 80)
    await fetched.start()
    return Rooms(fetched)


async def test_who_finds_no_room_waits_for_it(rooms: Rooms) -> None:
    await rooms.ask("first", 50, ONE)
    await rooms.ask("second", 60, TWO)
    await rooms.ask("small", 10, THREE)
    assert rooms.begun == ["first", "small"]
    await rooms.end("first", "small")
    assert rooms.begun == ["first", "small", "second"]
    await rooms.end("second")


async def test_a_file_is_gone_with_its_room(tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 10)
    await fetched.start()
    async with fetched.room(5) as path:
        path.write_bytes(b"12345")
    assert not path.exists()


async def test_a_batch_leaves_room_for_the_files_of_others(rooms: Rooms) -> None:
    for number in range(6):
        await rooms.ask(f"slow {number}", 10, ONE)
    assert rooms.begun == [f"slow {number}" for number in range(4)]
    for number in range(4):
        await rooms.ask(f"other {number}", 10, TWO)
    assert rooms.begun[4:] == ["other 0", "other 1"]
    await rooms.ask("third", 10, THREE)
    assert rooms.begun[-1] == "third"
    await rooms.end("other 0", "other 1")  # its own next ones may come, the slow one's may not
    assert rooms.begun[-2:] == ["other 2", "other 3"]


async def test_a_large_file_holds_up_no_smaller_ones_and_is_not_passed_over_for_ever(rooms: Rooms) -> None:
    await rooms.ask("slow", 30, ONE)
    await rooms.ask("large", 60, TWO)
    passed = 0
    while passed < 100 and "large" not in rooms.begun:
        await rooms.ask(f"small {passed}", 20, THREE)
        if f"small {passed}" not in rooms.begun:
            break
        await rooms.end(f"small {passed}")
        passed += 1
    assert passed == 4  # as much as all the room has passed it
    await rooms.ask("smaller", 10, Party("other", "b"))
    assert "smaller" not in rooms.begun  # beside the slow one and the room set aside there is none
    await rooms.end("slow")
    assert rooms.begun[-2:] == ["large", f"small {passed}"]


async def test_room_that_was_set_aside_for_a_file_that_is_given_up_is_free_again(rooms: Rooms) -> None:
    await rooms.ask("slow", 30, ONE)
    await rooms.ask("large", 60, TWO)
    for number in range(4):
        await rooms.ask(f"small {number}", 20, THREE)
        await rooms.end(f"small {number}")
    await rooms.ask("last", 20, THREE)
    assert "last" not in rooms.begun
    await rooms.give_up("large")
    assert rooms.begun[-1] == "last"


async def test_a_file_larger_than_all_the_room_leaves_an_eighth_of_it_to_others(rooms: Rooms) -> None:
    await rooms.ask("some", 20, ONE)
    await rooms.ask("huge", 1_000, TWO)
    assert rooms.begun == ["some"]
    await rooms.end("some")
    assert rooms.begun == ["some", "huge"]
    await rooms.ask("small", 10, ONE)
    await rooms.ask("next", 1, THREE)
    assert rooms.begun == ["some", "huge", "small"]
    await rooms.end("huge")
    assert rooms.begun[-1] == "next"


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
