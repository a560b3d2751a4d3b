"""Rolling upgrades: what older versions stored is served, and what they go on to store while others are newer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine

import batchscribe_server.store.migrate
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.job import Job, State
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from batchscribe_server.store.postgres_url import PostgresUrl
from tests.contract.store.samples import TENANT, all_jobs, check_history, recount, segment, step, succeed

OLD = "0009"
"""The last revision before replicas shared a database."""

MIGRATIONS = Path(batchscribe_server.store.migrate.__file__).with_name("migrations")
ROWS = (Path(__file__).parent / "rows_of_0009.sql").read_text()


async def test_what_an_older_version_stored_is_served(database_url: str) -> None:
    await in_database(database_url, as_it_was)
    async with SqlStore.open(database_url, Wakeups()) as store:
        await check_served(store, "old")


@pytest.mark.slow
async def test_what_an_older_version_goes_on_to_store_is_served(postgres_url: str) -> None:
    """It knows nothing of the columns that a newer replica has added meanwhile."""
    async with SqlStore.open(postgres_url, Wakeups()) as store:
        await in_database(postgres_url, lambda connection: insert(connection, "late"))
        await check_served(store, "late")


async def check_served(store: SqlStore, version: str) -> None:
    """The jobs of that version are as they were, and are finished."""
    batch = await store.get_batch(TENANT, f"{version}-batch")
    assert (batch.display_name, batch.labels, batch.state) == ("an old one", {"from": "before"}, State.RUNNING)
    jobs = {job.id.removeprefix(f"{version}-"): job for job in await all_jobs(store, batch.id)}
    assert {name: job.state.name for name, job in jobs.items()} == {
        "done": "SUCCEEDED",
        "running": "RUNNING",
        "queued": "QUEUED",
    }
    assert [heard async for heard in store.read_segments(jobs["done"].id)] == [segment(0), segment(1)]
    failed = await store.get_job(TENANT, f"{version}-failed")
    assert failed.error is not None
    await store.recover(5, exclusive_owner=False)
    while claims := [claim for claim in await store.claim("new", 10, 30) if claim.job.batch_id == batch.id]:
        for claim in claims:
            await store.advance(claim, step(claim.job.segments))
            await succeed(store, claim)
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts) == (State.SUCCEEDED, recount(await all_jobs(store, batch.id)))
    assert (await store.get_job(TENANT, jobs["running"].id)).segments == 2
    resources: list[Batch | Job] = [ended, *(await all_jobs(store, batch.id)), failed]
    for resource in resources:
        await check_history(store, resource.name, resource.sequence, resource.history_start)


def as_it_was(connection: Connection) -> None:
    """The schema of the older version with its rows."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, OLD)
    insert(connection, "old")


def insert(connection: Connection, version: str) -> None:
    """What it stores, under names of this version."""
    for statement in ROWS.replace("old-", f"{version}-").split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


async def in_database(url: str, do: Callable[[Connection], Any]) -> Any:
    """What an older version did, in one transaction."""
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with engine.begin() as connection:
            done = do(connection)
        engine.dispose()
        return done
    from sqlalchemy.ext.asyncio import create_async_engine

    asynchronous = create_async_engine("postgresql+asyncpg://", async_creator=PostgresUrl(url).connect)
    async with asynchronous.begin() as connection:
        done = await connection.run_sync(do)
    await asynchronous.dispose()
    return done
