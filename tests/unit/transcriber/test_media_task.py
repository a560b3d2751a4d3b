"""The queue of files: who gets the next worker."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from batchscribe_engine.messages import VoiceActivityOptions
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.transcriber.media_task import MediaQueue, MediaTask
from batchscribe_server.transcriber.turns import AGING_S


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def task(name: str, priority: int = 0, submitted_s: float = 0.0, party: Party = NOBODY) -> MediaTask:
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sink: Any = None
    return MediaTask(-1, name, VoiceActivityOptions(), 0, priority, sink, name, submitted_s, cancelled, party)


def alive() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


async def taken(queue: MediaQueue, count: int) -> list[str]:
    async with asyncio.timeout(5):
        tasks = [await queue.take(alive()) for _ in range(count)]
    return [one.file_name for one in tasks if one is not None]


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


async def test_workers_are_shared_among_tenants_then_batches():
    queue = MediaQueue(Clock())
    for number in range(4):
        queue.put(task(f"large {number}", party=Party("many", "large"), submitted_s=number))
    for number in range(2):
        queue.put(task(f"single {number}", party=Party("many"), submitted_s=10 + number))
    queue.put(task("other", party=Party("one"), submitted_s=20))

    assert await taken(queue, 5) == ["large 0", "other", "single 0", "large 1", "single 1"]


async def test_a_batch_whose_files_keep_the_workers_gets_no_more_of_them():
    """Files at work count, not files served: the short file's worker is free again while the long one's is not."""
    queue = MediaQueue(Clock())
    for name in ("long", "longer"):
        queue.put(task(name, party=Party("t", "long")))
    shorts = [task(f"short {number}", party=Party("t", "short"), submitted_s=1) for number in range(3)]
    for short in shorts:
        queue.put(short)

    assert await taken(queue, 2) == ["long", "short 0"]
    for short, following in itertools.pairwise(shorts):
        queue.done(short)
        assert await taken(queue, 1) == [following.file_name]


async def test_age_lifts_a_priority_and_not_one_file_before_others_of_the_same():
    clock = Clock()
    queue = MediaQueue(clock)
    for number in range(5):
        queue.put(task(f"large {number}", party=Party("t", "large")))
    clock.now_s = 10 * AGING_S
    queue.put(task("lone", party=Party("t"), submitted_s=clock.now_s))

    assert "lone" in await taken(queue, 2)


async def test_a_spare_worker_takes_only_files_of_a_batch_that_has_none_at_work():
    queue = MediaQueue(Clock())
    for number in range(3):
        queue.put(task(f"large {number}", party=Party("t", "large")))
    assert await taken(queue, 1) == ["large 0"]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        spare = group.create_task(queue.take(alive(), spare=True))
        await asyncio.sleep(0)
        assert not spare.done()
        lone = task("lone", party=Party("t"))
        queue.put(lone)

    assert spare.result() is lone
    assert await taken(queue, 2) == ["large 1", "large 2"]
