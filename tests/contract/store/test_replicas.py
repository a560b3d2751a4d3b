"""Several servers on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from batchscribe_server.domain.errors import LeaseLostError
from batchscribe_server.domain.job import State
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import ScanChunk
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore, StoreError
from tests.contract.store.samples import (
    MEDIA,
    TENANT,
    all_jobs,
    check_history,
    new_batch,
    new_job,
    recount,
    step,
    succeed,
)

postgres_schema = pytest.importorskip(
    "batchscribe_server.store.postgres_schema", reason="needs batchscribe[postgres]", exc_type=ImportError
)

pytestmark = pytest.mark.slow


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


async def test_a_replica_whose_lease_ran_out_is_fenced_off(postgres_url: str) -> None:
    """By the database's clock: it was suspended, say, and another one has taken over meanwhile."""
    async with SqlStore.open(postgres_url, Wakeups()) as first, SqlStore.open(postgres_url, Wakeups()) as second:
        job = await first.create_job(new_job())
        (old,) = await first.claim("first", 1, lease_s=0.2)
        await first.describe(old, MEDIA, "base", "f")
        await first.advance(old, step(0))
        async with asyncio.timeout(30):
            while not await second.recover(5, exclusive_owner=False):
                await asyncio.sleep(0.05)
        writes: list[Callable[[], Awaitable[object]]] = [
            lambda: first.check_claim(old),
            lambda: first.describe(old, MEDIA, "base", "f"),
            lambda: first.advance(old, step(1)),
            lambda: first.tell_speakers(old, ()),
            lambda: first.begin_analysis(old),
            lambda: first.end_analysis(old, None),
            lambda: first.finish(old, Outcome(State.SUCCEEDED)),
            lambda: first.finish(old, Outcome(State.CANCELLED)),
            lambda: first.release(old),
        ]
        for taken_over in (False, True):
            if taken_over:
                (new,) = await second.claim("second", 1, lease_s=30)
            before = await second.get_job(TENANT, job.id)
            for write in writes:
                with pytest.raises(LeaseLostError):
                    await write()
            assert (await first.renew("first", 30, [job.id])).lost == {job.id}
            assert await second.get_job(TENANT, job.id) == before
        await second.advance(new, step(1))
        await succeed(second, new)
        ended = await first.get_job(TENANT, job.id)
        assert (ended.state, ended.segments, ended.attempt) == (State.SUCCEEDED, 2, 2)
        await check_history(first, job.name, ended.sequence, 1)


async def test_whoever_comes_first_makes_the_schema(postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        opened = [stack.enter_async_context(SqlStore.open(postgres_url, Wakeups())) for _ in range(4)]
        stores = await asyncio.gather(*opened)
        job = await stores[0].create_job(new_job())
        assert [await store.get_job(TENANT, job.id) for store in stores] == [job] * 4


async def test_who_waits_too_long_for_the_schema_says_so(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "WAIT_S", 0.5)
    connection = await asyncpg_connect(postgres_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", postgres_schema.UPGRADE_LOCK)
        with pytest.raises(StoreError, match="Another replica has been upgrading"):
            async with SqlStore.open(postgres_url, Wakeups()):
                pytest.fail("it opened")
    finally:
        await connection.close()


async def test_a_migration_stands_back_where_a_table_is_in_use(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who come after it need not wait for who came before it."""
    monkeypatch.setattr(postgres_schema, "LOCK_WAIT_S", 0.1)
    stood_back = asyncio.Event()
    monkeypatch.setattr(postgres_schema, "log", Told(stood_back))
    reader = await asyncpg_connect(postgres_url)
    try:
        await reader.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        await reader.execute("BEGIN; LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        opening = asyncio.create_task(opened_and_closed(postgres_url))
        async with asyncio.timeout(30):
            await stood_back.wait()
            await reader.execute("COMMIT")
            await opening
    finally:
        await reader.close()


class Told:
    """A log that only notes that something was told."""

    def __init__(self, told: asyncio.Event) -> None:
        self._told = told

    def warning(self, event: str, **_: object) -> None:
        assert event == "schema_upgrade_stands_back"
        self._told.set()


async def opened_and_closed(url: str) -> None:
    async with SqlStore.open(url, Wakeups()):
        pass


async def asyncpg_connect(url: str) -> Any:
    import asyncpg

    return await asyncpg.connect(url)
