"""When the dispatcher asks the store for jobs: each claim takes its turn among all that write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from batchscribe_server.domain.job import Job
from batchscribe_server.operations.dispatch import Dispatch, DispatchLimits
from batchscribe_server.operations.places import Place, PlaceLimits, Places
from batchscribe_server.operations.run_store import Claim, LeaseReport
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from tests.contract.store.samples import new_job


class CountingQueue:
    """The store of a dispatcher: gives as many as it is asked for of the jobs that wait, and counts the claims."""

    def __init__(self, waiting: Sequence[Job]) -> None:
        self.waiting = list(waiting)
        self.claims = 0

    async def claim(self, owner: str, limit: int, *_: object) -> Sequence[Claim]:
        self.claims += 1
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return [Claim(job, 1) for job in taken]

    async def begin_hearing(self, claim: Claim) -> None:
        raise AssertionError("none of the jobs is heard")

    async def renew(self, *_: object) -> LeaseReport:
        return LeaseReport(frozenset(), frozenset(), {})

    async def wait_ready(self) -> None:
        """As the transcriber of the dispatcher: always ready."""


@asynccontextmanager
async def dispatching(queue: CountingQueue, wakeups: Wakeups, limits: PlaceLimits) -> AsyncIterator[Dispatch]:
    async def fetch_for_ever(claim: Claim, place: Place) -> None:
        await asyncio.Event().wait()

    store, transcriber = cast("Store", queue), cast("Transcriber", queue)
    places = Places(limits)
    dispatch = Dispatch(store, transcriber, wakeups, fetch_for_ever, no_priorities, "owner", places, DispatchLimits())
    running = asyncio.create_task(dispatch.run())
    await settled()
    try:
        yield dispatch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def no_priorities(job_id: str, priority: int) -> None:
    raise AssertionError("none of the jobs gets another priority")


async def settled() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("jobs", "claims"),
    [
        pytest.param(0, 1, id="nothing waits"),
        pytest.param(1, 1, id="fewer come than may"),
        pytest.param(9, 2, id="as many come as may"),
    ],
)
async def test_more_is_asked_for_only_where_as_many_came_as_might(jobs: int, claims: int) -> None:
    queue = CountingQueue([new_job(batch_id=f"b{number}") for number in range(jobs)])
    async with dispatching(queue, Wakeups(), PlaceLimits(max_heard=4, max_transferring=100)) as dispatch:
        assert (queue.claims, dispatch.running) == (claims, jobs)


async def test_nothing_is_asked_for_while_nobody_may_have_more() -> None:
    wakeups = Wakeups()
    queue = CountingQueue([new_job(batch_id=f"b{number}") for number in range(9)])
    async with dispatching(queue, wakeups, PlaceLimits(max_heard=4, max_transferring=6)) as dispatch:
        assert (queue.claims, dispatch.running) == (1, 6)
        wakeups.notify([QUEUE])
        await settled()
        assert queue.claims == 1


async def test_others_are_asked_for_at_once_where_urls_took_their_last_places() -> None:
    queue = CountingQueue([new_job(batch_id=f"b{number}", input_uri="https://host/a.wav") for number in range(4)])
    async with dispatching(queue, Wakeups(), PlaceLimits(max_heard=4, max_transferring=8)) as dispatch:
        assert (queue.claims, dispatch.running) == (2, 4)
