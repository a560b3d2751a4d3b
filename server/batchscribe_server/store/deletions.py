"""Deletion in SQL: what takes several steps is marked first and goes piece by piece, whoever is killed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, select

from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import EtagMismatchError, JobNotFoundError
from batchscribe_server.domain.event import JobProgressed
from batchscribe_server.domain.job import Job, State
from batchscribe_server.operations.wakeups import DELETIONS
from batchscribe_server.store import tables
from batchscribe_server.store.access import check_outputs_in_reach, forget_secrets
from batchscribe_server.store.batches import CHUNK_TRANSCRIPTS, batch_as_written
from batchscribe_server.store.database import Database, repeat
from batchscribe_server.store.history import forget_chunk
from batchscribe_server.store.job_configs import jobs_from_rows
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.rows import batch_from_row

_jobs = tables.jobs.c
_batches = tables.batches.c
_media = tables.media.c


class SqlDeletionStore:
    """The DeletionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_delete_batch(
        self, tenant: str, batch_id: str, etag: str = "", deletion: Deletion = Deletion.RECORD
    ) -> Batch:
        """Mark a batch."""
        step = partial(_begin_batch, tenant=tenant, batch_id=batch_id, etag=etag, deletion=deletion)
        return await self._database.write(step)

    async def begin_delete_job(self, tenant: str, job_id: str, etag: str = "") -> Job:
        """Mark a job whose outputs go with it."""
        return await self._database.write(partial(_begin_job, tenant=tenant, job_id=job_id, etag=etag))

    async def delete_job(self, tenant: str, job_id: str, etag: str = "") -> None:
        """Remove a job and all that belongs to it, at once."""
        await self._database.write(partial(_delete_job, tenant=tenant, job_id=job_id, etag=etag))

    async def withdraw_deletion(self, resource: Batch | Job, warning: str) -> None:
        """Keep what could not be deleted."""
        if isinstance(resource, Job):
            await self._database.write(partial(_withdraw_job, marked=resource, warning=warning))
        else:
            await self._database.write(partial(_withdraw_batch, marked=resource, warning=warning))

    async def remove_jobs(self, jobs: Sequence[Job]) -> None:
        """Remove records of jobs."""
        await self._database.write(partial(_remove_jobs, removed=jobs))

    async def remove_batch(self, batch: Batch) -> None:
        """Remove a batch, its jobs first."""
        await repeat(self._database, partial(_remove_jobs_of_batch, batch=batch))
        await repeat(self._database, partial(_remove_history_of_batch, batch=batch))
        await self._database.write(lambda ledger: ledger.remove_batch(ledger.itself(batch)))

    async def deletions(self, limit: int) -> Sequence[Batch | Job]:
        """Read what is marked."""
        return await self._database.read(partial(_marked, limit=limit))


def _begin_batch(ledger: Ledger, tenant: str, batch_id: str, etag: str, deletion: Deletion) -> Batch:
    """From here on no other job starts, and no scan adds any."""
    batch = ledger.batch_of(tenant, batch_id, etag)
    if batch.deletion is Deletion.OUTPUTS:
        return batch_as_written(ledger, batch_id)  # what was begun with the outputs is done with them
    if deletion is Deletion.OUTPUTS:
        check_outputs_in_reach(ledger.connection, batch.name)
    ledger.mark_batch(batch, deletion)
    if not batch.state.terminal:
        batch.cancel_requested = True
        ledger.ask_to_stop(_jobs.batch_id == batch_id)
    return batch_as_written(ledger, batch_id)


def _begin_job(ledger: Ledger, tenant: str, job_id: str, etag: str) -> Job:
    job = _job_of(ledger, tenant, job_id, etag)
    if job.deletion is not None:
        return job
    check_outputs_in_reach(ledger.connection, f"batches/{job.batch_id}" if job.batch_id else job.name)
    ledger.topics.add(DELETIONS)
    if job.state is State.QUEUED:
        return ledger.change_job(job, deletion=Deletion.OUTPUTS, state=State.CANCELLED, cancel_requested=True)
    if job.state is State.RUNNING:
        ledger.ask_to_stop(_jobs.id == job_id)
    return ledger.change_job(job, deletion=Deletion.OUTPUTS)


def _delete_job(ledger: Ledger, tenant: str, job_id: str, etag: str) -> None:
    ledger.remove_jobs([_job_of(ledger, tenant, job_id, etag)])


def _job_of(ledger: Ledger, tenant: str, job_id: str, etag: str) -> Job:
    job = ledger.job(tenant, job_id)
    if etag and etag != str(job.sequence):
        raise EtagMismatchError(f"The job {job_id!r} changed since.", job=job_id)
    return job


def _withdraw_batch(ledger: Ledger, marked: Batch, warning: str) -> None:
    batch = ledger.itself(marked)
    ledger.mark_batch(batch, None)
    ledger.change_batch(batch, warning=warning)
    batch.progress_due = True


def _withdraw_job(ledger: Ledger, marked: Job, warning: str) -> None:
    job = ledger.job(marked.tenant, marked.id)
    if job.create_time != marked.create_time:
        raise JobNotFoundError(f"There is no job {marked.id!r} any more.", job=marked.id)
    if job.deletion is None:
        return  # somebody else has found the same
    if warning not in job.warning:
        warning = f"{job.warning} {warning}".lstrip()
    # A change needs a new etag, and so an event.
    told = JobProgressed(job.processed_ms, job.audio_duration_ms)
    job = ledger.change_job(job, told, deletion=None, warning=warning)
    if job.batch_id:
        ledger.batch(job.batch_id)  # it may have waited for this to end
    elif job.state.terminal:
        forget_secrets(ledger.connection, [job.name])


def _remove_jobs(ledger: Ledger, removed: Sequence[Job]) -> None:
    created = {job.id: job.create_time for job in removed}
    jobs = ledger.jobs(_jobs.id.in_(created), limit=len(created))
    ledger.remove_jobs([job for job in jobs if job.create_time == created[job.id]])


def _remove_jobs_of_batch(ledger: Ledger, batch: Batch) -> bool | None:
    jobs = ledger.jobs(_jobs.batch_id == batch.id, limit=CHUNK_TRANSCRIPTS)
    ledger.itself(batch)
    ledger.remove_jobs(jobs)
    return None if len(jobs) == CHUNK_TRANSCRIPTS else True


def _remove_history_of_batch(ledger: Ledger, batch: Batch) -> bool | None:
    return forget_chunk(ledger, ledger.itself(batch).name)


def _marked(connection: Connection, limit: int) -> Sequence[Batch | Job]:
    batches = select(tables.batches).where(tables.IS_BEING_DELETED).order_by(_batches.id).limit(limit)
    jobs = select(tables.jobs).where(tables.IS_BEING_DELETED).order_by(_jobs.batch_id, _jobs.id).limit(limit)
    return [
        *(batch_from_row(row) for row in connection.execute(batches).mappings()),
        *jobs_from_rows(connection, connection.execute(jobs).mappings()),
    ]
