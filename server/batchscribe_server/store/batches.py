"""Batches in SQL, and what scans add to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update
from sqlalchemy.exc import IntegrityError

from batchscribe_server.domain.batch import Batch, Counts, Report
from batchscribe_server.domain.errors import (
    AlreadyExistsError,
    BatchNotFoundError,
    NothingToRetryError,
    NotTerminalError,
)
from batchscribe_server.domain.job import Failure, Job, State, Waiting
from batchscribe_server.operations.store import BatchChanges, IdempotencyKey, ListQuery, Page, ScanChunk, SealedAccess
from batchscribe_server.operations.wakeups import QUEUE, SCANS
from batchscribe_server.store import tables
from batchscribe_server.store.access import check_can_run, keep_access
from batchscribe_server.store.database import Database, repeat
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.history import forget_events
from batchscribe_server.store.ledger import Ledger, check_is_kept, expiry
from batchscribe_server.store.paging import list_page
from batchscribe_server.store.requests import first_answer
from batchscribe_server.store.rows import batch_from_row, batch_values

CHUNK_JOBS = 100
"""Jobs that one transaction changes at most."""

CHUNK_TRANSCRIPTS = 100
"""Jobs that one transaction changes at most where their transcripts and events go too."""

_jobs = tables.jobs.c
_batches = tables.batches.c


class SqlBatchStore:
    """The BatchStore. A batch's row carries its counts; the ledger keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_batch(
        self, batch: Batch, key: IdempotencyKey | None = None, access: SealedAccess | None = None
    ) -> Batch:
        """Store a new batch with its first event."""
        return await self._database.write(partial(_create, batch=batch, key=key, access=access))

    async def get_batch(self, tenant: str, batch_id: str) -> Batch:
        """Read one batch."""
        return await self._database.read(partial(_get, tenant=tenant, batch_id=batch_id))

    async def list_batches(self, query: ListQuery) -> Page[Batch]:
        """Read a page of batches."""
        return await self._database.read(
            lambda connection: list_page(connection, tables.batches, query, _batches_from_rows)
        )

    async def update_batch(self, tenant: str, batch_id: str, changes: BatchChanges, etag: str = "") -> Batch:
        """Change what a client may change."""
        batch = await self._database.write(
            partial(_update, tenant=tenant, batch_id=batch_id, changes=changes, etag=etag)
        )
        if changes.priority is not None:
            await repeat(self._database, partial(_prioritize, batch_id=batch_id, priority=changes.priority))
        return batch

    async def add_scanned(self, batch: Batch, chunk: ScanChunk) -> Batch:
        """Store a chunk of a scan with its cursor."""
        return await self._database.write(partial(_add_scanned, scanned=batch, chunk=chunk))

    async def finish_scan(self, batch: Batch) -> Batch:
        """Note that there are no more files."""
        return await self._database.write(partial(_finish_scan, scanned=batch))

    async def fail_batch(self, batch: Batch, error: Failure) -> Batch:
        """End a batch as a whole."""
        return await repeat(self._database, partial(_fail, failed=batch, error=error))

    async def cancel_batch(self, tenant: str, batch_id: str, created: datetime | None = None) -> Batch:
        """Take the queued jobs off the queue and ask the running ones to stop."""
        return await repeat(self._database, partial(_cancel, tenant=tenant, batch_id=batch_id, created=created))

    async def retry_batch(self, tenant: str, batch_id: str) -> Batch:
        """Queue the failed and the cancelled jobs again."""
        batch = await self._database.write(partial(_reopen, tenant=tenant, batch_id=batch_id))
        await repeat(self._database, partial(_restart_rest, batch_id=batch_id, reopen_time=batch.update_time))
        await forget_events(self._database, batch.name, below=batch.history_start)
        return await self.get_batch(tenant, batch_id)

    async def put_off_batch(self, batch: Batch, waiting: Waiting, pause_s: float) -> None:
        """Let a scan or a report wait."""
        await self._database.write(partial(_put_off, put_off=batch, waiting=waiting, pause_s=pause_s))

    async def unscanned_batches(self) -> Sequence[Batch]:
        """Read the batches whose scan goes on."""
        return await self._database.read(_unscanned)


def _get(connection: Connection, tenant: str, batch_id: str) -> Batch:
    query = select(tables.batches).where(_batches.id == batch_id, _batches.tenant == tenant)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise BatchNotFoundError(f"There is no batch {batch_id!r}.", batch=batch_id)
    return batch_from_row(row)


def batch_as_written(ledger: Ledger, batch_id: str) -> Batch:
    """The batch as this operation leaves it."""
    ledger.flush()
    row = ledger.connection.execute(select(tables.batches).where(_batches.id == batch_id)).mappings().one()
    return batch_from_row(row)


def _create(ledger: Ledger, batch: Batch, key: IdempotencyKey | None, access: SealedAccess | None) -> Batch:
    if key is not None:
        first_id = first_answer(ledger, batch.tenant, "batches", key, batch.id)
        if first_id is not None:
            return _get(ledger.connection, batch.tenant, first_id)
    new = replace(
        batch,
        state=State.INITIALIZING,
        report=Report.WANTED if batch.output.write_report else None,
        scanned=False,
        counts=Counts(),
        sequence=0,
        create_time=ledger.now,
        update_time=ledger.now,
    )
    if not insert_if_absent(ledger.connection, tables.batches, batch_values(new) | {"served_time": ledger.now}):
        raise AlreadyExistsError(f"There is a batch {batch.id!r} already.", batch=batch.id)
    keep_access(ledger.connection, batch.name, access)
    ledger.enter(ledger.batch(batch.id), State.INITIALIZING)
    ledger.topics.add(SCANS)
    return batch_as_written(ledger, batch.id)


def _update(ledger: Ledger, tenant: str, batch_id: str, changes: BatchChanges, etag: str) -> Batch:
    batch = ledger.batch_of(tenant, batch_id, etag)
    check_is_kept(batch)
    if changes.retention_ms is not None:
        batch.retention_ms = changes.retention_ms
        batch.expire_time = expiry(batch.finish_time, changes.retention_ms) if batch.finish_time else None
    columns = {
        "display_name": changes.display_name,
        "labels": None if changes.labels is None else dict(changes.labels),
        "priority": changes.priority,
    }
    ledger.change_batch(batch, **{name: value for name, value in columns.items() if value is not None})
    # A change needs a new etag, and so an event.
    batch.progress_due = True
    return batch_as_written(ledger, batch_id)


def _prioritize(ledger: Ledger, batch_id: str, priority: int) -> bool | None:
    """Whoever runs some of the jobs learns of it at the next heartbeat."""
    unfinished = _jobs.state.in_((State.QUEUED, State.RUNNING))
    chunk = (
        select(_jobs.id)
        .where(_jobs.batch_id == batch_id, unfinished, _jobs.priority != priority)
        .order_by(_jobs.state, _jobs.id)
        .limit(CHUNK_JOBS)
        .with_for_update()
    )
    ids = ledger.connection.execute(chunk).scalars().all()
    ledger.connection.execute(update(tables.jobs).where(_jobs.id.in_(ids)).values(priority=priority))
    ledger.topics.add(QUEUE)
    return True if len(ids) < CHUNK_JOBS else None


def _add_scanned(ledger: Ledger, scanned: Batch, chunk: ScanChunk) -> Batch:
    batch = ledger.itself(scanned)
    if batch.stopping or batch.scanned or batch.state.terminal:
        return batch_as_written(ledger, batch.id)
    jobs = [
        replace(
            job,
            tenant=scanned.tenant,
            batch_id=batch.id,
            priority=batch.priority,
            traceparent=scanned.traceparent,
        )
        for job in _with_places_of_their_own(ledger, batch.id, chunk.jobs)
    ]
    try:
        ledger.add_jobs(jobs)
    except IntegrityError as error:
        raise AlreadyExistsError("A job's id is taken already.", batch=batch.id) from error
    ledger.change_batch(batch, scan_cursor=chunk.cursor, waiting=None, not_before=None)
    return batch_as_written(ledger, batch.id)


def _with_places_of_their_own(ledger: Ledger, batch_id: str, jobs: Sequence[Job]) -> Iterator[Job]:
    """Jobs whose outputs would have the place of another's are without one: they fail when they are run."""
    keys = [job.output_key for job in jobs if job.output_key]
    taken = select(_jobs.output_key).where(_jobs.batch_id == batch_id, _jobs.output_key.in_(keys))
    seen = set(ledger.connection.execute(taken).scalars()) if keys else set()
    for job in jobs:
        yield replace(job, output_key="") if job.output_key in seen else job
        seen |= {job.output_key} - {""}


def _finish_scan(ledger: Ledger, scanned: Batch) -> Batch:
    batch = ledger.itself(scanned)
    if not batch.stopping and not batch.state.terminal:
        batch.scanned = True
        ledger.change_batch(batch, waiting=None, not_before=None)
    return batch_as_written(ledger, batch.id)


def _put_off(ledger: Ledger, put_off: Batch, waiting: Waiting, pause_s: float) -> None:
    batch = ledger.itself(put_off)
    if not batch.state.terminal:
        ledger.change_batch(batch, waiting=waiting, not_before=ledger.now + timedelta(seconds=pause_s))
        batch.progress_due = batch.progress_due or put_off.waiting is None  # for an etag that tells of it


def _fail(ledger: Ledger, failed: Batch, error: Failure) -> Batch | None:
    waiting = _jobs.state.in_((State.QUEUED, State.RUNNING))
    jobs = ledger.jobs(_jobs.batch_id == failed.id, waiting, limit=CHUNK_JOBS)
    batch = ledger.itself(failed)
    if batch.state.terminal:
        return batch_as_written(ledger, batch.id)
    if batch.error is None:
        batch.error = error
    for job in jobs:
        ledger.change_job(job, state=State.CANCELLED)
    ledger.topics.add(QUEUE)
    return None if len(jobs) == CHUNK_JOBS else batch_as_written(ledger, batch.id)


def _cancel(ledger: Ledger, tenant: str, batch_id: str, created: datetime | None) -> Batch | None:
    jobs = ledger.jobs(_jobs.batch_id == batch_id, _jobs.state == State.QUEUED, limit=CHUNK_JOBS)
    batch = ledger.batch_of(tenant, batch_id, created=created)
    if batch.state.terminal:
        return batch_as_written(ledger, batch_id)
    if not batch.cancel_requested:
        batch.cancel_requested = True
        ledger.ask_to_stop(_jobs.batch_id == batch_id)
    for job in jobs:
        ledger.change_job(job, state=State.CANCELLED, cancel_requested=True)
    return None if len(jobs) == CHUNK_JOBS else batch_as_written(ledger, batch_id)


def _reopen(ledger: Ledger, tenant: str, batch_id: str) -> Batch:
    jobs = ledger.jobs(*_to_retry(batch_id), limit=CHUNK_TRANSCRIPTS)
    batch = ledger.batch_of(tenant, batch_id)
    check_is_kept(batch)
    if not batch.state.terminal:
        raise NotTerminalError(f"The batch {batch_id!r} has not ended yet.", batch=batch_id)
    if batch.error is not None:
        raise NothingToRetryError("The batch failed as a whole: create a new one.", batch=batch_id)
    if not jobs:
        raise NothingToRetryError(f"No file of the batch {batch_id!r} failed or was cancelled.", batch=batch_id)
    check_can_run(ledger.connection, batch.name)
    ledger.reopen(batch)
    ledger.restart_jobs(jobs)
    return batch_as_written(ledger, batch_id)


def _restart_rest(ledger: Ledger, batch_id: str, reopen_time: datetime) -> bool | None:
    """The rest of the jobs to retry, but none that ended since the batch runs again, or is being cancelled again."""
    jobs = ledger.jobs(*_to_retry(batch_id), _jobs.finish_time <= reopen_time, limit=CHUNK_TRANSCRIPTS)
    if not jobs or ledger.batch(batch_id).stopping:
        return True
    ledger.restart_jobs(jobs)
    return None if len(jobs) == CHUNK_TRANSCRIPTS else True


def _to_retry(batch_id: str) -> tuple[ColumnElement[bool], ...]:
    return _jobs.batch_id == batch_id, _jobs.state.in_((State.FAILED, State.CANCELLED)), _jobs.deletion.is_(None)


def _unscanned(connection: Connection) -> Sequence[Batch]:
    query = (
        select(tables.batches)
        .where(
            _batches.state == State.INITIALIZING,
            _batches.scanned.is_(False),
            _batches.cancel_requested.is_(False),
            _batches.error.is_(None),
        )
        .order_by(_batches.create_time, _batches.id)
    )
    return [batch_from_row(row) for row in connection.execute(query).mappings()]


def _batches_from_rows(connection: Connection, rows: Iterable[RowMapping]) -> list[Batch]:
    return [batch_from_row(row) for row in rows]
