"""Work that is found in the store: whatever is to be done is done, also what a killed server left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.wakeups import Wakeups

log = structlog.get_logger()


class Created(Protocol):
    """A batch or a job. One that is deleted may be followed by another one of its name."""

    @property
    def name(self) -> str:
        """The resource name."""

    @property
    def create_time(self) -> datetime:
        """When it was created."""


Found = TypeVar("Found", bound=Created)


async def work_off(
    wakeups: Wakeups,
    topic: str,
    poll_s: float,
    find: Callable[[], Awaitable[Sequence[Found]]],
    work: Callable[[Found], Coroutine[Any, Any, None]],
    duties: Duties,
) -> None:
    """Work on all that is found and is no other server's duty, several at once and none twice at a time, until
    cancelled.

    Looks again when the topic wakes, and every `poll_s` even when it does not, also after the database did not answer.
    """
    working: dict[str, asyncio.Task[None]] = {}

    async def do(duty: str, found: Found) -> None:
        try:
            try:
                await work(found)
            finally:
                await duties.leave(duty)
        except Exception:  # the boundary: what is still to be done is found again, and the others go on
            log.exception("work_crashed", duty=duty)

    async with asyncio.TaskGroup() as tasks:
        with wakeups.listening(topic) as woken:
            while True:
                woken.clear()
                working = {duty: task for duty, task in working.items() if not task.done()}
                try:
                    found = {_duty(topic, each): each for each in await find()}
                    held = await duties.take({*found, *working})
                    for duty, each in found.items():
                        if duty in held and duty not in working:
                            working[duty] = tasks.create_task(do(duty, each))
                except DatabaseUnavailableError:
                    log.warning("work_waits_for_the_database", topic=topic)
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(poll_s, duties.renewal_s)):
                        await woken.wait()


def _duty(topic: str, found: Created) -> str:
    return f"{topic} {found.name} {found.create_time.isoformat()}"
