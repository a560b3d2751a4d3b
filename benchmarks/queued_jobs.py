"""Jobs that wait in a store, for measurements of replicas that run nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from uuid_utils.compat import uuid7

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.transcript import MediaDescription, Segment, Word
from batchscribe_server.operations.store import ScanChunk
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.store import SqlStore

CHUNK_JOBS = 500
MEDIA = MediaDescription(container="wav", codec="pcm_s16le", sample_rate_hz=16_000, channels=1, duration_ms=1000)
SECOND = Segment(0, 0, 1000, "hello", language="en", confidence=0.8, words=(Word("hello", 0, 500, 0.9),))


async def fill_batch(store: SqlStore, tenant: str, files: int) -> Batch:
    """A batch of so many queued files, scanned."""
    time = _now()
    batch = await store.create_batch(
        Batch(id=_new_id(), tenant=tenant, input=PrefixInput("s3://calls/"), create_time=time, update_time=time)
    )
    for start in range(0, files, CHUNK_JOBS):
        chunk = range(start, min(start + CHUNK_JOBS, files))
        await store.add_scanned(batch, ScanChunk(tuple(new_job(tenant, number, batch.id) for number in chunk), ""))
    return await store.finish_scan(batch)


async def check_all_succeeded(database: str, jobs: int, batches: Sequence[Batch]) -> None:
    """There are so many jobs, each of which succeeded in its first attempt, and all counts are right."""
    connection = await asyncpg.connect(database)
    ended = await connection.fetch("SELECT state, attempt, count(*) AS jobs FROM jobs GROUP BY state, attempt")
    await connection.close()
    assert [tuple(row) for row in ended] == [(State.SUCCEEDED.name, 1, jobs)], ended
    async with SqlStore.open(database, Wakeups()) as store:
        for batch in batches:
            stored = await store.get_batch(batch.tenant, batch.id)
            assert stored.state is State.SUCCEEDED, stored.state
            assert stored.counts.succeeded == stored.counts.total > 0, stored.counts


def new_job(tenant: str, ordinal: int, batch_id: str = "") -> Job:
    """A job that can be queued."""
    time = _now()
    job_id = _new_id()
    uri = f"s3://calls/{job_id}.wav"
    return Job(
        id=job_id, tenant=tenant, batch_id=batch_id, ordinal=ordinal, input_uri=uri, create_time=time, update_time=time
    )


def _new_id() -> str:
    return str(uuid7())


def _now() -> datetime:
    return datetime.now(UTC)
