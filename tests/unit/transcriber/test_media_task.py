"""The queue of files: who gets the next worker."""

from __future__ import annotations

import asyncio
from typing import Any

from batchscribe_engine.messages import VoiceActivityOptions
from batchscribe_server.transcriber.media_task import AGING_S, MediaQueue, MediaTask


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def task(name: str, priority: int = 0, submitted_s: float = 0.0) -> MediaTask:
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sink: Any = None
    return MediaTask(name, name, VoiceActivityOptions(), 0, priority, sink, name, submitted_s, cancelled)


def alive() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


async def taken(queue: MediaQueue, count: int) -> list[str]:
    async with asyncio.timeout(5):
        tasks = [await queue.take(alive()) for _ in range(count)]
    return [one.path for one in tasks if one is not None]


async def test_files_go_by_priority_then_by_age():
    queue = MediaQueue(Clock())
    for one in (task("old", submitted_s=1), task("urgent", 2, 3), task("older", submitted_s=0)):
        queue.put(one)

    assert await taken(queue, 3) == ["urgent", "older", "old"]


async def test_waiting_raises_the_priority():
    clock = Clock()
    queue = MediaQueue(clock)
    queue.put(task("low"))
    clock.now_s = 2 * AGING_S
    queue.put(task("urgent", 1, submitted_s=clock.now_s))

    assert await taken(queue, 2) == ["low", "urgent"]


async def test_a_cancelled_file_is_not_handed_out():
    queue, gone = MediaQueue(Clock()), task("gone")
    queue.put(gone)
    gone.cancelled.set_result(None)
    queue.put(task("here"))

    assert await taken(queue, 1) == ["here"]


async def test_a_worker_that_is_gone_leaves_its_file_to_the_next_one():
    queue, gone = MediaQueue(Clock()), alive()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.take(gone))
        await asyncio.sleep(0)
        queue.put(task("file"))
        gone.set_result(-9)

    assert waiting.result() is None
    assert await taken(queue, 1) == ["file"]


async def test_a_cancelled_wait_loses_no_file():
    queue = MediaQueue(Clock())
    waiting = asyncio.create_task(queue.take(alive()))
    await asyncio.sleep(0)
    queue.put(task("file"))
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert await taken(queue, 1) == ["file"]
