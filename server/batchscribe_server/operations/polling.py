"""Work that is found in the store: whatever is to be done is done, also what a killed server left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from batchscribe_server.operations.wakeups import Wakeups


class Named(Protocol):
    """A batch or a job."""

    @property
    def name(self) -> str:
        """The resource name."""


Found = TypeVar("Found", bound=Named)


async def work_off(
    wakeups: Wakeups,
    topic: str,
    poll_s: float,
    find: Callable[[], Awaitable[Sequence[Found]]],
    work: Callable[[Found], Coroutine[Any, Any, None]],
) -> None:
    """Work on all that is found, several at once and none twice at a time, until cancelled.

    Looks again when the topic wakes, and every `poll_s` even when it does not.
    """
    working: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        with wakeups.listening(topic) as woken:
            while True:
                woken.clear()
                working = {name: task for name, task in working.items() if not task.done()}
                for found in await find():
                    if found.name not in working:
                        working[found.name] = tasks.create_task(work(found))
                with suppress(TimeoutError):
                    async with asyncio.timeout(poll_s):
                        await woken.wait()
