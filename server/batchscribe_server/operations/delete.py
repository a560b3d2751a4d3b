"""Delete jobs and batches, with what they wrote where that is asked for; what was begun goes on after a kill.

Outputs go before the records that name them: a record is forgotten only once nothing of it is left. What can't be
deleted is told, and stays with its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import structlog

from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import BatchNotFoundError, DatabaseUnavailableError, JobFailure, JobNotFoundError
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.access import ReachStorages
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.polling import work_off
from batchscribe_server.operations.storage import Storage
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import DELETIONS, Wakeups
from batchscribe_server.operations.write_outputs import notice_left

log = structlog.get_logger()

BatchOrJob = TypeVar("BatchOrJob", Batch, Job)

DELETIONS_AT_ONCE = 16
OUTPUTS_AT_ONCE = 16
"""Outputs of one batch that are removed side by side: for each the store is asked once or twice."""


class Delete:
    """Deletes for those who ask and wait, and in the background what nobody waits for any more."""

    def __init__(
        self, store: Store, reach: ReachStorages, wakeups: Wakeups, duties: Duties, poll_s: float = 10.0
    ) -> None:
        self._store = store
        self._reach = reach
        self._wakeups = wakeups
        self._duties = duties
        self._poll_s = poll_s
        self._awaited: set[str] = set()

    async def batch(self, tenant: str, batch_id: str, etag: str = "", *, outputs: bool = False) -> None:
        """Cancel what is active and remove a batch with its jobs, its `outputs` first.

        Raises BatchNotFoundError, EtagMismatchError, CredentialsDeletedError, and JobFailure for an output that can't
        be removed: the batch is there still, with the jobs whose outputs are.
        """
        batch = await self._store.get_batch(tenant, batch_id)
        deletion = Deletion.OUTPUTS if outputs and not batch.output.kept_by_service else Deletion.RECORD
        with self._awaiting(batch.name):
            batch = await self._store.begin_delete_batch(tenant, batch_id, etag, deletion)
            with suppress(BatchNotFoundError):  # then another server was faster
                await self._delete_batch(batch)

    async def job(self, tenant: str, job_id: str, etag: str = "", *, outputs: bool = False) -> None:
        """Cancel a job where it is active and remove it, its `outputs` first. Raises as `batch` does."""
        job = await self._store.get_job(tenant, job_id)
        if job.deletion is None and not (outputs and may_have_outputs(job)):
            await self._store.delete_job(tenant, job_id, etag)
            return
        with self._awaiting(job.name):
            job = await self._store.begin_delete_job(tenant, job_id, etag)
            with suppress(JobNotFoundError):
                await self._delete_job(job)

    async def run(self) -> None:
        """Go on with what was left and delete what has expired, until cancelled."""
        await work_off(
            self._wakeups,
            DELETIONS,
            self._poll_s,
            lambda: self._store.deletions(DELETIONS_AT_ONCE),
            self._go_on,
            self._duties,
        )

    async def _go_on(self, resource: Batch | Job) -> None:
        if resource.name in self._awaited:
            return
        try:
            if isinstance(resource, Batch):
                await self._delete_batch(resource)
            else:
                await self._delete_job(resource)
            log.info("deleted", resource=resource.name)
        except (BatchNotFoundError, JobNotFoundError):
            log.info("deleted_elsewhere", resource=resource.name)
        except DatabaseUnavailableError:
            log.warning("deletion_waits_for_the_database", resource=resource.name)
        except JobFailure as failure:
            log.warning("outputs_not_deleted", resource=resource.name, reason=failure.reason)
        except Exception:  # the boundary: it is marked still, and tried again
            log.exception("deletion_crashed", resource=resource.name)

    @contextmanager
    def _awaiting(self, name: str) -> Iterator[None]:
        """Somebody waits for this deletion, who does it. Whoever stops waiting leaves it to the background."""
        self._awaited.add(name)
        try:
            yield
        finally:
            self._awaited.discard(name)
            self._wakeups.notify([DELETIONS])

    async def _delete_batch(self, batch: Batch) -> None:
        if batch.deletion is Deletion.OUTPUTS:
            await self._undone_where_it_fails(batch, self._remove_outputs_of_batch)
        await self._store.remove_batch(batch)

    async def _delete_job(self, job: Job) -> None:
        await self._undone_where_it_fails(job, self._remove_outputs_of_job)

    async def _undone_where_it_fails(
        self, resource: BatchOrJob, remove_outputs: Callable[[BatchOrJob], Awaitable[None]]
    ) -> None:
        try:
            await remove_outputs(resource)
        except JobFailure as failure:
            warning = f"Outputs could not be deleted: {failure.message} ({failure.reason})"
            await self._store.withdraw_deletion(resource, warning)
            raise

    async def _remove_outputs_of_batch(self, batch: Batch) -> None:
        """With each page of outputs the records of their jobs go, so that nothing is looked at twice."""
        await self._store.cancel_batch(batch.tenant, batch.id, batch.create_time)
        batch = await self._until(batch, lambda: self._store.get_batch(batch.tenant, batch.id), _is_idle)
        async with self._reach.of(batch.name) as reached:
            async for jobs in self._store.read_jobs(batch):
                await _remove_outputs(jobs, reached.output)
                await self._store.remove_jobs(jobs)
            if batch.report_uri:
                await reached.output.remove(batch.report_uri)

    async def _remove_outputs_of_job(self, job: Job) -> None:
        job = await self._until(job, lambda: self._store.get_job(job.tenant, job.id), _has_ended)
        async with self._reach.of_job(job) as reached:
            await _remove_outputs([job], reached.output)
        await self._store.remove_jobs([job])

    async def _until(
        self, marked: BatchOrJob, read: Callable[[], Awaitable[BatchOrJob]], holds: Callable[[BatchOrJob], bool]
    ) -> BatchOrJob:
        """What is marked, once this holds: a run that still ended well wrote outputs, too.

        Raises BatchNotFoundError or JobNotFoundError where it is gone, also where its name is another one's by now.
        """
        with self._wakeups.listening(marked.name) as woken:
            while True:
                resource = await read()
                if resource.create_time != marked.create_time:
                    gone = BatchNotFoundError if isinstance(marked, Batch) else JobNotFoundError
                    raise gone(f"There is no {marked.name} any more.")
                if holds(resource):
                    return resource
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await woken.wait()
                woken.clear()


def may_have_outputs(job: Job) -> bool:
    """Whether a job has written outputs, or may before it is stopped."""
    return bool(job.outputs or notice_left(job)) or not (job.output.kept_by_service or job.state.terminal)


def _is_idle(batch: Batch) -> bool:
    return not (batch.counts.queued or batch.counts.running)


def _has_ended(job: Job) -> bool:
    return job.state.terminal


async def _remove_outputs(jobs: Sequence[Job], storage: Storage) -> None:
    """Remove what the jobs list but did not find there already, and their notices. Raises JobFailure; others may be
    gone by then.
    """
    uris = [output.uri for job in jobs for output in job.outputs if not output.skipped]
    uris += filter(None, map(notice_left, jobs))
    for start in range(0, len(uris), OUTPUTS_AT_ONCE):
        removals = (storage.remove(uri) for uri in uris[start : start + OUTPUTS_AT_ONCE])
        for result in await asyncio.gather(*removals, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
