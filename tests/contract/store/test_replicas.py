"""Several servers on one PostgreSQL."""

from __future__ import annotations

import asyncio

from batchscribe_server.domain.job import State
from batchscribe_server.operations.store import ScanChunk
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import (
    TENANT,
    all_jobs,
    check_history,
    new_batch,
    new_job,
    recount,
    step,
    succeed,
)


async def test_replicas_share_the_work_of_one_batch(postgres_url: str) -> None:
    """By the database's own clock, with both starting on an empty database at once."""
    async with SqlStore.open(postgres_url, Wakeups()) as first, SqlStore.open(postgres_url, Wakeups()) as second:
        batch = await first.create_batch(new_batch())
        for start in (0, 20):
            chunk = tuple(new_job(ordinal=start + number) for number in range(20))
            await first.add_scanned(batch, ScanChunk(chunk, cursor=str(start)))
        await first.finish_scan(batch)
        taken: list[str] = []

        async def run(store: SqlStore, owner: str) -> None:
            while (await store.get_batch(TENANT, batch.id)).state is not State.SUCCEEDED:
                for claim in await store.claim(owner, 4, 30):
                    taken.append(claim.job.id)
                    await store.advance(claim, step(0))
                    await succeed(store, claim, duration_ms=1_000)

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for number in range(2):
                tasks.create_task(run(first, f"first-{number}"))
                tasks.create_task(run(second, f"second-{number}"))
        jobs = await all_jobs(second, batch.id)
        assert sorted(taken) == sorted(job.id for job in jobs)
        ended = await second.get_batch(TENANT, batch.id)
        assert ended.counts == recount(jobs)
        await check_history(first, batch.name, ended.sequence, 1)
