"""Wake-ups between replicas: what is committed at one wakes who waits at the others.

One connection beside those of the transactions listens and tells. It tells after the commit, many topics at once:
a NOTIFY within the transaction holds a lock of the whole database while the disk writes, so that commits of all
replicas would queue up behind each other. What is lost with a connection, or with a replica between its commit and its
telling, is found by those who wait for it when they look again anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import asyncpg
import structlog

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.availability import Availability, pauses
from batchscribe_server.store.postgres_failures import plain_words

log = structlog.get_logger()

CHANNEL = "batchscribe"
EVERYTHING = "*"
"""The topic of a replica that may have failed to tell something."""

MAX_PAYLOAD_BYTES = 7_900  # PostgreSQL takes less than 8000
CHECK_S = 5.0
"""How often a connection on which nothing happens is tried."""

_TELL = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"

Asyncpg: TypeAlias = "asyncpg.Connection[Any]"


class SharedWakeups:
    """Told of what is committed here; wakes those here who wait for what is committed elsewhere.

    Whether its connection holds tells whether the database is there, also while nobody asks it anything.
    """

    def __init__(self, connect: Callable[[], Awaitable[Asyncpg]], wakeups: Wakeups, availability: Availability) -> None:
        self._connect = connect
        self._wakeups = wakeups
        self._availability = availability
        self._untold: set[str] = set()
        self._pauses = pauses()
        self._stirred = asyncio.Event()
        self._listening = asyncio.Event()

    def tell(self, topics: Iterable[str]) -> None:
        """These were committed here. Without a connection nothing is kept: all are woken once there is one."""
        if self._listening.is_set():
            self._untold.update(topics)
            self._stirred.set()

    async def wait_listening(self) -> None:
        """Until nothing is missed any more."""
        await self._listening.wait()

    async def run(self) -> None:
        """Tell and listen until cancelled, over one connection after the other."""
        while True:
            try:
                connection = await self._connect()
                await self._serve(connection)
            except Exception as error:  # noqa: BLE001 - the boundary: whatever broke it, there is a next connection
                self._availability.lost(plain_words(error))
            await asyncio.sleep(next(self._pauses))

    async def _serve(self, connection: Asyncpg) -> None:
        """Until the connection is lost."""
        # Asked for now: what was on its way may still be handed over once the connection is closed.
        own_id: int = connection.get_server_pid()

        def heard(_: object, sender: int, __: str, payload: object) -> None:
            if sender != own_id:
                self._heard(str(payload).split("\n"))

        try:
            connection.add_termination_listener(lambda _: self._stirred.set())
            await connection.add_listener(CHANNEL, heard)
            self._untold = {EVERYTHING}
            self._listening.set()
            self._availability.found()
            self._wakeups.notify_all()
            while not connection.is_closed():
                self._stirred.clear()
                if self._untold:
                    topics, self._untold = self._untold, set()
                    await connection.execute(_TELL, CHANNEL, list(payloads(topics)), timeout=CHECK_S)
                    self._pauses = pauses()
                try:
                    async with asyncio.timeout(CHECK_S):
                        await self._stirred.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=CHECK_S)
                    self._availability.found()
        finally:
            self._listening.clear()
            connection.terminate()
        raise ConnectionError("the connection for wake-ups was lost")

    def _heard(self, topics: Sequence[str]) -> None:
        if EVERYTHING in topics:
            self._wakeups.notify_all()
        else:
            self._wakeups.notify(topics)


def payloads(topics: Iterable[str]) -> Iterator[str]:
    """The topics, as many in each as PostgreSQL takes."""
    line, size = "", 0
    for topic in topics:
        topic_bytes = len(topic.encode()) + 1
        if line and size + topic_bytes > MAX_PAYLOAD_BYTES:
            yield line
            line, size = "", 0
        line += f"\n{topic}" if line else topic
        size += topic_bytes
    if line:
        yield line
