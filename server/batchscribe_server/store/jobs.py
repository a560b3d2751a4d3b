"""Jobs in SQL, as clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from sqlalchemy import Connection, bindparam, select

from batchscribe_server.domain.errors import (
    AlreadyExistsError,
    JobNotFoundError,
    NothingToRetryError,
    NotTerminalError,
)
from batchscribe_server.domain.event import Event
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.operations.store import IdempotencyKey, ListQuery, Page, SealedAccess
from batchscribe_server.store import tables
from batchscribe_server.store.access import check_can_run, keep_access
from batchscribe_server.store.database import Database
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.events import read_events, read_segments
from batchscribe_server.store.history import forget_events
from batchscribe_server.store.job_configs import job_from_row, jobs_from_rows
from batchscribe_server.store.ledger import Ledger, check_is_kept
from batchscribe_server.store.paging import list_page
from batchscribe_server.store.queue import queue_position
from batchscribe_server.store.requests import first_answer
from batchscribe_server.store.rows import job_values, speaker_turn_from_row

_jobs = tables.jobs.c
_turns = tables.speaker_turns.c
_JOB = select(tables.jobs).where(_jobs.id == bindparam("job_id"), _jobs.tenant == bindparam("of_tenant"))


class SqlJobStore:
    """The JobStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_job(self, job: Job, key: IdempotencyKey | None = None, access: SealedAccess | None = None) -> Job:
        """Store a new job with its first event."""
        return await self._database.write(partial(_create, job=job, key=key, access=access))

    async def get_job(self, tenant: str, job_id: str) -> Job:
        """Read one job."""
        return await self._database.read(partial(_get, tenant=tenant, job_id=job_id))

    async def queue_position(self, job: Job) -> int:
        """Tell about how many jobs are claimed before this one."""
        return await self._database.read(partial(queue_position, job=job)) if job.state is State.QUEUED else 0

    async def list_jobs(self, query: ListQuery) -> Page[Job]:
        """Read a page of jobs."""
        return await self._database.read(lambda connection: list_page(connection, tables.jobs, query, jobs_from_rows))

    async def cancel_job(self, tenant: str, job_id: str) -> Job:
        """Take a job off the queue, or ask its run to stop."""
        return await self._database.write(partial(_cancel, tenant=tenant, job_id=job_id))

    async def retry_job(self, tenant: str, job_id: str) -> Job:
        """Queue an ended job again."""
        job, reopened = await self._database.write(partial(_retry, tenant=tenant, job_id=job_id))
        if reopened:
            await forget_events(self._database, f"batches/{job.batch_id}", below=reopened)
        return job

    def read_segments(self, job_id: str) -> AsyncIterator[Segment]:
        """Read a transcript."""
        return read_segments(self._database, job_id)

    async def read_speaker_turns(self, job_id: str) -> Sequence[SpeakerTurn]:
        """Read who speaks when."""
        return await self._database.read(partial(_speaker_turns, job_id=job_id))

    async def read_events(self, resource: str, after: int, limit: int) -> Sequence[Event]:
        """Read what happened to a job or a batch."""
        return await read_events(self._database, resource, after, limit)


def _get(connection: Connection, tenant: str, job_id: str) -> Job:
    row = connection.execute(_JOB, {"job_id": job_id, "of_tenant": tenant}).mappings().one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job {job_id!r}.", job=job_id)
    return job_from_row(connection, row)


def _speaker_turns(connection: Connection, job_id: str) -> Sequence[SpeakerTurn]:
    of_job = select(tables.speaker_turns).where(_turns.job_id == job_id).order_by(_turns.index)
    return [speaker_turn_from_row(row) for row in connection.execute(of_job).mappings()]


def _create(ledger: Ledger, job: Job, key: IdempotencyKey | None, access: SealedAccess | None) -> Job:
    if key is not None:
        first_id = first_answer(ledger, job.tenant, "jobs", key, job.id)
        if first_id is not None:
            return _get(ledger.connection, job.tenant, first_id)
    queued = ledger.queued(job)
    if not insert_if_absent(ledger.connection, tables.jobs, job_values(queued) | {"token": 0}):
        raise AlreadyExistsError(f"There is a job {job.id!r} already.", job=job.id)
    keep_access(ledger.connection, job.name, access)
    ledger.job_added(queued)
    return queued


def _cancel(ledger: Ledger, tenant: str, job_id: str) -> Job:
    job = ledger.job(tenant, job_id)
    if job.state is State.QUEUED:
        return ledger.change_job(job, state=State.CANCELLED, cancel_requested=True)
    if job.state is State.RUNNING:
        ledger.ask_to_stop(_jobs.id == job_id)
    ledger.flush()
    return _get(ledger.connection, tenant, job_id)


def _retry(ledger: Ledger, tenant: str, job_id: str) -> tuple[Job, int]:
    """Returns the job and, where that makes its batch run again, where the batch's history begins now."""
    job = ledger.job(tenant, job_id)
    if job.deletion is not None:
        raise JobNotFoundError(f"The job {job_id!r} is being deleted.", job=job_id)
    if not job.state.terminal:
        raise NotTerminalError(f"The job {job_id!r} has not ended yet.", job=job_id)
    if job.state is State.SUCCEEDED:
        raise NothingToRetryError(f"The job {job_id!r} succeeded.", job=job_id)
    reopened = 0
    if job.batch_id:
        batch = ledger.batch(job.batch_id)
        check_is_kept(batch)
        if batch.state.terminal and batch.error is None:
            check_can_run(ledger.connection, batch.name)
            ledger.reopen(batch)
            reopened = batch.history_start
        elif batch.error is not None:
            raise NothingToRetryError("Its batch failed as a whole: create a new one.", job=job_id)
        elif batch.stopping:
            raise NotTerminalError("Its batch is being cancelled: retry the job once that is done.", job=job_id)
    else:
        check_can_run(ledger.connection, job.name)
    ledger.restart_jobs([job])
    ledger.flush()
    return _get(ledger.connection, tenant, job_id), reopened
