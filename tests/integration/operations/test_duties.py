"""Work that is found in the store, and servers that share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.polling import work_off
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore

TOPIC = "scans"
NO_POLLING_S = 3_600.0


@dataclass(frozen=True)
class Found:
    """Something to be done."""

    name: str
    create_time: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Server:
    """One that works off whatever `todo` holds; what it has begun waits to be let go on."""

    duties: Duties
    wakeups: Wakeups
    todo: list[Found]
    looks: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    begun: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self) -> Sequence[Found]:
        """What is to be done as yet."""
        self.looks.put_nowait(None)
        return list(self.todo)

    async def work(self, found: Found) -> None:
        """Do it."""
        self.begun.put_nowait(found.name)
        await self.may_end.wait()
        self.todo.remove(found)

    def start(self) -> asyncio.Task[None]:
        """Work until cancelled."""
        return asyncio.create_task(
            work_off(self.wakeups, TOPIC, NO_POLLING_S, self.find, self.work, self.duties), name="server"
        )

    async def look(self) -> None:
        """Have it look once, and wait until it has looked and has made of it what it would."""
        for _ in range(2):  # it asks for its next look only after it has dealt with the one before
            while not self.looks.empty():
                self.looks.get_nowait()
            self.wakeups.notify([TOPIC])
            await self.looks.get()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with SqlStore.open(f"sqlite:///{tmp_path / 'store.db'}", Wakeups()) as opened:
        yield opened


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_one_server_works_on_no_other_begins_until_it_stops(store: SqlStore) -> None:
    todo = [Found("batches/a")]
    first = Server(Duties(store, "one"), Wakeups(), todo)
    second = Server(Duties(store, "two"), Wakeups(), todo)
    one, two = first.start(), second.start()
    begun = {asyncio.create_task(server.begun.get()): server for server in (first, second)}
    done, pending = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
    working, idle = begun[done.pop()], begun[next(iter(pending))]
    await idle.look()
    assert idle.begun.empty()
    assert pending == {task for task in begun if not task.done()}

    await stop(one if working is first else two)  # in the middle of its work
    idle.wakeups.notify([TOPIC])
    assert await asyncio.wait_for(pending.pop(), 10) == "batches/a"
    idle.may_end.set()
    await stop(two if working is first else one)


async def test_servers_without_others_have_every_duty(store: SqlStore) -> None:
    todo = [Found("batches/a"), Found("batches/b")]
    server = Server(Duties(), Wakeups(), todo)
    task = server.start()
    assert {await server.begun.get(), await server.begun.get()} == {"batches/a", "batches/b"}
    await server.look()
    assert server.begun.empty()
    server.may_end.set()
    await server.look()
    assert todo == []
    await stop(task)
