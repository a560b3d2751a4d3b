"""What reports are written from, and how a batch ends once its report was: in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import BigInteger, Connection, exists, func, select, tuple_, type_coerce

from batchscribe_server.domain.batch import Batch, Report
from batchscribe_server.domain.errors import BatchNotFoundError
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.wakeups import REPORTS
from batchscribe_server.store import tables
from batchscribe_server.store.batches import batch_as_written
from batchscribe_server.store.database import Database
from batchscribe_server.store.job_configs import jobs_from_rows
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.rows import batch_from_row

PAGE_JOBS = 100
"""Jobs read at once."""

_jobs = tables.jobs.c
_batches = tables.batches.c
_NOT_BEFORE = func.coalesce(type_coerce(_batches.not_before, BigInteger), 0)


class SqlReportStore:
    """The ReportStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unreported_batches(self, limit: int) -> Sequence[Batch]:
        """Read the batches that wait for their report."""
        return await self._database.read(partial(_unreported, limit=limit))

    async def read_jobs(self, batch: Batch) -> AsyncIterator[Sequence[Job]]:
        """Read the jobs of a batch, a page in memory at a time."""
        last: Job | None = None
        while page := await self._database.read(partial(_page, batch=batch, last=last)):
            yield page
            if len(page) < PAGE_JOBS:
                return
            last = page[-1]

    async def finish_report(self, batch: Batch, uri: str, warning: str) -> Batch:
        """End a batch."""
        return await self._database.write(partial(_finish, reported=batch, uri=uri, warning=warning))


def _unreported(connection: Connection, limit: int) -> Sequence[Batch]:
    query = (
        select(tables.batches)
        .where(tables.REPORT_IS_DUE, _batches.deletion.is_(None))
        .order_by(_NOT_BEFORE, _batches.id)
    )
    return [batch_from_row(row) for row in connection.execute(query.limit(limit)).mappings()]


def _page(connection: Connection, batch: Batch, last: Job | None) -> Sequence[Job]:
    rank = (_jobs.create_time, _jobs.id)
    itself = exists().where(_batches.id == batch.id, _batches.create_time == batch.create_time)
    if not connection.execute(select(itself)).scalar_one():
        raise BatchNotFoundError(f"There is no batch {batch.id!r} any more.", batch=batch.id)
    query = select(tables.jobs).where(_jobs.tenant == batch.tenant, _jobs.batch_id == batch.id)
    if last is not None:
        place: tuple[datetime, str] = (last.create_time, last.id)
        query = query.where(tuple_(*rank) > tuple_(*place, types=[column.type for column in rank]))
    rows = connection.execute(query.order_by(*rank).limit(PAGE_JOBS)).mappings()
    return jobs_from_rows(connection, rows)


def _finish(ledger: Ledger, reported: Batch, uri: str, warning: str) -> Batch:
    batch = ledger.itself(reported)
    if batch.report is Report.DUE and batch.sequence == reported.sequence:
        batch.report = Report.DONE
        ledger.change_batch(batch, report_uri=uri, warning=warning, waiting=None, not_before=None)
        ledger.topics.add(REPORTS)  # there may be more than are read at once
    return batch_as_written(ledger, batch.id)
